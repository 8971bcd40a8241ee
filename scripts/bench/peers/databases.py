"""LanceDB and milvus-lite: embedded databases, asked one query at a time as their users do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from bench.peers.face import Feed, Peer, padded


class LanceDb(Peer):
    """LanceDB with IVF_RQ, answers re-scored by the stored vectors; the knob is lists visited.

    Tried on 50,000 and 100,000 of the mixture: IVF_PQ of 96 parts takes 20 times as long to build, with 24 parts it
    stays below 0.81; IVF_SQ is as good and slower.
    """

    name = "LanceDB"
    needs = ("lancedb",)
    knob = "nprobes"
    settings = (2, 8, 20, 50, 100, 200)
    usual = 20
    batches = False
    refine = 10

    def prepare(self) -> None:
        import lancedb
        import lancedb.index
        import pyarrow

        self.lancedb: Any = lancedb
        self.arrow: Any = pyarrow

    def build(self, feed: Feed, folder: Path) -> dict[str, object]:
        arrow = self.arrow
        kind = arrow.list_(arrow.float32(), feed.dimension)
        schema = arrow.schema([("id", arrow.int64()), ("vector", kind)])

        def batches() -> Any:
            for low, rows in feed.chunks():
                column = arrow.FixedSizeListArray.from_arrays(arrow.array(rows.ravel()), feed.dimension)
                yield arrow.RecordBatch.from_arrays(
                    [arrow.array(np.arange(low, low + len(rows))), column], schema=schema
                )

        table = self.lancedb.connect(str(folder)).create_table("rows", batches(), schema=schema)
        parts = max(1, int(feed.n**0.5))
        config = self.lancedb.index.IvfRq(distance_type="cosine", num_partitions=parts)
        table.create_index("vector", config=config)
        return {"type": f"IVF_RQ {parts} lists, refined 10 times"}

    def open(self, folder: Path, n: int, dimension: int) -> None:
        self.table = self.lancedb.connect(str(folder)).open_table("rows")

    def use(self, setting: float) -> None:
        self.lists = int(setting)

    def threads(self, count: int) -> None:
        """Not to be told; keeping the process to few cores is all that can be done."""

    def search(self, queries: np.ndarray, k: int) -> np.ndarray:
        found = []
        for query in queries:
            asked = self.table.search(query).distance_type("cosine").nprobes(self.lists).refine_factor(self.refine)
            found.append(padded(asked.limit(k).select(["id", "_distance"]).to_arrow()["id"].to_numpy(), k))
        return np.stack(found)


class MilvusLite(Peer):
    """milvus-lite through pymilvus with HNSW (M 16, efConstruction 200)."""

    name = "milvus-lite"
    needs = ("milvus-lite", "pymilvus")
    settings = (16, 64, 128, 256, 512)
    batches = False
    client: Any = None
    step = 4000
    """Rows of an insert: a message may have 64 MiB."""

    def prepare(self) -> None:
        import milvus_lite  # noqa: F401 - pymilvus asks for it late
        import pymilvus

        self.pymilvus: Any = pymilvus

    def build(self, feed: Feed, folder: Path) -> dict[str, object]:
        client = self.pymilvus.MilvusClient(str(folder / "milvus.db"))
        kind = self.pymilvus.DataType
        schema = client.create_schema(auto_id=False)
        schema.add_field("id", kind.INT64, is_primary=True)
        schema.add_field("vector", kind.FLOAT_VECTOR, dim=feed.dimension)
        index = client.prepare_index_params()
        index.add_index("vector", index_type="HNSW", metric_type="IP", params={"M": 16, "efConstruction": 200})
        client.create_collection("rows", schema=schema)
        for low, rows in feed.chunks(self.step):
            client.insert("rows", [{"id": low + place, "vector": row} for place, row in enumerate(rows)])
        client.flush("rows")
        client.create_index("rows", index)
        client.load_collection("rows")
        client.close()
        return {"type": "HNSW M 16, ef_construction 200"}

    def open(self, folder: Path, n: int, dimension: int) -> None:
        self.client = self.pymilvus.MilvusClient(str(folder / "milvus.db"))
        self.client.load_collection("rows")

    def use(self, setting: float) -> None:
        self.ef = int(setting)

    def threads(self, count: int) -> None:
        """Not to be told; keeping the process to few cores is all that can be done."""

    def search(self, queries: np.ndarray, k: int) -> np.ndarray:
        found = self.client.search(
            "rows", list(queries), limit=k, search_params={"metric_type": "IP", "params": {"ef": self.ef}}
        )
        return np.stack([padded([hit["id"] for hit in hits], k) for hits in found])

    def close(self) -> None:
        if self.client is not None:
            self.client.close()
