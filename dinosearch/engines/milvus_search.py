"""The vectors of one generation in Milvus, searched and ranked."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from dinosearch.engines.checked import checked_queries
from dinosearch.engines.milvus_building import build, describe
from dinosearch.engines.milvus_client import MilvusConnection
from dinosearch.engines.milvus_filters import Condition, compile_condition
from dinosearch.engines.milvus_indexes import WIDEST, Wanted
from dinosearch.engines.milvus_rows import MESSAGE, WINDOW, MilvusRows, parts
from dinosearch.engines.milvus_schema import ID, METRIC, VECTOR
from dinosearch.engines.ranking import best, merged, nothing
from dinosearch.protocols import Progress
from dinosearch.records import BuiltIndex, IndexInfo, Published
from dinosearch.store.filters.syntax import Filter

FETCHED = 4096
"""Ids up to which their vectors are fetched and compared here, which is exact whatever the index."""
WIDER = 32
"""Times as widely as measured that is searched under a filter, which leaves few of the rows that were visited: at 5 %
of 100,000 the measured width found 0.73 to 0.85 of the true neighbours (`scripts/bench_engines.py`)."""
SPARE = 2
"""Candidates beyond what is wanted, so that equal scores are told from each other by their ids."""
SLACK = np.float32(1e-5)
"""Two ways of adding up the same product of unit vectors differ by less than this."""


class MilvusSearch(MilvusRows):
    """See `dinosearch.protocols.VectorSearch`.

    Args:
        connection: to the engine.
        name: of Milvus's collection.
        dimension: numbers of a vector.
        index: how the index was built and measured, which says how widely to search.
    """

    def __init__(self, connection: MilvusConnection, name: str, dimension: int, index: IndexInfo | None) -> None:
        super().__init__(connection, name, dimension)
        self.index = index
        self._built: Wanted | None = None

    def search(
        self,
        queries: np.ndarray,
        k: int,
        *,
        allowed: np.ndarray | None = None,
        where: Filter | None = None,
        exact: bool = False,
    ) -> tuple[np.ndarray, np.ndarray]:
        queries = checked_queries(queries, k, self.dimension)
        condition = compile_condition(where)
        whole = exact or k > WINDOW  # the engine cannot be trusted with it: growing segments have indexes of their own
        if allowed is None:
            if not whole:
                return self._ask(queries, k, condition)
            pieces = self.stream(condition, vectors=True)
            return merged(queries, k, (best(queries, *piece, k) for piece in pieces))
        allowed = np.unique(np.asarray(allowed, np.int64))
        if whole or len(allowed) <= FETCHED:
            pieces = (self.among(condition, allowed[part]) for part in parts(len(allowed), self._step))
            return merged(queries, k, (best(queries, *piece, k) for piece in pieces))
        conditions = (condition.and_among(allowed[part].tolist()) for part in parts(len(allowed), WINDOW))
        return merged(queries, k, (self._ask(queries, k, part) for part in conditions))

    def update_index(self, recall: float, progress: Progress | None = None) -> Published | None:
        self.load()
        built = build(self, recall, progress)
        if built is not None:
            self.index, self._built = built.index, None
        return built

    def index_info(self) -> BuiltIndex | None:
        return describe(self.connection, self.name)[1]

    def nearest(
        self, queries: np.ndarray, depth: int, condition: Condition, widely: int | None, *, vectors: bool = True
    ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Ids and vectors that the engine finds for each query, at most `depth`, as it orders them.

        Args:
            queries: (n, dimension) float32.
            depth: at most `WINDOW`.
            condition: what rows must fulfil.
            widely: setting of the index's knob; None for the largest.
            vectors: whether they are wanted; else there are none.
        """
        self.load()
        kind = self.built.kind
        params = {} if kind.knob is None else {kind.knob: max(depth, widely or WIDEST[kind.knob])}
        if kind.knob == "nprobe":
            params = {"nprobe": min(self.built.parameters.get("nlist", WIDEST["nprobe"]), widely or WIDEST["nprobe"])}
        for part in parts(len(queries), max(1, MESSAGE // (4 * self.dimension * depth))):
            answers = self.connection.read(
                "search",
                self.name,
                condition,
                data=queries[part].tolist(),
                anns_field=VECTOR,
                limit=depth,
                output_fields=[VECTOR] if vectors else [],
                search_params={"metric_type": METRIC, "params": params},
                consistency_level=self.consistency,
            )
            for hits in answers:
                if vectors:
                    yield self.arrays([{ID: hit[ID], VECTOR: hit["entity"][VECTOR]} for hit in hits])
                else:
                    yield np.array([hit[ID] for hit in hits], np.int64), np.empty(0, np.float32)

    @property
    def built(self) -> Wanted:
        """The index that the engine has; asked once."""
        if self._built is None:
            self._built = describe(self.connection, self.name)[0]
        return self._built

    def probe(self, index: Wanted) -> MilvusSearch:
        """The same, to try settings of an index that was just read back; what was flushed is all that it needs."""
        found = MilvusSearch(self.connection, self.name, self.dimension, None)
        found.consistency, found._built, found._loaded = "Eventually", index, self._loaded
        return found

    def _ask(self, queries: np.ndarray, k: int, condition: Condition) -> tuple[np.ndarray, np.ndarray]:
        """The k nearest by the index; more widely where it finds too few, deeper where equal ones go on beyond."""
        widely = self._width(k * (WIDER if condition.text else 1))
        depth = min(WINDOW, k * self.built.kind.widen + SPARE)
        while True:
            ids, scores = nothing(len(queries), k)
            is_short = is_level = False
            for number, (keys, vectors) in enumerate(self.nearest(queries, depth, condition, widely)):
                found, values = best(queries[number : number + 1], keys, vectors, min(depth, WINDOW))
                count = int((found[0] >= 0).sum())
                ids[number], scores[number] = found[0, :k], values[0, :k]
                is_short |= count < k
                is_level |= count == depth > k and bool(values[0, k - 1] - values[0, depth - 1] <= SLACK)
                is_level |= count < k <= len(keys)  # rows that are there twice, see `count`
            if is_short and widely is not None:
                widely = None  # a filter may leave nothing in the lists that were visited
            elif is_level and depth < WINDOW:
                depth = min(WINDOW, 2 * depth)
            else:
                return ids, scores

    def _width(self, k: int) -> int | None:
        """The measured setting of the knob for k hits; None where all is looked at, or nothing was measured."""
        if self.built.kind.knob is None or self.index is None or self.index.type != self.built.type:
            return None
        larger = [known for known in sorted(self.index.nprobe) if known >= k]
        if larger:
            return self.index.nprobe[larger[0]]
        most = max(self.index.nprobe)
        return min(WIDEST[self.built.kind.knob], -(-self.index.nprobe[most] * k // most))
