"""Things that threads share are handed out in the order in which they are asked for."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from dinosearch.embedding import open_embedder
from dinosearch.turns import Turns

LONG = 30.0


def wait_for(shared: Turns[Any], waiting: int) -> None:
    """Until so many wait."""
    until = time.monotonic() + LONG
    while len(shared._waiting) < waiting:
        assert time.monotonic() < until, "nobody waits"
        time.sleep(0.001)


@pytest.mark.parametrize("things", [["a"], ["a", "b", "c"]])
def test_one_each_in_the_order_in_which_they_came(things: list[str]) -> None:
    shared, order, inside, most = Turns(things), list[int](), list[str](), 0

    def take(number: int) -> None:
        nonlocal most
        with shared.taken() as mine:
            order.append(number)
            assert mine not in inside
            inside.append(mine)
            most = max(most, len(inside))
            time.sleep(0.005)
            inside.remove(mine)

    with ThreadPoolExecutor(9) as pool:
        held = [shared.taken() for _ in things]
        for one in held:
            one.__enter__()
        asked = []
        for number in range(6):
            asked.append(pool.submit(take, number))
            wait_for(shared, number + 1)
        for one in held:
            one.__exit__(None, None, None)
        for job in asked:
            job.result(LONG)
    assert most == len(things)
    # Several go at once, and which of those notes its number first is up to the system.
    assert all(abs(place - number) < len(things) for place, number in enumerate(order))
    assert len(order) == 6


def test_who_fails_passes_the_turn_on() -> None:
    shared = Turns([None])
    with pytest.raises(ValueError, match="mine"), shared.taken():
        raise ValueError("mine")
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(lambda: shared.taken().__enter__()).result(LONG) is None


def test_who_is_interrupted_while_it_waits_keeps_nothing() -> None:
    shared = Turns(["only"])

    class Interrupted:
        """A lock that is given, or not yet, at the moment of the interruption."""

        def __init__(self, given: bool) -> None:
            self.given = given

        def acquire(self) -> bool:
            if self.given:
                shared._pass_on("only")
            raise KeyboardInterrupt

        def release(self) -> None:
            pass

    for given in (False, True):
        held = shared.taken()
        held.__enter__()
        with pytest.MonkeyPatch.context() as patched, pytest.raises(KeyboardInterrupt):
            patched.setattr("dinosearch.turns._Waiting.begin", staticmethod(lambda given=given: Interrupted(given)))
            with shared.taken():
                pass
        if not given:
            held.__exit__(None, None, None)
        assert (shared._free, list(shared._waiting)) == (["only"], [])


def test_callers_of_a_model_are_served_in_the_order_in_which_they_came() -> None:
    """Asked for again and again, a model with all cores left some of its callers waiting for as long as others came."""
    pytest.importorskip("openvino")
    embedder = open_embedder("mini", device="cpu", runtime="openvino")
    pixels, order = [np.zeros((224, 224, 3), np.uint8)], list[str]()
    embedder.embed(pixels)
    shared = embedder._runtimes[False]._requests

    class Noting:
        def __init__(self, request: Any) -> None:
            self._request = request

        def infer(self, *given: Any, **named: Any) -> Any:
            order.append(threading.current_thread().name)
            return self._request.infer(*given, **named)

        def __getattr__(self, name: str) -> Any:
            return getattr(self._request, name)

    shared._free = [Noting(request) for request in shared._free]
    callers = [threading.Thread(target=embedder.embed, args=(pixels,), name=str(number)) for number in range(6)]
    with shared.taken():
        for number, caller in enumerate(callers):
            caller.start()
            wait_for(shared, number + 1)
    for caller in callers:
        caller.join(LONG)
    assert order == [caller.name for caller in callers]
