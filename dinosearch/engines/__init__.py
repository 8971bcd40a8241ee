"""Engines that keep vectors for collections larger than one machine or shared by many: PostgreSQL and Milvus.

Each is imported when a collection in it is opened, as is the library that speaks with it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dinosearch.engines.address import Address, parse_address

if TYPE_CHECKING:
    from dinosearch.protocols import VectorEngine
    from dinosearch.store import MetadataStore

__all__ = ["Address", "open_engine", "parse_address"]


def open_engine(address: Address, store: MetadataStore) -> VectorEngine:
    """The engine that an address names, for the collection of that metadata store.

    Raises:
        SettingError: the library that speaks with it is not installed.
        DinosearchError: it does not answer.
    """
    if address.kind == "pgvector":
        from dinosearch.engines.pgvector import PgVectorEngine

        return PgVectorEngine(address, store)
    from dinosearch.engines.milvus import MilvusEngine

    return MilvusEngine(address, store)
