"""Start decode workers, one also ahead of all else: by the time that a program has loaded its model, it is ready."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
from pathlib import Path

_PACKAGE_PARENT = Path(__file__).resolve().parents[3]
_lock = threading.Lock()
_ahead: tuple[int, subprocess.Popen[bytes]] | None = None  # the process that started it, and the worker


def start() -> subprocess.Popen[bytes]:
    """A worker that was started ahead, or a new one; what it is asked and answers goes over stdin and stdout.

    Raises:
        OSError: none can be started (a host program without a Python to run).
    """
    global _ahead
    with _lock:
        found, _ahead = _ahead, None
    if found is not None and found[0] == os.getpid() and found[1].poll() is None:
        return found[1]
    return _new()


def start_ahead() -> None:
    """Start one now, for the first who asks; it ends with this process, also when nobody does."""
    global _ahead
    if os.environ.get("DINOSEARCH_DECODE") != "inline":
        with _lock, contextlib.suppress(OSError):  # who asks for one is told
            _ahead = _ahead or (os.getpid(), _new())


def _new() -> subprocess.Popen[bytes]:
    if not sys.executable:
        raise OSError("the path of the Python program is unknown")
    return subprocess.Popen(
        [sys.executable, "-m", "dinosearch.images.workers.worker"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        # -m looks for modules in the working folder first: let that be where this package lies, not the user's.
        cwd=_PACKAGE_PARENT,
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
    )
