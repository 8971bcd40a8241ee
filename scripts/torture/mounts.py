"""Small, full, read-only and vanishing file systems, in a mount name space of this process alone."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
from pathlib import Path

_NEWNS, _NEWUSER = 0x00020000, 0x10000000


def private_mounts() -> str | None:
    """Give this process mounts of its own; None, or why it cannot have them. Its children inherit them."""
    if sys.platform != "linux":
        return "mount name spaces are Linux"
    libc = ctypes.CDLL(None, use_errno=True)
    user, group = os.getuid(), os.getgid()
    if libc.unshare(_NEWNS | (0 if user == 0 else _NEWUSER)):
        return f"no name space of its own: {os.strerror(ctypes.get_errno())}"
    try:
        if user:
            Path("/proc/self/setgroups").write_text("deny")
            Path("/proc/self/uid_map").write_text(f"0 {user} 1")
            Path("/proc/self/gid_map").write_text(f"0 {group} 1")
        mount("--make-rprivate", "/")
    except (OSError, subprocess.CalledProcessError) as error:
        return f"nothing can be mounted: {error}"
    return None


def mount(*words: str | os.PathLike[str]) -> None:
    subprocess.run(["mount", *words], check=True, capture_output=True)


def unmount(place: Path) -> None:
    """Lazily: who holds files open keeps them, nobody finds them any more."""
    subprocess.run(["umount", "-l", place], check=True, capture_output=True)
