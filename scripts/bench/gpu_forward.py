"""Forward passes of DINOv2's shapes on pixels that lie on the device; scripts/bench_gpu.py prints them."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor

from bench.device import gflop, interleaved, matmul_tflops
from dinosearch.embedding import find_checkpoint
from dinosearch.embedding.devices.replay import record_graph
from dinosearch.embedding.embedder import TorchEmbedder
from dinosearch.embedding.families.dinov2 import TransformerConfig, VisionTransformer
from dinosearch.records import Fingerprint, Preprocessing

HEAD = ("model", "side", "batch", "format", "agreement", "launched /s", "replayed /s", "compiled /s", "GFLOP/image",
        "TFLOP/s", "matmul TFLOP/s", "share")  # fmt: skip


@dataclass(frozen=True)
class Forward:
    """What was measured of one model at one size.

    Attributes:
        embedder: that was measured.
        side: of its images in pixels.
        rates: images/s by way: `launched`, `replayed`, `compiled`.
        work: GFLOP of an image.
        peak: TFLOP/s of a product of matrices in the same number format, timed in the same rounds.
    """

    embedder: TorchEmbedder
    side: int
    rates: dict[str, float]
    work: float
    peak: float

    @property
    def reached(self) -> float:
        """TFLOP/s of the way that the embedder takes."""
        return self.rates.get("replayed", self.rates["launched"]) * self.work / 1000

    @property
    def share(self) -> float:
        return self.reached / self.peak

    def row(self) -> list[object]:
        mark = self.embedder.fingerprint
        shown = (f"{self.rates[way]:,.0f}" if way in self.rates else "" for way in ("launched", "replayed", "compiled"))
        return [
            mark.checkpoint, self.side, self.embedder.batch_size, mark.numbers, f"{mark.agreement:.6f}", *shown,
            f"{self.work:.2f}", f"{self.reached:.1f}", f"{self.peak:.1f}", f"{self.share:.0%}",
        ]  # fmt: skip


def measure(model: str, side: int, device: torch.device, rounds: int, *, quick: bool, compiled: bool) -> Forward:
    """Measure one model at one size.

    Args:
        model: name of a checkpoint; its weights are random.
        side: of the images in pixels.
        device: where.
        rounds: of taking turns.
        quick: two images, once a round, and small matrices.
        compiled: also by torch.compile.
    """
    config = TransformerConfig(**(find_checkpoint(model).shape or {}))
    embedder = random_embedder(model, config, side, device, 2 if quick else None)
    steps = 1 if quick else 8
    batch = torch.randint(0, 256, (embedder.batch_size, side, side, 3), dtype=torch.uint8, device=device)
    compute = partial(embedder._unit, (side, side))
    ways: dict[str, Callable[[Tensor], Tensor]] = {"launched": compute}
    peaks: list[float] = []
    matrix, repeats = (8192, 16) if device.type == "cuda" else (256, 2)
    with torch.inference_mode():
        compute(batch)
        if device.type == "cuda":
            torch.cuda.synchronize(device)
            stream: Any = torch.cuda.Stream(device)
            with torch.cuda.stream(stream), suppress(RuntimeError):  # as the embedder, which computes without a graph
                compute(batch)
                ways["replayed"] = record_graph(compute, batch, stream, None)[0]
        if compiled:
            way = torch.compile(compute, dynamic=False)
            with suppress(RuntimeError):  # no compiler on this machine; the column stays empty
                way(batch)
                ways["compiled"] = way

        def repeated(way: Callable[[Tensor], Tensor]) -> None:
            for _ in range(steps):
                way(batch)

        timed: dict[str, Callable[[], Any]] = {name: partial(repeated, way) for name, way in ways.items()}
        timed["matmul"] = lambda: peaks.append(matmul_tflops(device, embedder.dtype, matrix, repeats))
        times = interleaved(timed, rounds, device)
    rates = {name: steps * len(batch) / times[name] for name in ways}
    return Forward(embedder, side, rates, gflop(config, side), statistics.median(peaks))


def random_embedder(
    model: str, config: TransformerConfig, side: int, device: torch.device, batch: int | None
) -> TorchEmbedder:
    """An embedder of that shape whose weights are drawn on the device."""
    with torch.device("meta"):
        network = VisionTransformer(config)
    network = network.to_empty(device=device).eval().requires_grad_(False)
    for name, value in network.named_parameters():
        if name.endswith("gamma"):
            value.fill_(0.3)
        elif value.ndim < 2:
            value.fill_(float(name.endswith("weight")))
        else:
            value.normal_(std=0.02 if "token" in name or "pos" in name else value[0].numel() ** -0.5)
    preprocessing = Preprocessing("squash", side)
    fingerprint = Fingerprint(model, "0" * 64, str(preprocessing), "cls", config.dimension)
    return TorchEmbedder(network, find_checkpoint(model), fingerprint, preprocessing, device=str(device), batch=batch)
