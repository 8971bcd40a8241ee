"""Chromium of the machine: found, or installed where that is possible."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess

ARGUMENTS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
_NAMES = ("chromium", "chromium-browser", "google-chrome")


class NoBrowserError(Exception):
    """There is none, with the reason."""


@functools.lru_cache
def executable() -> str:
    """The program's path.

    Raises:
        NoBrowserError: there is none, and it cannot be installed here.
    """
    named = os.environ.get("DINOSEARCH_CHROMIUM") or _found()
    if named:
        return named
    if not (hasattr(os, "geteuid") and os.geteuid() == 0 and shutil.which("apt-get")):
        raise NoBrowserError("no Chromium here; install one (Debian: apt-get install chromium)")
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in (["apt-get", "update"], ["apt-get", "install", "-y", "--no-install-recommends", "chromium"]):
        ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=280, check=False)
    found = _found()
    if not found:
        raise NoBrowserError(f"Chromium could not be installed: {ended.stderr.strip()[-200:]}")
    return found


def _found() -> str | None:
    return next(filter(None, map(shutil.which, _NAMES)), None)
