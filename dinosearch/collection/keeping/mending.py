"""Mend a damaged home from what is still sound: the rows of its database, the vectors, and the files on the disk.

What lies deeper comes first: the database, then the file of the images' vectors, then single vectors, then the index
and what is derived from them. What cannot be restored leaves the collection and is named.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import fields

import numpy as np

from dinosearch.advice import Sentence, run
from dinosearch.collection.asking.trust import SETTING
from dinosearch.collection.derived import diffusing
from dinosearch.collection.derived.basis import Basis
from dinosearch.collection.derived.detailing import Detailing
from dinosearch.collection.derived.refining import Refinement, refine
from dinosearch.collection.keeping import maintenance
from dinosearch.collection.keeping.checking import Check
from dinosearch.collection.kinds import DIFFUSION, IMAGES, REFINED, is_aside
from dinosearch.collection.models import sides
from dinosearch.collection.opened import OpenedHome
from dinosearch.collection.reports import VerifyReport
from dinosearch.errors import DamagedHomeError, DinosearchError, FingerprintMismatchError
from dinosearch.images import prepare_apart, read_bytes
from dinosearch.protocols import Embedder, Progress
from dinosearch.records import FoundFile, Generation, ImageInfo, ImageRecord, PreparedImage, Problem

RECALL = 0.98
_STEP = 4096


def repair(opened: OpenedHome, embedder: Callable[[], Embedder], progress: Progress | None) -> VerifyReport:
    """See `Collection.verify` with `repair`; the caller holds the writer's lock."""
    return _Mending(opened, embedder, progress).report()


class _Mending:
    """Mends when it is made, and remembers what was wrong and what is lost."""

    def __init__(self, opened: OpenedHome, embedder: Callable[[], Embedder], progress: Progress | None) -> None:
        self._opened, self._embedder, self._progress = opened, embedder, progress
        self._problems: list[Problem] = []
        self._lost: list[Problem] = []
        self._database()
        for kind in (IMAGES, REFINED):
            self._vector_file(kind)
        check = Check(opened, progress)
        self._problems += check.problems
        self._rows = check.rows
        recipes = opened.store.generations()
        if REFINED in check.derived and check.without_vector:
            opened.drop_generation(REFINED)  # new vectors would go into its damaged file too
        self._restore(sorted(check.without_vector))
        if check.without_refined:
            self._restore_refined(np.array(check.without_refined, np.int64))
        is_to_rewrite = check.strangers or check.without_vector
        if self._problems and not is_to_rewrite and opened.generation_of(IMAGES):
            opened.rebuild_index(progress)
        for kind in check.without_index:
            opened.rebuild_index(progress, kind)
        for kind in sorted(check.derived, key=lambda kind: kind != REFINED):  # others may be made from refined vectors
            self._derive_again(kind, recipes[kind])
        # Second rows supersede the damaged ones, which go with the file: kept by `migrate`, they would count as damage.
        if is_to_rewrite:
            maintenance.rewrite_all(opened, progress)

    def report(self) -> VerifyReport:
        problems, lost = tuple(self._problems), tuple(self._lost)
        return VerifyReport(self._rows, problems, repaired=max(0, len(problems) - len(lost)), lost=lost)

    def _database(self) -> None:
        """Replace a damaged database by one with its sound rows, and settle the doubtful ones by the files."""
        opened, name = self._opened, self._opened.store.name
        sentences = opened.store.check()
        if not sentences:
            return
        self._problems += [Problem(name, sentence) for sentence in sentences]
        told = opened.store.salvage()
        opened.reopen()
        self._lost += [Problem(name, sentence) for sentence in told.left_out]
        for kind, generation in opened.store.generations().items():
            if generation.number in told.generations:
                self._settle(kind, generation)
        told.images -= self._confirmed(told.images)
        known = opened.store.known()
        again = {
            path: FoundFile(path, file.size, file.mtime_ns)
            for path, file in known.items()
            if file.image_id in told.images or file.location_id in told.locations
        }
        self._take_in_again(again, told.images)

    def _settle(self, kind: str, generation: Generation) -> None:
        """Keep the vectors of a doubtful record where everything that can be asked agrees with it, else forget them."""
        opened = self._opened
        if kind == IMAGES and self._agrees(generation):
            from dinosearch.vectors import without_mark

            with opened.store.transaction() as tx:
                tx.set_index(generation.number, None, None)
                tx.set_recipe(generation.number, without_mark(generation.recipe))  # it may be what is damaged
            return
        opened.drop_generation(kind)
        told = (
            "the record of its vectors is damaged, so they are made again"
            if kind == IMAGES
            else ("the record of these vectors is damaged, so they were dropped; make them again as they were made")
        )
        self._lost.append(Problem(kind, told))

    def _agrees(self, generation: Generation) -> bool:
        try:
            return generation.fingerprint.matches(self._embedder().fingerprint)
        except FingerprintMismatchError:
            return False

    def _confirmed(self, doubtful: Iterable[int]) -> set[int]:
        """Those images whose entry says what their file says; they keep their ids and vectors."""
        found: set[int] = set()
        for image_id in doubtful:
            for record in self._opened.store.records([image_id]):
                image = _read(record.path, self._embedder())
                if image is not None and _as_found(record) == (image.sha256, image.info):
                    found.add(image_id)
        return found

    def _take_in_again(self, files: dict[str, FoundFile], images: set[int]) -> None:
        """Forget doubtful entries, and take their files in like new ones."""
        store = self._opened.store
        labels, known = store.labels(images), store.known_paths(files)
        with store.transaction() as tx:
            tx.remove_locations(files)
        store.forget_removed(images)
        told = Sentence(
            "its entry was damaged, and its label went with it; give it again with: ", run("label", "NAME", "IMAGE")
        )
        self._lost.extend(Problem(path, told) for path in files if known[path].image_id in labels)
        for path, file in files.items():
            image = _read(path, self._embedder())
            if image is None:
                told = Sentence(
                    "its entry is damaged, and no such file can be read; bring it back with: ",
                    run("index", "FOLDER"),
                )
                self._lost.append(Problem(path, told))
                continue
            number = store.ids_by_sha256([image.sha256]).get(image.sha256)
            with store.transaction() as tx:
                # The vector of a new one comes with those of all that have none.
                tx.put_location(file, tx.add_image(image.sha256, image.info) if number is None else number)

    def _vector_file(self, kind: str) -> None:
        """Make a file of vectors usable: with a header, and no more committed rows than it holds."""
        opened = self._opened
        generation = opened.store.generations().get(kind)
        if generation is None:
            if kind == IMAGES and len(opened.store.live_ids()):
                opened.begin(self._embedder().fingerprint)
            return
        try:
            opened.search(kind).ensure()
            return
        except DamagedHomeError as error:
            problem = Problem(kind, error.sentence)
        try:
            basis = opened.basis(kind) or Basis()
        except DamagedHomeError:
            return  # it is made anew as a whole
        from dinosearch.vectors import VectorFile, tag_of

        self._problems.append(problem)
        dimension = generation.fingerprint.dimension if basis.pca is None else basis.pca.matrix.shape[1]
        path, number = opened.home.vectors(generation.number), generation.number
        held = VectorFile.rescue(path, dimension, number, tag_of(generation.recipe))
        if held < generation.rows:
            with opened.store.transaction() as tx:
                tx.set_index(generation.number, None, None)
                tx.commit_rows(generation.number, held)
        opened.reopen()

    def _restore_refined(self, ids: np.ndarray) -> None:
        """Refine vectors again by the basis that is kept, as those of new images are."""
        opened = self._opened
        ids = np.intersect1d(ids, opened.store.live_ids())
        rows, basis = opened.search(IMAGES), opened.basis(REFINED) or Basis()
        for low in range(0, len(ids), _STEP):
            part = ids[low : low + _STEP]
            with opened.store.transaction() as tx:
                opened.append(tx, part, basis.apply(rows.vectors(part)), REFINED)
        opened.rebuild_index(self._progress, REFINED)

    def _restore(self, ids: list[int]) -> None:
        """Embed images again from any of their files that still has their content; the others leave the collection."""
        opened = self._opened
        for done, image_id in enumerate(ids, start=1):
            records = opened.store.records([image_id])
            image = _read_again(records, self._embedder())
            with opened.store.transaction() as tx:
                if image is None:
                    paths = [record.path for record in records]
                    tx.remove_locations(paths)
                    told = "its vector is damaged and the file is gone, changed or unreadable"
                    self._lost.extend(Problem(path, told) for path in paths)
                else:
                    opened.append(tx, np.array([image_id], dtype=np.int64), self._embedder().embed([image.pixels]))
            if self._progress:
                self._progress("repair", done, len(ids))

    def _derive_again(self, kind: str, generation: Generation) -> None:
        """Make a derived kind anew, by the recipe that the store remembers."""
        opened, progress = self._opened, self._progress
        recall = generation.index.recall_target if generation.index else RECALL
        if is_aside(kind):
            sides.repair(opened, kind, progress)
        elif kind == REFINED:
            wanted = Refinement(**{field.name: generation.recipe[field.name] for field in fields(Refinement)})
            walks = opened.generation_of(DIFFUSION)
            refine(opened, wanted, recall, progress)
            if walks is not None:
                self._derive_again(DIFFUSION, walks)
            if opened.store.setting(SETTING):
                told = Sentence(
                    "it is of refined vectors that had to be learned anew; learn it again with: ", run("calibrate")
                )
                self._lost.append(Problem(SETTING, told))
        elif kind == DIFFUSION:
            diffusing.prepare(opened, generation.recipe["edges"], generation.recipe["truncation"], progress)
        else:
            opened.drop_generation(kind)
            Detailing(opened, self._embedder, progress).run({kind: True}, recall)


def _as_found(record: ImageRecord) -> tuple[str, ImageInfo]:
    return record.sha256, ImageInfo(record.width, record.height, record.format, record.taken, record.camera)


def _read(path: str, embedder: Embedder) -> PreparedImage | None:
    try:
        return prepare_apart(read_bytes(path), path, embedder.preprocessing, embedder.patch_size)
    except DinosearchError:
        return None


def _read_again(records: list[ImageRecord], embedder: Embedder) -> PreparedImage | None:
    for record in records:
        image = _read(record.path, embedder)
        if image is not None and image.sha256 == record.sha256:
            return image
    return None
