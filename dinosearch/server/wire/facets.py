"""What the filters of a collection can be made of, as clients get it: made once for each state of the collection.

Labels change often, and all else only with the images and files.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any
from weakref import WeakKeyDictionary

from dinosearch.collection import Collection
from dinosearch.records.facets import Facets
from dinosearch.server.catalogue import Served
from dinosearch.server.work.background import Moment

MOST = 500
"""Folders, cameras and labels that are named, those with most files."""

_known: WeakKeyDictionary[Collection, tuple[Moment, dict[str, Any]]] = WeakKeyDictionary()
_lock = threading.Lock()


def facets_of(served: Served, hidden: bool) -> dict[str, Any]:
    """The facets of the newest state, as JSON; without folders where they are hidden."""
    with _lock:  # one reads, others wait for what it finds
        # Asked before what they are of: a commit between the two makes that look older than it is, and not newer.
        now = Moment(served.state(), served.collection.images_state)
        known = _known.get(served.collection)
        if known is None or known[0] != now:
            found = served.collection.facets()
            shown = known[1] if known is not None and known[0].images == now.images else _of_files(found)
            known = _known[served.collection] = now, {**shown, "labels": _counted(found.labels, "label")}
    return {**known[1], "folders": []} if hidden else known[1]


def _of_files(found: Facets) -> dict[str, Any]:
    first, last = (moment.isoformat() if moment else None for moment in (found.taken.first, found.taken.last))
    spans = {"width": found.width, "height": found.height, "size": found.size}
    return {
        "folders": _counted(found.folders, "path"),
        "formats": _counted(found.formats, "format"),
        "cameras": _counted(found.cameras, "camera"),
        "taken": {"first": first, "last": last},
        **{name: {"min": span.first, "max": span.last} for name, span in spans.items()},
    }


def _counted(counts: Mapping[str, int], name: str) -> list[dict[str, Any]]:
    most = sorted(counts.items(), key=lambda one: (-one[1], one[0]))[:MOST]
    return [{name: value, "files": count} for value, count in sorted(most)]
