"""Concurrent questions are embedded side by side where the embedder can."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from dinosearch.embedding import open_embedder
from dinosearch.server.work.batching import BatchingEmbedder, batching
from dinosearch.server.work.side_by_side import SideBySideEmbedder
from tests.conftest import FakeEmbedder

LONG = 30


class Streams(FakeEmbedder):
    """Counts how it was asked; a call waits until it is let go."""

    side_by_side = 4

    def __init__(self) -> None:
        super().__init__(batch_size=8)
        self.alone = self.beside = 0
        self.begun, self.permits = threading.Semaphore(0), threading.Semaphore(0)

    def embed(self, pixels: Sequence[np.ndarray]) -> np.ndarray:
        self.alone += 1
        return self._wait(pixels)

    def embed_beside(self, pixels: Sequence[np.ndarray]) -> np.ndarray:
        self.beside += 1
        return self._wait(pixels)

    def _wait(self, pixels: Sequence[np.ndarray]) -> np.ndarray:
        self.begun.release()
        assert self.permits.acquire(timeout=LONG)
        if any(not image.any() for image in pixels):
            raise ValueError("black")
        return super().embed(pixels)


def image(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(1, 256, (28, 28, 3), dtype=np.uint8)


def test_who_comes_alone_has_the_whole_machine_and_others_go_beside() -> None:
    inner, told = Streams(), []
    embedder = batching(inner, on_pass=lambda images, seconds: told.append(images))
    assert isinstance(embedder, SideBySideEmbedder)
    with ThreadPoolExecutor(4) as pool:
        first = pool.submit(embedder.embed, [image(0)])
        assert inner.begun.acquire(timeout=LONG)
        others = [pool.submit(embedder.embed, [image(seed)]) for seed in (1, 2, 3)]
        for _ in others:  # none of them waits for the first
            assert inner.begun.acquire(timeout=LONG)
        assert (inner.alone, inner.beside, embedder.waiting) == (1, 3, 4)
        inner.permits.release(4)
        for seed, one in enumerate((first, *others)):
            assert np.array_equal(one.result(LONG), FakeEmbedder().embed([image(seed)]))
    assert told == [1, 1, 1, 1] and embedder.waiting == 0


def test_an_error_is_its_callers_alone() -> None:
    inner = Streams()
    inner.permits.release(2)
    embedder = batching(inner)
    with pytest.raises(ValueError, match="black"):
        embedder.embed([np.zeros((28, 28, 3), np.uint8)])
    assert embedder.waiting == 0 and len(embedder.embed([image(1)])) == 1


def test_the_bundled_model_gives_the_same_vectors_beside_as_alone() -> None:
    inner = open_embedder("mini")
    side = inner.preprocessing.size
    pictures = [np.random.default_rng(seed).integers(0, 256, (side, side, 3), dtype=np.uint8) for seed in range(6)]
    alone = np.concatenate([inner.embed([picture]) for picture in pictures])
    embedder = batching(inner)
    kind = SideBySideEmbedder if getattr(inner, "side_by_side", 1) > 1 else BatchingEmbedder
    assert isinstance(embedder, kind)
    with ThreadPoolExecutor(6) as pool:
        together = np.concatenate(list(pool.map(lambda picture: embedder.embed([picture]), pictures)))
    assert np.all(np.sum(alone * together, axis=1) >= 0.9999)
