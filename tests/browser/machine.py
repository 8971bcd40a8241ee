"""Programs of the machine that tests need: installed where that is possible."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from filelock import FileLock

_APT = ["apt-get", "-y", "-o", "Acquire::Retries=1", "-o", "Acquire::http::Timeout=20", "--no-install-recommends"]
_FETCHING, _INSTALLING = 150, 280
"""Seconds. Only what is fetched may be cut off: half an installation would leave the machine worse than it was."""


class NoBrowserError(Exception):
    """There is none, with the reason."""


def install(*packages: str) -> str:
    """Install Debian packages; gives the reason where they cannot be, and else nothing."""
    if not (hasattr(os, "geteuid") and os.geteuid() == 0 and shutil.which("apt-get")):
        return f"install it (Debian: apt-get install {' '.join(packages)})"
    fetch = ["install", "--download-only", *packages]
    with FileLock(Path(tempfile.gettempdir()) / "dinosearch-tests-apt.lock"):  # workers come at the same time
        wrong = _apt(_FETCHING, *fetch)
        if wrong:
            wrong = _apt(_FETCHING, "update") or _apt(_FETCHING, *fetch)
        wrong = wrong or _apt(_INSTALLING, "install", *packages)
    return wrong and f"it could not be installed: {wrong}"


def _apt(seconds: int, *arguments: str) -> str:
    """What went wrong, or nothing."""
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    try:
        ended = subprocess.run(
            [*_APT, *arguments],
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"apt-get took more than {seconds} seconds"
    return (ended.stderr.strip()[-200:] or "apt-get failed") if ended.returncode else ""
