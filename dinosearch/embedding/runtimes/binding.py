"""Give memory that OpenVINO bound to a node of the machine back to the common rule.

OpenVINO (2026.4, `mbind_move` in src/plugins/intel_cpu) binds the pages of its weights, in the midst of the C library's
heaps, and leaves them bound when the model is closed. Where bound and other pages alternate, the system keeps a mapping
for each piece: 6 more for each model opened and closed, 3,500 after 450 index runs; it allows a process 65,530.
"""

from __future__ import annotations

import platform
import sys
from collections.abc import Iterator

_MBIND = {"x86_64": 237, "aarch64": 235}
"""Number of the system call; the C library has no function for it."""
_DEFAULT = 0  # MPOL_DEFAULT, as the header of the kernel names it


def unbind_memory() -> None:
    """Have the pages of this process's heaps follow the rule of the process again: 2 ms; those in use stay in place.

    Where the system is another one, or does not let it, nothing happens: then nothing could be bound either.
    """
    from ctypes import CDLL, c_int, c_long, c_size_t, c_uint, c_ulong, c_void_p

    number = _MBIND.get(platform.machine()) if sys.platform == "linux" else None
    if number is None:
        return
    call = CDLL(None).syscall
    for low, high in _heaps():  # one that is gone meanwhile is refused
        call(
            c_long(number), c_void_p(low), c_size_t(high - low), c_int(_DEFAULT), c_void_p(None), c_ulong(0), c_uint(0)
        )


def _heaps() -> Iterator[tuple[int, int]]:
    """First and last address of writable memory that belongs to no file, neighbouring mappings as one."""
    low = high = 0
    with open("/proc/self/maps", encoding="utf-8", errors="replace") as file:
        for line in file:
            addresses, rights, _, _, inode, *name = line.split(maxsplit=5)
            if rights != "rw-p" or inode != "0" or (name and not name[0].startswith(("[heap]", "[anon"))):
                continue
            first, last = (int(address, 16) for address in addresses.split("-"))
            if first != high:
                if high:
                    yield low, high
                low = first
            high = last
    if high:
        yield low, high
