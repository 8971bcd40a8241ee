"""The process that decodes for a `DecodePool`: answers requests on stdin until it ends; it never starts one itself."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import time

from PIL import AvifImagePlugin, Image

from dinosearch.images.finding.read import MAX_FILE
from dinosearch.images.limits import MAX_PIXELS, MemoryLimit, be_the_first_to_go
from dinosearch.images.workers.answer import answer
from dinosearch.images.workers.messages import Wanted, pack_answer, receive, send

_THREADS = 4  # of an AVIF decoder, as of the HEIF one: one for each of 64 cores would take their stacks too
_ORPHAN_TICK = 1.0  # seconds between two looks whether the parent is there


def main() -> None:
    """Serve until the parent closes stdin, which its death does too, or is gone."""
    threading.Thread(target=_end_with, args=(os.getppid(),), name="dinosearch-orphan", daemon=True).start()
    # Ctrl-C reaches the whole process group; the parent decides, and its end closes stdin.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # The answers own the original stdout; anything else that is printed must not get between them.
    source, sink = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    be_the_first_to_go()
    AvifImagePlugin.DEFAULT_MAX_THREADS = _THREADS
    Image.MAX_IMAGE_PIXELS = MAX_PIXELS // 2  # some plugins look at it themselves, and refuse the double
    limit, timeout, size = MemoryLimit(), 0.0, 0
    send(sink, {"ready": True})

    def reserve(count: int) -> None:
        # The parent shares the memory among the workers, and may let this one wait as long as it likes.
        _set_alarm(0)
        send(sink, {"needs": count})
        timeout = receive(source, 0)[0]["timeout"]
        limit.allow(size + 2 * count)
        _set_alarm(timeout)

    with contextlib.suppress(EOFError, OSError):  # the parent is gone
        while True:
            limit.lift()
            header, body = receive(source, MAX_FILE)
            size, timeout = header["size"], header["timeout"]
            limit.allow(size)
            _set_alarm(timeout)
            data = body if header["inline"] else None
            result = answer(header["path"], data, Wanted(**header["wanted"]), reserve)
            _set_alarm(0)
            send(sink, *pack_answer(result))
            del body, data, result


def _end_with(parent: int) -> None:
    """End this process once it has another parent.

    Stdin does not tell one that waits for a disk in the middle of an image, or whose pipe a forked process of the
    parent's still holds. Linux could send a signal (PR_SET_PDEATHSIG), but for the end of the thread that started it.
    """
    while os.getppid() == parent:  # on Windows always, where nobody inherits an orphan
        time.sleep(_ORPHAN_TICK)
    os._exit(1)


def _set_alarm(seconds: float) -> None:
    # The parent ends a worker that takes too long; should the parent itself be gone, the alarm does. It counts what all
    # threads compute, so that a process that was stopped is not ended when it goes on.
    if hasattr(signal, "setitimer"):
        signal.setitimer(signal.ITIMER_PROF, _THREADS * (seconds + 10) if seconds else 0)


if __name__ == "__main__":
    main()
