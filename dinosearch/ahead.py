"""Work that is begun in a thread before anybody asks for it, while a program still loads; the first to ask takes it.

What fails is not told here: whoever asks gets nothing, does the work, and meets the same.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import Any

_begun: dict[tuple[int, str], _Work] = {}


class _Work(threading.Thread):
    def __init__(self, name: str, work: Callable[[], Any]) -> None:
        super().__init__(name=f"dinosearch-{name}", daemon=True)
        self._work, self.made = work, None

    def run(self) -> None:
        try:
            self.made = self._work()
        except Exception:  # whatever it is, it comes again
            self.made = None


def begin(name: str, work: Callable[[], Any]) -> None:
    """Do some work in a thread of its own.

    Args:
        name: by which it is taken.
        work: makes what is taken.
    """
    found = _begun[os.getpid(), name] = _Work(name, work)
    found.start()


def take(name: str) -> Any:
    """What was made, once it is; None where nothing was begun, it failed, or it was taken before."""
    found = _begun.pop((os.getpid(), name), None)  # a fork has no threads of its parent
    if found is None:
        return None
    found.join()
    return found.made
