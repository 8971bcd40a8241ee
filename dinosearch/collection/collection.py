"""The face of dinosearch: one object per collection, whose methods are the command line's verbs.

It checks arguments, holds the writer's lock and hands on; the work stands in the neighbouring modules.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from dinosearch.arguments import checked_verbs
from dinosearch.collection.learner import DEFAULT_RECALL, CollectionLearner
from dinosearch.collection.migrator import CollectionMigrator
from dinosearch.collection.models.chosen import ModelChoice
from dinosearch.collection.opened import OpenedHome
from dinosearch.collection.places.place import place_of
from dinosearch.collection.reader import Paths
from dinosearch.collection.tagger import CollectionTagger
from dinosearch.collection.worder import CollectionWorder
from dinosearch.errors import CollectionNotFoundError, DinosearchError
from dinosearch.protocols import Embedder, Progress
from dinosearch.records import IndexSummary, Preprocessing

if TYPE_CHECKING:
    from dinosearch.collection.keeping.received import Delivery
    from dinosearch.collection.reports import CompactReport, VerifyReport

DEFAULT_HOME = "index"


@checked_verbs
class Collection(CollectionLearner, CollectionTagger, CollectionMigrator, CollectionWorder):
    """A searchable collection of images; open it with `Collection.open`.

    Queries may run in many threads at once; one thread or process writes at a time.
    """

    @classmethod
    def open(
        cls,
        home: str | os.PathLike[str] = DEFAULT_HOME,
        *,
        metadata: str | None = None,
        create: bool = False,
        read_only: bool = False,
        model: str | None = None,
        weights: str | os.PathLike[str] | None = None,
        preprocessing: str | Preprocessing | None = None,
        pooling: str | None = None,
        scales: str | None = None,
        runtime: str | None = None,
        device: str | None = None,
        dtype: str | None = None,
        batch: int | None = None,
        embedder: Embedder | None = None,
        wrap: Callable[[Embedder], Embedder] | None = None,
        notify: Callable[[str], None] | None = None,
        progress: Progress | None = None,
    ) -> Collection:
        """Open the collection in a home, or begin one.

        Args:
            home: folder of the collection, or the URL of an engine that holds its vectors: `postgresql+psycopg://...`,
                `milvus://HOST:19530/NAME`, `milvus:///FOLDER/FILE.db` (docs/engines.md).
            metadata: where all else is kept, for an engine that cannot: an SQLAlchemy URL of an SQLite file or of
                PostgreSQL.
            create: begin an empty collection where there is none.
            read_only: never write; for readers on a read-only disk.
            model: name of a checkpoint, or `auto`: DINOv2 ViT-S/14 when its weights are here or can be fetched within
                seconds, else the small bundled one. None takes what the collection was made with, `auto` for a new one.
            weights: weight file of that model, instead of the one found or fetched.
            preprocessing: `squash-224` (default), `fit-N` or `crop-N`.
            pooling: how tokens become the vector: `cls` (default), `mean`, `gem`, `gem4.6`, `sgem` or several of them
                joined by `+`, each with `@N` of the last N blocks, such as `cls@4+mean`; see `records.Pooling`.
            scales: embed each image at several sizes: `1` (default), `gem` or `superglobal`, see `records.SCALES`.
            runtime: what computes: `openvino`, `onnxruntime` (both for processors) or `torch`; None chooses.
            device: `cpu`, `cuda`, `cuda:1`, `mps`; None chooses.
            dtype: `float32`, `bfloat16`, `float16` (GPU) or `int8` (ONNX Runtime); None chooses the fastest whose
                vectors agree with float32's to a cosine of 0.9999, for the device.
            batch: images a forward pass; None chooses.
            embedder: your own `dinosearch.protocols.Embedder`; the other model arguments are then unused.
            wrap: put around each model that is loaded, such as one that gathers the queries of many threads.
            notify: receives sentences for the user, such as the one that says the bundled model is used.
            progress: receives the progress of a download, and of the upgrade of a home with an older format.

        Raises:
            CollectionNotFoundError: there is no collection and `create` is false.
            FingerprintMismatchError: the collection was made with another model or preprocessing.
        """
        place = place_of(home, metadata)
        try:
            opened = OpenedHome(place, create=create, read_only=read_only, progress=progress)
        except DinosearchError as error:
            error.tell(place.named)
            raise
        wanted = Preprocessing.parse(preprocessing) if isinstance(preprocessing, str) else preprocessing
        placed = (runtime, device, dtype, batch)
        choice = ModelChoice(model, weights, wanted, pooling, scales, *placed, embedder, notify, progress, wrap)
        try:
            choice.check(opened)
        except BaseException:
            opened.close()
            raise
        return cls(opened, choice)

    @staticmethod
    def exists(home: Paths = DEFAULT_HOME, metadata: str | None = None) -> bool:
        """Whether there is a collection at a home, as `open` takes it.

        Raises:
            DinosearchError: an engine that does not answer.
        """
        place = place_of(home, metadata)
        if place.home is not None:
            return place.home.exists()
        try:
            OpenedHome(place, read_only=True).close()
        except CollectionNotFoundError:
            return False
        return True

    def index(
        self,
        *paths: Paths,
        exclude: Sequence[str] = (),
        follow_symlinks: bool = False,
        retry_failed: bool = False,
        recall: float = DEFAULT_RECALL,
        index_type: str | None = None,
        workers: int | None = None,
        regions: bool | None = None,
        keep_patches: bool | None = None,
        text: bool | Paths | None = None,
        progress: Progress | None = None,
    ) -> IndexSummary:
        """Bring the collection up to the folders, archives and files: embed what is new, drop what is gone.

        Unchanged files cost nothing; moved and identical files reuse their vector; a folder that is not there at all is
        offline and keeps its images. Interrupt at any moment and run again: nothing is lost, nothing is done twice.

        Args:
            paths: folders (searched recursively), image files, tar archives.
            exclude: glob patterns of files and folders to leave out.
            follow_symlinks: also walk into symbolic links to folders.
            retry_failed: read unreadable files again though they have not changed.
            recall: recall@10 the search shall reach against exact search, 0 < recall <= 1.
            index_type: `auto` (by the number of images), `ivf-flat`, `ivf-sq8` or `ivf-pq`; None keeps what it was.
            workers: decoding processes; None chooses.
            regions: also keep vectors of windows inside each image, to find things that are a part of it; False drops
                them, None goes on as before.
            keep_patches: also keep each image's patch tokens, compressed, for stages that compare pictures; the same.
            text: also keep each image's vector in the model's space of words, for `query_text`; the same. A folder says
                where dino.txt's files lie, and is remembered; True looks among the weights.
            progress: told about the stages `scan`, `index`, `build`, and `learn`, `describe` for the last three.

        Returns:
            The counts of the run; unreadable files are in `failures` with their reason.

        Raises:
            HomeLockedError: another process is writing to this home.
        """
        from dinosearch.collection.derived.detailing import Detailing
        from dinosearch.collection.derived.worded import FILES, Worded
        from dinosearch.collection.indexing.run import IndexRun
        from dinosearch.collection.keeping.maintenance import choose_index_type

        if not paths:
            raise ValueError("index needs at least one folder, archive or file")
        sources = [os.path.abspath(os.path.expanduser(path)) for path in paths]
        with self._opened.place.writer():
            wanted = {"regions": regions, "patches": keep_patches, "text": None if text is None else bool(text)}
            for kind in (kind for kind, keep in wanted.items() if keep):
                self._opened.must_hold(kind)
            if text and text is not True:
                self._opened.store.set_setting(FILES, os.path.abspath(os.path.expanduser(text)))
            choose_index_type(self._opened, index_type)
            if self._opened.fingerprint is None:
                self._opened.begin(self.embedder.fingerprint, self._choice.weights)
            if text:
                Worded(self._opened).require()
            # The model is loaded when something has to be embedded: a run over unchanged folders does not wait for it.
            summary = IndexRun(self._opened, lambda: self.embedder, progress).run(
                sources,
                exclude=exclude,
                follow_symlinks=follow_symlinks,
                retry_failed=retry_failed,
                recall=recall,
                workers=workers,
            )
            Detailing(self._opened, lambda: self.embedder, progress).run(wanted, recall, workers)
            return summary

    def remove(self, *targets: Paths) -> int:
        """Take files, folders or `id:N` out of the collection (never off the disk); returns how many paths left it."""
        from dinosearch.collection.keeping import maintenance

        with self._opened.place.writer():
            return maintenance.remove(self._opened, [os.fspath(target) for target in targets])

    def verify(self, *, repair: bool = False, progress: Progress | None = None) -> VerifyReport:
        """Check every stored byte against its checksum and every image against its vector; mend it when told.

        Args:
            repair: re-embed damaged vectors from their files, rebuild a damaged index, report what is lost.
            progress: told about the stages `verify` and `repair`.
        """
        from dinosearch.collection.keeping import checking, mending

        if not repair:
            return checking.verify(self._opened, progress)
        with self._opened.place.writer():
            return mending.repair(self._opened, lambda: self.embedder, progress)

    def compact(self, *, progress: Progress | None = None) -> CompactReport:
        """Reclaim the space of removed images and superseded vectors."""
        from dinosearch.collection.keeping import maintenance

        with self._opened.place.writer():
            return maintenance.compact(self._opened, progress)

    def import_(
        self,
        folder: Paths | Delivery,
        *,
        recall: float = DEFAULT_RECALL,
        index_type: str | None = None,
        progress: Progress | None = None,
    ) -> IndexSummary:
        """Take in what `export` or `dinosearch embed` wrote, without embedding.

        Args:
            folder: what `export` wrote, or a `dinosearch.jobs.ShardDelivery` of what `embed` wrote.
            recall: as in `index`.
            index_type: as in `index`.
            progress: told about the stages `import`, `build` and `measure`.

        Raises:
            ExportError: the folder is not an export or is damaged.
            FingerprintMismatchError: it was made with another model or preprocessing.
        """
        from dinosearch.collection.keeping import transfer
        from dinosearch.collection.keeping.maintenance import choose_index_type

        with self._opened.place.writer():
            choose_index_type(self._opened, index_type)
            return transfer.import_(self._opened, folder, recall, progress)
