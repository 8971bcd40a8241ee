"""One query: from images to vectors, from the ranking of ids to hits with their paths.

The search itself is `vectors`' business and the records are `store`'s; here they meet.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from dinosearch.collection.asking import turns
from dinosearch.collection.asking.one_state import at_one_state
from dinosearch.collection.asking.pictures import QueryImage, cut_out, identity, is_vector
from dinosearch.collection.asking.query_vectors import QueryVectors, directions
from dinosearch.collection.asking.question import Asked
from dinosearch.collection.asking.trust import Trust
from dinosearch.collection.kinds import REGIONS
from dinosearch.collection.opened import OpenedHome
from dinosearch.errors import SettingError
from dinosearch.protocols import Embedder
from dinosearch.records import Hit, ImageRecord
from dinosearch.retrieval import combine, rerank
from dinosearch.retrieval.rerank import DIFFUSION, Walk
from dinosearch.store import Filter
from dinosearch.timing import stage

if TYPE_CHECKING:
    from dinosearch.collection.asking.shown import ShownPictures
    from dinosearch.collection.asking.texts import TextSearch

Skip = frozenset[str | int | None]
Weights = Sequence[float]
T = TypeVar("T")
FEW = 16
"""Vectors of a question that is answered in some milliseconds; more are products that NumPy computes on its own."""
_FEW_RANKS = 10_000  # for so many it is not worth while to count the images


class Query:
    """A question to a collection; `asked` says everything but the images.

    Args:
        opened: the home.
        embedder: opens the model; called when something has to be embedded.
        asked: what is wanted.
        pictures: opens what compares the images of each query, for stages that need it.
    """

    def __init__(
        self,
        opened: OpenedHome,
        embedder: Callable[[], Embedder],
        asked: Asked,
        pictures: Callable[[Sequence[Sequence[QueryImage]]], ShownPictures] | None = None,
    ) -> None:
        self._opened = opened
        self._embedder = embedder
        self._asked = asked
        self._pictures = pictures
        self._vectors = QueryVectors(opened, embedder, exact=asked.exact)
        self._images: Sequence[Sequence[QueryImage]] = ()  # of each query

    def by_images(
        self,
        images: Sequence[QueryImage],
        negative: Sequence[QueryImage],
        weights: Weights | None = None,
        negative_weights: Weights | None = None,
    ) -> list[Hit]:
        """Answer one query made of all the images together."""
        if not images:
            raise ValueError("a query needs at least one image")
        skip: Skip = frozenset()
        if not self._asked.include_self:
            skip = frozenset(identity(image) for image in (*images, *negative)) - {None}
        if self._asked.box is not None:
            if len(images) > 1:
                raise SettingError("a box is of one image; ask with one image, or cut the others out yourself")
            self._refuse_vectors("a box is part of a picture", images)
            with stage("decode"):
                images = [cut_out(images[0], self._opened, self._asked.box)]
        if self._by_regions():
            return at_one_state(self._opened, lambda: self._regions(images, negative, skip))
        self._images = [images]
        fresh, against = self._vectors.fresh(images), self._vectors.fresh(negative)

        def answer() -> list[Hit]:
            with stage("store"):
                wanted = self._vectors.rows(images, fresh)
                unwanted = self._vectors.rows(negative, against) if negative else None
            query = combine(wanted, unwanted, weights, negative_weights)
            return self._search(query[None, :], skip)[0]

        return self._in_turn(1, answer)

    def by_texts(self, texts: Sequence[str], search: TextSearch) -> list[Hit]:
        """Answer one query made of all the texts together."""
        if not texts:
            raise ValueError("a query needs at least one text")
        with stage("embed"):
            direction = search.direction(texts)

        def answer() -> list[Hit]:
            depth = self._depth(self._asked.k)
            ids, scores = search.find(direction, depth, self._allowed(), self._where(), exact=self._asked.exact)
            return self._hits(ids, scores, self._places(ids), frozenset(), Trust(self._asked.threshold))

        return at_one_state(self._opened, answer)

    def by_vectors(self, vectors: np.ndarray) -> list[list[Hit]]:
        """Answer each vector on its own."""
        return self._in_turn(_count(vectors), lambda: self._search(self._directions(vectors), frozenset()))

    def ranking(
        self, vectors: np.ndarray, ids: Sequence[int] | np.ndarray | None, images: Sequence[QueryImage] = ()
    ) -> tuple[np.ndarray, np.ndarray]:
        """Ids and scores for each vector, without looking the hits up; only among `ids` when they are given."""
        self._images = [[image] for image in images]
        return self._in_turn(_count(vectors), lambda: self._ranking(vectors, ids))

    def _in_turn(self, vectors: int, answer: Callable[[], T]) -> T:
        """What `answer` makes of one state; where it computes in Python and not for long, it waits for its turn."""
        brief = vectors <= FEW and not self._asked.exact and not self._asked.plan.pictured
        alone = brief and turns.IS_NEEDED and self._opened.place.home is not None  # an engine computes elsewhere
        with turns.turn().taken() if alone else nullcontext():
            return at_one_state(self._opened, answer)

    def _ranking(self, vectors: np.ndarray, ids: Sequence[int] | np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
        allowed = self._allowed()
        if ids is not None:
            wanted = np.unique(np.asarray(ids, np.int64))
            allowed = wanted if allowed is None else np.intersect1d(wanted, allowed)
        found, scores = self._ranked(self._directions(vectors), self._depth(self._asked.k), allowed)
        if self._asked.threshold is not None:
            low = scores < self._asked.threshold
            found[low], scores[low] = -1, -np.inf
        return found, scores

    def embed(self, images: Sequence[QueryImage]) -> np.ndarray:
        """Embed the images in their order: (n, dimension) float32; stored vectors are taken for `id:N`."""
        if not images:
            return np.empty((0, self._embedder().fingerprint.dimension), dtype=np.float32)
        fresh = self._vectors.fresh(images)
        return at_one_state(self._opened, lambda: self._vectors.rows(images, fresh))

    def _directions(self, vectors: np.ndarray) -> np.ndarray:
        return directions(vectors, self._opened.generation.fingerprint.dimension)

    def _refuse_vectors(self, why: str, images: Sequence[QueryImage]) -> None:
        if any(map(is_vector, images)):
            raise SettingError(f"{why}, which vectors have not; ask with images, or leave that out")

    def _by_regions(self) -> bool:
        """Whether windows of images are searched: when asked for, or for a box where the collection has them."""
        if self._asked.regions is None:
            return self._asked.box is not None and self._opened.generation_of(REGIONS) is not None
        return self._asked.regions

    def _regions(self, images: Sequence[QueryImage], negative: Sequence[QueryImage], skip: Skip) -> list[Hit]:
        asked = self._asked
        self._opened.must_hold(REGIONS)  # it is refused before it is told to add what it cannot hold
        if negative or len(images) > 1 or asked.rerank not in (None, "fast") or asked.precision is not None:
            raise SettingError(
                "regions are searched by one image, without negatives, re-ranking and precision; leave those out, or "
                "leave out: --regions"
            )
        self._refuse_vectors("windows are compared with pictures", images)
        from dinosearch.collection.asking.regions import RegionSearch

        search = RegionSearch(self._opened, self._embedder())
        depth = self._depth(asked.k + len(skip))
        ids, scores, boxes = search.find(images[0], depth, self._allowed(), self._where(), exact=asked.exact)
        return self._hits(ids, scores, self._places(ids), skip, Trust(asked.threshold), boxes)

    def _depth(self, wanted: int) -> int:
        """The ranks to look at: searches take memory for each of them, also where there are not so many images."""
        return wanted if wanted <= _FEW_RANKS else min(wanted, max(1, len(self._opened.live_ids())))

    def _allowed(self) -> np.ndarray | None:
        """The ids that the filter leaves; None for all, and where the place is given the filter itself."""
        if self._opened.place.home is None:
            return None
        with stage("store"):
            return self._opened.store.select(self._asked.filter) if self._asked.filter else None

    def _where(self) -> Filter | None:
        """The filter, for a place that is given it."""
        return self._asked.filter if self._opened.place.home is None else None

    def _search(self, queries: np.ndarray, skip: Skip) -> list[list[Hit]]:
        trust = Trust.of(self._opened, self._asked.threshold, self._asked.precision)
        # Each skipped name hides at most one id, so that many more are asked for.
        depth = self._depth(self._asked.k + len(skip))
        if trust.threshold is not None and self._asked.plan:
            depth = max(depth, self._asked.plan.top)  # behind a rank below the threshold may be one above it
        ids, scores = self._ranked(queries, depth, self._allowed())
        places = self._places(ids)
        return [self._hits(row, values, places, skip, trust) for row, values in zip(ids, scores, strict=True)]

    def _places(self, ids: np.ndarray) -> dict[int, list[ImageRecord]]:
        """The files of each image, those that the filter allows."""
        places: dict[int, list[ImageRecord]] = {}
        found = sorted({int(i) for i in ids.ravel() if i >= 0})
        with stage("store"):
            for record in self._opened.store.records(found, self._asked.filter):
                places.setdefault(record.id, []).append(record)
        return places

    def _ranked(self, queries: np.ndarray, k: int, allowed: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
        """Ids (n, k) in the order of the answer, -1 where fewer exist, and their cosines."""
        search, basis = self._opened.answering()
        queries, plan = basis.apply(queries), self._asked.plan
        where = self._where()

        def first(rows: np.ndarray, depth: int) -> tuple[np.ndarray, np.ndarray]:
            with stage("search"):
                return search.search(rows, depth, allowed=allowed, where=where, exact=self._asked.exact)

        pictures = self._pictures(self._images) if plan.pictured and self._images and self._pictures else None
        if plan.pictured:
            self._refuse_vectors(f"{plan.pictured[0]} compares pictures", [i for row in self._images for i in row])
        if plan.pictured and pictures is None:
            raise SettingError(
                f"{plan.pictured[0]} compares pictures, which vectors have not; ask with images, or use: --rerank fast"
            )
        walk = self._walk(allowed) if DIFFUSION in plan.stages else None
        with stage("re-rank"):
            return rerank(plan, queries, k, first, search.found, pictures, walk)

    def _walk(self, allowed: np.ndarray | None) -> Walk:
        from dinosearch.collection.derived.diffusing import Walks

        _ = self._opened.home  # as for regions
        walks, answered = Walks(self._opened), self._opened.store.live_ids() if allowed is None else allowed

        def walk(ids: np.ndarray, cosines: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            reached, scores = walks.walk(ids, cosines)
            kept = np.isin(reached, answered)
            return reached[kept], scores[kept]

        return walk

    def _hits(
        self,
        ids: np.ndarray,
        scores: np.ndarray,
        places: dict[int, list[ImageRecord]],
        skip: Skip,
        trust: Trust,
        boxes: np.ndarray | None = None,
    ) -> list[Hit]:
        hits: list[Hit] = []
        for place, (image_id, score) in enumerate(zip(ids.tolist(), scores.tolist(), strict=True)):
            if image_id in skip or not trust.accepts(score):
                continue
            box = None if boxes is None else tuple(boxes[place].tolist())
            records = [r for r in sorted(places.get(image_id, ()), key=lambda r: r.path) if r.path not in skip]
            for r in records[:1] if self._asked.unique else records:
                of_file = (r.id, r.path, r.width, r.height, r.format, r.size, r.taken, r.camera)
                named = (r.label, r.label_confidence)
                hits.append(Hit(len(hits) + 1, score, *of_file, box, trust.confidence(score), *named))
                if len(hits) == self._asked.k:
                    return hits
        return hits


def _count(vectors: np.ndarray) -> int:
    shape = np.shape(vectors)
    return shape[0] if len(shape) > 1 else 1
