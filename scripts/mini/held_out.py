"""Measures a student on training photos that it never sees in training.

It draws no conclusions, and the evaluation photos of the benchmark are not among its photos.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from . import network, teacher
from .photos import Photos


class HeldOut:
    """Cosine of the class token to the teacher at 224, and leave-one-out mAP by class.

    Args:
        held: the photos.
        basis: mean and principal axes of the teacher's embedding.
        weights: the teacher's file.
        turn: from principal components to the student's space.
        stored: file that keeps the teacher's embeddings for a resumed run.
    """

    def __init__(
        self, held: Photos, basis: tuple[np.ndarray, np.ndarray], weights: Path, turn: Tensor, stored: Path
    ) -> None:
        self._pixels = torch.from_numpy(held.pixels)
        self._labels = np.array(held.labels)
        if not stored.exists():
            net = teacher.MobileNet(weights, 224)
            large = F.interpolate(self._pixels.float(), 224, mode="bicubic", antialias=True).clamp(0, 255)
            rows = [net.feature_map(image).mean(0) for image in large.round().byte().permute(0, 2, 3, 1).numpy()]
            np.save(stored, np.stack(rows))
        self._goal = torch.from_numpy((np.load(stored) - basis[0]) @ basis[1].T).float() @ turn
        self.teacher_map = self._map(self._goal)

    def measure(self, net: torch.nn.Module, side: int) -> str:
        """Both figures of `net` on photos squashed to `side` pixels, in words."""
        cls = class_tokens(net, self._pixels, side)
        return f"held-out@{side} cosine {F.cosine_similarity(cls, self._goal).mean():.3f} mAP {self._map(cls):.3f}"

    def _map(self, rows: Tensor) -> float:
        unit = F.normalize(rows, dim=-1).numpy()
        scores = unit @ unit.T
        np.fill_diagonal(scores, -9)
        values = []
        for i, order in enumerate(np.argsort(-scores, axis=1)[:, :-1]):
            hit = self._labels[order] == self._labels[i]
            values.append((hit.cumsum() / np.arange(1, len(hit) + 1))[hit].mean())
        return float(np.mean(values))


def class_tokens(net: torch.nn.Module, pixels: Tensor, side: int) -> Tensor:
    """Class tokens (n, d) of uint8 photos (n, 3, h, w) squashed to `side` pixels."""
    parts = []
    with torch.inference_mode():
        for batch in torch.split(pixels, 32):
            scaled = F.interpolate(batch.float() / 255, side, mode="bicubic", antialias=True).clamp(0, 1)
            parts.append(net(network.normalise(scaled)).cls)
    return torch.cat(parts).clone()
