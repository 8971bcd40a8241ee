"""Turns for what computes in Python: one question at a time does, in the order in which they came.

SQLite gives Python's one lock back at every row and NumPy at every product. Threads that all want it hand it to and
fro: four of them ranked less than half of what one did (`scripts/bench_engines.py --part threads`). What computes
elsewhere, such as the forward pass and the pictures that are compared, takes no turn, nor do many vectors at once.
"""

from __future__ import annotations

import os
import sys

from dinosearch.turns import Turns

_turns = Turns([None])
IS_NEEDED: bool = getattr(sys, "_is_gil_enabled", lambda: True)()
"""Whether threads share one lock; Python can be built without it."""


def turn() -> Turns[None]:
    """The turns of this process, which all its collections share as they share Python's lock."""
    return _turns


def _in_a_fork() -> None:
    global _turns
    _turns = Turns([None])  # the thread whose turn it was is not here


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_a_fork)
