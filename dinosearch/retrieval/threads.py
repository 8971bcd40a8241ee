"""One thread for the small matrix products of the stages.

NumPy's threads spin for some tens of milliseconds after a product, and the model's next forward pass then shares the
cores with them: on 4 cores a query whose stage multiplies 400 vectors took 115 ms instead of 21 (`mini`,
scripts/bench_rerank.py). These products take a few milliseconds on one thread.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

from threadpoolctl import ThreadpoolController  # type: ignore[import-untyped]

_lock = threading.Lock()
_inside = 0
_limit: Any = None


@contextmanager
def one_thread() -> Iterator[None]:
    """NumPy multiplies on one thread inside; the number of before is back when the last of several threads is out."""
    global _inside, _limit
    with _lock:
        if _inside == 0:
            # The limit is the process's own, not a thread's, so that the first takes it and the last gives it back.
            _limit = _controller().limit(limits=1)
        _inside += 1
    try:
        yield
    finally:
        with _lock:
            _inside -= 1
            if _inside == 0:
                _limit.restore_original_limits()


@lru_cache(maxsize=1)
def _controller() -> Any:
    return ThreadpoolController().select(user_api="blas")  # looks through the loaded libraries, so it is kept
