"""Check every stored byte against its checksum and every image against its vector; `mending` mends what is wrong."""

from __future__ import annotations

import numpy as np

from dinosearch.collection.derived.diffusing import Walks
from dinosearch.collection.kinds import DIFFUSION, IMAGES, REFINED, image_ids, is_aside
from dinosearch.collection.opened import OpenedHome
from dinosearch.collection.reports import VerifyReport
from dinosearch.errors import CollectionNotFoundError, DamagedHomeError, SettingError
from dinosearch.protocols import Progress
from dinosearch.records import Problem


def verify(opened: OpenedHome, progress: Progress | None) -> VerifyReport:
    """See `Collection.verify`."""
    return Check(opened, progress).report()


class Check:
    """What is wrong with a home.

    Attributes:
        problems: everything found.
        without_vector: live ids that need a new vector.
        without_refined: live ids that need a new refined vector.
        derived: kinds of derived rows that have to be made again.
        without_index: kinds of derived rows whose index has to be made again.
        strangers: vectors and refined vectors of images that are not known.
        rows: rows of the images' vector file.
    """

    def __init__(self, opened: OpenedHome, progress: Progress | None) -> None:
        self.problems: list[Problem] = []
        self.without_vector: set[int] = set()
        self.without_refined: list[int] = []
        self.derived: list[str] = []
        self.without_index: list[str] = []
        self.strangers = self.rows = 0
        self._opened = opened
        name = str(opened.path)
        for sentence in opened.store.check():
            self.problems.append(Problem(opened.store.name, sentence))
        try:
            search = opened.search()
            damaged = search.check(progress)
        except CollectionNotFoundError:
            self._note(opened.store.live_ids().tolist(), "it has no vector")
            return
        except DamagedHomeError as error:
            self.problems.append(Problem(name, error.sentence))
            return
        self.rows = search.count()
        live = opened.store.live_ids()
        self._note(sorted(damaged & set(live.tolist())), "its vector does not match its checksum")
        absent = np.setdiff1d(live, search.ids()).tolist()
        self._note(sorted(set(absent) - damaged), "it has no vector")
        self._known = np.union1d(live, opened.store.removed_ids())
        self._note_strangers(IMAGES, search.ids())
        problem = search.check_index()
        if problem:
            self.problems.append(Problem(name, problem))
        for kind in opened.store.generations():
            if kind != IMAGES:
                problem = self._derived(kind, live, progress)
                if problem:
                    self.derived.append(kind)
                elif not kind.endswith(DIFFUSION):
                    problem = opened.search(kind).check_index()
                    self.without_index += [kind] if problem else []
                if problem:
                    self.problems.append(Problem(kind, problem))

    def _derived(self, kind: str, live: np.ndarray, progress: Progress | None) -> str | None:
        """What is wrong with a derived kind, None where nothing is. That images lack regions or patches is not."""
        try:
            if kind == DIFFUSION:
                Walks(self._opened).check()
                return None
            if kind.endswith(DIFFUSION):
                return None  # of a model that does not answer: looked at once it does
            search = self._opened.search(kind)
            self._opened.basis(kind)
            ids = search.check(progress)
        except SettingError:
            return None  # of earlier vectors: queries say so
        except DamagedHomeError as error:
            return error.sentence
        if kind == REFINED:
            self._note_strangers(kind, search.ids())
            absent = np.setdiff1d(live, np.setdiff1d(search.ids(), np.fromiter(ids, np.int64, len(ids))))
            self.without_refined = absent.tolist()
            self.problems += [Problem(f"id:{image_id}", "it has no sound refined vector") for image_id in absent]
            return None
        if self._opened.place.home is None and not is_aside(kind):  # a folder's files keep removed images' for a while
            self._note_strangers(kind, np.unique(image_ids(search.ids(), search.generation)))
        # Here no row supersedes another, so that one with a damaged id cannot pass for an old one.
        damaged = search.damaged_rows
        return f"{damaged} of its rows do not match their checksum" if damaged else None

    def _note_strangers(self, kind: str, ids: np.ndarray) -> None:
        """Note rows of images that nobody knows: a query would find them in place of others."""
        strangers = len(np.setdiff1d(ids, self._known))
        self.strangers += strangers
        if strangers:
            self.problems.append(Problem(kind, f"{strangers} vectors are of no known image"))

    def _note(self, ids: list[int], sentence: str) -> None:
        self.without_vector.update(ids)
        self.problems.extend(Problem(f"id:{image_id}", sentence) for image_id in ids)

    def report(self) -> VerifyReport:
        return VerifyReport(self.rows, tuple(self.problems))
