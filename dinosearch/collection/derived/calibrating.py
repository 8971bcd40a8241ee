"""Learn what a collection's scores mean: from variations of its own images, and from what users say of results.

Right pairs are variations of an image with its stored vector, wrong pairs the same variations with other images drawn
at random. Other photos of the same thing that the collection may hold count as wrong ones, since nobody has said that
they are right: where there are many, the estimates are too low until verdicts raise them.

Random images stand for the nearest ones too: a result is one of all images of the collection, and `records.Calibration`
reckons with their number. So no hard negatives are picked: they would be right for the collection's size of that day
only, and they are, of all images, those most likely not to be wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timezone
from typing import Any

import numpy as np

from dinosearch.advice import run
from dinosearch.collection.asking.pictures import picture
from dinosearch.collection.asking.trust import SETTING
from dinosearch.collection.opened import OpenedHome
from dinosearch.errors import DinosearchError, ImageNotFoundError, ImageUnreadableError
from dinosearch.images import prepare_pixels, thumbnail
from dinosearch.images.variations import variation
from dinosearch.protocols import Embedder, Progress
from dinosearch.records import Calibration
from dinosearch.retrieval import calibration as curves

LEARNED = "calibration_learned"
"""The setting with the calibration before verdicts, which every new verdict bends anew."""
LEAST = 20
VARIATIONS = 2
OTHERS = 2000
"""Images that each variation is compared with at most, as wrong ones."""


def calibrate(
    opened: OpenedHome,
    embedder: Callable[[], Embedder],
    sample: int = 200,
    seed: int = 0,
    progress: Progress | None = None,
) -> Calibration:
    """See `Collection.calibrate`; the caller holds the writer's lock.

    Args:
        opened: the home.
        embedder: opens its model.
        sample: images that are varied, at most.
        seed: decides which images and which variations; the same seed and images give the same calibration.
        progress: told about the stage `calibrate`.

    Raises:
        DinosearchError: fewer than 20 of the sampled images can be read.
    """
    if sample < LEAST:
        raise ValueError(f"a calibration needs a sample of at least {LEAST} images, not {sample}")
    search, basis = opened.answering()
    live = opened.store.live_ids()
    rng = np.random.default_rng(seed)
    chosen = rng.permutation(live)[:sample]
    readable: list[int] = []
    rows: list[np.ndarray] = []
    for done, image_id in enumerate(chosen.tolist(), start=1):
        found = _varied(opened, embedder(), image_id, rng)
        if found is not None:
            readable.append(image_id)
            rows.append(basis.apply(found))
        if progress is not None:
            progress("calibrate", done, len(chosen))
    if len(readable) < LEAST:
        raise DinosearchError(
            f"a calibration needs {LEAST} images, and of {len(chosen)} sampled ones in {opened.path} only "
            f"{len(readable)} can be read; index more with: ",
            run("index", "FOLDER", of=opened.named),
        )
    own = np.array(readable, dtype=np.int64)
    others = rng.permutation(live)[:OTHERS]
    varied = np.stack(rows)
    positives = np.einsum("nd,nvd->nv", search.vectors(own), varied).ravel()
    scores = np.einsum("nvd,md->nmv", varied, search.vectors(others))
    negatives = scores[own[:, None] != others].ravel()
    curve = curves.fit(positives, negatives)
    learned = _as_record(
        curve,
        Calibration(
            *((),) * 4,
            rivals=float(len(live) - 1),
            positives=len(positives),
            negatives=len(negatives),
            unreadable=len(chosen) - len(readable),
            confirmed=0,
            rejected=0,
            generation=search.generation.number,
            made=datetime.now(timezone.utc),
        ),
    )
    opened.store.set_setting(LEARNED, learned.to_dict())
    return _bent(opened, learned)


def carry_over(opened: OpenedHome, numbers: Mapping[int, int]) -> None:
    """Keep calibrations and verdicts when generations are replaced by others with the same vectors, as `compact` does.

    Args:
        opened: the home.
        numbers: the new number of each old one.
    """

    def renumbered(stored: Any) -> Any:
        return {**stored, "generation": numbers.get(stored["generation"], stored["generation"])} if stored else stored

    for key in (LEARNED, SETTING):
        stored = opened.store.setting(key)
        if stored:
            opened.store.set_setting(key, renumbered(stored))
    with opened.store.transaction() as tx:
        for generation in opened.store.generations().values():  # the calibration of a model that is kept
            aside = generation.recipe.get("settings")
            if aside:
                moved = {key: renumbered(aside.get(key)) for key in (LEARNED, SETTING)}
                tx.set_recipe(generation.number, {**generation.recipe, "settings": {**aside, **moved}})
    opened.store.put_verdicts(
        [replace(v, generation=numbers[v.generation]) for v in opened.store.verdicts() if v.generation in numbers]
    )


def _varied(opened: OpenedHome, embedder: Embedder, image_id: int, rng: np.random.Generator) -> np.ndarray | None:
    """(VARIATIONS, d) vectors of variations of the image; None where it cannot be read."""
    side = embedder.preprocessing.size
    try:
        found = thumbnail(picture(f"id:{image_id}", opened, side), 4 * side)
    except (ImageNotFoundError, ImageUnreadableError):
        return None
    varied = [variation(found, rng) for _ in range(VARIATIONS)]
    return embedder.embed([prepare_pixels(one, embedder.preprocessing, embedder.patch_size).pixels for one in varied])


def with_verdicts(opened: OpenedHome) -> Calibration | None:
    """Bend what was learned by the verdicts of now; None where nothing was learned of the vectors that answer."""
    stored = opened.store.setting(LEARNED)
    if not stored:
        return None
    learned = Calibration.from_dict(stored)
    return _bent(opened, learned) if learned.generation == opened.answering()[0].generation.number else None


def _bent(opened: OpenedHome, learned: Calibration) -> Calibration:
    """The learned calibration bent by the verdicts on its vectors, saved."""
    heard = [verdict for verdict in opened.store.verdicts() if verdict.generation == learned.generation]
    same = np.array([verdict.same for verdict in heard], dtype=bool)
    curve = curves.Curve(*(np.array(v) for v in (learned.scores, learned.log_odds, learned.right, learned.wrong)))
    bent = curves.correct(curve, np.array([verdict.score for verdict in heard]), same, max(learned.rivals, 1.0))
    calibration = _as_record(bent, replace(learned, confirmed=int(same.sum()), rejected=int((~same).sum())))
    opened.store.set_setting(SETTING, calibration.to_dict())
    return calibration


def _as_record(curve: curves.Curve, rest: Calibration) -> Calibration:
    parts = (curve.scores, curve.log_odds, curve.right, curve.wrong)
    scores, log_odds, right, wrong = (tuple(float(f"{x:.6g}") for x in part.tolist()) for part in parts)
    return replace(rest, scores=scores, log_odds=log_odds, right=right, wrong=wrong)
