"""Faiss as its users have it: `IVF{nlist},Flat` (the yardstick), HNSW32 and brute force."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np

from bench.peers.face import Feed, Peer

POINTS = 64
"""Training points a list, drawn from everywhere; more change nothing that is seen here (faiss itself wants 39)."""


class FaissPeer(Peer):
    """What all indexes of Faiss share."""

    needs = ("faiss-cpu",)
    index: Any

    def prepare(self) -> None:
        import faiss

        self.faiss: Any = faiss

    def open(self, folder: Path, n: int, dimension: int) -> None:
        self.index = self.faiss.read_index(str(folder / "index"))

    def search(self, queries: np.ndarray, k: int) -> np.ndarray:
        return np.asarray(self.index.search(queries, k)[1])

    def _fill(self, index: Any, feed: Feed, folder: Path) -> None:
        for _, rows in feed.chunks():
            index.add(rows)
        self.faiss.write_index(index, str(folder / "index"))


class IvfFlat(FaissPeer):
    """Inverted lists of the vectors as they are: `IVF4096,Flat` for 1,000,000."""

    name = "faiss IVF-Flat"
    knob = "nprobe"
    settings = (1, 2, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 256)
    usual = 16

    def build(self, feed: Feed, folder: Path) -> dict[str, object]:
        lists = max(1, min(2 ** round(math.log2(4 * feed.n**0.5)), feed.n // 39))
        index = self.faiss.index_factory(feed.dimension, f"IVF{lists},Flat", self.faiss.METRIC_INNER_PRODUCT)
        index.train(feed.sample(POINTS * lists))
        self._fill(index, feed, folder)
        return {"type": f"IVF{lists},Flat"}

    def use(self, setting: float) -> None:
        self.index.nprobe = min(int(setting), self.index.nlist)


class Hnsw(FaissPeer):
    """A graph with 32 edges a node, built with the default efConstruction of 40."""

    name = "faiss HNSW32"

    def build(self, feed: Feed, folder: Path) -> dict[str, object]:
        index = self.faiss.IndexHNSWFlat(feed.dimension, 32, self.faiss.METRIC_INNER_PRODUCT)
        self._fill(index, feed, folder)
        return {"type": "HNSW32,Flat"}

    def use(self, setting: float) -> None:
        self.index.hnsw.efSearch = int(setting)


class Flat(FaissPeer):
    """Brute force: recall 1 by definition."""

    name = "faiss Flat"
    knob = "exact"
    settings = (1,)
    usual = 1

    def build(self, feed: Feed, folder: Path) -> dict[str, object]:
        self._fill(self.faiss.IndexFlatIP(feed.dimension), feed, folder)
        return {"type": "Flat"}

    def use(self, setting: float) -> None:
        """There is no choice."""
