"""The verbs of a collection that learn from it: refine and diffuse its vectors, calibrate its scores, hear verdicts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from dinosearch.arguments import checked_verbs
from dinosearch.collection.kinds import DIFFUSION, REFINED
from dinosearch.collection.reader import CollectionReader, Paths
from dinosearch.protocols import Progress
from dinosearch.records import Calibration, Generation, Verdict

if TYPE_CHECKING:
    from dinosearch.collection.asking.pictures import QueryImage

DEFAULT_RECALL = 0.98


@checked_verbs
class CollectionLearner(CollectionReader):
    """An opened collection that can be taught; one thread or process does so at a time."""

    def refine(
        self,
        *,
        dimensions: int | None = None,
        power: float = 0.0,
        shrinkage: float = 1.0,
        augment: int = 0,
        recall: float = DEFAULT_RECALL,
        progress: Progress | None = None,
    ) -> Generation:
        """Search vectors refined over the collection instead of the model's own, which are kept.

        Images indexed later are projected as they come, and move towards neighbours when this is called again.

        Args:
            dimensions: principal components kept, learned on the collection; None for all.
            power: 0 only cuts, 0.25 whitens half, 0.5 fully.
            shrinkage: multiplies `power`.
            augment: neighbours that every stored vector moves towards (database-side augmentation); 0 for none.
            recall: recall@10 of the index over the refined vectors.
            progress: told about the stages `refine`, `neighbours`, `build`, `measure`.

        Raises:
            SettingError: fewer than 10 images for each dimension, or nothing to refine by.
        """
        from dinosearch.collection.derived import refining

        self._opened.place.require()
        with self._opened.place.writer():
            wanted = refining.Refinement(dimensions, power, shrinkage, augment)
            return refining.refine(self._opened, wanted, recall, progress)

    def diffuse(self, *, edges: int = 50, truncation: int = 1000, progress: Progress | None = None) -> Generation:
        """Prepare the stage `diffusion`: walk from every image over the graph of mutual neighbours.

        It takes milliseconds an image and up to 8 bytes x `truncation` of disk; call it again for images indexed later.

        Args:
            edges: nearest images that may become edges.
            truncation: images around each one that its walk may reach.
            progress: told about the stages `neighbours` and `diffuse`.
        """
        from dinosearch.collection.derived import diffusing

        self._opened.home.require()
        with self._opened.place.writer():
            return diffusing.prepare(self._opened, edges, truncation, progress)

    def unrefine(self) -> None:
        """Search the model's own vectors again; delete the refined ones and prepared diffusion."""
        self._opened.place.require()
        with self._opened.place.writer():
            for kind in (REFINED, DIFFUSION):
                self._opened.drop_generation(kind)
            self._opened.update_index(DEFAULT_RECALL, None)

    def calibrate(self, *, sample: int = 200, progress: Progress | None = None) -> Calibration:
        """Learn from the collection's own images which score means "the same instance", and how surely.

        From then on hits carry a `confidence`, and queries may ask for a `precision`.

        Args:
            sample: images that are varied, at least 20.
            progress: told about the stage `calibrate`.

        Raises:
            DinosearchError: fewer than 20 images can be read.
        """
        from dinosearch.collection.derived import calibrating

        with self._opened.place.writer():
            return calibrating.calibrate(self._opened, lambda: self.embedder, sample, progress=progress)

    def confirm(self, query: QueryImage, *results: int | Paths) -> Calibration | None:
        """Record that results show the same thing as the query, which corrects the calibration around their scores.

        Args:
            query: as in `query`.
            results: each an id, as `N` or `id:N`, or a path of the collection.

        Returns:
            The corrected calibration; None while the collection is not calibrated: verdicts are kept until it is.

        Raises:
            ImageNotFoundError: the query is not there, or a result is not in the collection; nothing is recorded then.
        """
        return self._judge(query, results, same=True)

    def reject(self, query: QueryImage, *results: int | Paths) -> Calibration | None:
        """Record that results do not show the same thing as the query; see `confirm`."""
        return self._judge(query, results, same=False)

    def verdicts(self, query: QueryImage | None = None, results: Iterable[int] | None = None) -> list[Verdict]:
        """What was said by `confirm` and `reject`, in the order of the queries' digests and of ids.

        Args:
            query: on this query: as in `query` but no vector, or `sha256:HEX`, the digest of its content; None for all.
            results: on these images; None for all.

        Raises:
            ImageNotFoundError: the query is not there.
        """
        from dinosearch.collection.derived import judging

        return judging.said(self._opened, query, results)

    def forget_verdicts(self, query: QueryImage | None = None, results: Iterable[int] | None = None) -> int:
        """Take back what was said by `confirm` and `reject`; the calibration follows. Returns how many verdicts.

        Args:
            query: as in `verdicts`; None for all.
            results: on these images; None for all.

        Raises:
            ImageNotFoundError: the query is not there.
        """
        from dinosearch.collection.derived import judging

        with self._opened.place.writer():
            return judging.forget(self._opened, query, results)

    def _judge(self, query: QueryImage, results: Sequence[int | Paths], *, same: bool) -> Calibration | None:
        from dinosearch.collection.derived import judging

        with self._opened.place.writer():
            return judging.judge(self._opened, lambda: self.embedder, query, results, same=same)
