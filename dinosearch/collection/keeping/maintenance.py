"""Keep a collection in order: hand out vectors, remove, describe, and reclaim space."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from dinosearch.advice import run
from dinosearch.collection.asking.one_state import at_one_state
from dinosearch.collection.kinds import DIFFUSION, IMAGES, NEXT, STATES, is_aside, kinds_of, row_ids
from dinosearch.collection.opened import OpenedHome
from dinosearch.collection.reports import CollectionInfo, CompactReport, DerivedInfo, ModelInfo, RootInfo
from dinosearch.errors import DamagedHomeError, ImageNotFoundError, SettingError
from dinosearch.home import FORMAT_VERSION
from dinosearch.protocols import Progress
from dinosearch.records import Generation


def vectors(opened: OpenedHome, ids: Sequence[int] | np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    """See `Collection.vectors`."""
    return at_one_state(opened, lambda: _vectors(opened, ids))


def _vectors(opened: OpenedHome, ids: Sequence[int] | np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    wanted = opened.store.live_ids() if ids is None else np.asarray(ids, dtype=np.int64).reshape(-1)
    search = opened.search()
    try:
        return wanted, search.vectors(wanted)
    except KeyError as error:
        raise ImageNotFoundError(
            f"image id:{error.args[0]} has no vector in {opened.path}; check the collection with: ",
            run("verify"),
            image_id=int(error.args[0]),
        ) from None


def ids(opened: OpenedHome, where: str | None) -> np.ndarray:
    """See `Collection.ids`."""
    from dinosearch.store import parse_filter

    return np.sort(opened.store.select(parse_filter(where)) if where else opened.store.live_ids())


def choose_index_type(opened: OpenedHome, name: str | None) -> None:
    """Choose the type of index, which the next `update_index` builds; None leaves it as it is.

    Raises:
        ValueError: no such type.
        SettingError: an engine has no choice of types.
    """
    if name is None:
        return
    if opened.place.home is None:
        raise SettingError(f"{opened.path} has the index that its engine offers; leave out --index-type")
    from dinosearch.vectors import LADDERS

    if name not in LADDERS:
        raise ValueError(f"index type {name!r} is not one of {', '.join(LADDERS)}")
    if name != (opened.store.setting("index_type") or "auto"):
        opened.store.set_setting("index_type", name)
        opened.reopen()


def remove(opened: OpenedHome, targets: Sequence[str]) -> int:
    """See `Collection.remove`; the caller holds the writer's lock.

    Raises:
        ImageNotFoundError: a target names nothing in the collection; nothing is removed then.
    """
    from dinosearch.collection.asking.pictures import id_of
    from dinosearch.collection.indexing.plan import under
    from dinosearch.collection.keeping.sweeping import sweep

    known = opened.store.known()
    failed = opened.store.known_failures()
    paths: set[str] = set()
    failures: set[str] = set()
    folders: set[str] = set()
    for target in targets:
        image_id = id_of(target)
        if image_id is not None:
            found = {path for path, entry in known.items() if entry.image_id == image_id}
            unread: set[str] = set()
        else:
            folder = os.path.abspath(os.path.expanduser(target))
            folders.add(folder)
            found = {path for path in known if under(path, folder)}
            unread = {path for path in failed if under(path, folder)}
        if not found and not unread:
            raise ImageNotFoundError(
                f"{target} is not in the collection in {opened.path}, so nothing was removed; "
                "what it holds is listed by: ",
                run("export", "-", of=opened.named),
                image_id=image_id,
            )
        paths |= found
        failures |= unread
    with opened.store.transaction() as tx:
        tx.remove_locations(sorted(paths))
        tx.clear_failures(sorted(failures))
        tx.remove_roots([root for root in opened.store.roots() if root in folders])
    sweep(opened)
    return len(paths)


def info(opened: OpenedHome) -> CollectionInfo:
    """See `Collection.info`."""
    return at_one_state(opened, lambda: _info(opened))


def _info(opened: OpenedHome) -> CollectionInfo:
    counts = opened.store.counts()
    fingerprint = opened.fingerprint
    search = opened.answering()[0] if fingerprint else None
    generation = search.generation if search else None
    index = generation.index if generation else None
    rows, tail, built = 0, 0, None
    if search and opened.place.home is None:
        rows, built = search.count(), search.index_info()
        tail = 0 if built else rows
    elif generation:
        rows = generation.rows
        tail = rows - (index.rows if index else 0)
    return CollectionInfo(
        home=str(opened.path),
        format_version=FORMAT_VERSION,
        fingerprint=fingerprint,
        images=counts["images"],
        files=counts["locations"],
        removed=counts["removed"],
        failed=counts["failures"],
        rows=rows,
        tail=tail,
        index=index,
        index_problem=search.index_problem if search else None,
        bytes=opened.place.bytes(),
        roots=tuple(_root(opened, path) for path in opened.store.roots()),
        derived=tuple(_derived(opened)),
        models=tuple(models(opened)),
        waiting=counts["waiting"],
        engine=opened.place.engine_version(),
        built=built,
    )


def compact(opened: OpenedHome, progress: Progress | None) -> CompactReport:
    """See `Collection.compact`; the caller holds the writer's lock.

    The live rows of each kind are copied into a new generation's file and indexed there; one commit then switches over,
    so a crash leaves either the old or the new generation whole. Whole images come last, because that commit also drops
    the removed ones: what is derived from images may lack rows, never the images themselves.
    """
    if opened.place.home is None:
        from dinosearch.collection.keeping import sweeping

        return sweeping.compact(opened)
    before, rows = opened.place.bytes(), opened.search(IMAGES).generation.rows
    rewrite_all(opened, progress)
    opened.store.vacuum()
    return CompactReport(rows, opened.search(IMAGES).generation.rows, before, opened.place.bytes())


def rewrite_all(opened: OpenedHome, progress: Progress | None) -> None:
    """Leave only the live rows of every kind, whole images last.

    They forget the removed images, so that rows of those in other kinds would be of images that nobody knows.
    """
    rewrite(opened, [kind for kind in opened.store.generations() if kind != IMAGES], progress)
    rewrite(opened, [IMAGES], progress)


def rewrite(opened: OpenedHome, kinds: Sequence[str], progress: Progress | None) -> None:
    """Leave only the live rows of some kinds: copy them into new generations and switch to them, one kind a commit.

    With `IMAGES` the removed images are forgotten in the same commit. In an engine the other rows are deleted.
    """
    from dinosearch.collection.derived.calibrating import carry_over

    if opened.place.home is None:
        from dinosearch.collection.keeping import sweeping

        sweeping.prune(opened, kinds)
        return
    held, numbers = opened.store.generations(), dict[int, int]()
    for kind in kinds:
        if not kind.endswith(DIFFUSION):  # its rows go by image ids, which stay
            new = _compacted(opened, kind, progress)
            opened.store.switch_generation(new, forget_removed=kind == IMAGES)
            numbers[held[kind].number] = new.number
    carry_over(opened, numbers)
    for kind, walks in held.items():
        if kind.endswith(DIFFUSION) and walks.recipe["of"] in numbers:
            recipe = {**walks.recipe, "of": numbers[walks.recipe["of"]]}
            opened.store.switch_generation(replace(walks, recipe=recipe))
    opened.now()
    opened.drop_other_files()


def _compacted(opened: OpenedHome, kind: str, progress: Progress | None) -> Generation:
    """The next generation of a kind with live rows only, on disk but not committed."""
    from dinosearch.vectors import LocalVectorSearch, compacted

    search = opened.search(kind)
    assert isinstance(search, LocalVectorSearch)
    generation = search.generation
    number = opened.store.next_generation()
    if opened.home.basis(generation.number).exists():
        shutil.copyfile(opened.home.basis(generation.number), opened.home.basis(number))
    live = row_ids(opened.store.live_ids() if kind == IMAGES else opened.store.placed_ids(), generation)
    if kind != IMAGES:
        live = np.intersect1d(live, search.ids())  # images that were not reached yet
    recall = generation.index.recall_target if generation.index else 0.98 if kind == IMAGES else None
    return compacted(search, opened.home.vectors(number), number, live, recall, progress)


def _derived(opened: OpenedHome) -> Iterator[DerivedInfo]:
    for kind, generation in sorted(opened.store.generations().items()):
        if kind != IMAGES and not is_aside(kind):
            size = opened.place.bytes({generation.number})
            yield DerivedInfo(kind, _rows(opened, generation), size, dict(generation.recipe))


def models(opened: OpenedHome) -> Iterator[ModelInfo]:
    """What each side of the home is and takes: the one that answers first."""
    held = opened.store.generations()
    placed = len(opened.store.placed_ids()) if NEXT + IMAGES in held else 0
    for side, state in STATES.items():
        images = held.get(side + IMAGES)
        if images is not None:
            numbers = [held[side + kind].number for kind in kinds_of(held, side)]
            rows, size = _rows(opened, images), opened.place.bytes(set(numbers))
            share = min(1.0, rows / placed) if side == NEXT and placed else 1.0
            yield ModelInfo(state, images.fingerprint, rows, size, share)


def _rows(opened: OpenedHome, generation: Generation) -> int:
    """Rows of a generation: as many as were written to a file; an engine, which deletes them, counts what is there."""
    if opened.place.home is not None:
        return generation.rows
    try:
        return opened.search(generation.kind).count()
    except DamagedHomeError:  # `verify` says what is wrong
        return 0


def _root(opened: OpenedHome, path: str) -> RootInfo:
    return RootInfo(path, os.path.lexists(path), opened.store.count_under(path))
