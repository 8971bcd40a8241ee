"""Chromium of the machine: found, or installed where that is possible."""

from __future__ import annotations

import functools
import os
import shutil

from tests.browser.machine import NoBrowserError, install

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


@functools.lru_cache
def executable() -> str:
    """The program's path.

    Raises:
        NoBrowserError: there is none, and it cannot be installed here.
    """
    named = os.environ.get("DINOSEARCH_CHROMIUM") or _found()
    if named:
        return named
    wrong = install("chromium")
    found = _found()
    if not found:
        raise NoBrowserError(f"no Chromium here; {wrong}")
    return found


def _found() -> str | None:
    return next(filter(None, map(shutil.which, _NAMES)), None)
