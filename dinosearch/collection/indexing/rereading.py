"""Read images of a collection again, each from the first of its files that still has the content that is known."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator
from itertools import groupby, islice
from typing import TypeGuard

import numpy as np

from dinosearch.collection.indexing.plan import under
from dinosearch.collection.indexing.run import with_members
from dinosearch.collection.opened import OpenedHome
from dinosearch.images import DecodePool
from dinosearch.records import FoundFile, ImageRecord, PreparedImage, Preprocessing, Problem

_STEP = 1000  # images looked up at a time


class Rereading:
    """Decodes images that the store knows.

    Args:
        opened: the home.
        preprocessing: what the prepared images shall look like.
        patch: pixels of the model's patch.
        workers: decoding processes; None chooses.

    Attributes:
        unread: for each image that none of its files gave so far, the last of them and what is wrong with it.
    """

    def __init__(
        self, opened: OpenedHome, preprocessing: Preprocessing, patch: int, workers: int | None = None
    ) -> None:
        self.unread: dict[int, Problem] = {}
        self._opened, self._preprocessing, self._patch, self._workers = opened, preprocessing, patch, workers
        self._roots = {root: os.path.lexists(root) for root in opened.store.roots()}

    def batches(self, ids: np.ndarray, size: int) -> Generator[list[tuple[int, PreparedImage]], None, None]:
        """Images by id, in batches of `size` files looked at, of which the readable ones are handed out.

        The caller closes what is returned, which ends the decoding processes.

        Args:
            ids: (n,) int64.
            size: of a batch, at most.
        """
        turn = 0
        with DecodePool(self._preprocessing, self._patch, workers=self._workers) as pool:
            while len(ids):  # first the first file of each, then the second of those that were not readable, ...
                wanted: dict[str, ImageRecord] = {}
                again: list[int] = []
                files = pool.prepare_all(with_members(self._files(ids, turn, wanted)))
                while batch := list(islice(files, size)):
                    known = [(wanted.pop(file.path), item) for file, item in batch]
                    yield [(record.id, item) for record, item in known if is_still(item, record)]
                    for record, item in known:
                        if is_still(item, record):
                            self.unread.pop(record.id, None)
                        else:
                            self._note(record, item)
                            again.append(record.id)
                for record in wanted.values():  # their archive has them no longer
                    self._note(record, Problem(record.path, "no longer there"))
                    again.append(record.id)
                ids, turn = np.array(again, np.int64), turn + 1

    def _files(self, ids: np.ndarray, turn: int, wanted: dict[str, ImageRecord]) -> Iterator[FoundFile]:
        """The file of each image whose turn it is, where it has so many; notes in `wanted` whose it is."""
        for low in range(0, len(ids), _STEP):
            records = self._opened.store.records(ids[low : low + _STEP].tolist())
            for _, group in groupby(records, key=lambda record: record.id):
                for record in islice(group, turn, turn + 1):
                    wanted[record.path] = record
                    yield FoundFile(record.path, record.size, 0)

    def _note(self, record: ImageRecord, item: PreparedImage | Problem) -> None:
        reason = item.reason if isinstance(item, Problem) else "its content has changed since it was indexed"
        for root, is_there in self._roots.items():
            if not is_there and under(record.path, root):
                reason = f"offline: {root} is not there now"
        self.unread[record.id] = Problem(record.path, reason)


def is_still(image: PreparedImage | Problem, record: ImageRecord) -> TypeGuard[PreparedImage]:
    """Whether the file was readable and has the content that the collection knows."""
    return isinstance(image, PreparedImage) and image.sha256 == record.sha256
