"""Path text as the database keeps it: every file name survives, also one whose bytes are not valid UTF-8.

It compares and splits text only; it never touches the file system.
"""

from __future__ import annotations

import os
import re
from typing import Any

from sqlalchemy import ColumnElement, Dialect, Text, or_, type_coerce
from sqlalchemy.types import TypeDecorator, TypeEngine

# Python names the undecodable byte B as the lone surrogate U+DC00+B (PEP 383), which UTF-8 cannot carry. It is kept as
# U+10FF00+B, at the end of the last private plane. A name that really holds one of these characters, or any other lone
# surrogate (Windows allows them), has it behind ESCAPE, so that every text has exactly one stored form. The mapping
# works character by character: a prefix of the text is a prefix of the stored text.
ESCAPE = "\U0010ff7f"
_STORED_BYTE = 0x10FF00 - 0xDC00
_STORED_SURROGATE = 0x100000
_TO_STORE = re.compile("[\ud800-\udfff\U0010ff7f-\U0010ffff]")
_FROM_STORE = re.compile("\U0010ff7f(.)|[\U0010ff80-\U0010ffff]", re.DOTALL)
ARCHIVE_SEPARATOR = "::"
_LAST_COMPONENT = re.compile(r"(?:.*(?:/|::))?" if os.sep == "/" else r"(?:.*(?:[/\\]|::))?", re.DOTALL)


class PathText(TypeDecorator[str]):
    """A TEXT column of paths with surrogate escapes; see `store_form`."""

    impl = Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[str]:
        # Ordered by code points, whatever the locale of a server, as ranges need it.
        return dialect.type_descriptor(Text(collation="C") if dialect.name == "postgresql" else Text())

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        return None if value is None else bound(value, dialect.name)

    def process_result_value(self, value: Any, dialect: Dialect) -> str | None:
        return None if value is None else from_store(value)


class _Stored(TypeDecorator[str]):
    """Text that is in its stored form already."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        return None if value is None else _without_nul(value, dialect.name)


def store_form(path: str) -> str:
    """The text that is stored for `path`: valid Unicode, and the same text for all ordinary names."""
    return path if path.isascii() else _TO_STORE.sub(_escape, path)


def bound(text: str, dialect: str) -> str:
    """The stored form for a database; PostgreSQL's text cannot hold U+0000, which `from_store` gives back too."""
    return _without_nul(store_form(text), dialect)


def _without_nul(stored: str, dialect: str) -> str:
    return stored.replace("\0", ESCAPE + chr(_STORED_SURROGATE)) if dialect == "postgresql" else stored


def from_store(text: str) -> str:
    """The path that `store_form` turned into `text`."""
    return text if text.isascii() else _FROM_STORE.sub(_unescape, text)


def split_path(path: str) -> tuple[str, str]:
    """Folder and name of a path; a member at the top of an archive has the archive as its folder.

    `/a/b.jpg` gives `/a`, `b.jpg`; `/b.jpg` gives `/`, `b.jpg`; `/a/b.tar::c.jpg` gives `/a/b.tar`, `c.jpg`.
    """
    found = _LAST_COMPONENT.match(path)
    cut = found.end() if found else 0
    folder = path[:cut]
    if folder.endswith(ARCHIVE_SEPARATOR):
        folder = folder[: -len(ARCHIVE_SEPARATOR)]
    elif len(folder) > 1:
        folder = folder[:-1]
    return folder, path[cut:]


def under(column: ColumnElement[str], folder: str) -> ColumnElement[bool]:
    """Condition: the path is `folder` itself, lies inside it, or is a member of the archive `folder`.

    Ranges instead of LIKE: they use the index of the column, and `%` and `_` are ordinary characters.
    """
    inside = folder if folder.endswith(os.sep) else folder + os.sep
    return or_(
        column == folder,
        starts_with(column, inside),
        starts_with(column, folder + ARCHIVE_SEPARATOR),
    )


def starts_with(column: ColumnElement[str], prefix: str) -> ColumnElement[bool]:
    """Condition: the path begins with the text `prefix`, which is not empty."""
    plain = type_coerce(column, _Stored)
    low = store_form(prefix)
    condition: ColumnElement[bool] = plain >= low
    high = _after(low)
    return condition if high is None else condition & (plain < high)


def _after(text: str) -> str | None:
    """The smallest text behind all texts that begin with `text`; None when there is none."""
    text = text.rstrip("\U0010ffff")
    if not text:
        return None
    code = ord(text[-1]) + 1
    return text[:-1] + chr(0xE000 if code == 0xD800 else code)


def _escape(found: re.Match[str]) -> str:
    code = ord(found[0])
    if 0xDC80 <= code <= 0xDCFF:
        return chr(code + _STORED_BYTE)
    return ESCAPE + (found[0] if code > 0xFFFF else chr(code + _STORED_SURROGATE))


def _unescape(found: re.Match[str]) -> str:
    kept = found[1]
    if kept is None:
        return chr(ord(found[0]) - _STORED_BYTE)
    code = ord(kept)
    return kept if code >= ord(ESCAPE) else chr(code - _STORED_SURROGATE)
