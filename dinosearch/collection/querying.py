"""One query: from images to vectors, from the ranking of ids to hits with their paths.

The search itself is `vectors`' business and the records are `store`'s; here they meet.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from dinosearch.collection.comparing import Comparer
from dinosearch.collection.opened import OpenedHome
from dinosearch.collection.pictures import QueryImage, id_of, identity, no_such_id, prepare_image
from dinosearch.errors import SettingError
from dinosearch.protocols import Embedder
from dinosearch.records import Hit, ImageRecord
from dinosearch.retrieval import GEOMETRY, Match, Rerank, combine, rerank
from dinosearch.store import parse_filter


class Query:
    """What is asked, but for the images; arguments as in `Collection.query`."""

    def __init__(
        self,
        opened: OpenedHome,
        embedder: Callable[[], Embedder],
        k: int = 10,
        where: str | None = None,
        threshold: float | None = None,
        exact: bool = False,
        unique: bool = False,
        rerank: str | Rerank = "fast",
        comparer: Callable[[], Comparer] | None = None,
    ) -> None:
        if k < 1:
            raise ValueError(f"k is the number of hits wanted, at least 1, not {k}")
        self._rerank = _plan(rerank)
        self._comparer = comparer
        self._images: Sequence[Sequence[QueryImage]] = ()  # of each query
        self._opened = opened
        self._embedder = embedder
        self._k = k
        self._where = parse_filter(where) if where else None
        self._threshold = threshold
        self._exact = exact
        self._unique = unique

    def by_images(self, images: Sequence[QueryImage], negative: Sequence[QueryImage], include_self: bool) -> list[Hit]:
        """Answer one query made of all the images together."""
        if not images:
            raise ValueError("a query needs at least one image")
        self._images = [images]
        query = combine(self.embed(images), self.embed(negative) if negative else None)
        skip = frozenset() if include_self else frozenset(identity(image) for image in (*images, *negative))
        return self._search(query[None, :], skip - {None})[0]

    def by_vectors(self, vectors: np.ndarray) -> list[list[Hit]]:
        """Answer each vector on its own."""
        return self._search(self._directions(vectors), frozenset())

    def ranking(
        self, vectors: np.ndarray, ids: np.ndarray | None, images: Sequence[QueryImage] = ()
    ) -> tuple[np.ndarray, np.ndarray]:
        """Ids and scores for each vector, without looking the hits up; only among `ids` when they are given."""
        self._images = [[image] for image in images]
        allowed = self._opened.store.select(self._where) if self._where else None
        if ids is not None:
            wanted = np.unique(np.asarray(ids, np.int64))
            allowed = wanted if allowed is None else np.intersect1d(wanted, allowed)
        found, scores = self._ranked(self._directions(vectors), self._k, allowed)
        if self._threshold is not None:
            low = scores < self._threshold
            found[low], scores[low] = -1, -np.inf
        return found, scores

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

    def embed(self, images: Sequence[QueryImage]) -> np.ndarray:
        """Embed the images in their order: (n, dimension) float32; stored vectors are taken for `id:N`."""
        rows: list[np.ndarray | None] = [self._stored(image) for image in images]
        fresh = [i for i, row in enumerate(rows) if row is None]
        if fresh:
            embedder = self._embedder()
            for start in range(0, len(fresh), embedder.batch_size):
                part = fresh[start : start + embedder.batch_size]
                pixels = [prepare_image(images[i], embedder.preprocessing, embedder.patch_size).pixels for i in part]
                for i, row in zip(part, embedder.embed(pixels), strict=True):
                    rows[i] = row
        if not rows:
            return np.empty((0, self._embedder().fingerprint.dimension), dtype=np.float32)
        return np.stack([row for row in rows if row is not None])

    def _stored(self, image: QueryImage) -> np.ndarray | None:
        image_id = id_of(image)
        if image_id is None:
            return None
        search = self._opened.search()
        if not self._opened.store.records([image_id]):
            raise no_such_id(image_id, self._opened)
        row: np.ndarray = search.vectors(np.array([image_id], dtype=np.int64))[0]
        return row

    def _search(self, queries: np.ndarray, skip: frozenset[str | int | None]) -> list[list[Hit]]:
        allowed = self._opened.store.select(self._where) if self._where else None
        # Each skipped name hides at most one id, so that many more are asked for.
        ids, scores = self._ranked(queries, self._k + len(skip), allowed)
        found = sorted({int(i) for i in ids.ravel() if i >= 0})
        places: dict[int, list[ImageRecord]] = {}
        for record in self._opened.store.records(found, self._where):
            places.setdefault(record.id, []).append(record)
        return [self._hits(row, values, places, skip) for row, values in zip(ids, scores, strict=True)]

    def _ranked(self, queries: np.ndarray, k: int, allowed: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
        """Ids (n, k) in the order of the answer, -1 where fewer exist, and their cosines."""
        search, basis = self._opened.answering()
        queries = basis.apply(queries)

        def first(directions: np.ndarray, depth: int) -> tuple[np.ndarray, np.ndarray]:
            return search.search(directions, depth, allowed=allowed, exact=self._exact)

        def compare(number: int, ids: np.ndarray) -> list[Match | None]:
            assert self._comparer is not None
            return self._comparer().matches(self._images[number], ids.tolist())

        pictured = bool(self._images) and self._comparer is not None
        if GEOMETRY in self._rerank.stages and not pictured:
            raise SettingError(
                "geometry compares pictures, which vectors have not; ask with images, or use: --rerank fast"
            )
        return rerank(self._rerank, queries, k, first, search.vectors, compare if pictured else None)

    def _hits(
        self,
        ids: np.ndarray,
        scores: np.ndarray,
        places: dict[int, list[ImageRecord]],
        skip: frozenset[str | int | None],
    ) -> list[Hit]:
        hits: list[Hit] = []
        for image_id, score in zip(ids.tolist(), scores.tolist(), strict=True):
            if image_id in skip or (self._threshold is not None and score < self._threshold):
                continue
            records = [r for r in sorted(places.get(image_id, ()), key=lambda r: r.path) if r.path not in skip]
            for record in records[:1] if self._unique else records:
                hits.append(_hit(len(hits) + 1, score, record))
                if len(hits) == self._k:
                    return hits
        return hits


def _plan(text: str | Rerank) -> Rerank:
    try:
        return text if isinstance(text, Rerank) else Rerank.parse(text)
    except ValueError as error:
        raise SettingError(f"{error}; leave it out for: --rerank fast") from None


def _hit(rank: int, score: float, r: ImageRecord) -> Hit:
    return Hit(rank, score, r.id, r.path, r.width, r.height, r.format, r.size, r.taken, r.camera)
