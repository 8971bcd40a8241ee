"""The verbs of a collection that only read: query, rank, describe, hand out; each hands on to a neighbouring module.

A module is imported by the verb that needs it, so that a fresh process gives its first answer soon.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from dinosearch.arguments import checked_verbs
from dinosearch.collection.asking.question import Asked, Box
from dinosearch.collection.held import CollectionHeld
from dinosearch.collection.models.embedders import with_one_model
from dinosearch.protocols import Progress
from dinosearch.records import Explanation, Hit

if TYPE_CHECKING:
    from dinosearch.collection.asking.comparing import Comparer
    from dinosearch.collection.asking.pictures import QueryImage
    from dinosearch.collection.asking.querying import Query
    from dinosearch.collection.asking.shown import ShownPictures
    from dinosearch.collection.reports import CollectionInfo
    from dinosearch.records.facets import Facets

Paths = str | os.PathLike[str]
T = TypeVar("T")


@checked_verbs
class CollectionReader(CollectionHeld):
    """An opened collection as its readers see it; queries may run in many threads at once."""

    def query(
        self,
        *images: QueryImage,
        k: int = 10,
        negative: Sequence[QueryImage] = (),
        weights: Sequence[float] | None = None,
        negative_weights: Sequence[float] | None = None,
        where: str | None = None,
        threshold: float | None = None,
        exact: bool = False,
        include_self: bool = False,
        unique: bool = False,
        rerank: str | None = None,
        precision: float | None = None,
        box: Box | None = None,
        regions: bool | None = None,
    ) -> list[Hit]:
        """Find the images nearest to one image, or to several combined.

        Args:
            images: each a path, an id as a number or as `id:N`, http(s) URL, encoded bytes, PIL image, array (h, w, 3)
                uint8 or float 0..1, or a vector of `embed` (dimension,).
            k: hits wanted, at least 1.
            negative: images the answer shall be far from.
            weights: how much each image counts, positive; None for all alike.
            negative_weights: the same for the negatives, which together count half as much as the images.
            where: a filter such as `taken >= 2020-01-01 and width > 1000` (docs/filters.md).
            threshold: smallest score (cosine) to answer.
            exact: brute force instead of the index, for the exact ranking of the vectors.
            include_self: also answer the queried files themselves.
            unique: answer identical files once.
            rerank: `fast` (the nearest vectors), `balanced` (and what is near to those, the default), `thorough` (and
                a geometric check of the pictures), or stages joined by commas: `expansion`, `diffusion`, `superglobal`,
                `k-reciprocal`, `manifold`, `maxsim`, `geometry`. Stages change the order; the score stays the cosine.
                None takes `balanced`, and `fast` with `exact`.
            precision: answer scores only from which on this share of the hits is estimated to be right, 0..1; needs
                `calibrate`.
            box: left, top, right, bottom of the part of the (one) image to ask with, in pixels of the upright image, or
                as fractions where all are at most 1.
            regions: search the windows inside the images, for things that are a part of them; needs `index` with
                regions. None does so for a box, where the collection has them.

        Returns:
            At most k hits, best first; those of a search by regions have a `box`, and their score is the cosine of the
            query with that part.

        Raises:
            ImageNotFoundError, ImageUnreadableError: an image that is not there or cannot be decoded.
            FilterError: the filter cannot be read.
        """
        asked = Asked(k, where, threshold, precision, exact, unique, include_self, rerank, box, regions)
        return self._answer(lambda: self._ask(asked).by_images(images, negative, weights, negative_weights))

    def explain(self, query: QueryImage, result: QueryImage) -> Explanation:
        """Compare two images patch by patch: what of the query is seen in the result, and where.

        Args:
            query: as in `query`.
            result: the same forms; `id:N` for an image of the collection.

        Raises:
            ImageNotFoundError, ImageUnreadableError: an image that is not there or cannot be decoded.
            SettingError: an embedder of one's own without patch tokens.
        """
        return self._answer(lambda: self._comparing().explain(query, result)[0])

    def draw_explanation(self, query: QueryImage, result: QueryImage) -> tuple[Explanation, bytes]:
        """The same with a picture of it for people: PNG."""
        from dinosearch.images.drawing.explanation_png import draw_explanation

        explanation, first, second = self._answer(lambda: self._comparing().explain(query, result))
        names = tuple(os.path.basename(image) if isinstance(image, str) else "image" for image in (query, result))
        return explanation, draw_explanation(explanation, first, second, (names[0], names[1]))

    def prepare_explaining(self, pause: Callable[[], None] = lambda: None) -> None:
        """Make beforehand what the first `explain` of a process would wait for; nothing for embedders without tokens.

        Args:
            pause: called before each image that is looked at; it may wait, or raise to end it.
        """
        if hasattr(self.embedder, "tokens"):
            self._comparing().prepare(pause)

    def _answer(self, answer: Callable[[], T]) -> T:
        return with_one_model(self._opened, answer)

    def _ask(self, asked: Asked) -> Query:
        from dinosearch.collection.asking.querying import Query

        return Query(self._opened, lambda: self.embedder, asked, self._shown)

    def _shown(self, images: Sequence[Sequence[QueryImage]]) -> ShownPictures:
        from dinosearch.collection.asking.shown import ShownPictures
        from dinosearch.collection.asking.tokens import TokenReader

        return ShownPictures(images, self._comparing, lambda: TokenReader(self._opened, self.embedder))

    def _comparing(self) -> Comparer:
        from dinosearch.collection.asking.comparing import Comparer

        embedder = self.embedder
        with self._lock:
            if self._compared is None or self._compared[0] is not embedder:
                self._compared = embedder, Comparer(self._opened, embedder)
            return self._compared[1]

    def embed(self, *images: QueryImage) -> np.ndarray:
        """Embed images without storing them: (n, dimension) float32, rows of unit length."""
        return self._answer(lambda: self._ask(Asked()).embed(images))

    def search_vectors(
        self,
        vectors: np.ndarray,
        k: int = 10,
        *,
        where: str | None = None,
        threshold: float | None = None,
        exact: bool = False,
        unique: bool = False,
        rerank: str = "fast",
    ) -> list[list[Hit]]:
        """Find the images nearest to each vector.

        Args:
            vectors: (n, dimension) or (dimension,) float32 from `embed`; other lengths than 1 are normalised.
            k: as in `query`, like all that follow.
            where: a filter.
            threshold: smallest score.
            exact: brute force.
            unique: identical files once.
            rerank: a preset or stages.

        Returns:
            One list of at most k hits for each vector.

        Raises:
            ValueError: another dimension than the collection's, or a vector of zeros or non-finite numbers.
        """
        asked = Asked(k, where, threshold, None, exact, unique, rerank=rerank)
        return self._answer(lambda: self._ask(asked).by_vectors(vectors))

    def rank(
        self,
        vectors: np.ndarray,
        k: int = 10,
        *,
        ids: Sequence[int] | np.ndarray | None = None,
        where: str | None = None,
        exact: bool = False,
        rerank: str = "fast",
        images: Sequence[QueryImage] = (),
    ) -> tuple[np.ndarray, np.ndarray]:
        """Rank images by their similarity to each vector as arrays, for programs that ask thousands at once.

        Args:
            vectors: (n, dimension) or (dimension,) float32; other lengths than 1 are normalised.
            k: ranks wanted.
            ids: int64 ids that may be answered; None for all.
            where: a filter.
            exact: brute force instead of the index.
            rerank: a preset or stages, as in `query`.
            images: the image of each vector, which `geometry` needs.

        Returns:
            ids (n, k) int64, best first, ties by smaller id, -1 where fewer exist; scores (n, k) float32 cosines, -inf
            where the id is -1. Where k is above 10,000 there are no more columns than images. Identical files share
            one id: `files` tells their paths.

        Raises:
            ValueError: another dimension than the collection's, or a vector of zeros or non-finite numbers.
        """
        asked = Asked(k, where, exact=exact, rerank=rerank)
        return self._answer(lambda: self._ask(asked).ranking(vectors, ids, images))

    def vectors(self, ids: Sequence[int] | np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Hand out stored vectors: (ids (n,) int64, vectors (n, dimension) float32); all live ones when `ids` is None.

        Raises:
            ImageNotFoundError: an id that is not in the collection.
        """
        from dinosearch.collection.keeping import maintenance

        return maintenance.vectors(self._opened, ids)

    def picture(self, image: int, side: int = 320) -> bytes:
        """A copy of an image for display: JPEG, upright, sRGB, without metadata.

        Args:
            image: its id.
            side: longest side in pixels; a smaller image is not enlarged.

        Raises:
            ImageNotFoundError: no such image.
            ImageUnreadableError: none of its files is there with the content that the collection knows.
        """
        from dinosearch.collection.asking.pictures import small_copy

        return small_copy(image, self._opened, side)

    def ids(self, where: str | None = None) -> np.ndarray:
        """Ids of the images that can be found, or of those that match a filter: (n,) int64, rising."""
        from dinosearch.collection.keeping import maintenance

        return maintenance.ids(self._opened, where)

    def info(self) -> CollectionInfo:
        """Count and measure what the collection holds."""
        from dinosearch.collection.keeping import maintenance

        return maintenance.info(self._opened)

    def export(self, folder: Paths, *, progress: Progress | None = None) -> int:
        """Write images and vectors to a folder in open formats (JSON Lines and .npy); returns the number of paths."""
        from dinosearch.collection.keeping import transfer

        return transfer.export(self._opened, Path(folder), progress)

    def facets(self) -> Facets:
        """Count files by folder, format, camera and label, and find the spans of their dates and sizes."""
        return self._opened.store.facets()

    def files(self, where: str | None = None) -> Iterator[dict[str, Any]]:
        """Iterate over the collection's files as dictionaries, in order of id and path; `where` filters them."""
        from dinosearch.collection.keeping import transfer

        return transfer.files(self._opened, where)
