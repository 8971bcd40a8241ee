"""Muon for the matrices inside the blocks, AdamW for everything else, and a cosine schedule.

It holds no model and no loss.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
from torch import Tensor, nn


class Muon(torch.optim.Optimizer):
    """Momentum whose matrix updates are orthogonalised (Jordan et al. 2024, "Muon").

    Args:
        params: weights with at least two dimensions; further ones are flattened into the second.
        lr: learning rate; the update has about unit root mean square per row before it.
        momentum: of the gradient, Nesterov form.
        weight_decay: decoupled, times the learning rate.
        precision: of the orthogonalisation; bfloat16 is enough (Jordan et al.).
    """

    def __init__(
        self,
        params: Iterable[nn.Parameter],
        lr: float,
        momentum: float = 0.95,
        weight_decay: float = 0.05,
        precision: torch.dtype = torch.float32,
    ) -> None:
        self._precision = precision
        super().__init__(params, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Update every weight that has a gradient."""
        for group in self.param_groups:
            for weight in group["params"]:
                if weight.grad is None:
                    continue
                state = self.state[weight]
                if not state:
                    state["momentum"] = torch.zeros_like(weight)
                state["momentum"].lerp_(weight.grad, 1 - group["momentum"])
                ahead = weight.grad.lerp(state["momentum"], group["momentum"]).flatten(1)
                update = orthogonal(ahead, self._precision).view_as(weight)
                scale = max(1.0, ahead.shape[0] / ahead.shape[1]) ** 0.5
                weight.mul_(1 - group["lr"] * group["weight_decay"]).add_(update, alpha=-group["lr"] * scale)


def orthogonal(matrix: Tensor, precision: torch.dtype = torch.float32, rounds: int = 5) -> Tensor:
    """Nearly the closest matrix with singular values of one, by a quintic Newton-Schulz iteration."""
    a, b, c = 3.4445, -4.7750, 2.0315  # coefficients of Jordan et al.: singular values end within about 0.7..1.2
    x: Tensor = matrix if matrix.shape[0] <= matrix.shape[1] else matrix.T
    x = x.to(precision)
    x = x / (x.norm() + 1e-7)
    for _ in range(rounds):
        gram = x @ x.T
        x = a * x + (b * gram + c * gram @ gram) @ x
    x = x.to(matrix.dtype)
    return x if matrix.shape[0] <= matrix.shape[1] else x.T


def make_optimisers(
    net: nn.Module, muon: float, adam: float, decay: float, precision: torch.dtype = torch.float32
) -> list[torch.optim.Optimizer]:
    """Muon on the matrices of the blocks, AdamW (no decay for vectors and embeddings) on the rest."""
    matrices, others, plain = [], [], []
    for name, weight in net.named_parameters():
        inside = "blocks." in name or "stages." in name or "downsample_layers" in name and ".0.0." not in name
        if inside and weight.ndim >= 2 and "dwconv" not in name:
            matrices.append(weight)
        elif weight.ndim >= 2 and "token" not in name and "pos_embed" not in name:
            others.append(weight)
        else:
            plain.append(weight)
    groups = [{"params": others, "weight_decay": decay}, {"params": plain, "weight_decay": 0.0}]
    return [
        Muon(matrices, muon, weight_decay=decay, precision=precision),
        torch.optim.AdamW(groups, adam, betas=(0.9, 0.98)),
    ]


def cosine(progress: float, warm_up: float = 0.03, floor: float = 0.01) -> float:
    """Share of the peak learning rate at `progress` in 0..1."""
    if progress < warm_up:
        return progress / warm_up
    return floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * (progress - warm_up) / (1 - warm_up)))
