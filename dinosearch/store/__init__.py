"""The metadata store: tables of images, files and failures in SQLite or PostgreSQL, and the filter language over them.

It is the only package that imports SQLAlchemy, when one of its names is first asked for, and it knows nothing of
vectors.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dinosearch.lazy import later

if TYPE_CHECKING:
    from dinosearch.store.filters import FIELDS, Filter, matches, parse_filter
    from dinosearch.store.glance import fingerprint_at
    from dinosearch.store.known import KnownFile, KnownFiles
    from dinosearch.store.store import MetadataStore
    from dinosearch.store.transaction import Transaction

__all__ = [
    "FIELDS",
    "Filter",
    "KnownFile",
    "KnownFiles",
    "MetadataStore",
    "Transaction",
    "fingerprint_at",
    "matches",
    "parse_filter",
]

__getattr__ = later(
    __name__,
    {
        **dict.fromkeys(("FIELDS", "Filter", "matches", "parse_filter"), ".filters"),
        **dict.fromkeys(("KnownFile", "KnownFiles"), ".known"),
        "MetadataStore": ".store",
        "Transaction": ".transaction",
        "fingerprint_at": ".glance",
    },
)
