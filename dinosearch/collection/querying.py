"""One query: from images to vectors, from the ranking of ids to hits with their paths.

The search itself is `vectors`' business and the records are `store`'s; here they meet.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Union

import numpy as np

from dinosearch.collection.opened import OpenedHome
from dinosearch.errors import ImageNotFoundError, SettingError
from dinosearch.images import fetch_image, is_url, prepare, prepare_pixels, read_bytes
from dinosearch.protocols import Embedder
from dinosearch.records import Hit, ImageRecord, PreparedImage
from dinosearch.retrieval import Rerank, combine, rerank
from dinosearch.store import parse_filter

# A path, `id:N`, an http(s) URL; encoded bytes; a PIL image or an array (Any, so that PIL stays in `images`).
QueryImage = Union[str, "os.PathLike[str]", bytes, Any]


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
    ) -> None:
        if k < 1:
            raise ValueError(f"k is the number of hits wanted, at least 1, not {k}")
        self._rerank = _plan(rerank)
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
        query = combine(self.embed(images), self.embed(negative) if negative else None)
        skip = frozenset() if include_self else frozenset(_identity(image) for image in (*images, *negative))
        return self._search(query[None, :], skip - {None})[0]

    def by_vectors(self, vectors: np.ndarray) -> list[list[Hit]]:
        """Answer each vector on its own."""
        return self._search(self._directions(vectors), frozenset())

    def ranking(self, vectors: np.ndarray, ids: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
        """Ids and scores for each vector, without looking the images up; only among `ids` when they are given."""
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
                pixels = [_prepare(images[i], embedder).pixels for i in part]
                for i, row in zip(part, embedder.embed(pixels), strict=True):
                    rows[i] = row
        if not rows:
            return np.empty((0, self._embedder().fingerprint.dimension), dtype=np.float32)
        return np.stack([row for row in rows if row is not None])

    def _stored(self, image: QueryImage) -> np.ndarray | None:
        image_id = _image_id(image)
        if image_id is None:
            return None
        search = self._opened.search()
        if not self._opened.store.records([image_id]):
            raise _no_such_id(image_id, self._opened)
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
        search = self._opened.search()

        def first(directions: np.ndarray, depth: int) -> tuple[np.ndarray, np.ndarray]:
            return search.search(directions, depth, allowed=allowed, exact=self._exact)

        return rerank(self._rerank, queries, k, first, search.vectors)

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


def _prepare(image: QueryImage, embedder: Embedder) -> PreparedImage:
    """Bytes, paths and addresses through the decoder, pixels directly, both as the collection's images were."""
    settings, patch = embedder.preprocessing, embedder.patch_size
    if isinstance(image, (bytes, bytearray, memoryview)):
        return prepare(bytes(image), "the image given as bytes", settings, patch)
    if isinstance(image, (str, os.PathLike)):
        name = os.fspath(image)
        if is_url(name):
            return prepare(fetch_image(name), name, settings, patch)
        path = os.path.expanduser(name)
        return prepare(read_bytes(path), name, settings, patch)
    return prepare_pixels(image, settings, patch)


def _image_id(image: QueryImage) -> int | None:
    if isinstance(image, str) and image.startswith("id:") and not Path(image).exists():
        number = image[3:]
        if not number.isdecimal():
            raise ImageNotFoundError(
                f"{image} is neither a file nor an image id such as id:12; look ids up with: dinosearch query"
            )
        return int(number)
    return None


def _identity(image: QueryImage) -> str | int | None:
    """What the queried file is called inside the collection, so that it does not answer itself."""
    image_id = _image_id(image)
    if image_id is not None:
        return image_id
    if isinstance(image, (str, os.PathLike)) and not is_url(os.fspath(image)):
        return os.path.abspath(os.path.expanduser(image))
    return None


def _no_such_id(image_id: int, opened: OpenedHome) -> ImageNotFoundError:
    return ImageNotFoundError(
        f"there is no image id:{image_id} in {opened.home.path}; ids are listed by: dinosearch export - "
        f"--home {opened.home.path}"
    )
