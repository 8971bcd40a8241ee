"""Which paths clients see: whole ones, or bare names where the server hides folders."""

from __future__ import annotations

import re
from typing import Any

from dinosearch.records import Hit
from dinosearch.server.wire.problems import invalid

_LAST = re.compile(r"[^/\\]*\Z")
_ABOUT_PATHS = re.compile(r"\b(path|folder|root)\b", re.IGNORECASE)


class Shown:
    """Rows for clients.

    Args:
        hidden: whether folders are hidden.
    """

    def __init__(self, hidden: bool) -> None:
        self.hidden = hidden

    def path(self, path: str) -> str:
        """The path, or the bare name of the file."""
        if not self.hidden:
            return path
        found = _LAST.search(path.rpartition("::")[2])
        return found[0] if found else path

    def hit(self, hit: Hit) -> dict[str, Any]:
        """A hit as JSON."""
        return {**hit.to_dict(), "path": self.path(hit.path)}

    def row(self, row: dict[str, Any]) -> dict[str, Any]:
        """A row of `Collection.files`."""
        return {**row, "path": self.path(row["path"])}

    def where(self, where: str | None) -> str | None:
        """The filter; one that could find out hidden folders is refused.

        Raises:
            Refused: 422.
        """
        if where and self.hidden and _ABOUT_PATHS.search(where):
            raise invalid("this server hides folders, so filters cannot ask for paths", "where")
        return where
