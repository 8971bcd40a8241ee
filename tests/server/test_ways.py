"""The way of embedding that finishes more is found and kept, against servers whose speed is known."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from dinosearch.server.work.batching import batching
from dinosearch.server.work.ways import Ways
from tests.conftest import FakeEmbedder

Rates = Mapping[bool, float]
"""Images a second: together, and one after the other."""


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def crowd(ways: Ways, clock: Clock, clients: int, seconds: float, rates: Rates) -> tuple[float, int]:
    """So many clients ask again and again; the share of the time together, and how often the way was changed."""
    inside = [ways.enter() for _ in range(clients)]
    end, spent, changes = clock.now + seconds, {True: 0.0, False: 0.0}, 0
    while clock.now < end:
        way = ways.together
        clock.now += 1 / rates[way]
        spent[way] += 1 / rates[way]
        ways.leave([inside.pop(0)], 1)
        inside.append(ways.enter())
        changes += way is not ways.together
    ways.leave(inside, 0)
    assert ways.inside == 0
    return spent[True] / sum(spent.values()), changes


@pytest.mark.parametrize("clients", [2, 3, 4, 16])
@pytest.mark.parametrize(
    ("rates", "least", "most"),
    [
        ({True: 40.0, False: 60.0}, 0.0, 0.06),
        ({True: 100.0, False: 60.0}, 0.94, 1.0),
        ({True: 13.0, False: 17.0}, 0.0, 0.12),  # so slow that it takes longer to see
        ({True: 2000.0, False: 300.0}, 0.94, 1.0),
    ],
)
def test_the_faster_way_is_kept(clients: int, rates: Rates, least: float, most: float) -> None:
    clock = Clock()
    ways = Ways(clock)
    crowd(ways, clock, clients, 3, rates)
    share, changes = crowd(ways, clock, clients, 120, rates)
    assert least <= share <= most
    assert 2 <= changes <= 40  # the other is tried now and then, and never for long


def test_each_crowd_has_a_way_of_its_own() -> None:
    clock = Clock()
    ways = Ways(clock)
    few, many = {True: 42.0, False: 57.0}, {True: 100.0, False: 57.0}
    for _ in range(3):
        of_few = crowd(ways, clock, 2, 10, few)[0]
        of_many = crowd(ways, clock, 16, 10, many)[0]
    assert of_few < 0.1 and of_many > 0.9


def test_a_way_that_becomes_faster_is_found() -> None:
    clock = Clock()
    ways = Ways(clock)
    assert crowd(ways, clock, 8, 60, {True: 50.0, False: 80.0})[0] < 0.1
    crowd(ways, clock, 8, 90, {True: 120.0, False: 80.0})
    assert crowd(ways, clock, 8, 60, {True: 120.0, False: 80.0})[0] > 0.9


def test_a_false_start_is_made_good_soon() -> None:
    """While all else begins, the better way looks worse."""
    clock = Clock()
    ways = Ways(clock)
    crowd(ways, clock, 8, 0.6, {True: 36.0, False: 44.0})
    crowd(ways, clock, 8, 3, {True: 78.0, False: 44.0})
    assert crowd(ways, clock, 8, 10, {True: 78.0, False: 44.0})[0] > 0.85


def test_a_crowd_that_thins_out_for_a_moment_is_still_one() -> None:
    """Every tenth answer nearly all are outside, for as long as it takes: that is no reason to change the way."""
    clock = Clock()
    ways = Ways(clock)
    rates, changes = {True: 80.0, False: 44.0}, 0
    crowd(ways, clock, 8, 10, rates)
    for _ in range(300):
        changes += crowd(ways, clock, 8, 9 / 80, rates)[1]
        before = ways.together
        crowd(ways, clock, 2, 1 / 80, rates)
        changes += before is not ways.together
    assert changes <= 8


@pytest.mark.parametrize("clients", [0, 1])
def test_a_time_without_a_crowd_counts_for_nothing(clients: int) -> None:
    clock = Clock()
    ways = Ways(clock)
    crowd(ways, clock, 8, 10, {True: 80.0, False: 44.0})
    if clients:
        crowd(ways, clock, 1, 3600, {True: 80.0, False: 44.0})
    clock.now += 3600
    crowd(ways, clock, 8, 30, {True: 30.0, False: 44.0})
    assert crowd(ways, clock, 8, 10, {True: 30.0, False: 44.0})[0] < 0.15


def test_ways_that_are_alike_are_not_changed_all_the_time() -> None:
    clock = Clock()
    ways = Ways(clock)
    assert crowd(ways, clock, 8, 120, {True: 60.0, False: 61.0})[1] <= 40


def test_who_comes_alone_is_not_counted() -> None:
    clock = Clock()
    ways = Ways(clock)
    assert crowd(ways, clock, 1, 60, {True: 10.0, False: 100.0}) == (1.0, 0)


class Timed(FakeEmbedder):
    """Takes a known time for a pass, and remembers when it began and what it was."""

    def __init__(self, seconds: Callable[[int], float]) -> None:
        super().__init__(batch_size=8)
        self.passes: list[tuple[float, int]] = []
        self._seconds, self._one = seconds, threading.Lock()

    def embed(self, pixels: Sequence[np.ndarray]) -> np.ndarray:
        with self._one:
            self.passes.append((time.monotonic(), len(pixels)))
            time.sleep(self._seconds(len(pixels)))
            return super().embed(pixels)


class TimedStreams(Timed):
    """The same, which can work side by side as well."""

    side_by_side = 4

    def __init__(self, alone: float, beside: float) -> None:
        super().__init__(lambda images: alone)
        self._beside = beside

    def embed_beside(self, pixels: Sequence[np.ndarray]) -> np.ndarray:
        self.passes.append((time.monotonic(), -1))
        time.sleep(self._beside)
        return FakeEmbedder.embed(self, pixels)


@pytest.mark.parametrize(
    ("inner", "least", "most"),
    [
        (Timed(lambda images: 0.003 * images**2), 1, 1.5),  # passes of several images are slower
        (TimedStreams(0.003, 0.1), 0.5, 1),
        (TimedStreams(0.02, 0.01), -1, -0.5),
    ],
)
def test_questions_are_embedded_the_faster_way(inner: Timed, least: float, most: float) -> None:
    embedder, begun = batching(inner), time.monotonic()
    picture = np.full((28, 28, 3), 7, np.uint8)
    expected = FakeEmbedder().embed([picture])

    def ask() -> None:
        while time.monotonic() < begun + 1.2:
            np.testing.assert_array_equal(embedder.embed([picture]), expected)

    with ThreadPoolExecutor(5) as pool:
        for one in [pool.submit(ask) for _ in range(5)]:
            one.result()
    late = [images for began, images in inner.passes if began > begun + 0.9]
    assert late and least <= sum(late) / len(late) <= most
