"""How large an image may be, and how much memory a decode worker may take for it.

The kernel holds a worker to that, so that no decoder has to be trusted.
"""

from __future__ import annotations

import contextlib
import sys

MAX_PIXELS = 400_000_000
RESERVED = 64 << 20
"""Bytes that an image may take without asking: a photograph of 12 megapixels at reduced scale takes half of it."""
_FREE = 768 << 20
"""Bytes that every image may take beside the worker's own. What an image asks for is an estimate for the worst of its
kind; twelve times `RESERVED`, which none has to ask for, leaves room for one that is wrong."""
_STATUS, _VICTIM = "/proc/self/status", "/proc/self/oom_score_adj"


class MemoryLimit:
    """A limit on the writable memory of this process (RLIMIT_DATA); without effect where the system has no such limit.

    An allocation beyond it fails inside the decoder, which ends in an error about one image or in the end of this
    process, long before the machine runs out.
    """

    def __init__(self) -> None:
        self._own = _data_size()

    def allow(self, count: int) -> None:
        """From now on the images in hand may take so many bytes, or `_FREE` where that is more."""
        if self._own is not None:
            _set(self._own + max(_FREE, count))

    def lift(self) -> None:
        """No limit but that of whoever started this process."""
        if self._own is not None:
            _set(None)


def be_the_first_to_go() -> None:
    """Have the kernel end this process before any other when the machine is out of memory."""
    with contextlib.suppress(OSError), open(_VICTIM, "w", encoding="ascii") as file:
        file.write("1000")


def _data_size() -> int | None:
    try:
        with open(_STATUS, encoding="ascii", errors="replace") as file:
            return next(int(line.split()[1]) * 1024 for line in file if line.startswith("VmData:"))
    except (OSError, StopIteration, ValueError):
        return None


def _set(count: int | None) -> None:
    if sys.platform != "win32":
        import resource

        _, most = resource.getrlimit(resource.RLIMIT_DATA)
        soft = most if count is None else count if most == resource.RLIM_INFINITY else min(count, most)
        resource.setrlimit(resource.RLIMIT_DATA, (soft, most))
