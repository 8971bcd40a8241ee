"""How many cores and how much memory this process may use: the machine's, or less where a container limits it.

It also gives back memory that is free inside the process, and bounds how much of it is kept.

Control groups of both versions are read as the kernel documents them (Documentation/admin-guide/cgroup-v1 and -v2).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

_ROOT = Path("/")
_UNKNOWN = 4 << 30  # bytes taken for free where the system does not say
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # of `mallopt`, as the header of the GNU C library names them


def cores(root: Path = _ROOT) -> int:
    """Cores that this process may keep busy at once, at least 1.

    Args:
        root: where `proc` and `sys` lie.
    """
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    for folder in _groups(root, "cpu"):
        quota, period = (_words(folder / "cpu.max") or ["max", "1"])[:2]
        if not (folder / "cpu.max").is_file():
            quota = (_words(folder / "cpu.cfs_quota_us") or ["max"])[0]
            period = (_words(folder / "cpu.cfs_period_us") or ["1"])[0]
        if quota.isdecimal() and int(period) > 0:  # "max", or -1 in version 1, is no limit
            count = min(count, max(1, round(int(quota) / int(period))))
    return count


def available_memory(root: Path = _ROOT) -> int:
    """Bytes that can be had without pushing other processes out of memory.

    Args:
        root: where `proc` and `sys` lie.
    """
    free = _fields(root / "proc/meminfo").get("MemAvailable:")
    found = _UNKNOWN if free is None else free * 1024
    for folder in _groups(root, "memory"):
        version_2 = (folder / "memory.max").is_file()
        limit = _words(folder / ("memory.max" if version_2 else "memory.limit_in_bytes"))
        used = _words(folder / ("memory.current" if version_2 else "memory.usage_in_bytes"))
        if limit and used and limit[0].isdecimal():
            # Cached files count as used, but give way.
            cached = _fields(folder / "memory.stat").get("inactive_file" if version_2 else "total_inactive_file", 0)
            found = min(found, max(0, int(limit[0]) - int(used[0]) + cached))
    return found


def give_back_memory() -> None:
    """Have the C library return memory that is free inside this process; where it cannot, nothing happens.

    The GNU one keeps what many threads have used, for each of them: 100 MiB after an index run with ViT-S on 4 cores.
    """
    from ctypes import CDLL

    with suppress(AttributeError, OSError, TypeError):  # another library, or another system
        CDLL(None).malloc_trim(0)


def keep_little_memory(free: int = 1 << 20) -> None:
    """Have the C library keep little of what is free, for a program that runs for long; call it before others do work.

    Args:
        free: bytes at the end of each heap of threads that are not returned. A question works with 3 MiB: where they
            are returned behind each, the next waits for the system to give 600 pages, a fifth of its processor time.

    This is a setting of the whole process, so that no library of ours makes it: `dinosearch serve --writable` does, and
    a program that changes collections for days may. Left to itself the GNU library keeps up to 64 MiB in each of the
    heaps of its threads, dozens of them, and hands the heaps to new threads in turn: the process grows by some 35 MiB
    in an hour of changes, although what it uses stays the same (scripts/torture_soak.py). Where it cannot be set
    nothing happens.
    """
    from ctypes import CDLL

    with suppress(AttributeError, OSError, TypeError):
        library = CDLL(None)
        library.mallopt(_MMAP_THRESHOLD, 4 << 20)  # larger blocks have pages of their own, which go back at once
        library.mallopt(_TRIM_THRESHOLD, free)


def _groups(root: Path, controller: str) -> Iterator[Path]:
    """The folders of the control groups that limit this process, inner before outer; names of both versions."""
    for line in _lines(root / "proc/self/cgroup"):
        _, names, path = line.split(":", 2)
        if names and controller not in names.split(","):
            continue
        top = root / "sys/fs/cgroup" / (controller if names else "")
        inner = top / path.lstrip("/")
        # Inside a container the path may be the host's, which is not mounted here: then only the top is.
        yield from (folder for folder in (inner, *inner.parents) if folder.is_relative_to(top))


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError):
        return []


def _words(path: Path) -> list[str]:
    return " ".join(_lines(path)).split()


def _fields(path: Path) -> dict[str, int]:
    """The first number behind each name."""
    rows = (line.split() for line in _lines(path))
    return {row[0]: int(row[1]) for row in rows if len(row) > 1 and row[1].isdecimal()}
