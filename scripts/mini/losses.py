"""What the student is asked to match: directions, cells and similarities of the teacher.

Student and teacher live in one space, so the raw cosine of class tokens imitates the teacher's centred cosine.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def rotation(kept: int, dimension: int, seed: int) -> Tensor:
    """(kept, dimension): first `dimension` principal components, then a random orthogonal turn.

    The turn spreads the variance evenly over the coordinates, which suits the student's last LayerNorm.
    """
    generator = torch.Generator().manual_seed(seed)
    turn: Tensor = torch.linalg.qr(torch.randn(dimension, dimension, generator=generator))[0]
    return torch.eye(kept, dimension).matmul(turn)


def student_loss(
    cls: Tensor, patches: Tensor, grid: tuple[int, int], targets: Tensor, single: Tensor, weights: dict[str, float]
) -> tuple[Tensor, dict[str, float]]:
    """Loss of a batch of views; rows 2i and 2i+1 are two views of one photo where `single` is true.

    Args:
        cls: (n, d) class tokens.
        patches: (n, h*w, d) patch tokens on `grid`.
        grid: (h, w).
        targets: (n, c, d), the teacher's cells, c a square number; their mean is the teacher's embedding.
        single: bool (n,), whether a view shows one photo alone.
        weights: factors of the terms `cls`, `mean`, `cells`, `relation`, `pairs`.

    Returns:
        The loss and its terms as numbers.
    """
    n, cells, d = targets.shape
    side = round(cells**0.5)
    goal = F.normalize(targets.mean(dim=1), dim=-1)
    unit = F.normalize(cls, dim=-1)
    map_ = F.adaptive_avg_pool2d(patches.transpose(1, 2).reshape(n, d, *grid), side).flatten(2).transpose(1, 2)
    terms = {
        "cls": 1 - (unit * goal).sum(-1).mean(),
        "mean": 1 - F.cosine_similarity(patches.mean(dim=1), goal, dim=-1).mean(),
        "cells": 1 - F.cosine_similarity(map_, targets, dim=-1).mean(),
        "relation": F.mse_loss(unit @ unit.T, goal @ goal.T),
        "pairs": _pairs(unit, single),
    }
    total = torch.stack([weights[name] * term for name, term in terms.items()]).sum()
    return total, {name: float(term.detach()) for name, term in terms.items()}


def _pairs(unit: Tensor, single: Tensor, temperature: float = 0.1) -> Tensor:
    """InfoNCE between the two views of a photo, against all other views of the batch."""
    n = len(unit)
    logits = (unit @ unit.T) / temperature
    logits.fill_diagonal_(float("-inf"))
    partner = torch.arange(n) ^ 1
    chosen = single & single[partner]
    if not bool(chosen.any()):
        return unit.sum() * 0.0
    return F.cross_entropy(logits[chosen], partner[chosen])
