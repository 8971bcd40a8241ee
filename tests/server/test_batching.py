"""Concurrent questions share forward passes, and everyone gets the vectors of their own images."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import pytest

from dinosearch.protocols import EncodedEmbedder, Resting
from dinosearch.server.work.batching import BatchingEmbedder, batching
from tests.conftest import FakeEmbedder

LONG = 30


class Gated(FakeEmbedder):
    """Every pass waits for a permit; remembers how many images each pass had, and fails on black images."""

    def __init__(self, batch_size: int = 8) -> None:
        super().__init__(batch_size=batch_size)
        self.passes: list[int] = []
        self.begun = threading.Semaphore(0)
        self.permits = threading.Semaphore(0)
        self._one = threading.Lock()

    def embed(self, pixels: Sequence[np.ndarray]) -> np.ndarray:
        assert self._one.acquire(blocking=False), "two passes at once"
        try:
            self.passes.append(len(pixels))
            self.begun.release()
            assert self.permits.acquire(timeout=LONG)
            if any(not image.any() for image in pixels):
                raise ValueError("black")
            return super().embed(pixels)
        finally:
            self._one.release()

    def let(self, passes: int = 1000) -> None:
        self.permits.release(passes)


def image(seed: int, side: int = 28) -> np.ndarray:
    return np.random.default_rng(seed).integers(1, 256, (side, side, 3), dtype=np.uint8)


def waits(embedder: BatchingEmbedder, images: int) -> None:
    """Return when so many images wait for a pass."""
    ticks = threading.Event()
    for _ in range(1000 * LONG):
        if embedder.waiting == images:
            return
        ticks.wait(0.001)
    raise AssertionError(f"{embedder.waiting} images wait, not {images}")


@pytest.fixture
def pool() -> ThreadPoolExecutor:
    with ThreadPoolExecutor(32) as pool:
        yield pool


Ask = Callable[[int], Future[np.ndarray]]


def test_who_waits_while_a_pass_runs_shares_the_next_one(pool: ThreadPoolExecutor) -> None:
    inner = Gated()
    embedder = batching(inner)
    answers = [pool.submit(embedder.embed, [image(0)])]
    assert inner.begun.acquire(timeout=LONG)
    for number in range(1, 11):
        answers.append(pool.submit(embedder.embed, [image(number)]))
        waits(embedder, number)
    inner.let()
    found = np.concatenate([answer.result(LONG) for answer in answers])
    assert inner.passes == [1, 8, 2]
    np.testing.assert_array_equal(found, FakeEmbedder().embed([image(number) for number in range(11)]))


def test_calls_are_never_split_and_sizes_may_differ(pool: ThreadPoolExecutor) -> None:
    inner = Gated()
    embedder = batching(inner)
    calls = [[image(1)], [image(2, 28), image(3, 42)], [image(4, 56)] * 5, [image(5, 14), image(6, 28)]]
    answers = [pool.submit(embedder.embed, calls[0])]
    assert inner.begun.acquire(timeout=LONG)
    waiting = 0
    for call in calls[1:]:
        answers.append(pool.submit(embedder.embed, call))
        waiting += len(call)
        waits(embedder, waiting)
    inner.let()
    for call, answer in zip(calls, answers, strict=True):
        np.testing.assert_array_equal(answer.result(LONG), FakeEmbedder().embed(call))
    assert inner.passes == [1, 7, 2]


def test_an_error_reaches_only_whose_images_it_comes_from(pool: ThreadPoolExecutor) -> None:
    inner = Gated()
    embedder = batching(inner)
    first = pool.submit(embedder.embed, [image(0)])
    assert inner.begun.acquire(timeout=LONG)
    good = [pool.submit(embedder.embed, [image(number)]) for number in (1, 2)]
    waits(embedder, 2)
    bad = pool.submit(embedder.embed, [np.zeros((28, 28, 3), np.uint8)])
    waits(embedder, 3)
    inner.let()
    with pytest.raises(ValueError, match="black"):
        bad.result(LONG)
    for number, answer in enumerate([first, *good]):
        np.testing.assert_array_equal(answer.result(LONG), FakeEmbedder().embed([image(number)]))
    np.testing.assert_array_equal(embedder.embed([image(9)]), FakeEmbedder().embed([image(9)]))


def test_large_calls_and_questions_take_turns(pool: ThreadPoolExecutor) -> None:
    inner = Gated(batch_size=4)
    embedder = batching(inner)
    many = [image(number) for number in range(14)]
    large = pool.submit(embedder.embed, many)
    assert inner.begun.acquire(timeout=LONG)
    questions = [pool.submit(embedder.embed, [image(100 + number)]) for number in range(3)]
    waits(embedder, 3)
    inner.let()
    np.testing.assert_array_equal(large.result(LONG), FakeEmbedder().embed(many))
    for number, question in enumerate(questions):
        np.testing.assert_array_equal(question.result(LONG), FakeEmbedder().embed([image(100 + number)]))
    assert inner.passes[:2] == [4, 3], "the questions come right behind the piece that ran"
    assert sum(inner.passes) == 17


def test_questions_without_end_do_not_starve_a_large_call(pool: ThreadPoolExecutor) -> None:
    embedder = batching(FakeEmbedder(batch_size=4))
    stop = threading.Event()

    def ask() -> None:
        while not stop.is_set():
            embedder.embed([image(1)])

    asking = [pool.submit(ask) for _ in range(4)]
    try:
        many = [image(number) for number in range(40)]
        found = pool.submit(embedder.embed, many).result(LONG)
    finally:
        stop.set()
    np.testing.assert_array_equal(found, FakeEmbedder().embed(many))
    for one in asking:
        one.result(LONG)


def test_many_threads_get_their_own_vectors(pool: ThreadPoolExecutor) -> None:
    embedder = batching(FakeEmbedder(), wait=0.0005)

    def ask(seed: int) -> None:
        call = [image(seed + extra) for extra in range(seed % 11)]
        np.testing.assert_array_equal(embedder.embed(call), FakeEmbedder().embed(call) if call else ())

    list(pool.map(ask, [seed for seed in range(400) if seed % 11]))


def test_passes_are_reported(pool: ThreadPoolExecutor) -> None:
    told: list[int] = []
    embedder = batching(FakeEmbedder(), on_pass=lambda images, seconds: told.append(images))
    embedder.embed([image(1)])
    embedder.embed([image(number) for number in range(20)])
    assert told == [1, 8, 8, 4]


@pytest.mark.skipif(not hasattr(signal, "SIGUSR1"), reason="no signals of one's own here")
def test_an_interrupted_caller_takes_nobody_along(pool: ThreadPoolExecutor) -> None:
    class _Interrupted(BaseException):
        pass

    def interrupt(number: int, frame: object) -> None:
        raise _Interrupted

    inner = Gated()
    embedder = batching(inner)
    before = signal.signal(signal.SIGUSR1, interrupt)
    try:
        first = pool.submit(embedder.embed, [image(0)])
        assert inner.begun.acquire(timeout=LONG)

        def send() -> None:
            waits(embedder, 1)
            os.kill(os.getpid(), signal.SIGUSR1)

        pool.submit(send)
        with pytest.raises(_Interrupted):
            embedder.embed([image(1)])  # waits in this thread
    finally:
        signal.signal(signal.SIGUSR1, before)
    other = pool.submit(embedder.embed, [image(2)])
    waits(embedder, 1)
    inner.let()
    np.testing.assert_array_equal(first.result(LONG), FakeEmbedder().embed([image(0)]))
    np.testing.assert_array_equal(other.result(LONG), FakeEmbedder().embed([image(2)]))
    assert inner.passes == [1, 1]


def test_it_offers_what_the_embedder_offers() -> None:
    class Able(FakeEmbedder):
        call_size = 64
        device = "cpu"
        rested = False

        def embed_encoded(self, data: Sequence[bytes]) -> Sequence[np.ndarray | None]:
            return [None] * len(data)

        def rest(self) -> None:
            self.rested = True

    plain, able = batching(FakeEmbedder()), batching(Able())
    assert not isinstance(plain, EncodedEmbedder) and isinstance(able, EncodedEmbedder)
    assert isinstance(plain, Resting) and plain.rest() is None
    able.rest()
    assert able.rested and able.device == "cpu" and able.embed_encoded([b""]) == [None]
    assert (plain.batch_size, plain.patch_size) == (8, 14) and plain.fingerprint == FakeEmbedder().fingerprint
    with pytest.raises(AttributeError):
        _ = plain.device


FORK = """
import os, sys, threading, time, warnings
import numpy as np
warnings.simplefilter("ignore")
from dinosearch.server.work.batching import batching
from tests.conftest import FakeEmbedder
class Slow(FakeEmbedder):
    def embed(self, pixels):
        if os.getpid() == mother:
            inside.set()
            release.wait(30)
        return super().embed(pixels)
mother, inside, release = os.getpid(), threading.Event(), threading.Event()
embedder = batching(Slow())
thread = threading.Thread(target=embedder.embed, args=([np.full((28, 28, 3), 9, np.uint8)],))
thread.start()
inside.wait(30)
child = os.fork()
if child == 0:
    embedder.embed([np.full((28, 28, 3), 7, np.uint8)])
    os._exit(7)
release.set()
thread.join()
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_fork_does_not_wait_for_threads_it_has_not() -> None:
    assert subprocess.run([sys.executable, "-c", FORK], timeout=LONG, check=False).returncode == 7
