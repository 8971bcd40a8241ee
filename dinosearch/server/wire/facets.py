"""What the filters of a collection can be made of: its folders, formats and cameras, and the spans of its numbers.

All files are read once for each state of the collection.
"""

from __future__ import annotations

import threading
from collections import Counter
from typing import Any
from weakref import WeakKeyDictionary

from dinosearch.collection import Collection
from dinosearch.server.catalogue import Served

MOST = 500
"""Folders and cameras that are named, those with most files."""

_known: WeakKeyDictionary[Collection, tuple[int, dict[str, Any]]] = WeakKeyDictionary()
_lock = threading.Lock()


def facets_of(served: Served, hidden: bool) -> dict[str, Any]:
    """The facets of the newest state, as JSON; without folders where they are hidden."""
    with _lock:  # one reads, others wait for what it finds
        state = served.state()
        found = _known.get(served.collection)
        if found is None or found[0] != state:
            found = _known[served.collection] = state, _read(served.collection)
    return {**found[1], "folders": []} if hidden else found[1]


def _read(collection: Collection) -> dict[str, Any]:
    folders: Counter[str] = Counter()
    formats: Counter[str] = Counter()
    cameras: Counter[str] = Counter()
    spans: dict[str, list[Any]] = {"taken": [None, None], "width": [None, None], "height": [None, None]}
    spans["size"] = [None, None]
    for row in collection.files():
        archive, inside, member = row["path"].rpartition("::")
        folders[archive if inside else _parent(member)] += 1
        formats[row["format"]] += 1
        if row["camera"]:
            cameras[row["camera"]] += 1
        for name, span in spans.items():
            value = row[name]
            if value is not None:
                span[0] = value if span[0] is None or value < span[0] else span[0]
                span[1] = value if span[1] is None or value > span[1] else span[1]
    return {
        "folders": _counted(folders, "path"),
        "formats": _counted(formats, "format"),
        "cameras": _counted(cameras, "camera"),
        "taken": {"first": spans["taken"][0], "last": spans["taken"][1]},
        **{name: {"min": spans[name][0], "max": spans[name][1]} for name in ("width", "height", "size")},
    }


def _parent(path: str) -> str:
    return path[: max(path.rfind("/"), path.rfind("\\"))] or "/"


def _counted(counts: Counter[str], name: str) -> list[dict[str, Any]]:
    return [{name: value, "files": count} for value, count in sorted(counts.most_common(MOST))]
