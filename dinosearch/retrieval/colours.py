"""Patch tokens of two images as colours in one basis: equal colours mean similar patches. It draws nothing."""

from __future__ import annotations

import numpy as np

_CLIPPED = (1.0, 99.0)
"""Percentiles that become black and full colour, so that single odd patches do not take all the range."""


def shared_colours(first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The first three principal components of all patches of both images as red, green and blue.

    As DINOv2's figure 1 shows patches (Oquab et al. 2023, section 7.5), but without leaving the background out.

    Args:
        first: (h, w, d) patch tokens.
        second: (h', w', d) patch tokens.

    Returns:
        (h, w, 3) and (h', w', 3) uint8; the same tokens give the same colours, components without spread are grey.
    """
    rows = np.concatenate([tokens.reshape(-1, tokens.shape[-1]) for tokens in (first, second)]).astype(np.float64)
    rows -= rows.mean(axis=0)
    # By the covariance: the decomposition of all rows takes three times as long, and has more than three axes.
    axes = np.linalg.eigh(rows.T @ rows)[1].T[:-4:-1].copy()
    axes *= np.where(axes[np.arange(len(axes)), np.abs(axes).argmax(axis=1)] < 0, -1.0, 1.0)[:, None]
    values = np.zeros((len(rows), 3))
    values[:, : len(axes)] = rows @ axes.T
    low, high = np.percentile(values, _CLIPPED, axis=0)
    spread = np.where(high - low > 1e-9, high - low, np.inf)
    shares = np.where(np.isfinite(spread), (values - low) / spread, 0.5)
    colours = np.rint(np.clip(shares, 0, 1) * 255).astype(np.uint8)
    count = first.shape[0] * first.shape[1]
    return colours[:count].reshape(*first.shape[:2], 3), colours[count:].reshape(*second.shape[:2], 3)
