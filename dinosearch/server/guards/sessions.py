"""Sessions of browsers: the token is shown once, after that a cookie says that it was."""

from __future__ import annotations

import base64
import hashlib
import hmac
import time

LASTS = 30 * 86_400  # seconds


class Sessions:
    """Makes and checks the values of cookies; a new token ends all sessions, nothing is stored.

    Args:
        token: the server's; None where it asks for none.
    """

    def __init__(self, token: str | None) -> None:
        self._token = (token or "").encode()
        self._key = hashlib.sha256(b"session of dinosearch\0" + self._token).digest()

    def is_token(self, given: str) -> bool:
        """Whether it is the server's token."""
        return bool(self._token) and hmac.compare_digest(given.encode("utf-8"), self._token)

    def make(self) -> str:
        """The value of a new session's cookie."""
        until = str(int(time.time()) + LASTS)
        return f"{until}.{self._tag(until)}"

    def is_session(self, value: str) -> bool:
        """Whether it was made here and is not too old."""
        until, _, tag = value.partition(".")
        if not (until.isascii() and until.isdecimal() and len(until) < 15):
            return False
        return hmac.compare_digest(tag.encode("latin-1", "replace"), self._tag(until).encode()) and (
            int(until) > time.time()
        )

    def _tag(self, until: str) -> str:
        return base64.urlsafe_b64encode(hmac.digest(self._key, until.encode(), "sha256")).decode().rstrip("=")
