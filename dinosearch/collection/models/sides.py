"""The models of a home: the one that answers queries, one that may be in the making, and one that may be kept.

Each is a side: generations of the same kinds under names of their own (`kinds`). A swap renames them in one commit, so
that every query is answered by one side, and what belongs to a model besides, such as its calibration, goes with it.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from dinosearch.collection.asking.trust import SETTING
from dinosearch.collection.derived.calibrating import LEARNED, with_verdicts
from dinosearch.collection.keeping.maintenance import rewrite, rewrite_all
from dinosearch.collection.kinds import IMAGES, KEPT, NEXT, kinds_of
from dinosearch.collection.opened import OpenedHome
from dinosearch.errors import DamagedHomeError
from dinosearch.protocols import Progress

OF_A_MODEL = ("weights", LEARNED, SETTING)
"""Settings that belong to the vectors that answer; those of another side lie in the recipe of its images."""
_BEHIND = "behind"
"""In the recipe of a side's images: what was made from all of them, as refined vectors are, is of earlier ones. It
stays when a change of the model is interrupted, so that the next run knows."""


def mark_behind(opened: OpenedHome, side: str) -> None:
    """Note, before a side's images change, that what is made from all of them has to be made again."""
    images = opened.search(side + IMAGES).generation
    with opened.store.transaction() as tx:
        tx.set_recipe(images.number, {**images.recipe, _BEHIND: True})
    opened.now()


def is_behind(opened: OpenedHome, side: str) -> bool:
    """Whether `mark_behind` was called since this side answered last."""
    return bool(opened.search(side + IMAGES).generation.recipe.get(_BEHIND))


def drop(opened: OpenedHome, side: str) -> int:
    """Forget the generations of a side and delete their files; returns the bytes that were freed."""
    held = opened.store.generations()
    freed = opened.place.bytes({held[side + kind].number for kind in kinds_of(held, side)})
    with opened.store.transaction() as tx:
        for kind in kinds_of(held, side):
            tx.drop_generations(side + kind)
    opened.now()
    opened.drop_other_files()
    return freed


def swap(opened: OpenedHome, side: str) -> None:
    """Let a side answer queries, and keep the one that does; the caller holds the writer's lock.

    One commit renames the kinds, exchanges what belongs to the models, and settles which images can be found: those
    that the new side has a vector of. Others that have a file wait for one; removed ones are forgotten, because they
    could not be revived.
    """
    _drop_superseded(opened)
    store = opened.store
    rows, placed, waiting = opened.search(side + IMAGES).ids(), store.placed_ids(), store.waiting_ids()
    forgotten = np.setdiff1d(np.setdiff1d(store.removed_ids(), waiting), rows)
    held = store.generations()
    now, then = held[IMAGES], held[side + IMAGES]
    aside: dict[str, Any] = dict(then.recipe.get("settings", {}))
    kept = {key: store.setting(key) for key in OF_A_MODEL}
    names = {kind: KEPT + kind for kind in kinds_of(held, "")}
    with store.transaction() as tx:
        if side == NEXT:
            for kind in kinds_of(held, KEPT):
                tx.drop_generations(KEPT + kind)
        tx.rename_generations(names | {side + kind: kind for kind in kinds_of(held, side)})
        tx.set_recipe(now.number, {**now.recipe, "settings": kept})
        own = {key: value for key, value in then.recipe.items() if key not in ("settings", _BEHIND)}
        tx.set_recipe(then.number, own)
        for key in OF_A_MODEL:
            tx.set_setting(key, aside.get(key))
        tx.let_wait(np.intersect1d(waiting, rows), False)
        tx.let_wait(np.setdiff1d(placed, rows), True)
        tx.forget_removed(forgotten.tolist())
    opened.now()
    opened.drop_other_files()
    with_verdicts(opened)  # of which some may have been taken back while its calibration lay aside


def _drop_superseded(opened: OpenedHome) -> None:
    """Write the images' vectors anew where damaged rows lie among them that sound ones have replaced.

    They do no harm while the side answers; in one that is kept nothing would tell them from lost ones. An engine has
    one row an image.
    """
    if opened.place.home is None:
        return
    search = opened.search(IMAGES)
    if not search.check() and search.damaged_rows:
        rewrite_all(opened, None)


def tidy(opened: OpenedHome, side: str, progress: Progress | None) -> bool:
    """Write a side anew without rows that are damaged or belong to images that have been forgotten since.

    Returns:
        Whether there was something to leave out.

    Raises:
        DamagedHomeError: the file of its images cannot be used at all.
    """
    search = opened.search(side + IMAGES)
    search.check(progress)
    known = np.union1d(opened.store.placed_ids(), opened.store.removed_ids())
    if not search.damaged_rows and not len(np.setdiff1d(search.ids(), known)):
        return False
    rewrite(opened, [side + kind for kind in kinds_of(opened.store.generations(), side)], progress)
    return True


def repair(opened: OpenedHome, kind: str, progress: Progress | None) -> None:
    """Mend a kind of a side that does not answer; `migrate` makes anew what is left out here."""
    side = NEXT if kind.startswith(NEXT) else KEPT
    if kind != side + IMAGES:
        opened.drop_generation(kind)
        return
    try:
        if not tidy(opened, side, progress):
            opened.rebuild_index(progress, kind)
    except DamagedHomeError:
        drop(opened, side)
