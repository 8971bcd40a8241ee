"""The metadata store: SQLite tables of images, files and failures, and the filter language over them.

It is the only package that imports SQLAlchemy, and it knows nothing of vectors.
"""

from dinosearch.store.filters import FIELDS, Filter, matches, parse_filter
from dinosearch.store.reading import KnownFile
from dinosearch.store.store import MetadataStore
from dinosearch.store.transaction import Transaction

__all__ = ["FIELDS", "Filter", "KnownFile", "MetadataStore", "Transaction", "matches", "parse_filter"]
