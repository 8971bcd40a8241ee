"""Change the model of a collection: embed every image beside the vectors that answer, then swap in one commit.

The lock of the writer is held for the whole run, and readers need none: queries are answered all the time, by the old
model until the swap and by the new one from then on. Every batch is a commit of its own, as in an `index` run, so that
an interrupted run goes on where it stopped; what `index` added in between is embedded then too. The old vectors are
kept for going back, which is the same in the other direction.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import fields, replace
from functools import partial

import numpy as np

from dinosearch.advice import Command, Sentence, run
from dinosearch.collection.derived import diffusing
from dinosearch.collection.derived.detailing import Detailing
from dinosearch.collection.derived.refining import Refinement, refine
from dinosearch.collection.indexing.behind import Behind
from dinosearch.collection.indexing.rereading import Rereading
from dinosearch.collection.indexing.run import batch_of
from dinosearch.collection.kinds import DIFFUSION, IMAGES, KEPT, NEXT, REFINED, REGIONS, TEXT, kinds_of
from dinosearch.collection.models import sides
from dinosearch.collection.models.target import Target
from dinosearch.collection.opened import OpenedHome
from dinosearch.collection.reports import MigrationEstimate, MigrationReport
from dinosearch.errors import DamagedHomeError, SettingError, WeightsUnavailableError
from dinosearch.protocols import Embedder, Progress
from dinosearch.records import Fingerprint, PreparedImage, Problem

SAMPLED = 96
"""Images that an estimate embeds at most, of which those of the first batch are not timed."""
RECALL = 0.98
OPTIONS = {REGIONS: "--regions", "patches": "--keep-patches", TEXT: "--text"}
"""What makes each kind of rows that is made of tokens."""


def begin(opened: OpenedHome, model: Fingerprint, weights: str | os.PathLike[str] | None, restart: bool) -> bool:
    """Have the empty or half-made vectors of the new model beside the others; False where it answers already.

    Raises:
        SettingError: another change is half done, or the model's vectors are kept and only need to be swapped in.
    """
    half, kept = opened.store.generation(NEXT + IMAGES), opened.store.generation(KEPT + IMAGES)
    if opened.generation.fingerprint.matches(model):
        return False
    home = opened.path
    if kept is not None and kept.fingerprint.matches(model) and not restart:
        raise SettingError(
            f"the vectors of {model.settings} are still kept in {home}; go back to them with: ",
            run("migrate", "--back", of=opened.named),
        )
    if half is not None and not half.fingerprint.matches(model) and not restart:
        raise SettingError(
            f"a change of {home} to {half.fingerprint} is half done, and {model} is another model; go on with: ",
            run("migrate", of=opened.named),
            ", or delete what was made and begin with the other by: --restart",
        )
    if half is not None and (restart or not _usable(opened)):
        sides.drop(opened, NEXT)
        half = None
    if half is None:
        settings = {"weights": os.path.abspath(weights) if weights else None}
        opened.add_generation(NEXT + IMAGES, model, {"settings": settings})
    return True


def forward(
    opened: OpenedHome,
    target: Target,
    restart: bool,
    leave_behind: bool,
    recall: float | None,
    workers: int | None,
    progress: Progress | None,
) -> MigrationReport:
    """See `Collection.migrate`; the caller holds the writer's lock."""
    model = target.open().fingerprint
    if not begin(opened, model, target.weights, restart):
        return MigrationReport("already", opened.generation.fingerprint, len(opened.store.live_ids()))
    return Migration(opened, NEXT, target.open, workers, progress).run(leave_behind, recall)


def back(
    opened: OpenedHome, target: Target, leave_behind: bool, workers: int | None, progress: Progress | None
) -> MigrationReport:
    """See `Collection.migrate_back`; the caller holds the writer's lock."""
    return Migration(opened, KEPT, target.open, workers, progress).run(leave_behind, None)


def forget(opened: OpenedHome) -> int:
    """See `Collection.forget_kept`; the caller holds the writer's lock."""
    return sides.drop(opened, KEPT)


def estimate(opened: OpenedHome, target: Target, workers: int | None) -> MigrationEstimate:
    """See `Collection.estimate_migration`."""
    model, half = target.open().fingerprint, opened.store.generation(NEXT + IMAGES)
    begun = half is not None and half.fingerprint.matches(model)
    return Migration(opened, NEXT, target.open, workers).estimate(model, begun)


def _usable(opened: OpenedHome) -> bool:
    try:
        opened.search(NEXT + IMAGES).ensure()
        return True
    except DamagedHomeError:
        return False


class Migration:
    """Brings a side up to the images and swaps it in; the caller holds the writer's lock.

    Args:
        opened: the home.
        side: `NEXT` or `KEPT`.
        embedder: opens the side's model; called when there is something to embed.
        workers: decoding processes; None chooses.
        progress: told about the stages `migrate`, `learn`, `describe`, `refine`, `build` and so on.
    """

    def __init__(
        self,
        opened: OpenedHome,
        side: str,
        embedder: Callable[[], Embedder],
        workers: int | None = None,
        progress: Progress | None = None,
    ) -> None:
        self._opened, self._side, self._embedder = opened, side, embedder
        self._workers, self._progress = workers, progress
        self._dropped: list[Problem] = []

    def run(self, leave_behind: bool, recall: float | None) -> MigrationReport:
        """Do it all; see `Collection.migrate`."""
        started, opened, side = time.monotonic(), self._opened, self._side
        before = opened.generation
        recall = recall or (before.index.recall_target if before.index else RECALL)
        if sides.tidy(opened, side, self._progress):
            sides.mark_behind(opened, side)
        embedded, left = self._embed()
        report = MigrationReport(
            "incomplete",
            opened.search(side + IMAGES).generation.fingerprint,
            len(opened.live_ids(side)),
            embedded,
            tuple(left),
        )
        if not left or leave_behind:
            made = self._derive(recall, side == NEXT or sides.is_behind(opened, side))
            opened.update_index(recall, self._progress, opened.searched_of(side))
            calibrated = side == NEXT and any(opened.store.setting(key) for key in sides.OF_A_MODEL[1:])
            sides.swap(opened, side)
            if calibrated:
                self._drop(
                    "calibration",
                    Sentence("it is of the other model's scores; learn it anew with: ", run("calibrate")),
                )
            report = replace(report, outcome="answering", made=tuple(made), dropped=tuple(self._dropped))
        return replace(report, seconds=round(time.monotonic() - started, 3))

    def estimate(self, model: Fingerprint, begun: bool) -> MigrationEstimate:
        """Measure on a sample what is missing and what it will take; nothing is written."""
        todo = self._missing() if begun else self._opened.store.placed_ids()
        chosen = todo[np.unique(np.linspace(0, len(todo) - 1, SAMPLED).round().astype(int))] if len(todo) else todo
        first, started, done = 0, time.monotonic(), 0
        rereading, size = self._rereading(), min(batch_of(self._embedder()), SAMPLED // 3)
        with closing(rereading.batches(chosen, size)) as batches:
            for batch in batches:
                if batch:
                    self._embedder().embed([image.pixels for _, image in batch])
                done += len(batch)
                if not first and done < len(chosen) - len(rereading.unread):  # the first waits for processes to start
                    first, started = done, time.monotonic()
        pace = (time.monotonic() - started) / max(1, done - first)
        row = self._opened.place.row_bytes(model.dimension)
        return MigrationEstimate(
            model, len(todo), len(todo) * row, round(pace * len(todo), 3), done, len(rereading.unread)
        )

    def _missing(self) -> np.ndarray:
        """(n,) int64 ids of images with a file that have no sound vector on this side."""
        return np.setdiff1d(self._opened.store.placed_ids(), self._opened.search(self._side + IMAGES).ids())

    def _rereading(self) -> Rereading:
        embedder = self._embedder()
        return Rereading(self._opened, embedder.preprocessing, embedder.patch_size, self._workers)

    def _embed(self) -> tuple[int, list[Problem]]:
        """Embed what is missing, one batch a commit; how many there were, and what could not be read."""
        todo = self._missing()
        if not len(todo):
            return 0, []
        embedder, rereading = self._embedder(), self._rereading()
        sides.mark_behind(self._opened, self._side)
        total = len(self._opened.store.placed_ids())
        done, embedded = total - len(todo), 0
        with Behind() as behind, closing(rereading.batches(todo, batch_of(embedder))) as batches:
            for batch in batches:
                if batch:
                    vectors = embedder.embed([image.pixels for _, image in batch])
                    behind.start(partial(self._commit, batch, vectors))  # which waits for the batch before
                if self._progress is not None:
                    self._progress("migrate", done + embedded, total)  # what is committed: what was told is kept
                embedded += len(batch)
            behind.wait()
        if self._progress is not None:
            self._progress("migrate", done + embedded, total)
        return embedded, [rereading.unread[image_id] for image_id in sorted(rereading.unread)]

    def _commit(self, batch: list[tuple[int, PreparedImage]], vectors: np.ndarray) -> None:
        with self._opened.store.transaction() as tx:
            ids = np.array([image_id for image_id, _ in batch], np.int64)
            self._opened.append(tx, ids, vectors, self._side + IMAGES)

    def _derive(self, recall: float, anew: bool) -> list[str]:
        """Make what the side shall have beside whole images: all that answers now has, or what the kept one had.

        Args:
            recall: for the indexes.
            anew: whether what depends on all vectors has to be made again.
        """
        opened, side, progress = self._opened, self._side, self._progress
        held = opened.store.generations()
        source = "" if side == NEXT else side
        wanted, made = kinds_of(held, source), list[str]()
        for kind in kinds_of(held, side):
            if kind not in wanted:  # dropped from the answering side since an interrupted run
                opened.drop_generation(side + kind)
        for kind, option in OPTIONS.items():
            if kind in wanted:
                made += self._made(kind, run("index", "FOLDER", option), partial(self._describe, kind, recall))
        if REFINED in wanted and anew:
            recipe = held[source + REFINED].recipe
            refinement = Refinement(**{field.name: recipe[field.name] for field in fields(Refinement)})
            command = run("refine", "--dimensions", str(min(refinement.dimensions or 128, 128)))
            made += self._made(REFINED, command, lambda: refine(opened, refinement, recall, progress, side))
        if DIFFUSION in wanted and anew:
            recipe = held[source + DIFFUSION].recipe
            edges, truncation = int(recipe["edges"]), int(recipe["truncation"])
            command = run("refine", "--diffuse")
            made += self._made(DIFFUSION, command, lambda: diffusing.prepare(opened, edges, truncation, progress, side))
        return made

    def _describe(self, kind: str, recall: float) -> None:
        Detailing(self._opened, self._embedder, self._progress, self._side).run({kind: True}, recall, self._workers)

    def _made(self, kind: str, command: Command, make: Callable[[], object]) -> list[str]:
        """The kind where it could be made; else it is dropped, with the command that makes it."""
        try:
            make()
            return [kind]
        except (SettingError, WeightsUnavailableError) as error:
            if self._opened.generation_of(self._side + kind) is not None:
                self._opened.drop_generation(self._side + kind)
            self._drop(kind, Sentence(error.sentence, "; make it another way with: ", command))
            return []

    def _drop(self, kind: str, reason: str) -> None:
        self._dropped.append(Problem(kind, reason))
