"""What the filters of a collection can be made of, as clients get it; read once for each state of the collection."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any
from weakref import WeakKeyDictionary

from dinosearch.collection import Collection
from dinosearch.records.facets import Facets
from dinosearch.server.catalogue import Served

MOST = 500
"""Folders, cameras and labels that are named, those with most files."""

_known: WeakKeyDictionary[Collection, tuple[int, dict[str, Any]]] = WeakKeyDictionary()
_lock = threading.Lock()


def facets_of(served: Served, hidden: bool) -> dict[str, Any]:
    """The facets of the newest state, as JSON; without folders where they are hidden."""
    with _lock:  # one reads, others wait for what it finds
        state = served.state()
        found = _known.get(served.collection)
        if found is None or found[0] != state:
            found = _known[served.collection] = state, _shown(served.collection.facets())
    return {**found[1], "folders": []} if hidden else found[1]


def _shown(found: Facets) -> dict[str, Any]:
    first, last = (moment.isoformat() if moment else None for moment in (found.taken.first, found.taken.last))
    spans = {"width": found.width, "height": found.height, "size": found.size}
    return {
        "folders": _counted(found.folders, "path"),
        "formats": _counted(found.formats, "format"),
        "cameras": _counted(found.cameras, "camera"),
        "labels": _counted(found.labels, "label"),
        "taken": {"first": first, "last": last},
        **{name: {"min": span.first, "max": span.last} for name, span in spans.items()},
    }


def _counted(counts: Mapping[str, int], name: str) -> list[dict[str, Any]]:
    most = sorted(counts.items(), key=lambda one: (-one[1], one[0]))[:MOST]
    return [{name: value, "files": count} for value, count in sorted(most)]
