"""Timing on a device: taking turns, the work of a Vision Transformer by its shape, and the best that can be reached."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

import torch

from dinosearch.embedding.families.dinov2 import TransformerConfig


def gflop(config: TransformerConfig, side: int) -> float:
    """GFLOP of one image of side x side, a multiply and an add counting as two.

    Patch embedding, the four products of each block and both of its attention; norms, activations and softmax are left
    out. ViT-S/14 at 224 has 12.25, as performance.md, section A.
    """
    patches = (side // config.patch) ** 2
    tokens, d = patches + 1 + config.registers, config.dimension
    if config.ffn == "mlp":
        feed = 2 * d * 4 * d
    else:
        hidden = (int(8 * d / 3) + 7) // 8 * 8
        feed = 3 * d * hidden
    block = 2 * tokens * (3 * d * d + d * d + feed) + 4 * tokens**2 * d
    return (config.depth * block + 2 * patches * 3 * config.patch**2 * d) / 1e9


def matmul_tflops(device: torch.device, dtype: torch.dtype, side: int, repeats: int) -> float:
    """TFLOP/s of the product of two (side, side) matrices."""
    left, right = (torch.randn(side, side, device=device, dtype=torch.float32).to(dtype) for _ in range(2))
    left @ right
    synchronise(device)
    started = time.perf_counter()
    for _ in range(repeats):
        left @ right
    synchronise(device)
    return repeats * 2 * side**3 / (time.perf_counter() - started) / 1e12


def interleaved(functions: dict[str, Callable[[], Any]], rounds: int, device: torch.device) -> dict[str, float]:
    """Median seconds of each, taking turns; one turn before is not counted."""
    times: dict[str, list[float]] = {name: [] for name in functions}
    for number in range(rounds + 1):
        for name, function in functions.items():
            synchronise(device)
            started = time.perf_counter()
            function()
            synchronise(device)
            if number:
                times[name].append(time.perf_counter() - started)
    return {name: statistics.median(column) for name, column in times.items()}


def synchronise(device: torch.device) -> None:
    """Wait until the device has done what it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
