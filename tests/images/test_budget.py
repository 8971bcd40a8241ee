"""Sharing memory: never more than there is, unless by one alone; nobody waits for ever."""

from __future__ import annotations

import random
import threading

import pytest

from dinosearch.images.budget import MemoryBudget


def test_never_more_than_there_is_unless_one_is_alone() -> None:
    budget, lock = MemoryBudget(100), threading.Lock()
    held: dict[int, int] = {}
    wrong: list[dict[int, int]] = []

    def use(seed: int) -> None:
        rng = random.Random(seed)
        for _ in range(60):
            with budget.lease() as take:
                count = rng.choice([10, 40, 60, 250])
                take(count)
                with lock:
                    held[seed] = count
                    if sum(held.values()) > 100 and len(held) > 1:
                        wrong.append(dict(held))
                threading.Event().wait(rng.uniform(0, 0.001))
                with lock:
                    del held[seed]

    threads = [threading.Thread(target=use, args=(seed,), daemon=True) for seed in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert not any(thread.is_alive() for thread in threads), "some wait for ever"
    assert not wrong


def test_those_who_hold_some_and_want_more_do_not_wait_for_each_other() -> None:
    budget, together = MemoryBudget(100), threading.Barrier(3)

    def use() -> None:
        with budget.lease() as take:
            take(30)
            together.wait(20)  # all three hold 30 of the 100
            take(60)

    threads = [threading.Thread(target=use, daemon=True) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert not any(thread.is_alive() for thread in threads)


def test_closing_sends_away_who_waits() -> None:
    budget, ended = MemoryBudget(10), []

    def wait() -> None:
        with pytest.raises(OSError, match="closed"), budget.lease() as take:
            take(10)
        ended.append(True)

    with budget.lease() as take:
        take(10)
        thread = threading.Thread(target=wait, daemon=True)
        thread.start()
        thread.join(0.1)
        assert thread.is_alive(), "it waits"
        budget.close()
        thread.join(20)
    assert ended
