"""Sessions of browsers: the token is shown once, after that a cookie says that it was, until its session is ended.

The sessions that are open stand in one small file, which all workers read and which outlives a restart. A session that
is not in it is none: where the file is lost or damaged, people show the token again, and nobody who has logged out
comes back.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

LASTS = 30 * 86_400  # seconds
MOST = 1_000
"""Sessions of one token; with one more the oldest ends."""
_PATIENCE = 5.0  # seconds for another process that writes the file, which takes it milliseconds
_Open = dict[str, float]
"""Digests of the cookies, and until when."""
_Seen = tuple[int, ...] | None
"""What the file looked like when it was read."""


class SessionsUnkeptError(Exception):
    """The file of the sessions cannot be written: nothing has changed."""


class Sessions:
    """Opens, knows and ends sessions; for many threads.

    Cookies have random values, the file their digests: who reads it has no session.

    Args:
        token: the server's; None where it asks for none. A new token ends all sessions.
        folder: where open sessions are kept; None keeps them in this process, for as long as it lives.
    """

    def __init__(self, token: str | None, folder: Path | None = None) -> None:
        self._token = (token or "").encode()
        self._key = hashlib.sha256(b"session of dinosearch\0" + self._token).digest()
        name = hmac.digest(self._key, b"file", "sha256").hex()[:16]
        self._file = folder / f"sessions-{name}.json" if folder else None
        self._known: tuple[_Seen, _Open] = None, {}
        self._lock = threading.Lock()  # of those who change it; who asks waits for no disk

    def is_token(self, given: str) -> bool:
        """Whether it is the server's token."""
        return bool(self._token) and hmac.compare_digest(given.encode("utf-8"), self._token)

    def begin(self) -> str:
        """The value of a new session's cookie.

        Raises:
            SessionsUnkeptError: it cannot be kept.
        """
        value = secrets.token_urlsafe(32)

        def add(known: _Open) -> None:
            known[self._digest(value)] = time.time() + LASTS
            for old in sorted(known, key=known.__getitem__)[:-MOST]:
                del known[old]

        self._change(add)
        return value

    def is_session(self, value: str) -> bool:
        """Whether it was opened, is not too old, and was not ended by any worker."""
        return self._look().get(self._digest(value), 0.0) > time.time()

    def end(self, value: str) -> None:
        """End a session; one that is none already stays so.

        Raises:
            SessionsUnkeptError: it is still open.
        """
        if self.is_session(value):
            self._change(lambda known: known.pop(self._digest(value), None))

    def _digest(self, value: str) -> str:
        return hmac.digest(self._key, value.encode("utf-8", "surrogateescape"), "sha256").hex()

    def _change(self, change: Callable[[_Open], object]) -> None:
        try:
            with self._lock, self._alone():
                known = {digest: until for digest, until in self._look().items() if until > time.time()}
                change(known)
                self._write(known)
        except (OSError, TimeoutError) as error:
            raise SessionsUnkeptError(str(error)) from None

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """No other process changes the file inside."""
        if self._file is None:
            yield
            return
        from filelock import FileLock

        self._file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with FileLock(f"{self._file}.lock", timeout=_PATIENCE):
            yield

    def _look(self) -> _Open:
        """The open sessions: the file is read where it has changed."""
        if self._file is None:
            return self._known[1]
        try:
            facts = os.stat(self._file)
            seen = (facts.st_ino, facts.st_mtime_ns, facts.st_size)
            if seen != self._known[0]:
                self._known = seen, _read(self._file)
        except (OSError, ValueError, RecursionError):
            self._known = None, {}
        return self._known[1]

    def _write(self, known: _Open) -> None:
        if self._file is None:
            self._known = None, known
            return
        half = self._file.with_suffix(".tmp")
        # Synced: a session that was ended does not come back with the power.
        with open(half, "w", encoding="ascii", opener=lambda path, flags: os.open(path, flags, 0o600)) as out:
            json.dump(known, out)
            out.flush()
            os.fsync(out.fileno())
        os.replace(half, self._file)


def _read(file: Path) -> _Open:
    found = json.loads(file.read_bytes())
    if not isinstance(found, dict) or not all(isinstance(until, (int, float)) for until in found.values()):
        raise ValueError("these are no sessions")
    return found
