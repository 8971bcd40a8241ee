"""A Milvus server or a milvus-lite file as the place of vectors: one collection of Milvus for each generation."""

from __future__ import annotations

import re
from pathlib import Path

from dinosearch.engines.address import Address
from dinosearch.engines.milvus_client import MilvusConnection
from dinosearch.engines.milvus_filters import compile_condition
from dinosearch.engines.milvus_rows import WINDOW
from dinosearch.engines.milvus_search import MilvusSearch
from dinosearch.records import IndexInfo
from dinosearch.store import MetadataStore
from dinosearch.store.filters.syntax import Filter


class MilvusEngine:
    """See `dinosearch.protocols.VectorEngine`; it connects when it is first used.

    Args:
        address: of the server or the file.
        store: of the metadata, which lies elsewhere.

    Raises:
        SettingError: pymilvus or milvus-lite is not installed, or the address has an option that is none.
    """

    joins = parts = False
    most: int | None = WINDOW

    def __init__(self, address: Address, store: MetadataStore | None = None) -> None:
        self.kind = address.kind
        self._address, self._connection = address, MilvusConnection(address)
        self._name = re.compile(re.escape(address.collection) + r"_(\d+)")

    def open(self, number: int, dimension: int, index: IndexInfo | None, each: int = 1) -> MilvusSearch:
        if each != 1:
            raise ValueError("an image has one row here")
        return MilvusSearch(self._connection, self._named(number), dimension, index)

    def numbers(self) -> list[int]:
        names = (self._name.fullmatch(name) for name in self._connection.call("list_collections"))
        return sorted(int(name[1]) for name in names if name)

    def drop(self, number: int) -> None:
        if self._connection.call("has_collection", self._named(number)):
            self._connection.call("drop_collection", self._named(number))

    def filters(self, where: Filter) -> bool:
        return compile_condition(where).exact

    def bytes(self, number: int | None = None) -> int | None:
        """Disk space of a milvus-lite file; a server does not say."""
        if self._address.file is None:
            return None
        folder = Path(self._address.file)
        numbers = self.numbers() if number is None else [number]
        files = (path for n in numbers for path in (folder / "collections" / self._named(n)).rglob("*"))
        return sum(path.lstat().st_size for path in files if path.is_file())

    def version(self) -> str:
        return self._connection.name_and_version()

    def tidy(self, number: int) -> None:
        self._connection.call("compact", self._named(number))

    def close(self) -> None:
        self._connection.close()

    def _named(self, number: int) -> str:
        return f"{self._address.collection}_{int(number)}"
