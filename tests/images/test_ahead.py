"""Work ahead of the one who takes the results: order, bounds, errors, ends."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator

import pytest

from dinosearch.images.ahead import Ahead


def no_weight(item: object, result: object) -> int:
    return 0


def test_results_come_in_the_order_of_the_items() -> None:
    rng = random.Random(1)
    delays = [rng.uniform(0, 0.003) for _ in range(200)]

    def work(number: int) -> int:
        time.sleep(delays[number])
        return number * number

    ahead = Ahead(range(200), work, no_weight, threads=4, most=16, most_bytes=1)
    assert list(ahead) == [(number, number * number) for number in range(200)]
    ahead.join()


@pytest.mark.parametrize(("most", "most_bytes", "bound"), [(10, 1 << 30, 10), (1000, 700, 8), (1000, 1, 1)])
def test_no_more_is_drawn_than_may_be_held(most: int, most_bytes: int, bound: int) -> None:
    drawn = 0

    def source() -> Iterator[int]:
        nonlocal drawn
        for number in range(100):
            drawn += 1
            yield number

    ahead = Ahead(source(), abs, lambda item, result: 100, threads=3, most=most, most_bytes=most_bytes)
    for taken, _ in enumerate(ahead, 1):
        time.sleep(0.002)  # the threads get as far as they may
        assert drawn <= taken + bound
    assert drawn == taken == 100


def test_an_expected_weight_gives_way_to_the_real_one() -> None:
    started = 0

    def work(number: int) -> bytes:
        nonlocal started
        started += 1
        return bytes(100)

    def weigh(item: int, result: bytes | None) -> int:
        return 1000 if result is None else len(result)

    most = 0
    for taken, _ in enumerate(Ahead(range(100), work, weigh, threads=2, most=1000, most_bytes=2000), 1):
        time.sleep(0.003)
        most = max(most, started - taken)
        assert started <= taken + 20
    assert most > 10, "finished work must not count as heavy as work to be done"


def test_a_slow_source_holds_up_neither_work_nor_results() -> None:
    taken, last = threading.Event(), object()

    def source() -> Iterator[object]:
        yield object()
        assert taken.wait(20), "the first result was not there before the source went on"
        yield last

    results = iter(Ahead(source(), id, no_weight, threads=1, most=8, most_bytes=1))
    next(results)
    taken.set()
    assert next(results) == (last, id(last))


def test_an_error_reaches_its_place() -> None:
    def work(number: int) -> int:
        if number == 5:
            raise LookupError("five")
        return number

    seen = []
    with pytest.raises(LookupError, match="five"):
        for item, _ in Ahead(range(50), work, no_weight, threads=4, most=8, most_bytes=1):
            seen.append(item)
    assert seen == [0, 1, 2, 3, 4]


def test_an_error_of_the_source_comes_behind_what_was_drawn() -> None:
    def source() -> Iterator[int]:
        yield from range(7)
        raise OSError("the disk is gone")

    seen = []
    with pytest.raises(OSError, match="disk is gone"):
        for item, _ in Ahead(source(), abs, no_weight, threads=3, most=20, most_bytes=1):
            seen.append(item)
    assert seen == list(range(7))


def test_leaving_early_draws_no_more_and_ends_the_threads() -> None:
    drawn = []
    ahead = Ahead(map(drawn.append, range(1000)), lambda item: item, no_weight, threads=3, most=10, most_bytes=1)
    with pytest.raises(KeyboardInterrupt):
        for place, _ in enumerate(ahead):
            if place == 20:
                raise KeyboardInterrupt
    ahead.stop()
    ahead.join()
    assert 20 < len(drawn) <= 32
