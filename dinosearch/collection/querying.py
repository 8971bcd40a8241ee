"""One query: from images to vectors, from the ranking of ids to hits with their paths.

The search itself is `vectors`' business and the records are `store`'s; here they meet.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import suppress
from functools import lru_cache
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np

from dinosearch.capacity import cores
from dinosearch.collection.asking import Asked
from dinosearch.collection.kinds import REGIONS
from dinosearch.collection.one_state import at_one_state
from dinosearch.collection.opened import OpenedHome
from dinosearch.collection.pictures import (
    QueryImage,
    cut_out,
    id_of,
    identity,
    no_such_id,
    prepare_image,
    stored_vectors,
)
from dinosearch.collection.trust import Trust
from dinosearch.errors import DinosearchError, SettingError
from dinosearch.protocols import Embedder
from dinosearch.records import Hit, ImageRecord, Preprocessing
from dinosearch.retrieval import combine, rerank
from dinosearch.retrieval.rerank import DIFFUSION, Walk

if TYPE_CHECKING:
    from dinosearch.collection.shown import ShownPictures

Skip = frozenset[str | int | None]
_STEP = 32  # images that are decoded before the model takes them


@lru_cache(maxsize=2)
def _pool(process: int) -> ThreadPoolExecutor:
    """Threads that stay from query to query; a forked process gets its own, as threads do not survive the fork."""
    return ThreadPoolExecutor(cores(), thread_name_prefix="dinosearch-query")


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
        self._images: Sequence[Sequence[QueryImage]] = ()  # of each query

    def by_images(self, images: Sequence[QueryImage], negative: Sequence[QueryImage]) -> list[Hit]:
        """Answer one query made of all the images together."""
        if not images:
            raise ValueError("a query needs at least one image")
        skip: Skip = frozenset()
        if not self._asked.include_self:
            skip = frozenset(identity(image) for image in (*images, *negative)) - {None}
        if self._asked.box is not None:
            if len(images) > 1:
                raise SettingError("a box is of one image; ask with one image, or cut the others out yourself")
            images = [cut_out(images[0], self._opened, self._asked.box)]
        if self._by_regions():
            return at_one_state(self._opened, lambda: self._regions(images, negative, skip))
        self._images = [images]
        fresh, against = self._fresh(images), self._fresh(negative)

        def answer() -> list[Hit]:
            query = combine(self._rows(images, fresh), self._rows(negative, against) if negative else None)
            return self._search(query[None, :], skip)[0]

        return at_one_state(self._opened, answer)

    def by_vectors(self, vectors: np.ndarray) -> list[list[Hit]]:
        """Answer each vector on its own."""
        return at_one_state(self._opened, lambda: self._search(self._directions(vectors), frozenset()))

    def ranking(
        self, vectors: np.ndarray, ids: np.ndarray | None, images: Sequence[QueryImage] = ()
    ) -> tuple[np.ndarray, np.ndarray]:
        """Ids and scores for each vector, without looking the hits up; only among `ids` when they are given."""
        self._images = [[image] for image in images]
        return at_one_state(self._opened, lambda: self._ranking(vectors, ids))

    def _ranking(self, vectors: np.ndarray, ids: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
        allowed = self._allowed()
        if ids is not None:
            wanted = np.unique(np.asarray(ids, np.int64))
            allowed = wanted if allowed is None else np.intersect1d(wanted, allowed)
        found, scores = self._ranked(self._directions(vectors), self._asked.k, allowed)
        if self._asked.threshold is not None:
            low = scores < self._asked.threshold
            found[low], scores[low] = -1, -np.inf
        return found, scores

    def embed(self, images: Sequence[QueryImage]) -> np.ndarray:
        """Embed the images in their order: (n, dimension) float32; stored vectors are taken for `id:N`."""
        if not images:
            return np.empty((0, self._embedder().fingerprint.dimension), dtype=np.float32)
        fresh = self._fresh(images)
        return at_one_state(self._opened, lambda: self._rows(images, fresh))

    def _fresh(self, images: Sequence[QueryImage]) -> list[np.ndarray | None]:
        """The vectors of those images that have to be embedded; None for `id:N`."""
        stored = [id_of(image) is not None for image in images]
        fresh = iter(list(self._embedded([image for image, known in zip(images, stored, strict=True) if not known])))
        return [None if known else next(fresh) for known in stored]

    def _rows(self, images: Sequence[QueryImage], fresh: Sequence[np.ndarray | None]) -> np.ndarray:
        """(n, dimension) float32: the stored vectors beside those that were embedded."""
        return np.stack([self._stored(i) if row is None else row for i, row in zip(images, fresh, strict=True)])

    def _embedded(self, images: Sequence[QueryImage]) -> Iterator[np.ndarray]:
        """The vectors of images; the first are decoded, and the index is read, while the model loads."""
        if not images:
            return
        pool, known = _pool(os.getpid()), self._preprocessing()
        first = [pool.submit(prepare_image, image, known, 1) for image in images[:_STEP]] if known else []
        reading = pool.submit(self._read_index)
        try:
            embedder = self._embedder()

            def prepared() -> Iterator[np.ndarray]:
                yield from (future.result().pixels for future in first)
                for low in range(len(first), len(images), _STEP):
                    part = images[low : low + _STEP]
                    made = pool.map(lambda i: prepare_image(i, embedder.preprocessing, embedder.patch_size), part)
                    yield from (image.pixels for image in made)

            waiting = prepared()
            while pixels := list(islice(waiting, embedder.batch_size)):
                yield from embedder.embed(pixels)
        finally:
            wait(first)
            wait([reading])  # nobody may close the home under it

    def _preprocessing(self) -> Preprocessing | None:
        """How images are prepared, where that is known before the model: `fit` has to know its patches."""
        fingerprint = self._opened.fingerprint
        with suppress(ValueError):  # an embedder of one's own may call its preprocessing anything
            known = Preprocessing.parse(fingerprint.preprocessing) if fingerprint else None
            return known if known and known.mode != "fit" else None
        return None

    def _read_index(self) -> None:
        """Open what will be searched; who searches it learns what is wrong with it."""
        with suppress(DinosearchError):
            search, _ = self._opened.answering()
            if not self._asked.exact:
                search.check_index()

    def _directions(self, vectors: np.ndarray) -> np.ndarray:
        """The vectors as rows of unit length; refuses what has no direction."""
        queries = np.atleast_2d(np.asarray(vectors, dtype=np.float32))
        dimension = self._opened.generation.fingerprint.dimension
        if queries.ndim != 2 or queries.shape[1] != dimension:
            raise ValueError(
                f"the vectors have shape {np.shape(vectors)}; this collection's have {dimension} numbers each"
            )
        lengths = np.linalg.norm(queries, axis=1, keepdims=True)
        if not np.all(np.isfinite(lengths)) or np.any(lengths < 1e-12):
            raise ValueError("a query vector is zero or not finite, so it has no direction")
        unit: np.ndarray = queries / lengths
        return unit

    def _stored(self, image: QueryImage) -> np.ndarray:
        image_id = id_of(image)
        search = self._opened.search()
        if image_id is None or not self._opened.store.records([image_id]):
            raise no_such_id(image_id or 0, self._opened)
        row: np.ndarray = stored_vectors(search, [image_id], self._opened)[0]
        return row

    def _by_regions(self) -> bool:
        """Whether windows of images are searched: when asked for, or for a box where the collection has them."""
        if self._asked.regions is None:
            return self._asked.box is not None and self._opened.generation_of(REGIONS) is not None
        return self._asked.regions

    def _regions(self, images: Sequence[QueryImage], negative: Sequence[QueryImage], skip: Skip) -> list[Hit]:
        asked = self._asked
        if negative or len(images) > 1 or asked.rerank not in (None, "fast") or asked.precision is not None:
            raise SettingError(
                "regions are searched by one image, without negatives, re-ranking and precision; leave those out, or "
                "leave out: --regions"
            )
        from dinosearch.collection.regions import RegionSearch

        search = RegionSearch(self._opened, self._embedder())
        ids, scores, boxes = search.find(images[0], asked.k + len(skip), self._allowed(), exact=asked.exact)
        return self._hits(ids, scores, self._places(ids), skip, Trust(asked.threshold), boxes)

    def _allowed(self) -> np.ndarray | None:
        return self._opened.store.select(self._asked.filter) if self._asked.filter else None

    def _search(self, queries: np.ndarray, skip: Skip) -> list[list[Hit]]:
        trust = Trust.of(self._opened, self._asked.threshold, self._asked.precision)
        # Each skipped name hides at most one id, so that many more are asked for.
        depth = self._asked.k + len(skip)
        if trust.threshold is not None and self._asked.plan:
            depth = max(depth, self._asked.plan.top)  # behind a rank below the threshold may be one above it
        ids, scores = self._ranked(queries, depth, self._allowed())
        places = self._places(ids)
        return [self._hits(row, values, places, skip, trust) for row, values in zip(ids, scores, strict=True)]

    def _places(self, ids: np.ndarray) -> dict[int, list[ImageRecord]]:
        """The files of each image, those that the filter allows."""
        places: dict[int, list[ImageRecord]] = {}
        found = sorted({int(i) for i in ids.ravel() if i >= 0})
        for record in self._opened.store.records(found, self._asked.filter):
            places.setdefault(record.id, []).append(record)
        return places

    def _ranked(self, queries: np.ndarray, k: int, allowed: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
        """Ids (n, k) in the order of the answer, -1 where fewer exist, and their cosines."""
        search, basis = self._opened.answering()
        queries, plan = basis.apply(queries), self._asked.plan

        def first(directions: np.ndarray, depth: int) -> tuple[np.ndarray, np.ndarray]:
            return search.search(directions, depth, allowed=allowed, exact=self._asked.exact)

        pictures = self._pictures(self._images) if plan.pictured and self._images and self._pictures else None
        if plan.pictured and pictures is None:
            raise SettingError(
                f"{plan.pictured[0]} compares pictures, which vectors have not; ask with images, or use: --rerank fast"
            )
        walk = self._walk(allowed) if DIFFUSION in plan.stages else None
        return rerank(plan, queries, k, first, search.vectors, pictures, walk)

    def _walk(self, allowed: np.ndarray | None) -> Walk:
        from dinosearch.collection.diffusing import Walks

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
                hits.append(Hit(len(hits) + 1, score, *of_file, box, trust.confidence(score)))
                if len(hits) == self._asked.k:
                    return hits
        return hits
