"""Check every stored byte against its checksum and every image against its vector, and mend what can be mended."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields

import numpy as np

from dinosearch.collection import diffusing
from dinosearch.collection.detailing import Detailing
from dinosearch.collection.diffusing import Walks
from dinosearch.collection.opened import DIFFUSION, IMAGES, REFINED, OpenedHome
from dinosearch.collection.refining import Refinement, refine
from dinosearch.collection.reports import VerifyReport
from dinosearch.errors import DamagedHomeError, DinosearchError, SettingError
from dinosearch.images import prepare, read_bytes
from dinosearch.protocols import Embedder, Progress
from dinosearch.records import ImageRecord, PreparedImage, Problem


def verify(opened: OpenedHome, progress: Progress | None) -> VerifyReport:
    """See `Collection.verify`."""
    return _Check(opened, progress).report()


def repair(opened: OpenedHome, embedder: Callable[[], Embedder], progress: Progress | None) -> VerifyReport:
    """See `Collection.verify` with `repair`; the caller holds the writer's lock."""
    check = _Check(opened, progress)
    lost = _restore(opened, embedder, sorted(check.without_vector), progress)
    # A second row for the same image supersedes the damaged one, so the index is built anew over sound rows only.
    if check.problems:
        opened.rebuild_index(progress)
    for kind in check.derived:
        _derive_again(opened, embedder, kind, progress)
    return VerifyReport(check.rows, tuple(check.problems), repaired=len(check.problems) - len(lost), lost=tuple(lost))


class _Check:
    """What is wrong with a home.

    Attributes:
        problems: everything found.
        without_vector: live ids that need a new vector.
        derived: kinds of derived rows that have to be made again.
        rows: rows of the images' vector file.
    """

    def __init__(self, opened: OpenedHome, progress: Progress | None) -> None:
        self.problems: list[Problem] = []
        self.without_vector: set[int] = set()
        self.derived: list[str] = []
        self.rows = 0
        self._opened = opened
        home = opened.home
        for sentence in opened.store.check():
            self.problems.append(Problem(str(home.metadata), sentence))
        if opened.fingerprint is None:
            return
        search = opened.search()
        self.rows = search.count()
        live = opened.store.live_ids()
        damaged = search.check(progress)
        self._note(sorted(damaged & set(live.tolist())), "its vector does not match its checksum")
        absent = np.setdiff1d(live, search.ids()).tolist()
        self._note(sorted(set(absent) - damaged), "it has no vector")
        problem = search.check_index()
        if problem:
            self.problems.append(Problem(str(home.path), problem))
        for kind in opened.store.generations():
            if kind != IMAGES:
                problem = self._derived(kind, live, progress)
                if problem:
                    self.derived.append(kind)
                    self.problems.append(Problem(kind, problem))

    def _derived(self, kind: str, live: np.ndarray, progress: Progress | None) -> str | None:
        """What is wrong with a derived kind, None where nothing is. That images lack regions or patches is not."""
        try:
            if kind == DIFFUSION:
                Walks(self._opened)
                return None
            search = self._opened.search(kind)
            self._opened.basis(kind)
            damaged = len(search.check(progress))
        except SettingError:
            return None  # of earlier vectors: queries say so
        except DamagedHomeError as error:
            return str(error)
        if damaged:
            return f"{damaged} of its rows do not match their checksum"
        if kind == REFINED and len(absent := np.setdiff1d(live, search.ids())):
            return f"{len(absent)} images have no refined vector"
        return search.check_index()

    def _note(self, ids: list[int], sentence: str) -> None:
        self.without_vector.update(ids)
        self.problems.extend(Problem(f"id:{image_id}", sentence) for image_id in ids)

    def report(self) -> VerifyReport:
        return VerifyReport(self.rows, tuple(self.problems))


def _restore(
    opened: OpenedHome, embedder: Callable[[], Embedder], ids: list[int], progress: Progress | None
) -> list[Problem]:
    """Embed the images again from any of their files that still has their content; the others leave the collection."""
    lost: list[Problem] = []
    for done, image_id in enumerate(ids, start=1):
        records = opened.store.records([image_id])
        image = _read_again(records, embedder())
        with opened.store.transaction() as tx:
            if image is None:
                paths = [record.path for record in records]
                tx.remove_locations(paths)
                lost.extend(
                    Problem(path, "its vector is damaged and the file is gone, changed or unreadable") for path in paths
                )
            else:
                opened.append(tx, np.array([image_id], dtype=np.int64), embedder().embed([image.pixels]))
        if progress:
            progress("repair", done, len(ids))
    return lost


def _derive_again(opened: OpenedHome, embedder: Callable[[], Embedder], kind: str, progress: Progress | None) -> None:
    """Make a derived kind anew, by the recipe that the store remembers."""
    generation = opened.store.generations()[kind]
    recall = generation.index.recall_target if generation.index else 0.98
    if kind == REFINED:
        wanted = Refinement(**{field.name: generation.recipe[field.name] for field in fields(Refinement)})
        refine(opened, wanted, recall, progress)
    elif kind == DIFFUSION:
        diffusing.prepare(opened, generation.recipe["edges"], generation.recipe["truncation"], progress)
    else:
        opened.drop_generation(kind)
        Detailing(opened, embedder, progress).run({kind: True}, recall)


def _read_again(records: list[ImageRecord], embedder: Embedder) -> PreparedImage | None:
    for record in records:
        try:
            image = prepare(read_bytes(record.path), record.path, embedder.preprocessing, embedder.patch_size)
        except DinosearchError:
            continue
        if image.sha256 == record.sha256:
            return image
    return None
