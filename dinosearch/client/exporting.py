"""Write a collection on a server to a folder of this machine, in the form that `dinosearch export` has."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from dinosearch.errors import CollectionNotFoundError, ExportError
from dinosearch.protocols import Progress

if TYPE_CHECKING:
    from dinosearch.client.lister import ClientLister

_BATCH = 1000


def export(collection: ClientLister, folder: Path, progress: Progress | None) -> int:
    """See `ClientLister.export`; the manifest is written last."""
    from dinosearch.collection.keeping.transfer import begin_export, write_manifest

    state, fingerprint = collection.state, collection.info().fingerprint
    if fingerprint is None:
        raise CollectionNotFoundError(f"{collection!r} is empty, so there is nothing to export")
    begin_export(folder)
    ids = collection.ids()
    known, written = set(ids.tolist()), 0
    with open(folder / "images.jsonl", "w", encoding="utf-8") as lines:
        for file in collection.files():
            if file["id"] in known:
                lines.write(json.dumps(file) + "\n")
                written += 1
    shape = (len(ids), fingerprint.dimension)
    out = np.lib.format.open_memmap(folder / "vectors.npy", mode="w+", dtype=np.float32, shape=shape)
    for start in range(0, len(ids), _BATCH):
        part = ids[start : start + _BATCH]
        out[start : start + len(part)] = collection.vectors(part)[1]
        if progress:
            progress("export", start + len(part), len(ids))
    out.flush()
    del out
    if collection.state != state:
        raise ExportError(f"the collection was changed meanwhile, so {folder} is of no one state; delete it and repeat")
    write_manifest(folder, fingerprint, len(ids), written)
    return written
