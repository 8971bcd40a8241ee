"""Between which files duplicates are looked for: everywhere, across two folders, or inside each folder.

What is joined are nodes: an image as far as it lies in one place that counts. Without a rule that is the image; within
folders an image with files in two folders is two nodes, which have nothing to do with each other.
"""

from __future__ import annotations

import os
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any

import numpy as np

from dinosearch.advice import run
from dinosearch.errors import ImageNotFoundError, SettingError

if TYPE_CHECKING:
    from dinosearch.collection import Collection

_AT_ONCE = 200
"""Images whose files are asked for at a time: a filter may have 250 values."""
_SIDES = 3  # files in both of two folders

File = Mapping[str, Any]


@dataclass(frozen=True)
class Scope:
    """The rule.

    Attributes:
        where: a filter of files; None for all.
        between: two folders: only pairs with a file in either count.
        within_folder: only pairs of files that lie in the same folder count.
    """

    where: str | None = None
    between: tuple[str, str] | None = None
    within_folder: bool = False

    def __post_init__(self) -> None:
        if self.between is None:
            return
        if self.within_folder:
            raise SettingError("pairs lie between two folders or within one; leave out --between or --within-folder")
        first, second = (os.path.abspath(os.path.expanduser(folder)) for folder in self.between)
        if _under(first, second) or _under(second, first):
            raise SettingError(f"{first} and {second} are not two folders beside each other; name two that are")
        object.__setattr__(self, "between", (first, second))

    @property
    def narrow(self) -> bool:
        """Whether images may lie outside of it."""
        return self.where is not None or self.between is not None

    @property
    def is_all(self) -> bool:
        """Whether every pair of files counts, so that each image is one node."""
        return not self.narrow and not self.within_folder

    def place(self, path: str) -> str:
        """The place of a file that counts; empty where it lies outside of all of them."""
        if self.between is not None:
            return next((str(side) for side, folder in enumerate(self.between, 1) if _under(path, folder)), "")
        return parent(path) if self.within_folder else "."


class Nodes:
    """What of a collection lies in the scope; a few numbers an image are kept.

    Attributes:
        ids: (n,) int64 of each node's image, rising.
        places: (n,) int64 of the place that it lies in; in `between` 1 for the first folder, 2 for the second, 3 for
            both.
        files: (n,) int64 how many files each is.

    Raises:
        ImageNotFoundError: one of the two folders has nothing of the collection.
    """

    def __init__(self, collection: Collection, scope: Scope) -> None:
        self._collection, self.scope = collection, scope
        self._names: dict[str, int] = {}
        ids, places, matching = array("q"), array("q"), array("q")
        for file in collection.files(scope.where):
            name = scope.place(file["path"])
            if name:
                if scope.where is not None:
                    matching.append(hash(file["path"]))
                ids.append(file["id"])
                places.append(int(name) if scope.between else self._names.setdefault(name, len(self._names)))
        # What matches is remembered by a number: a filter that is asked again with ids would have too many values.
        self._matching = None if scope.where is None else np.sort(np.frombuffer(matching, np.int64))
        rows = np.stack([np.frombuffer(ids, np.int64), np.frombuffer(places, np.int64)], axis=1)
        nodes, self.files = np.unique(rows, axis=0, return_counts=True) if len(rows) else (rows, np.empty(0, np.int64))
        if scope.between and len(nodes):
            # An image in both folders is one node on both sides: its own files are a pair across.
            _, first, sides = np.unique(nodes[:, 0], return_index=True, return_counts=True)
            self.files = np.add.reduceat(self.files, first)
            nodes = nodes[first]
            nodes[sides == 2, 1] = _SIDES
        self.ids, self.places = nodes[:, 0].copy(), nodes[:, 1].copy()
        for side, folder in enumerate(scope.between or (), 1):
            if not (self.places & side).any() and not collection.ids_under(folder):
                raise ImageNotFoundError(
                    f"nothing of the collection lies in {folder}, so there is nothing to compare; add it with: ",
                    run("index", folder),
                )

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def images(self) -> np.ndarray:
        """(m,) int64 ids, each once, rising."""
        return np.unique(self.ids)

    def pairs(self, first: np.ndarray, second: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """The pairs of nodes that pairs of images are, those that the scope lets count; in portions."""
        low_a, high_a = (np.searchsorted(self.ids, first, side) for side in ("left", "right"))
        low_b, high_b = (np.searchsorted(self.ids, second, side) for side in ("left", "right"))
        single = (high_a - low_a == 1) & (high_b - low_b == 1)
        a, b = low_a[single], low_b[single]
        allowed = self.compared(a, b)
        yield a[allowed], b[allowed]
        # One of the two images lies in several places, or was added or removed meanwhile and lies in none.
        for i in np.flatnonzero(~single).tolist():
            grids = np.meshgrid(np.arange(low_a[i], high_a[i]), np.arange(low_b[i], high_b[i]))
            a, b = (grid.ravel() for grid in grids)
            allowed = self.compared(a, b)
            yield a[allowed], b[allowed]

    def images_compared(self, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        """(n,) bool: whether some nodes of two images may be a pair."""
        found = [np.stack([self.ids[a], self.ids[b]], axis=1) for a, b in self.pairs(first, second)]
        allowed = {tuple(pair) for pair in np.concatenate(found).tolist()}
        asked = zip(first.tolist(), second.tolist(), strict=True)
        return np.fromiter((pair in allowed for pair in asked), bool, len(first))

    def compared(self, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        """Whether the scope lets two nodes be a pair; the arrays are broadcast."""
        if self.scope.between:
            across: np.ndarray = (self.places[first] | self.places[second]) == _SIDES
            return across
        same: np.ndarray = self.places[first] == self.places[second]
        return same

    @property
    def repeated(self) -> np.ndarray:
        """(m,) nodes whose own files are duplicates that count."""
        return np.flatnonzero(self.places == _SIDES if self.scope.between else self.files > 1)

    def members(self, nodes: Sequence[int] | np.ndarray) -> Iterator[tuple[int, list[File]]]:
        """Pairs of a node and its files in the scope, as `Collection.files` gives them; no node without one."""
        for low in range(0, len(nodes), _AT_ONCE):
            part = [int(node) for node in nodes[low : low + _AT_ONCE]]
            files = dict(self.files_of({int(self.ids[node]) for node in part}))
            for node in part:
                found = [file for file in files.get(int(self.ids[node]), ()) if self._holds(node, file["path"])]
                if found:
                    yield node, found

    def files_of(self, ids: Iterable[int]) -> Iterator[tuple[int, list[File]]]:
        """Pairs of an image and its files, inside the scope or not."""
        listed = sorted(ids)
        for low in range(0, len(listed), _AT_ONCE):
            wanted = f"id in ({', '.join(map(str, listed[low : low + _AT_ONCE]))})"
            for number, files in groupby(self._collection.files(wanted), key=lambda file: int(file["id"])):
                yield number, list(files)

    def _holds(self, node: int, path: str) -> bool:
        if self._matching is not None:
            place = np.searchsorted(self._matching, hash(path))
            if place == len(self._matching) or self._matching[place] != hash(path):
                return False
        name = self.scope.place(path)
        return bool(name) and (self.scope.between is not None or self._names.get(name) == self.places[node])


def parent(path: str) -> str:
    """The folder that a file or a member of an archive lies in."""
    slash, member = max(path.rfind("/"), path.rfind(os.sep)), path.rfind("::")
    return path[: max(slash, member, 0)] or os.sep


def _under(path: str, folder: str) -> bool:
    start = folder.rstrip(os.sep)
    return path == folder or path.startswith((f"{start}{os.sep}", f"{start}::"))
