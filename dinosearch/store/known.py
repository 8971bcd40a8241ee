"""Every known file at one moment, for an index run: a million of them in a quarter of a gigabyte.

One tuple a file would take twice that; here a file is its path, its place, and four numbers in columns.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Mapping
from itertools import count, islice
from typing import NamedTuple

from dinosearch.store.paths import from_store

_STEP = 10_000  # rows taken over at a time


class KnownFile(NamedTuple):
    """One location as an index run needs it.

    Attributes:
        location_id: never reused.
        image_id: the content that was at the path.
        size: bytes of the file.
        mtime_ns: modification time, nanoseconds since the epoch.
    """

    location_id: int
    image_id: int
    size: int
    mtime_ns: int


class KnownFiles(Mapping[str, KnownFile]):
    """Known files by path; `places` and the columns are for loops over a million files.

    Args:
        rows: path as it is stored, location id, image id, size and modification time of each file, paths distinct.

    Attributes:
        places: where each path stands in the columns, 0, 1, ... in this order.
        image_ids: by place.
        sizes: by place, bytes.
        mtimes: by place, nanoseconds since the epoch.
    """

    def __init__(self, rows: Iterable[tuple[str, int, int, int, int]] = ()) -> None:
        self.places: dict[str, int] = {}
        self.image_ids, self.sizes, self.mtimes, self._location_ids = (array("q") for _ in range(4))
        iterator = iter(rows)
        while part := list(islice(iterator, _STEP)):
            paths, location_ids, image_ids, sizes, mtimes = zip(*part, strict=True)
            self.places.update(zip(map(from_store, paths), count(len(self.places)), strict=False))
            for column, values in (
                (self._location_ids, location_ids),
                (self.image_ids, image_ids),
                (self.sizes, sizes),
                (self.mtimes, mtimes),
            ):
                column.extend(values)

    def is_same(self, path: str, size: int, mtime_ns: int) -> bool:
        """Whether the path is known with this size and modification time."""
        place = self.places.get(path)
        return place is not None and self.sizes[place] == size and self.mtimes[place] == mtime_ns

    def __getitem__(self, path: str) -> KnownFile:
        place = self.places[path]
        return KnownFile(self._location_ids[place], self.image_ids[place], self.sizes[place], self.mtimes[place])

    def __contains__(self, path: object) -> bool:
        return path in self.places

    def __iter__(self) -> Iterator[str]:
        return iter(self.places)

    def __len__(self) -> int:
        return len(self.places)
