"""Programs that a test starts, waits for and ends."""

from __future__ import annotations

import contextlib
import subprocess
import time
from collections.abc import Callable, Iterator

from tests.browser.webdriver import PATIENCE


@contextlib.contextmanager
def ending(process: subprocess.Popen[bytes]) -> Iterator[subprocess.Popen[bytes]]:
    """The process, which ends afterwards."""
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def waited(process: subprocess.Popen[bytes], ready: Callable[[], str]) -> str:
    """What `ready` gives once it gives something; the process must not end before."""
    end = time.monotonic() + PATIENCE
    while not (found := ready()):
        assert process.poll() is None and time.monotonic() < end, f"{process.args!r} did not begin"
        time.sleep(0.05)
    return found
