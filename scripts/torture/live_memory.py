"""Memory that this process has asked for and not given back, by what its allocators say.

Resident memory is more by what the C library keeps of freed memory, which goes up and down by chance, and creeps up to
a bound as one heap after the other has once held much. A leak is in both; here it stands out of less noise.
"""

from __future__ import annotations

import ctypes
import importlib.util
import sys

_BLOCK = 100
"""Bytes for which a small object of Python is taken, which has its own allocator: they are 16 to 512 each."""


class _Counts(ctypes.Structure):
    """`struct mallinfo2` of the GNU C library, over all its heaps."""

    _fields_ = [
        (name, ctypes.c_size_t)
        for name in "arena ordblks smblks hblks hblkhd usmblks fsmblks uordblks fordblks keepcost".split()
    ]


def live_mebibytes() -> float:
    """MiB in use; 0 where the C library cannot tell."""
    try:
        ask = ctypes.CDLL(None).mallinfo2
    except (AttributeError, OSError, TypeError):  # another library, an older one, another system
        return 0.0
    ask.restype = _Counts
    counts = ask()
    return float(counts.uordblks + counts.hblkhd + _BLOCK * sys.getallocatedblocks()) / 2**20


def sqlite_mebibytes() -> float:
    """MiB that SQLite holds; 0 where it cannot tell.

    Nearly all are pages that each connection keeps of the database, up to a limit of its own, until it is closed. That
    is no leak, but it goes up for hundreds of changes of a collection that stays open, and down when it is closed.
    """
    module = importlib.util.find_spec("_sqlite3")
    try:
        used = ctypes.CDLL(module.origin if module else None).sqlite3_memory_used
    except (AttributeError, OSError):  # built into Python without these names
        return 0.0
    used.restype = ctypes.c_int64
    return float(used()) / 2**20
