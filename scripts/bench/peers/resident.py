"""Memory that this process holds with its children, read from /proc."""

from __future__ import annotations

import ctypes
import gc
import os
from pathlib import Path


def memory_held() -> dict[str, float]:
    """Bytes that this process and its children hold: `anonymous`, and `file` pages that the kernel may drop.

    Not-a-number where there is no /proc.
    """
    gc.collect()
    try:
        ctypes.CDLL(None).malloc_trim(0)  # what was freed is not held
    except (OSError, AttributeError):
        pass
    held = {"anonymous": 0.0, "file": 0.0}
    for pid in [os.getpid(), *descendants(os.getpid())]:
        status = _status(pid)
        if not status:
            return dict.fromkeys(held, float("nan"))
        held["anonymous"] += status.get("RssAnon", 0)
        held["file"] += status.get("RssFile", 0)
    return held


def peak() -> float:
    """Bytes of memory that this process and its children held at most."""
    return sum(_status(pid).get("VmHWM", float("nan")) for pid in [os.getpid(), *descendants(os.getpid())])


def _status(pid: int) -> dict[str, float]:
    try:
        lines = Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines()
    except OSError:
        return {}
    parts = [line.split() for line in lines]
    return {part[0].rstrip(":"): 1024.0 * int(part[1]) for part in parts if len(part) == 3 and part[2] == "kB"}


def descendants(pid: int) -> list[int]:
    """Children of a process, and theirs."""
    found: list[int] = []
    for thread in threads(pid):
        try:
            children = Path(f"/proc/{pid}/task/{thread}/children").read_text(encoding="utf-8").split()
        except OSError:
            continue
        for child in map(int, children):
            found += [child, *descendants(child)]
    return found


def threads(pid: int) -> list[int]:
    """Numbers of the threads of a process."""
    try:
        return [int(path.name) for path in Path(f"/proc/{pid}/task").iterdir()]
    except OSError:
        return []
