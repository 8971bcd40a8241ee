"""Offline diffusion: what a random walk over the collection's neighbour graph reaches from each image, kept on disk.

Arrays of one generation of the kind `diffusion`, mapped into memory when a query asks: ids (n,) int64 ascending, indptr
(n + 1,) int64, columns (entries,) int32 numbers of rows, values (entries,) float32, checks (n,) uint32 CRC-32 of each
row's columns and values. The recipe has those of the arrays that a query reads whole.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from contextlib import ExitStack

import numpy as np

from dinosearch.advice import Sentence, run
from dinosearch.collection.kinds import DIFFUSION
from dinosearch.collection.opened import OpenedHome
from dinosearch.errors import DamagedHomeError, SettingError
from dinosearch.home import atomic_path
from dinosearch.protocols import Progress, VectorSearch
from dinosearch.records import Generation
from dinosearch.retrieval.diffusion import SparseRows, diffuse, diffused, mutual_graph

TYPES = {"ids": "<i8", "indptr": "<i8", "columns": "<i4", "values": "<f4", "checks": "<u4"}
"""Arrays by name, each a file of plain numbers."""
_WHOLE = ("ids", "indptr", "checks")
"""Read whole by every query, 20 bytes an image; of the others a query reads the rows that it needs."""
_STEP = 1024


def prepare(opened: OpenedHome, edges: int, truncation: int, progress: Progress | None, side: str = "") -> Generation:
    """Walk from every image and switch to the result in one commit; the caller holds the writer's lock.

    Args:
        opened: the home.
        edges: nearest images that may become edges of the graph, itself included.
        truncation: images around each one that its walk may reach, itself included.
        progress: told about the stages `neighbours` and `diffuse`.
        side: whose vectors; "" for those that answer queries.
    """
    search, _ = opened.answering(side)
    ids, number = opened.live_ids(side), opened.store.next_generation()
    if not len(ids):
        raise SettingError("there are no images to walk between; index some with: ", run("index", "FOLDER"))
    near, cosines = np.empty((len(ids), edges), np.int64), np.empty((len(ids), edges), np.float32)
    for low, found, scores in _neighbours(search, ids, edges, "neighbours", progress):
        near[low : low + len(found)], cosines[low : low + len(found)] = found, scores
    columns, weights = mutual_graph(near, cosines, edges)
    with ExitStack() as stack:
        paths = {name: stack.enter_context(atomic_path(opened.home.diffusion(number, name))) for name in TYPES}
        files = {name: stack.enter_context(open(path, "wb")) for name, path in paths.items()}

        sums = dict.fromkeys(TYPES, 0)

        def write(name: str, numbers: np.ndarray) -> None:
            content = np.ascontiguousarray(numbers, TYPES[name]).tobytes()
            sums[name] = zlib.crc32(content, sums[name])
            files[name].write(content)

        write("ids", ids)
        write("indptr", np.zeros(1))
        entries = 0
        for low, found, _ in _neighbours(search, ids, truncation, "diffuse", progress):
            for reached, values in diffused(low, found, columns, weights, truncation):
                entries += len(reached)
                write("indptr", np.array([entries]))
                write("columns", reached)
                write("values", values)
                write("checks", np.array([_row_sum(reached, values)]))
        for file in files.values():
            file.flush()
    recipe = {
        "edges": edges,
        "truncation": truncation,
        "entries": entries,
        "of": search.generation.number,
        "sums": {name: sums[name] for name in _WHOLE},
    }
    made = Generation(number, search.generation.fingerprint, len(ids), kind=side + DIFFUSION, recipe=recipe)
    opened.store.switch_generation(made)
    opened.drop_other_files()
    return made


class Walks:
    """The kept walks of a collection.

    Args:
        opened: the home.

    Raises:
        SettingError: the collection has none, or they were made over other vectors than those that answer now.
        DamagedHomeError: a file is missing or too short.
    """

    def __init__(self, opened: OpenedHome) -> None:
        search, _ = opened.answering()
        generation = opened.generation_of(DIFFUSION)
        if generation is None or generation.recipe["of"] != search.generation.number:
            raise SettingError(
                "diffusion needs a neighbour graph of the collection's present vectors; prepare it with: ",
                run("refine", "--diffuse", of=opened.named),
            )
        rows, entries = generation.rows, int(generation.recipe["entries"])
        sums: dict[str, int] = generation.recipe.get("sums", {})  # an earlier version kept none
        sizes = {"ids": rows, "indptr": rows + 1, "columns": entries, "values": entries}
        sizes |= {"checks": rows} if sums else {}
        self._advice = Sentence("make it again with: ", run("refine", "--diffuse", of=opened.named))
        paths = {name: opened.home.diffusion(generation.number, name) for name in sizes}
        try:
            arrays = {name: np.memmap(path, TYPES[name], "r", shape=(sizes[name],)) for name, path in paths.items()}
            longer = any(path.stat().st_size != arrays[name].nbytes for name, path in paths.items())
        except (OSError, ValueError) as error:
            raise DamagedHomeError(
                f"the prepared diffusion is missing or truncated ({error}); ", self._advice
            ) from None
        if longer or any(zlib.crc32(np.ascontiguousarray(arrays[name]).data) != kept for name, kept in sums.items()):
            raise self._damaged()
        self._ids = np.asarray(arrays["ids"])
        self._rows = SparseRows(np.asarray(arrays["indptr"]), arrays["columns"], arrays["values"])
        self._checks = arrays.get("checks")

    def walk(self, ids: np.ndarray, cosines: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """What is reached from a query's nearest images.

        Args:
            ids: (k,) int64; those that were indexed after the walks were prepared have none.
            cosines: (k,) of the query with them.

        Returns:
            ids (m,) int64 of the images reached, and their scores (m,) float32, above 0.
        """
        places = np.minimum(np.searchsorted(self._ids, ids), max(0, len(self._ids) - 1))
        known = self._ids[places] == ids if len(self._ids) else np.zeros(len(ids), bool)
        self._check(places[known])
        scores = diffuse(cosines, np.where(known, places, -1), self._rows)
        reached = np.flatnonzero(scores > 0)
        return self._ids[reached], scores[reached]

    def check(self) -> None:
        """Compare every row with its checksum.

        Raises:
            DamagedHomeError: one does not match.
        """
        self._check(np.arange(len(self._rows)))

    def _check(self, places: np.ndarray) -> None:
        if self._checks is not None and any(_row_sum(*self._rows.row(i)) != self._checks[i] for i in places):
            raise self._damaged()

    def _damaged(self) -> DamagedHomeError:
        return DamagedHomeError("the prepared diffusion does not match its checksums; ", self._advice)


def _row_sum(columns: np.ndarray, values: np.ndarray) -> int:
    numbers = (np.ascontiguousarray(columns, TYPES["columns"]), np.ascontiguousarray(values, TYPES["values"]))
    return zlib.crc32(numbers[1].tobytes(), zlib.crc32(numbers[0].tobytes()))


def _neighbours(
    search: VectorSearch, ids: np.ndarray, count: int, stage: str, progress: Progress | None
) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
    """Row numbers (m, count) int64 of the nearest images of each image, -1 where there are fewer, and their cosines."""
    for low in range(0, len(ids), _STEP):
        part = ids[low : low + _STEP]
        found, cosines = search.search(search.vectors(part), count, allowed=None)
        yield low, np.where(found >= 0, np.searchsorted(ids, found), -1), cosines
        if progress is not None:
            progress(stage, low + len(part), len(ids))
