"""Receive one file over http(s) into a partial file, with time-outs, resuming, and a deadline judged by the rate.

It checks no content and places nothing: `files` does.
"""

from __future__ import annotations

import http.client
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from dinosearch.protocols import Progress

_CHUNK = 1 << 18  # bytes
_JUDGED_AFTER = 0.1  # share of the deadline after which the rate is trusted


def receive(
    url: str,
    part: Path,
    expected: int | None,
    progress: Progress | None,
    deadline: float | None,
    timeout: float,
) -> None:
    """Append to `part` until it is whole; what it holds already is not asked for again.

    Args:
        url: http or https.
        part: where the bytes go; may hold the beginning.
        expected: bytes of the whole file, None where unknown.
        progress: told about stage `fetch` in bytes.
        deadline: seconds from now; None waits as long as bytes come.
        timeout: seconds for the first answer and for each later silence.

    Raises:
        OSError: anything that keeps the file from becoming whole; what came stays in `part`.
    """
    started = time.monotonic()
    have = part.stat().st_size if part.exists() else 0
    if expected is not None and have >= expected:  # whole: its checksum decides
        return
    headers = {"User-Agent": "dinosearch", **({"Range": f"bytes={have}-"} if have else {})}
    try:
        answer = _open(urllib.request.Request(url, headers=headers), timeout)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == 416 and have:  # nothing lies behind what is here: whole, its checksum decides
            return
        raise OSError(f"{url} answers {error.code} {error.reason}") from None
    with answer, open(part, "ab") as file:
        if have and answer.status != 206:  # the server does not resume: begin again
            file.truncate(0)
            have = 0
        length = str(answer.headers.get("Content-Length", ""))
        total = have + int(length) if length.isdecimal() else expected
        if expected is not None and total != expected:
            raise OSError(f"{url} offers {total:,} bytes, not the published {expected:,}")
        done = have
        while chunk := _read(answer):
            file.write(chunk)
            done += len(chunk)
            if progress:
                progress("fetch", done, total)
            if deadline is not None:
                _check_rate(time.monotonic() - started, done - have, (total or done) - done, deadline)
        if total is not None and done < total:
            raise OSError(
                f"the connection ended after {done:,} of {total:,} bytes; run the same command again to go on"
            )


def _open(request: urllib.request.Request, timeout: float) -> Any:
    """`urlopen` that ends in time; the socket's own time-out covers neither the name look-up nor a trickling header."""
    outcome: list[Any] = []

    def work() -> None:
        try:
            outcome.append(urllib.request.urlopen(request, timeout=timeout))
        except Exception as error:  # handed over to the waiting thread
            outcome.append(error)

    worker = threading.Thread(target=work, name="dinosearch-fetch", daemon=True)
    worker.start()
    worker.join(timeout)
    if not outcome:
        raise TimeoutError(f"no answer within {timeout:.0f} s")
    if isinstance(outcome[0], http.client.HTTPException):
        raise ConnectionError(f"not an http answer: {type(outcome[0]).__name__}") from None
    if isinstance(outcome[0], Exception):
        raise outcome[0]
    return outcome[0]


def _read(answer: Any) -> bytes:
    try:
        return bytes(answer.read1(_CHUNK))
    except http.client.HTTPException as error:
        raise ConnectionError(f"the connection broke off: {type(error).__name__}") from None


def _check_rate(elapsed: float, got: int, left: int, deadline: float) -> None:
    """Give up when the deadline is over, or cannot be met at the rate seen after its first tenth."""
    if left and (
        elapsed > deadline or (elapsed > deadline * _JUDGED_AFTER and left / (got / elapsed) > deadline - elapsed)
    ):
        raise TimeoutError(f"{(got + left) / 1e6:,.0f} MB would take longer than {deadline:.0f} s")
