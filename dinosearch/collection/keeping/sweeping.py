"""Take out of an engine what the metadata store does not know, or no longer.

A folder keeps the vectors of removed images until `compact`, as their files may come back; an engine that many share is
swept after every run. A crash in between leaves rows that no answer has and the next `verify` names.
"""

from __future__ import annotations

import numpy as np

from dinosearch.collection.opened import OpenedHome
from dinosearch.collection.places.engine_search import EngineSearch
from dinosearch.collection.reports import CompactReport


def sweep(opened: OpenedHome) -> None:
    """Forget the images that lost their last file, then their vectors; a folder is left as it is."""
    if opened.place.home is not None or opened.now() is None:
        return
    gone = np.setdiff1d(opened.store.removed_ids(), opened.store.waiting_ids())
    if len(gone):
        opened.store.forget_removed(gone.tolist())
        opened.search().delete(gone)


def drop_strangers(opened: OpenedHome) -> int:
    """Delete the vectors of images that nobody knows; returns their number."""
    search = opened.search()
    strangers = np.setdiff1d(search.ids(), np.union1d(opened.store.live_ids(), opened.store.removed_ids()))
    if len(strangers):
        search.delete(strangers)
    return len(strangers)


def compact(opened: OpenedHome) -> CompactReport:
    """See `Collection.compact`; the engine gives back the space of what was deleted."""
    before, rows = opened.place.bytes(), opened.search().count()
    sweep(opened)
    drop_strangers(opened)
    search = opened.search()
    if isinstance(search, EngineSearch):
        search.tidy()
    opened.drop_other_files()
    opened.store.vacuum()
    return CompactReport(rows, search.count(), before, opened.place.bytes())
