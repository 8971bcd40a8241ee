"""k-means and batches of queries on a device and on the host; scripts/bench_gpu.py prints them."""

from __future__ import annotations

from functools import partial
from typing import Any

import faiss
import numpy as np
import torch

from bench.device import interleaved
from bench.vectors import Mixture
from dinosearch.vectors.on_gpu import BatchSearch, training

HEAD = ("what", "size", "device", "host", "times", "same answers")
INDEXES = ("Flat", "IVF{lists},Flat", "IVF{lists},SQ8", "IVF{lists},PQ96")
POINTS = 64  # to train on, for each list
NPROBE, K = 32, 10


def measure(count: int, device: torch.device, rounds: int, *, quick: bool) -> tuple[list[list[object]], str | None]:
    """Train and search over so many clustered vectors.

    Args:
        count: vectors.
        device: waited for when times are taken; Faiss uses the first CUDA device, or none.
        rounds: of taking turns.
        quick: few lists and queries.

    Returns:
        Rows for `HEAD`, and why the host did the device's part; None where it did not.
    """
    source = Mixture(count)
    rows, queries = source.rows(0, count), source.queries(100 if quick else 10_000)
    lists = 16 if quick else 4096
    points = source.sample(min(count, POINTS * lists))
    flat = INDEXES[1].format(lists=lists)
    times = interleaved(
        {place: partial(trained, flat, points, place == "device") for place in ("device", "host")}, rounds, device
    )
    said = [f"{len(points):,} points, {lists:,} lists", f"{times['device']:.2f} s", f"{times['host']:.2f} s"]
    lines: list[list[object]] = [["k-means", *said, f"{times['host'] / times['device']:.1f}", ""]]
    reason = None
    for factory in INDEXES[:3] if quick else INDEXES:
        name = factory.format(lists=lists)
        index = trained(name, points, "IVF" in name)
        index.add(rows)
        search = BatchSearch(index)
        reason = reason or search.reason
        race = _Race(index, search, queries)
        times = interleaved({"device": race.device, "host": race.host}, rounds, device)
        said = [f"{len(queries) / times[place]:,.0f} /s" for place in ("device", "host")]
        times_faster = f"{times['host'] / times['device']:.1f}"
        lines.append([name, f"{len(queries):,} queries", *said, times_faster, f"{race.same():.4f}"])
    return lines, reason


def trained(factory: str, points: np.ndarray, on_device: bool) -> Any:
    """An empty index, its lists trained on the device where that is asked for and can be."""
    index = faiss.index_factory(points.shape[1], factory, faiss.METRIC_INNER_PRODUCT)
    if on_device:
        with training(index):
            index.train(points)
    else:
        index.train(points)
    return index


class _Race:
    """The same queries for both, and what each answered last."""

    def __init__(self, index: Any, search: BatchSearch, queries: np.ndarray) -> None:
        self._index, self._search, self._queries = index, search, queries
        self._nprobe = min(NPROBE, int(getattr(index, "nlist", NPROBE)))
        self._found: dict[str, np.ndarray] = {}

    def device(self) -> None:
        self._found["device"] = self._search.search(self._queries, K, self._nprobe)

    def host(self) -> None:
        if hasattr(self._index, "nprobe"):
            self._index.nprobe = self._nprobe
        self._found["host"] = self._index.search(self._queries, K)[1]

    def same(self) -> float:
        pairs = zip(self._found["device"].tolist(), self._found["host"].tolist(), strict=True)
        return float(np.mean([len(set(a) & set(b)) / K for a, b in pairs]))
