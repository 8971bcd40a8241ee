"""The URL of a collection in PostgreSQL: what the driver gets of it, and what messages show."""

from __future__ import annotations

import re
from typing import Any

from sqlalchemy import URL
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

DEFAULT_SCHEMA = "dinosearch"
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,62}")
_PATIENCE = 10  # seconds for a server to answer
# A writer whose machine is gone loses its lock after two minutes.
_ALIVE = "-c tcp_keepalives_idle=60 -c tcp_keepalives_interval=10 -c tcp_keepalives_count=6"


def parsed(address: str) -> tuple[URL, str]:
    """The URL for the driver, and the schema."""
    try:
        url = make_url(address)
    except (ArgumentError, ValueError):
        raise ValueError("this is not the URL of a PostgreSQL database") from None  # it may hold a password
    schema = url.query.get("collection", DEFAULT_SCHEMA)
    schema = schema if isinstance(schema, str) else schema[-1]
    if not _NAME.fullmatch(schema):
        raise ValueError(f"{schema!r} cannot be the name of a collection; take a letter, then letters, digits and _")
    return url.set(drivername="postgresql+psycopg").difference_update_query(["collection"]), schema


def connect_args(url: URL, schema: str) -> dict[str, Any]:
    """What libpq is given beside the URL."""
    given = url.query.get("options", "")
    options = given if isinstance(given, str) else " ".join(given)
    found: dict[str, Any] = {
        "options": f'{options} -c search_path="{schema}",public -c timezone=UTC {_ALIVE}'.strip(),
        "application_name": "dinosearch",
    }
    return found if "connect_timeout" in url.query else {**found, "connect_timeout": _PATIENCE}


def shown(url: URL, schema: str) -> str:
    """The URL without the password and what is the driver's."""
    plain = URL.create("postgresql+psycopg", url.username, None, url.host, url.port, url.database)
    named = plain.update_query_dict({} if schema == DEFAULT_SCHEMA else {"collection": schema})
    socket_folder = url.query.get("host")
    return (
        (named.update_query_dict({"host": socket_folder}) if socket_folder else named)
        .render_as_string()
        .replace("%2F", "/")
    )
