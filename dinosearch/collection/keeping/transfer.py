"""Carry a collection out of its home and into another, in formats that any tool reads: JSON Lines and NumPy arrays.

manifest.json   schema, number of images, fingerprint, SHA-256 of the two other files
images.jsonl    one line per path: id, path, sha256, width, height, format, size, modified, added, taken, camera,
                and label, label_confidence, label_given where there is a label
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
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dinosearch.advice import Named, run
from dinosearch.collection.keeping.received import FILES, SCHEMA, Arrivals, Delivery, Received
from dinosearch.collection.keeping.sweeping import sweep
from dinosearch.collection.opened import OpenedHome
from dinosearch.errors import ExportError, FingerprintMismatchError
from dinosearch.home import atomic_path, sha256_file
from dinosearch.protocols import Progress
from dinosearch.records import Fingerprint, FoundFile, ImageRecord, IndexSummary, Problem
from dinosearch.store import parse_filter

if TYPE_CHECKING:
    from dinosearch.store import Transaction

_BATCH = 1000
_NAMES = tuple(field.name for field in dataclasses.fields(ImageRecord))
_LABEL = ("label", "label_confidence", "label_given")


def files(opened: OpenedHome, where: str | None) -> Iterator[dict[str, Any]]:
    """See `Collection.files`."""
    for record in opened.store.iter_records(parse_filter(where) if where else None):
        yield _to_json(record)


def export(opened: OpenedHome, folder: Path, progress: Progress | None) -> int:
    """See `Collection.export`."""
    fingerprint = opened.generation.fingerprint
    begin_export(folder)
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
    write_manifest(folder, fingerprint, len(ids), written)
    return written


def begin_export(folder: Path) -> None:
    """Make the folder of an export.

    Raises:
        ExportError: something lies in it.
    """
    if folder.exists() and any(folder.iterdir()):
        raise ExportError(f"{folder} is not empty; export into a new folder, such as: ", run("export", f"{folder}-2"))
    folder.mkdir(parents=True, exist_ok=True)


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
    write_manifest(folder, fingerprint, len(paths), len(paths))


def import_(
    opened: OpenedHome, source: str | os.PathLike[str] | Delivery, recall: float, progress: Progress | None
) -> IndexSummary:
    """See `Collection.import_`; the caller holds the writer's lock."""
    started = time.monotonic()
    delivery = source if isinstance(source, Delivery) else Received(Path(source))
    if opened.fingerprint is not None and not opened.fingerprint.matches(delivery.fingerprint):
        raise FingerprintMismatchError(
            f"{delivery.name} holds vectors of {delivery.fingerprint}, but {opened.path} holds {opened.fingerprint}, "
            f"and they cannot be compared; import into another home: ",
            run("import", delivery.name, of=Named("OTHER")),
        )
    opened.begin(delivery.fingerprint)
    taking, done = _Taking(opened, delivery.name), 0
    for steps, arrivals in delivery.arrivals():
        taking.take(arrivals)
        done += steps
        if progress:
            progress("import", done, delivery.steps)
    sweep(opened)
    opened.update_index(recall, progress, opened.searched)
    seconds = round(time.monotonic() - started, 3)
    return IndexSummary(**taking.counts, seconds=seconds, failures=tuple(taking.failures))


class _Taking:
    """One import, part by part, each in a transaction of its own."""

    def __init__(self, opened: OpenedHome, name: str) -> None:
        self._opened, self._name = opened, name
        self._known = opened.store.known()
        self._waiting = {-1, *opened.store.waiting_ids().tolist()}  # without a vector, like what is not there at all
        self.counts: Counter[str] = Counter()
        self.failures: list[Problem] = []

    def take(self, arrivals: Arrivals) -> None:
        opened, contents = self._opened, arrivals.contents
        ids = opened.store.ids_by_sha256([sha256 for sha256, _ in contents])
        opened.make_refined(ids.values())
        fresh = [place for place, (sha256, _) in enumerate(contents) if ids.get(sha256, -1) in self._waiting]
        with opened.store.transaction() as tx:
            for sha256, info in (contents[place] for place in fresh):
                if sha256 not in ids:
                    ids[sha256] = tx.add_image(sha256, info)
            if fresh:
                new = np.array([ids[contents[place][0]] for place in fresh], dtype=np.int64)
                try:
                    opened.append(tx, new, arrivals.vectors[fresh])
                except ValueError as error:  # not of unit length, or not numbers
                    raise ExportError(
                        f"{self._name} holds what is no vector ({error}); make it again, by ",
                        run("export", "FOLDER"),
                        " or ",
                        run("embed", "SOURCE...", "--out", "FOLDER"),
                    ) from None
                self._waiting.difference_update(new.tolist())
            for file, place in arrivals.files:
                self._place(tx, file, ids[contents[place][0]])
            for file, reason in arrivals.bad:
                self._fail(tx, file, reason)
            tx.put_labels(replace(label, image_id=ids[contents[place][0]]) for place, label in arrivals.labels.items())

    def _place(self, tx: Transaction, file: FoundFile, image_id: int) -> None:
        self.counts["unchanged" if file.path in self._known else "added"] += 1
        if not self._known.is_same(file.path, file.size, file.mtime_ns) or self._known[file.path].image_id != image_id:
            tx.put_location(file, image_id)

    def _fail(self, tx: Transaction, file: FoundFile, reason: str) -> None:
        problem = Problem(file.path, reason)
        tx.put_failure(problem, file.size, file.mtime_ns)
        self.counts["failed"] += 1
        self.failures.append(problem)
        if file.path in self._known:
            tx.remove_locations([file.path])  # what was there before is not what is there now


def write_manifest(folder: Path, fingerprint: Fingerprint, images: int, files: int) -> None:
    """Say what the two other files hold; written last, so that an interrupted export is never taken for a whole one."""
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
    if record.label is None:  # earlier versions know no labels, and read what has none
        for name in _LABEL:
            del data[name]
    return data
