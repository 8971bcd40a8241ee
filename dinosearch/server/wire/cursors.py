"""Cursors: where the next page begins, in a form that clients cannot make, and that fits one question only."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from dinosearch.server.wire.problems import Refused, invalid

T = TypeVar("T")
_TAG = 16  # bytes of the HMAC


class Cursors:
    """Signs and reads cursors; nothing is stored, so any worker reads those of another.

    Args:
        secret: key of the signature.
    """

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def make(self, question: bytes, place: Any) -> str:
        """A cursor for a question.

        Args:
            question: digest of everything that the next page must have in common with this one.
            place: where it begins, as JSON.
        """
        text = json.dumps(place, separators=(",", ":")).encode()
        return base64.urlsafe_b64encode(self._tag(question, text) + text).decode().rstrip("=")

    def read(self, question: bytes, cursor: str) -> Any:
        """Where the page begins.

        Raises:
            Refused: 422, it is not of this question or this server.
        """
        try:
            data = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        except (binascii.Error, ValueError):
            raise _foreign() from None
        tag, text = data[:_TAG], data[_TAG:]
        if not hmac.compare_digest(tag, self._tag(question, text)):
            raise _foreign()
        return json.loads(text)

    def page(
        self, question: bytes, cursor: str | None, limit: int, rows: Sequence[T], place: Callable[[T], Any]
    ) -> tuple[Sequence[T], str | None]:
        """The rows behind the cursor's place, and the cursor of the next page.

        Args:
            question: as in `make`.
            cursor: of the page before.
            limit: rows of a page.
            rows: all, in the order of their places.
            place: gives the place of a row, as JSON that can be compared.

        Raises:
            Refused: as `read`.
        """
        if cursor:
            after = self.read(question, cursor)
            rows = [row for row in rows if place(row) > after]
        part = rows[:limit]
        return part, self.make(question, place(part[-1])) if len(rows) > limit else None

    def _tag(self, question: bytes, text: bytes) -> bytes:
        return hmac.digest(self._secret, len(question).to_bytes(4, "big") + question + text, "sha256")[:_TAG]


def digest(*parts: Any) -> bytes:
    """What a cursor is bound to: JSON values and bytes, in their order."""
    found = hashlib.sha256()
    for part in parts:
        data = part if isinstance(part, bytes) else json.dumps(part, sort_keys=True).encode()
        found.update(len(data).to_bytes(8, "big") + data)
    return found.digest()


def _foreign() -> Refused:
    return invalid("it does not belong to this question; begin again without a cursor", "cursor")
