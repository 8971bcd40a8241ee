"""Carry a collection out of its home and into another, in formats that any tool reads: JSON Lines and NumPy arrays.

manifest.json   schema, number of images, fingerprint, SHA-256 of the two other files
images.jsonl    one line per path: id, path, sha256, width, height, format, size, modified, added, taken, camera
vectors.npy     (n, dimension) float32; row i belongs to the i-th distinct id of images.jsonl
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime, timezone
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from dinosearch.collection.opened import OpenedHome
from dinosearch.collection.received import FILES, SCHEMA, Received
from dinosearch.errors import ExportError, FingerprintMismatchError
from dinosearch.home import atomic_path, sha256_file
from dinosearch.protocols import Progress
from dinosearch.records import Fingerprint, FoundFile, ImageInfo, ImageRecord, IndexSummary
from dinosearch.store import parse_filter

_BATCH = 1000
_NAMES = tuple(field.name for field in dataclasses.fields(ImageRecord))


def files(opened: OpenedHome, where: str | None) -> Iterator[dict[str, Any]]:
    """See `Collection.files`."""
    for record in opened.store.iter_records(parse_filter(where) if where else None):
        yield _to_json(record)


def export(opened: OpenedHome, folder: Path, progress: Progress | None) -> int:
    """See `Collection.export`.

    The manifest is written last, so an interrupted export is never taken for a whole one.
    """
    fingerprint = opened.generation.fingerprint
    if folder.exists() and any(folder.iterdir()):
        raise ExportError(f"{folder} is not empty; export into a new folder, such as: dinosearch export {folder}-2")
    folder.mkdir(parents=True, exist_ok=True)
    search, ids = opened.search(), opened.store.live_ids()
    out = np.lib.format.open_memmap(
        folder / "vectors.npy", mode="w+", dtype=np.float32, shape=(len(ids), fingerprint.dimension)
    )
    written = 0
    with open(folder / "images.jsonl", "w", encoding="utf-8") as lines:
        for start in range(0, len(ids), _BATCH):
            part = ids[start : start + _BATCH]
            out[start : start + len(part)] = search.vectors(part)
            for record in sorted(opened.store.records(part.tolist()), key=lambda r: (r.id, r.path)):
                lines.write(json.dumps(_to_json(record)) + "\n")
                written += 1
            if progress:
                progress("export", start + len(part), len(ids))
    out.flush()
    del out
    _write_manifest(folder, fingerprint, len(ids), written)
    return written


def write_vectors(folder: Path, fingerprint: Fingerprint, paths: Sequence[str], vectors: np.ndarray) -> None:
    """Write vectors that come from elsewhere in the form of an export, so that any home can import them.

    Args:
        folder: made here; empty or absent.
        fingerprint: what the vectors were made with.
        paths: (n,) distinct absolute paths; the files need not be there, so size and checksum of their content are made
            up from the path.
        vectors: (n, dimension) float32 of unit length.
    """
    folder.mkdir(parents=True, exist_ok=True)
    np.save(folder / "vectors.npy", np.ascontiguousarray(vectors, np.float32))
    moment = datetime(1970, 1, 1, tzinfo=timezone.utc)
    with open(folder / "images.jsonl", "w", encoding="utf-8") as lines:
        for number, path in enumerate(paths, start=1):
            sha256 = hashlib.sha256(os.fsencode(path)).hexdigest()
            record = ImageRecord(number, path, sha256, 1, 1, "UNKNOWN", 0, moment, moment)
            lines.write(json.dumps(_to_json(record)) + "\n")
    _write_manifest(folder, fingerprint, len(paths), len(paths))


def import_(opened: OpenedHome, folder: Path, recall: float, progress: Progress | None) -> IndexSummary:
    """See `Collection.import_`; the caller holds the writer's lock."""
    started = time.monotonic()
    received = Received(folder)
    fingerprint, vectors = received.fingerprint, received.vectors
    if opened.fingerprint is not None and not opened.fingerprint.matches(fingerprint):
        raise FingerprintMismatchError(
            f"{folder} holds vectors of {fingerprint}, but {opened.home.path} holds {opened.fingerprint}, and "
            f"they cannot be "
            f"compared; import into another home: dinosearch import {folder} --home OTHER"
        )
    opened.begin(fingerprint)
    known, counts = opened.store.known(), Counter[str]()
    waiting = {-1, *opened.store.waiting_ids().tolist()}  # without a vector, like what is not there at all
    groups, done = received.groups(), 0
    while batch := list(islice(groups, _BATCH)):
        rows = np.array(vectors[done : done + len(batch)])
        ids = opened.store.ids_by_sha256([group[0].sha256 for group in batch])
        fresh = [i for i, group in enumerate(batch) if ids.get(group[0].sha256, -1) in waiting]
        with opened.store.transaction() as tx:
            for i in fresh:
                first = batch[i][0]
                info = ImageInfo(first.width, first.height, first.format, first.taken, first.camera)
                if first.sha256 not in ids:
                    ids[first.sha256] = tx.add_image(first.sha256, info)
            if fresh:
                new = np.array([ids[batch[i][0].sha256] for i in fresh], dtype=np.int64)
                try:
                    opened.append(tx, new, rows[fresh])
                except ValueError as error:  # not of unit length, or not numbers
                    raise ExportError(
                        f"{folder / 'vectors.npy'} holds what is no vector ({error}); make an export with: "
                        "dinosearch export FOLDER"
                    ) from None
            for record in (record for group in batch for record in group):
                counts["unchanged" if record.path in known else "added"] += 1
                mtime_ns = round(record.modified.timestamp() * 1_000_000) * 1000
                tx.put_location(FoundFile(record.path, record.size, mtime_ns), ids[record.sha256])
        done += len(batch)
        if progress:
            progress("import", done, received.images)
    opened.update_index(recall, progress, opened.searched)
    seconds = round(time.monotonic() - started, 3)
    return IndexSummary(added=counts["added"], unchanged=counts["unchanged"], seconds=seconds)


def _write_manifest(folder: Path, fingerprint: Fingerprint, images: int, files: int) -> None:
    manifest = {
        "schema": SCHEMA,
        "images": images,
        "files": files,
        "fingerprint": fingerprint.to_dict(),
        "sha256": {name: sha256_file(folder / name) for name in FILES},
    }
    with atomic_path(folder / "manifest.json") as temporary:
        temporary.write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")


def _to_json(record: ImageRecord) -> dict[str, Any]:
    data = {name: getattr(record, name) for name in _NAMES}
    for name in ("modified", "added", "taken"):
        data[name] = data[name].isoformat() if data[name] else None
    return data
