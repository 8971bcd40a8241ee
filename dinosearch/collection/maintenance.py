"""Keep a collection in order: hand out vectors, remove, describe, and reclaim space."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from dinosearch.collection.opened import DIFFUSION, IMAGES, OpenedHome, row_ids
from dinosearch.collection.reports import CollectionInfo, CompactReport, DerivedInfo, RootInfo
from dinosearch.errors import ImageNotFoundError
from dinosearch.home import FORMAT_VERSION
from dinosearch.protocols import Progress
from dinosearch.records import Generation


def vectors(opened: OpenedHome, ids: Sequence[int] | np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    """See `Collection.vectors`."""
    wanted = opened.store.live_ids() if ids is None else np.asarray(ids, dtype=np.int64).reshape(-1)
    search = opened.search()
    try:
        return wanted, search.vectors(wanted)
    except KeyError as error:
        raise ImageNotFoundError(
            f"image id:{error.args[0]} has no vector in {opened.home.path}; check the collection with: "
            f"dinosearch verify"
        ) from None


def remove(opened: OpenedHome, targets: Sequence[str]) -> int:
    """See `Collection.remove`; the caller holds the writer's lock.

    Raises:
        ImageNotFoundError: a target names nothing in the collection; nothing is removed then.
    """
    from dinosearch.collection.plan import under

    known = opened.store.known()
    failed = opened.store.known_failures()
    paths: set[str] = set()
    failures: set[str] = set()
    for target in targets:
        if target.startswith("id:") and target[3:].isdecimal():
            found = {path for path, entry in known.items() if entry.image_id == int(target[3:])}
            unread: set[str] = set()
        else:
            folder = os.path.abspath(os.path.expanduser(target))
            found = {path for path in known if under(path, folder)}
            unread = {path for path in failed if under(path, folder)}
        if not found and not unread:
            raise ImageNotFoundError(
                f"{target} is not in the collection in {opened.home.path}, so nothing was removed; "
                f"what it holds is listed by: dinosearch export - --home {opened.home.path}"
            )
        paths |= found
        failures |= unread
    with opened.store.transaction() as tx:
        tx.remove_locations(sorted(paths))
        tx.clear_failures(sorted(failures))
        tx.remove_roots([root for root in opened.store.roots() if root in {os.path.abspath(t) for t in targets}])
    return len(paths)


def info(opened: OpenedHome) -> CollectionInfo:
    """See `Collection.info`."""
    counts = opened.store.counts()
    fingerprint = opened.fingerprint
    search = opened.answering()[0] if fingerprint else None
    generation = search.generation if search else None
    rows = generation.rows if generation else 0
    index = generation.index if generation else None
    return CollectionInfo(
        home=str(opened.home.path),
        format_version=FORMAT_VERSION,
        fingerprint=fingerprint,
        images=counts["images"],
        files=counts["locations"],
        removed=counts["removed"],
        failed=counts["failures"],
        rows=rows,
        tail=rows - (index.rows if index else 0),
        index=index,
        index_problem=search.index_problem if search else None,
        bytes=_disk_bytes(opened),
        roots=tuple(_root(opened, path) for path in opened.store.roots()),
        derived=tuple(_derived(opened)),
    )


def compact(opened: OpenedHome, progress: Progress | None) -> CompactReport:
    """See `Collection.compact`; the caller holds the writer's lock.

    The live rows of each kind are copied into a new generation's file and indexed there; one commit then switches over,
    so a crash leaves either the old or the new generation whole. Whole images come last, because that commit also drops
    the removed ones: what is derived from images may lack rows, never the images themselves.
    """
    from dinosearch.collection.calibrating import carry_over

    before = _disk_bytes(opened)
    old = opened.search(IMAGES).generation
    answering = opened.answering()[0].generation.number
    others = [kind for kind in opened.store.generations() if kind not in (IMAGES, DIFFUSION)]
    for kind in (*others, IMAGES):
        new = _compacted(opened, kind, progress)
        opened.store.switch_generation(new, forget_removed=kind == IMAGES)
    now = opened.answering()[0].generation.number
    carry_over(opened, answering, now)
    walks = opened.store.generation(DIFFUSION)
    if walks is not None and walks.recipe["of"] == answering:  # its rows go by image ids, which stay
        recipe = {**walks.recipe, "of": now}
        opened.store.switch_generation(replace(walks, recipe=recipe))
    opened.drop_other_files()
    opened.store.vacuum()
    return CompactReport(old.rows, new.rows, before, _disk_bytes(opened))


def _compacted(opened: OpenedHome, kind: str, progress: Progress | None) -> Generation:
    """The next generation of a kind with live rows only, on disk but not committed."""
    search = opened.search(kind)
    generation = search.generation
    number = opened.store.next_generation()
    if opened.home.basis(generation.number).exists():
        shutil.copyfile(opened.home.basis(generation.number), opened.home.basis(number))
    live = row_ids(opened.store.live_ids(), generation)
    if kind != IMAGES:
        live = np.intersect1d(live, search.ids())  # images that were not reached yet
    recall = generation.index.recall_target if generation.index else 0.98 if kind == IMAGES else None
    return search.compact(opened.home.vectors(number), number, live, recall, progress)


def _derived(opened: OpenedHome) -> Iterator[DerivedInfo]:
    for kind, generation in sorted(opened.store.generations().items()):
        if kind != IMAGES:
            size = sum(path.stat().st_size for path in opened.files_of(generation.number))
            yield DerivedInfo(kind, generation.rows, size, dict(generation.recipe))


def _root(opened: OpenedHome, path: str) -> RootInfo:
    return RootInfo(path, os.path.lexists(path), opened.store.count_under(path))


def _disk_bytes(opened: OpenedHome) -> int:
    return sum(entry.stat().st_size for entry in os.scandir(opened.home.path) if entry.is_file(follow_symlinks=False))
