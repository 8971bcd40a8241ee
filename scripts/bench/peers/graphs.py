"""hnswlib and usearch: graphs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from bench.peers.face import Feed, Peer


class Hnswlib(Peer):
    """hnswlib with the M of 16 and the ef_construction of 200 of its examples, float32."""

    name = "hnswlib"
    needs = ("hnswlib",)
    index: Any

    def prepare(self) -> None:
        import hnswlib

        self.hnswlib: Any = hnswlib

    def build(self, feed: Feed, folder: Path) -> dict[str, object]:
        index = self.hnswlib.Index("ip", feed.dimension)
        index.init_index(feed.n, M=16, ef_construction=200, random_seed=1)
        for low, rows in feed.chunks():
            index.add_items(rows, np.arange(low, low + len(rows)))
        index.save_index(str(folder / "index"))
        return {"type": "M 16, ef_construction 200"}

    def open(self, folder: Path, n: int, dimension: int) -> None:
        self.index = self.hnswlib.Index("ip", dimension)
        self.index.load_index(str(folder / "index"), n)

    def use(self, setting: float) -> None:
        self.index.set_ef(int(setting))

    def threads(self, count: int) -> None:
        self.index.set_num_threads(count)

    def search(self, queries: np.ndarray, k: int) -> np.ndarray:
        return np.asarray(self.index.knn_query(queries, k)[0], np.int64)


class Usearch(Peer):
    """usearch with its defaults (connectivity 16, expansion 128), float16."""

    name = "usearch f16"
    needs = ("usearch",)
    index: Any
    _count = 1

    def prepare(self) -> None:
        from usearch.index import Index

        self.Index: Any = Index

    def build(self, feed: Feed, folder: Path) -> dict[str, object]:
        index = self.Index(ndim=feed.dimension, metric="ip", dtype="f16")
        for low, rows in feed.chunks():
            index.add(np.arange(low, low + len(rows)), rows)
        index.save(str(folder / "index"))
        return {"type": "f16, connectivity 16"}

    def open(self, folder: Path, n: int, dimension: int) -> None:
        self.index = self.Index(ndim=dimension, metric="ip", dtype="f16")
        self.index.load(str(folder / "index"))

    def use(self, setting: float) -> None:
        self.index.expansion_search = int(setting)

    def threads(self, count: int) -> None:
        self._count = count

    def search(self, queries: np.ndarray, k: int) -> np.ndarray:
        keys = self.index.search(queries, k, threads=self._count).keys
        return np.asarray(keys, np.int64).reshape(len(queries), -1)
