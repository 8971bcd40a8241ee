"""JPEG files that are the same everywhere, to hold another decoder against this one; it decodes nothing."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image

_SEED, _GRAIN = 20230417, 2.0  # noise of a sensor, in grey levels
_LARGE, _MIDDLE, _SMALL = (5.6, 4.2), (2.9, 2.2), (1.3, 1.1)
"""Sides in sides of what is wanted of the picture; from four times on `decode` takes a reduced scale."""
_TURN = Image.Exif()
_TURN[0x0112] = 6
_KINDS: tuple[tuple[tuple[float, float], dict[str, Any]], ...] = (
    (_LARGE, {}),
    (_LARGE[::-1], {"quality": 80}),
    (_LARGE, {"subsampling": "4:4:4"}),
    (_LARGE, {"subsampling": "4:2:2", "progressive": True}),
    (_LARGE, {"exif": _TURN.tobytes()}),
    (_MIDDLE, {}),
    (_MIDDLE[::-1], {"quality": 95}),
    (_SMALL, {}),
)


def probe_files(pictures: Sequence[np.ndarray], side: int) -> list[bytes]:
    """Eight files as cameras and web sites write them: large and small, upright and turned, chroma of all densities.

    Args:
        pictures: eight (h, w, 3) uint8.
        side: pixels of a side that are wanted of the prepared picture.
    """
    rng, files = np.random.default_rng(_SEED), []
    for picture, ((across, down), settings) in zip(pictures, _KINDS, strict=True):
        image = Image.fromarray(picture).resize((round(across * side), round(down * side)), Image.Resampling.BICUBIC)
        grain = rng.normal(0, _GRAIN, (image.height, image.width, 1))
        sink = io.BytesIO()
        Image.fromarray(np.clip(np.asarray(image) + grain, 0, 255).astype(np.uint8)).save(
            sink, "JPEG", **{"quality": 90, **settings}
        )
        files.append(sink.getvalue())
    return files
