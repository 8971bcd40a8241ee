"""Take out of an engine what the metadata store does not know, or no longer.

A folder keeps the vectors of removed images until `compact`, as their files may come back; an engine that many share is
swept after every run. A crash in between leaves rows that no answer has and the next `verify` names.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from dinosearch.collection.kinds import row_ids
from dinosearch.collection.opened import OpenedHome
from dinosearch.collection.places.engine_search import EngineSearch
from dinosearch.collection.places.packed_search import PackedSearch
from dinosearch.collection.reports import CompactReport


def sweep(opened: OpenedHome) -> None:
    """Forget the images that lost their last file, then their vectors; a folder is left as it is."""
    if opened.place.home is not None or opened.now() is None:
        return
    gone = np.setdiff1d(opened.store.removed_ids(), opened.store.waiting_ids())
    if len(gone):
        opened.store.forget_removed(gone.tolist())
        for kind in opened.store.generations():  # also what is kept, or made, of another model
            search = opened.search(kind)
            search.delete(row_ids(gone, search.generation))


def prune(opened: OpenedHome, kinds: Iterable[str]) -> None:
    """Delete rows that are damaged, or of images that nobody knows."""
    sweep(opened)
    known = np.union1d(opened.store.placed_ids(), opened.store.removed_ids())
    for kind in kinds:
        search = opened.search(kind)
        assert isinstance(search, (EngineSearch, PackedSearch))
        dead = np.union1d(np.setdiff1d(search.ids(), row_ids(known, search.generation)), search.damaged)
        if len(dead):
            search.delete(dead)


def compact(opened: OpenedHome) -> CompactReport:
    """See `Collection.compact`; the engine gives back the space of what was deleted."""
    before, rows = opened.place.bytes(), opened.search().count()
    kinds = list(opened.store.generations())
    prune(opened, kinds)
    opened.drop_other_files()
    for kind in kinds:
        search = opened.search(kind)
        assert isinstance(search, (EngineSearch, PackedSearch))
        search.tidy()
    opened.store.vacuum()
    return CompactReport(rows, opened.search().count(), before, opened.place.bytes())
