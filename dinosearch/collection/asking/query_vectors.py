"""From the images of a query to their vectors: stored ones are looked up, others decoded and embedded."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import suppress
from functools import lru_cache
from itertools import islice

import numpy as np

from dinosearch.capacity import cores
from dinosearch.collection.asking.pictures import (
    QueryImage,
    id_of,
    is_vector,
    no_such_id,
    prepare_image,
    stored_vectors,
)
from dinosearch.collection.opened import OpenedHome
from dinosearch.errors import DinosearchError
from dinosearch.protocols import Embedder
from dinosearch.records import Preprocessing
from dinosearch.timing import stage

Fresh = Sequence[np.ndarray | None]
"""Vectors of the images that are not of the collection; None for those that are."""
_STEP = 32  # images that are decoded before the model takes them


@lru_cache(maxsize=2)
def _pool(process: int) -> ThreadPoolExecutor:
    """Threads that stay from query to query; a forked process gets its own, as threads do not survive the fork."""
    return ThreadPoolExecutor(cores(), thread_name_prefix="dinosearch-query")


class QueryVectors:
    """Finds or makes the vectors of query images.

    Args:
        opened: the home.
        embedder: opens the model; called when something has to be embedded.
        exact: whether the index will not be searched.
    """

    def __init__(self, opened: OpenedHome, embedder: Callable[[], Embedder], *, exact: bool) -> None:
        self._opened, self._embedder, self._exact = opened, embedder, exact

    def fresh(self, images: Sequence[QueryImage]) -> list[np.ndarray | None]:
        """The vectors of those images that are not of the collection, whatever state it is in."""
        known = [id_of(image) is not None or is_vector(image) for image in images]
        made = iter(
            list(self._embedded([image for image, is_known in zip(images, known, strict=True) if not is_known]))
        )
        return [
            directions(image, self._dimension)[0] if is_vector(image) else None if is_known else next(made)
            for image, is_known in zip(images, known, strict=True)
        ]

    def rows(self, images: Sequence[QueryImage], fresh: Fresh) -> np.ndarray:
        """(n, dimension) float32: the stored vectors beside those of `fresh`."""
        return np.stack([self._stored(i) if row is None else row for i, row in zip(images, fresh, strict=True)])

    @property
    def _dimension(self) -> int:
        return self._opened.generation.fingerprint.dimension

    def _embedded(self, images: Sequence[QueryImage]) -> Iterator[np.ndarray]:
        """The vectors of images; the first are decoded, and the index is read, while the model loads."""
        if not images:
            return
        if len(images) == 1 and self._opened.is_warm:
            yield from self._at_once(images[0])
            return
        pool, known = _pool(os.getpid()), self._preprocessing()
        first = [pool.submit(prepare_image, image, known, 1) for image in images[:_STEP]] if known else []
        reading = pool.submit(self._read_index)
        try:
            with stage("embed"):
                embedder = self._embedder()

            def prepared() -> Iterator[np.ndarray]:
                yield from (future.result().pixels for future in first)
                for low in range(len(first), len(images), _STEP):
                    part = images[low : low + _STEP]
                    made = pool.map(lambda i: prepare_image(i, embedder.preprocessing, embedder.patch_size), part)
                    yield from (image.pixels for image in made)

            waiting = prepared()
            while True:
                with stage("decode"):
                    pixels = list(islice(waiting, embedder.batch_size))
                if not pixels:
                    return
                with stage("embed"):
                    vectors = embedder.embed(pixels)
                yield from vectors
        finally:
            wait(first)
            wait([reading])  # nobody may close the home under it
            self._opened.is_warm = True

    def _at_once(self, image: QueryImage) -> np.ndarray:
        """(1, dimension) the vector of an image where nothing has to be loaded: no other thread is asked."""
        with stage("embed"):
            embedder = self._embedder()
        with stage("decode"):
            pixels = prepare_image(image, embedder.preprocessing, embedder.patch_size).pixels
        with stage("embed"):
            return embedder.embed([pixels])

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
            if not self._exact:
                search.check_index()

    def _stored(self, image: QueryImage) -> np.ndarray:
        image_id = id_of(image)
        search = self._opened.search()
        if image_id is None or not self._opened.store.records([image_id]):
            raise no_such_id(image_id or 0, self._opened)
        row: np.ndarray = stored_vectors(search, [image_id], self._opened)[0]
        return row


def directions(vectors: np.ndarray, dimension: int) -> np.ndarray:
    """The vectors as rows of unit length.

    Raises:
        ValueError: another dimension, or a vector of zeros or non-finite numbers, which has no direction.
    """
    queries = np.atleast_2d(np.asarray(vectors, dtype=np.float32))
    if queries.ndim != 2 or queries.shape[1] != dimension:
        raise ValueError(f"the vectors have shape {np.shape(vectors)}; this collection's have {dimension} numbers each")
    with np.errstate(over="ignore"):
        lengths = np.linalg.norm(queries, axis=1, keepdims=True)
    if not np.all(np.isfinite(lengths)) or np.any(lengths < 1e-12):
        raise ValueError("a query vector is zero or not finite, so it has no direction")
    unit: np.ndarray = queries / lengths
    return unit
