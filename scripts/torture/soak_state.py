"""What is live at one moment of a soak, with the vectors that the embedder gives, and whether an answer is right by it.

The writer makes it beside the collection and hands it to the reading process in a file.
"""

from __future__ import annotations

import os
import random
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cached_property
from pathlib import Path

import numpy as np

from dinosearch import Collection, Hit

KEPT = "*[02468].jpg"
"""The pattern of the filtered asks: half of the names."""
NEAR = 2e-3
"""Cosines as near as this are equal: one image a pass gives other roundings than many, above all in bfloat16."""
_CHANGING = "changing"


@dataclass(frozen=True)
class State:
    """Live files.

    Attributes:
        version: counts the changes.
        paths: of every file.
        numbers: (n,) int64, the picture in each file; equal ones are identical files.
        vectors: (n, dimension) float32, what the embedder makes of each.
    """

    version: int
    paths: tuple[str, ...]
    numbers: np.ndarray
    vectors: np.ndarray

    @cached_property
    def place(self) -> dict[str, int]:
        return {path: place for place, path in enumerate(self.paths)}

    @cached_property
    def even(self) -> np.ndarray:
        """(n,) bool, files that the filtered asks keep."""
        return np.array([fnmatchcase(os.path.basename(path), KEPT) for path in self.paths])

    def problem(self, hits: Sequence[Hit], query: np.ndarray, k: int, may: np.ndarray, ranked: bool) -> str | None:
        """What is wrong with an answer, by brute force.

        Args:
            hits: the answer.
            query: (dimension,) float32.
            k: hits that were asked for.
            may: (n,) bool, files that may be answered.
            ranked: the nearest are wanted, not only some of the near ones.
        """
        strangers = [hit.path for hit in hits if not may[self.place.get(hit.path, 0)] or hit.path not in self.place]
        if strangers:
            return f"{strangers[0]} is answered, but removed, never there, or left out by what was asked"
        places = [self.place[hit.path] for hit in hits]
        if not len(set(places)) == len(places) == min(k, int(may.sum())):
            return f"{len(places)} hits, {len(set(places))} of them different, for k {k} of {may.sum()} files"
        cosines = self.vectors @ query
        given = np.array([hit.score for hit in hits])
        if np.any(np.abs(given - cosines[places]) > NEAR):
            return f"a score is {np.abs(given - cosines[places]).max():.4f} off the cosine"
        if ranked and (np.any(np.diff(given) > 1e-6) or given[-1] < np.sort(cosines[may])[-len(hits)] - NEAR):
            return "nearer files are left out"
        return None


class Board:
    """The file by which the writer tells the reader what is live, and whether it is changing just now.

    Args:
        folder: where it lies.
    """

    def __init__(self, folder: Path) -> None:
        self._mark, self._file = folder / "version", folder / "state.npz"
        self._state: State | None = None

    def changing(self) -> None:
        """From now on nobody knows."""
        self._put(_CHANGING)

    def publish(self, state: State) -> None:
        partial = self._file.with_suffix(".partial.npz")
        paths, version = np.array(state.paths), np.array(state.version)
        np.savez(partial, version=version, paths=paths, numbers=state.numbers, vectors=state.vectors)
        os.replace(partial, self._file)
        self._put(str(state.version))

    def now(self) -> State | None:
        """What is live; None while it changes."""
        mark = self._mark.read_text()
        if mark == _CHANGING:
            return None
        if self._state is None or str(self._state.version) != mark:
            try:
                with np.load(self._file) as found:
                    paths = tuple(found["paths"].tolist())
                    self._state = State(int(found["version"]), paths, found["numbers"], found["vectors"])
            except (OSError, zipfile.BadZipFile):
                return None
        return self._state if str(self._state.version) == self._mark.read_text() else None

    def _put(self, mark: str) -> None:
        partial = self._mark.with_suffix(".partial")
        partial.write_text(mark)
        os.replace(partial, self._mark)


def ask(collection: Collection, state: State, rng: random.Random) -> tuple[str, Callable[[], str | None]]:
    """Ask something by chance; the kind of it, and what finds out whether the answer was right."""
    kind = rng.choice(["by file", "by file", "by id", "with filter", "exact", "re-ranked", "by vector"])
    place, k = rng.randrange(len(state.paths)), rng.choice([1, 10, 50])
    path, query, may = state.paths[place], state.vectors[place], np.ones(len(state.paths), bool)
    if kind == "by vector":
        hits = collection.search_vectors(query, k)[0]
    elif kind == "by id":
        near = collection.search_vectors(query, 1)[0][0]
        hits = collection.query(f"id:{near.id}", k=k, rerank="fast")
        place = state.place.get(near.path, place)
        query, may = state.vectors[place], state.numbers != state.numbers[place]
    else:
        may[place] = False
        if kind == "with filter":
            hits, may = collection.query(path, k=k, where=f'name ~ "{KEPT}"', rerank="fast"), may & state.even
        elif kind == "re-ranked":
            hits = collection.query(path, k=k)
        else:
            hits = collection.query(path, k=k, exact=kind == "exact", rerank="fast")
    return kind, lambda: state.problem(hits, query, k, may, kind != "re-ranked")
