"""Search among the windows of images: which image has a part that looks like the query, and where."""

from __future__ import annotations

from typing import Any

import numpy as np

from dinosearch.advice import run
from dinosearch.collection.asking.pictures import QueryImage, picture
from dinosearch.collection.derived.basis import Basis
from dinosearch.collection.kinds import row_ids
from dinosearch.collection.opened import OpenedHome
from dinosearch.errors import SettingError
from dinosearch.images import resize
from dinosearch.protocols import Embedder
from dinosearch.records import Preprocessing
from dinosearch.retrieval.boxes import refine_box
from dinosearch.retrieval.windows import QUERY_SIDES, WINDOWS, pool_query
from dinosearch.store import Filter

KIND = "regions"
DEPTH = 8
"""Windows asked for, for each image wanted: neighbouring windows of one image are near to the same query."""


def has_regions(opened: OpenedHome) -> bool:
    """Whether the collection keeps windows of its images."""
    return opened.generation_of(KIND) is not None


class RegionSearch:
    """Finds images by their windows.

    Args:
        opened: the home.
        embedder: the collection's model.

    Raises:
        SettingError: the collection has no regions, or the embedder gives no patch tokens.
    """

    def __init__(self, opened: OpenedHome, embedder: Embedder) -> None:
        if not has_regions(opened):
            raise SettingError(
                f"the collection in {opened.path} keeps no regions; add them once with: ",
                run("index", "FOLDER", "--regions", of=opened.named),
            )
        generation = opened.search(KIND).generation
        if generation.recipe["rows"] != len(WINDOWS):
            raise SettingError(
                f"the regions of {opened.path} were made by another version of dinosearch; make them anew with: ",
                run("index", "FOLDER", of=opened.named),
            )
        self._opened, self._embedder = opened, embedder
        self._tokens: Any = getattr(embedder, "tokens", None)
        if self._tokens is None:
            raise SettingError("this collection's embedder gives no patch tokens to search regions by")

    def find(
        self, image: QueryImage, k: int, allowed: np.ndarray | None, where: Filter | None = None, *, exact: bool
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The k images with the nearest windows.

        Args:
            image: what is looked for, filling the picture.
            k: images wanted.
            allowed: int64 ids that may be answered; None for all.
            where: a filter that answers match, where the place of the windows is given it.
            exact: brute force instead of the index.

        Returns:
            ids (m,) int64, m <= k, nearest first; scores (m,) float32, the cosine of the best window; boxes (m, 4)
            float32, fractions of the image: left, top, right, bottom, drawn between the windows.
        """
        search = self._opened.search(KIND)
        each = int(search.generation.recipe["rows"])
        rows = None if allowed is None else row_ids(allowed, search.generation)
        query, depth = self._query(image), k * DEPTH
        while True:
            found, scores = search.search(query, depth, allowed=rows, where=where, exact=exact)
            images, best = _by_image(found.ravel(), scores.ravel(), each)
            spent = (found < 0).any(axis=1)  # there are no more
            # What was not found scores less than this: an image may be found by its second best window, too low.
            bound = scores[~spent, -1].max(initial=-np.inf)
            if spent.all() or np.count_nonzero(best >= bound) >= k:
                return images[:k], best[:k], self._boxes(query, images[:k])
            depth *= 4

    def _boxes(self, query: np.ndarray, images: np.ndarray) -> np.ndarray:
        """(m, 4) float32 where in each of the images the query is, by the scores of all of its windows."""
        search = self._opened.search(KIND)
        rows = search.vectors(row_ids(images, search.generation))
        cosines = rows.reshape(len(images), len(WINDOWS), query.shape[1]) @ query.T
        return refine_box(cosines.max(axis=2))

    def _query(self, image: QueryImage) -> np.ndarray:
        """(q, dimension) the query as a window would have it that shows nothing else: a small one, and a large one."""
        basis, patch = self._opened.basis(KIND) or Basis(), self._embedder.patch_size
        shown = picture(image, self._opened, max(max(sides) for sides in QUERY_SIDES))

        def pooled(sides: tuple[int, ...]) -> np.ndarray:
            whole = [max(1, round(side / patch)) * patch for side in sides]
            maps = [self._tokens([resize(shown, Preprocessing("squash", side), patch)])[0].patches for side in whole]
            return pool_query(maps, basis.centre)

        return basis.apply(np.concatenate([pooled(sides) for sides in QUERY_SIDES]))


def _by_image(rows: np.ndarray, scores: np.ndarray, each: int) -> tuple[np.ndarray, np.ndarray]:
    """Image ids, best first, and the score of the best row of each."""
    rows, scores = rows[rows >= 0], scores[rows >= 0]
    order = np.lexsort((rows, -scores))
    images = rows[order] // each
    first = np.sort(np.unique(images, return_index=True)[1])
    return images[first], scores[order][first]
