"""The process that decodes for a `DecodePool`: answers requests on stdin until it ends; it never starts one itself.

python -m dinosearch.images.worker PREPROCESSING PATCH TIMEOUT
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys

from dinosearch.images.answer import answer
from dinosearch.images.messages import pack_answer, receive, send
from dinosearch.images.read import MAX_FILE
from dinosearch.records import Preprocessing


def main(arguments: list[str]) -> None:
    """Serve until the parent closes stdin, which its death does too."""
    preprocessing, patch, timeout = Preprocessing.parse(arguments[0]), int(arguments[1]), float(arguments[2])
    # Ctrl-C reaches the whole process group; the parent decides, and its end closes stdin.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # The answers own the original stdout; anything else that is printed must not get between them.
    source, sink = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    send(sink, {"ready": True})

    def reserve(count: int) -> None:
        # The parent shares the memory among the workers, and may let this one wait as long as it likes.
        _set_alarm(0)
        send(sink, {"needs": count})
        receive(source, 0)
        _set_alarm(timeout)

    with contextlib.suppress(EOFError, OSError):  # the parent is gone
        while True:
            header, body = receive(source, MAX_FILE)
            _set_alarm(timeout)
            result = answer(header["path"], body if header["inline"] else None, preprocessing, patch, reserve)
            _set_alarm(0)
            send(sink, *pack_answer(result))
            del body, result


def _set_alarm(seconds: float) -> None:
    # The parent ends a worker that takes too long; should the parent itself be gone, the alarm does.
    if hasattr(signal, "alarm"):
        signal.alarm(int(seconds + 10) if seconds else 0)


if __name__ == "__main__":
    main(sys.argv[1:])
