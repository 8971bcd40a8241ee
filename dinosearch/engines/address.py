"""Where a collection lives, as `--home` and `Collection.open` are given it: a folder or the URL of an engine.

    FOLDER
    postgresql+psycopg://USER:PASSWORD@HOST:PORT/DATABASE?collection=NAME
    milvus://USER:PASSWORD@HOST:PORT/NAME?db=DATABASE
    milvus:///ABSOLUTE/FILE.db?collection=NAME

It connects to nothing. A password is part of the URL but of no message.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, unquote, urlsplit

from dinosearch.errors import SettingError

DEFAULT_COLLECTION = "dinosearch"
_SCHEMES = {
    "postgresql": "pgvector",
    "postgres": "pgvector",
    "postgresql+psycopg": "pgvector",
    "milvus": "milvus",
}
"""By scheme: the engine."""
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,47}")
_FORMS = "a folder, postgresql+psycopg://USER@HOST/DATABASE, milvus://HOST:19530/NAME or milvus:///FOLDER/FILE.db"


@dataclass(frozen=True)
class Address:
    """The address of an engine.

    Attributes:
        kind: `pgvector`, `milvus` or `milvus-lite`.
        url: the address as it was given, password included: never to be shown.
        shown: the same without the password and the driver's options, for messages and commands.
        host: None for a file, and where the driver's default is meant.
        port: None for the engine's default.
        user: None without one.
        password: None without one.
        database: PostgreSQL's or Milvus's database; None for the default one.
        file: absolute path of a milvus-lite file; None for a server.
        collection: name of the collection: a schema of PostgreSQL, the beginning of the names of Milvus's collections.
        options: all others of the query string, for the driver, such as `sslmode`.
    """

    kind: str
    url: str = field(repr=False)
    shown: str
    collection: str
    host: str | None = None
    port: int | None = None
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    database: str | None = None
    file: str | None = None
    options: Mapping[str, str] = field(default_factory=dict)


def is_url(home: str | os.PathLike[str]) -> bool:
    """Whether it is the address of an engine and no folder."""
    return isinstance(home, str) and _URL.match(home) is not None


def parse_address(home: str) -> Address:
    """Read the URL of an engine.

    Raises:
        SettingError: no URL of an engine, or without what it needs.
    """
    try:
        parts = urlsplit(home)
        port = parts.port
        query = dict(parse_qsl(parts.query, keep_blank_values=True))
    except ValueError as error:
        raise SettingError(f"the address cannot be read ({error}); give {_FORMS}") from None
    kind = _SCHEMES.get(parts.scheme.lower())
    if kind is None:
        raise SettingError(f"{parts.scheme}:// is no address of a collection; give {_FORMS}")
    user = unquote(parts.username) if parts.username else None
    password = unquote(parts.password) if parts.password else None
    host, path = parts.hostname, unquote(parts.path)
    if kind == "pgvector":
        database = path.strip("/") or None
        if database is None:
            raise SettingError(
                f"{_shown(parts.scheme, user, host, port, '')} names no database; give one, as in: "
                "postgresql+psycopg://USER@HOST/DATABASE"
            )
        name = _named(query.pop("collection", DEFAULT_COLLECTION))
        shown = _shown("postgresql+psycopg", user, host, port, database)
        if name != DEFAULT_COLLECTION:
            shown += f"?collection={name}"
        if host is None and "host" in query:  # a socket's folder is no secret, and needed to find it again
            shown += f"{'&' if '?' in shown else '?'}host={query['host']}"
        return Address(kind, home, shown, name, host, port, user, password, database, options=query)
    if host is None:
        if path in ("", "/") or path.endswith("/"):
            raise SettingError(f"milvus:// names neither a server nor a file; give {_FORMS}")
        name = _named(query.pop("collection", DEFAULT_COLLECTION))
        shown = f"milvus://{path}" + ("" if name == DEFAULT_COLLECTION else f"?collection={name}")
        return Address("milvus-lite", home, shown, name, file=os.path.abspath(path), options=query)
    name = _named(path.strip("/") or DEFAULT_COLLECTION)
    database = query.pop("db", None)
    shown = _shown("milvus", user, host, port, name) + (f"?db={database}" if database else "")
    return Address(kind, home, shown, name, host, port, user, password, database, options=query)


def _named(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise SettingError(
            f"{name!r} cannot be the name of a collection; take a letter, then at most 47 letters, digits and _"
        )
    return name


def _shown(scheme: str, user: str | None, host: str | None, port: int | None, path: str) -> str:
    place = f"{f'{user}@' if user else ''}{host or ''}{f':{port}' if port else ''}"
    return f"{scheme}://{place}/{path}"
