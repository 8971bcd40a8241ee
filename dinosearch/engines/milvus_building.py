"""Build the index of a Milvus collection, read back what was built, and measure how widely it must be searched.

The queries are stored vectors, each left out of its own answer, and the truth is what looking at every vector finds.
Beyond `STREAMED` rows it is what the widest search finds, which for inverted lists is the same thing.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dinosearch.advice import run
from dinosearch.engines.measuring import K, narrowest
from dinosearch.engines.milvus_client import MilvusConnection
from dinosearch.engines.milvus_filters import Condition
from dinosearch.engines.milvus_indexes import Wanted, built_in_files, described, wanted_index
from dinosearch.engines.milvus_schema import METRIC, VECTOR
from dinosearch.engines.ranking import best, nothing
from dinosearch.errors import DamagedHomeError, DinosearchError
from dinosearch.protocols import Progress
from dinosearch.records import BuiltIndex, IndexInfo, Published

if TYPE_CHECKING:
    from dinosearch.engines.milvus_search import MilvusSearch

STREAMED = 200_000
PLACES, EACH = 25, 8
"""Queries are drawn at so many places of the ids, so many at each: all the ids of a large collection are never here."""
_GROWN = 2
_POLL, _LONGEST = 0.5, 24 * 3600.0


def build(search: MilvusSearch, recall: float, progress: Progress | None) -> Published | None:
    """Bring the index up to the rows: another type or more lists where they have outgrown it; None where it suits.

    Raises:
        SettingError: the address names a type that cannot be had.
        DinosearchError: the engine failed to build, or built something else.
    """
    connection, rows = search.connection, search.count()
    options = connection.address.options
    wanted = wanted_index(rows, search.dimension, recall, lite=connection.lite, options=options)
    have, known = describe(connection, search.name)[0], search.index
    suits = have.type == wanted.type and _near(have.parameters.get("nlist", 1), wanted.parameters.get("nlist", 1))
    measured = known is not None and known.type == have.type and known.recall_target == recall
    if not rows or (suits and measured and known is not None and _near(known.rows, rows)):
        return None
    search.flush()
    if not suits:
        _replace(search, wanted)
    told = _settled(search, progress)
    if told.type != wanted.type:
        raise DinosearchError(
            f"{connection.address.shown} was told to build {wanted.type} and has {told.type}; "
            "searches are right all the same, name another type by the option ?index= and index again"
        )
    breadth, found, sample = _measured(search, told, rows, recall)
    if progress is not None:
        progress("measure", sample, sample)
    lists = told.parameters.get("nlist", 1 if told.kind.knob is None else 0)
    return Published(IndexInfo(told.type, rows, rows, lists, {K: breadth}, recall, {K: found}, sample, held=rows), "")


def describe(connection: MilvusConnection, name: str) -> tuple[Wanted, BuiltIndex]:
    """The index that a collection was told to have, and what is really there.

    Raises:
        DamagedHomeError: the collection or its index is gone.
    """
    told = None
    if connection.call("has_collection", name):
        told = connection.call("describe_index", name, VECTOR)
    index = described(told)
    if index is None or told is None:
        raise DamagedHomeError(
            f"{connection.address.shown} has no collection {name} with an index, though the metadata says so; make it "
            "and its vectors again with: ",
            run("verify", "--repair"),
        )
    parameters: dict[str, Any] = dict(index.parameters)
    type_, rows = index.type, int(told.get("indexed_rows", -1))
    if connection.lite:
        folder = Path(str(connection.address.file)) / "collections" / name
        found, with_index, pieces = built_in_files(folder)
        type_, rows = found or "FLAT", -1  # what has no index file is looked at row by row
        parameters["pieces"] = f"{with_index} of {pieces} have an index"
    elif (pending := int(told.get("pending_index_rows", 0))) > 0:
        parameters["rows still to be indexed"] = pending
    if type_ != index.type and (not connection.lite or found is not None or pieces):
        parameters["problem"] = f"{index.type} was asked for"
    return index, BuiltIndex(connection.name_and_version(), type_, parameters, rows)


def _replace(search: MilvusSearch, wanted: Wanted) -> None:
    """Give the collection another index; it cannot be searched meanwhile."""
    call, client = search.connection.call, search.connection.client()
    params = client.prepare_index_params()
    # pymilvus sends each parameter by itself, and milvus-lite 3.2 overlooks all but one called `params`.
    sent = {"params": dict(wanted.parameters)} if search.connection.lite else dict(wanted.parameters)
    params.add_index(VECTOR, index_type=wanted.type, metric_type=METRIC, params=sent)
    call("release_collection", search.name)
    call("drop_index", search.name, VECTOR)
    call("create_index", search.name, params, timeout=_LONGEST)
    call("load_collection", search.name, timeout=_LONGEST)


def _settled(search: MilvusSearch, progress: Progress | None) -> Wanted:
    """Wait until every sealed row is in the index; what the index is then."""
    until = time.monotonic() + _LONGEST
    while True:
        told = search.connection.call("describe_index", search.name, VECTOR)
        done, total = int(told.get("indexed_rows", 0)), int(told.get("total_rows", 0))
        if progress is not None:
            progress("build", done, total)
        if "fail" in str(told.get("state", "")).lower() or time.monotonic() > until:
            why = str(told.get("index_state_fail_reason", "")) or "it gives no reason"
            raise DinosearchError(
                f"{search.connection.address.shown} did not build its index: {why[:200]}; look into the log of Milvus"
            )
        if done >= total and not int(told.get("pending_index_rows", 0)):
            index, there = describe(search.connection, search.name)
            return Wanted(there.type, index.parameters)
        time.sleep(_POLL)


def _measured(search: MilvusSearch, index: Wanted, rows: int, recall: float) -> tuple[int, float, int]:
    """The smallest setting of the knob that reaches the recall, the recall there, and how many queries told."""
    knob = index.kind.knob
    if knob is None:
        return 1, 1.0, 0
    probe = search.probe(index)
    own, queries = _sample(probe, rows)

    def exact(queries: np.ndarray, k: int) -> np.ndarray:
        return probe.search(queries, k, exact=True)[0] if rows <= STREAMED else _answers(probe, queries, k, None)

    def by_breadth(queries: np.ndarray, k: int, widely: int) -> np.ndarray:
        return _answers(probe, queries, k, widely)

    breadth, found = narrowest(own, queries, exact, _settings(knob, index), by_breadth, recall)
    return breadth, round(found, 6), len(own)


def _sample(search: MilvusSearch, rows: int) -> tuple[np.ndarray, np.ndarray]:
    """Ids, ascending, and vectors of stored rows, from all over."""
    # Ids begin at 1 and are given without gaps; where many were deleted, the highest rows are not asked.
    starts = np.random.default_rng(0).integers(0, max(rows - EACH, 1), PLACES)
    pieces = [search.some(int(start), EACH) for start in starts]
    ids, first = np.unique(np.concatenate([ids for ids, _ in pieces]), return_index=True)
    return ids, np.concatenate([vectors for _, vectors in pieces])[first]


def _settings(knob: str, index: Wanted) -> list[int]:
    """Values of the knob to try, ascending, each half as large again as the one before."""
    low, high = (1, max(1, index.parameters.get("nlist", 1024))) if knob == "nprobe" else (K + 1, 4096)
    values = [low]
    while values[-1] < high:
        values.append(min(high, max(values[-1] + 1, values[-1] * 3 // 2)))
    return values


def _answers(search: MilvusSearch, queries: np.ndarray, k: int, widely: int | None) -> np.ndarray:
    """(n, k) ids that the engine finds; ranked by their vectors where the index holds these coarsely."""
    widen = search.built.kind.widen
    ids = nothing(len(queries), k)[0]
    found = search.nearest(queries, k * widen, Condition(), widely, vectors=widen > 1)
    for number, (keys, vectors) in enumerate(found):
        ranked = best(queries[number : number + 1], keys, vectors, k)[0][0] if widen > 1 else keys[:k]
        ids[number, : len(ranked)] = ranked
    return ids


def _near(one: int, other: int) -> bool:
    return one <= _GROWN * other and other <= _GROWN * one
