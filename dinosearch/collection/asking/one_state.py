"""Answers that are of one committed state, whatever the writer commits while they are made."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from dinosearch.collection.committed import OvertakenError
from dinosearch.collection.opened import OpenedHome
from dinosearch.errors import DamagedHomeError

T = TypeVar("T")
TRIES = 3
"""Answers that a commit may spoil before the state is held for one."""
MOST = 20
"""Answers in all: `compact` may delete the files of a held state before they are opened."""


def at_one_state(opened: OpenedHome, answer: Callable[[], T]) -> T:
    """What `answer` makes of one committed state: it is asked again where another was taken over meanwhile.

    Beside a writer that commits all the time the state is held after `TRIES`, and other threads wait meanwhile.
    """
    for attempt in range(1, MOST):
        before, held = None, attempt > TRIES
        try:
            with opened.held() if held else opened.moment():
                before = opened.store.changes()
                is_same = opened.lasting()
                found = answer()
                lasted = is_same()
        except OvertakenError:
            continue
        except Exception as error:
            # What it looked for may have been taken away meanwhile.
            if before is None or (held and not isinstance(error, (DamagedHomeError, OSError))):
                raise
            if opened.store.changes() == before:
                raise
            continue
        # Vectors that lie elsewhere are not of the moment that the store was read at.
        if held or (lasted and (not opened.place.apart or opened.store.changes() == before)):
            return found
    with opened.held():
        return answer()
