"""The SQL functions that compiled filters call: Python's own for SQLite; `postgres_words` has PostgreSQL's.

They see text in its stored form (see `paths`), and never raise: patterns were checked when the filter was parsed.
"""

from __future__ import annotations

import sqlite3
from functools import lru_cache

from sqlalchemy.sql.functions import GenericFunction

from dinosearch.store.filters.glob import path_pattern, text_pattern, with_slashes
from dinosearch.store.paths import from_store, split_path, store_form


def register_functions(connection: sqlite3.Connection) -> None:
    """Make the functions known to a connection; every connection needs its own."""
    for name, count, function in (
        ("dinosearch_name", 1, _name),
        ("dinosearch_folder", 1, _folder),
        ("dinosearch_fold", 1, _fold),
        ("dinosearch_path_glob", 2, _path_glob),
        ("dinosearch_text_glob", 2, _text_glob),
    ):
        connection.create_function(name, count, function, deterministic=True)


def _name(path: str) -> str:
    return store_form(split_path(from_store(path))[1])


def _folder(path: str) -> str:
    return store_form(split_path(from_store(path))[0])


def _fold(text: str | None) -> str | None:
    return None if text is None else store_form(from_store(text).casefold())


def _path_glob(pattern: str, path: str) -> bool:
    return path_pattern(_pattern(pattern)).fullmatch(with_slashes(from_store(path))) is not None


def _text_glob(pattern: str, text: str | None) -> bool | None:
    return None if text is None else text_pattern(_pattern(pattern)).fullmatch(from_store(text).casefold()) is not None


@lru_cache(maxsize=256)
def _pattern(stored: str) -> str:
    return from_store(stored)


class dinosearch_name(GenericFunction[str]):
    """Last part of a path."""

    inherit_cache = True


class dinosearch_folder(GenericFunction[str]):
    """The path without its last part."""

    inherit_cache = True
