"""The verbs of a collection that change its model: migrate, go back, forget the model before."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dinosearch.arguments import checked_verbs
from dinosearch.collection.models.chosen import ModelChoice
from dinosearch.collection.reader import CollectionReader, Paths
from dinosearch.protocols import Embedder, Progress
from dinosearch.records import Preprocessing

if TYPE_CHECKING:
    from dinosearch.collection.models.target import Target
    from dinosearch.collection.reports import MigrationEstimate, MigrationReport


@checked_verbs
class CollectionMigrator(CollectionReader):
    """An opened collection whose model can be changed; one thread or process does so at a time."""

    def migrate(
        self,
        *,
        model: str | None = None,
        weights: Paths | None = None,
        preprocessing: str | Preprocessing | None = None,
        pooling: str | None = None,
        scales: str | None = None,
        embedder: Embedder | None = None,
        restart: bool = False,
        leave_behind: bool = False,
        recall: float | None = None,
        workers: int | None = None,
        progress: Progress | None = None,
    ) -> MigrationReport:
        """Change the model: embed all images beside the vectors that answer, then swap in one commit.

        Queries are answered all the time, by the old model until the swap; readers in other threads and processes go on
        with the new one. Other writers have to wait. Interrupt at any moment and run again: nothing is embedded twice.
        The old vectors are kept, see `migrate_back`. Nothing is swapped while images cannot be read, unless told.

        Args:
            model: as in `Collection.open`, like all up to `scales`. What is None stays as the collection has it; when
                all are, a half-made change goes on.
            weights: weight file of that model.
            preprocessing: how images are prepared.
            pooling: what becomes the vector.
            scales: sizes each image is embedded at.
            embedder: your own embedder instead.
            restart: delete what an interrupted change has made, and begin anew.
            leave_behind: swap though images cannot be read: they are not found until `index` can read them.
            recall: recall@10 of the new index; None takes that of the old one.
            workers: decoding processes; None chooses.
            progress: told about the stage `migrate`, and those of `index` and `refine`.

        Returns:
            What was done; with `outcome` "incomplete" the images in `left` could not be read, and nothing was swapped.

        Raises:
            SettingError: no model is named and no change is half done, or that of another model is.
            HomeLockedError: another process is writing to this home.
        """
        from dinosearch.collection.models import migrating

        self._opened.place.require()
        with self._opened.place.writer():
            target = self._target(model, weights, preprocessing, pooling, scales, embedder)
            return migrating.forward(self._opened, target, restart, leave_behind, recall, workers, progress)

    def estimate_migration(
        self,
        *,
        model: str | None = None,
        weights: Paths | None = None,
        preprocessing: str | Preprocessing | None = None,
        pooling: str | None = None,
        scales: str | None = None,
        embedder: Embedder | None = None,
        workers: int | None = None,
    ) -> MigrationEstimate:
        """What `migrate` has to do and how long it will take, measured on a sample of the images; nothing is written.

        Args:
            model: as in `migrate`, like all that follow.
            weights: weight file of that model.
            preprocessing: how images are prepared.
            pooling: what becomes the vector.
            scales: sizes each image is embedded at.
            embedder: your own embedder instead.
            workers: decoding processes.
        """
        from dinosearch.collection.models import migrating

        self._opened.place.require()
        target = self._target(model, weights, preprocessing, pooling, scales, embedder)
        return migrating.estimate(self._opened, target, workers)

    def migrate_back(
        self,
        *,
        weights: Paths | None = None,
        embedder: Embedder | None = None,
        leave_behind: bool = False,
        workers: int | None = None,
        progress: Progress | None = None,
    ) -> MigrationReport:
        """Let the model before the last change answer again, and keep the one that answers now.

        Images that came since are embedded with it first; where there are none, the model itself is not needed.

        Args:
            weights: its weight file, where it is not found by itself.
            embedder: your own embedder, if it was one.
            leave_behind: as in `migrate`, like all that follow.
            workers: decoding processes.
            progress: told about the same stages.

        Raises:
            SettingError: no model is kept.
            WeightsUnavailableError: its weights are needed and not at hand.
            DamagedHomeError: its vectors cannot be used.
        """
        from dinosearch.collection.models import migrating
        from dinosearch.collection.models.target import kept

        self._opened.place.require()
        with self._opened.place.writer():
            target = kept(self._opened, self._models, ModelChoice(weights=weights, embedder=embedder), self._choice)
            return migrating.back(self._opened, target, leave_behind, workers, progress)

    def forget_kept(self) -> int:
        """Delete the vectors of the model before the last change; returns the bytes that were freed."""
        from dinosearch.collection.models import migrating

        self._opened.place.require()
        with self._opened.place.writer():
            return migrating.forget(self._opened)

    def _target(
        self,
        model: str | None,
        weights: Paths | None,
        preprocessing: str | Preprocessing | None,
        pooling: str | None,
        scales: str | None,
        embedder: Embedder | None,
    ) -> Target:
        from dinosearch.collection.models.target import named

        shape = Preprocessing.parse(preprocessing) if isinstance(preprocessing, str) else preprocessing
        wanted = ModelChoice(model, weights, shape, pooling, scales, embedder=embedder)
        return named(self._opened, self._models, wanted, self._choice)
