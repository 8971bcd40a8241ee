"""A collection whose vectors lie in an engine, with its metadata store in the same database or elsewhere."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path

from dinosearch.collection.kinds import IMAGES
from dinosearch.collection.places.engine_search import EngineSearch
from dinosearch.collection.places.place import ENGINE, Search, not_here, refuse_other_place
from dinosearch.engines import Address, open_engine
from dinosearch.errors import CollectionMismatchError, CollectionNotFoundError, SettingError
from dinosearch.home import Home
from dinosearch.protocols import Progress, VectorEngine
from dinosearch.records import Generation
from dinosearch.store import MetadataStore

_BEGUN = "generation begun"
"""The setting with the number of the last generation that was begun in an engine: what lies there under it is ours."""


class EnginePlace:
    """An engine, with a metadata store in the same database or elsewhere.

    Args:
        address: of the engine.
        metadata: SQLAlchemy URL of the metadata store; None for the engine's own database.

    Raises:
        SettingError: the engine has no place for metadata and none is named, or it has and another is named.
    """

    home: Home | None = None

    def __init__(self, address: Address, metadata: str | None) -> None:
        self.path: Path | str = address.shown
        own = address.kind == "pgvector"
        if own and metadata is not None:
            raise SettingError(
                f"{self.path} holds its metadata itself, in the same database as the vectors; leave out --metadata"
            )
        if not own and metadata is None:
            raise SettingError(
                f"{self.path} holds vectors only; say where the metadata goes: --metadata sqlite:////FOLDER/"
                "metadata.sqlite, or --metadata postgresql+psycopg://USER@HOST/DATABASE"
            )
        self._address, self._metadata = address, metadata or address.url
        self.keeps_facts = self.apart = not own
        self._engine: VectorEngine | None = None
        self._store: MetadataStore | None = None

    def open_store(self, *, create: bool, read_only: bool, progress: Progress | None) -> MetadataStore:
        try:
            store = MetadataStore.open(
                self._metadata, create=create and not read_only, read_only=read_only, progress=progress
            )
        except CollectionNotFoundError as error:
            if not self.keeps_facts:  # the sentence is of this very place
                raise
            raise CollectionNotFoundError(
                f"no collection in {self.path} ({_cause(error)}); make one with: dinosearch index "
                f"FOLDER --home {self.path}, with the same --metadata"
            ) from None
        except ValueError as error:
            raise SettingError(f"the metadata cannot be opened: {error}") from None
        try:
            self._engine = open_engine(self._address, store)
        except BaseException:
            store.close()
            raise
        self._store = store
        return store

    @property
    def engine(self) -> VectorEngine:
        assert self._engine is not None, "the store is opened first"
        return self._engine

    def writer(self) -> AbstractContextManager[None]:
        assert self._store is not None, "the store is opened first"
        return self._store.writer(str(self.path))

    def recipe(self) -> dict[str, str]:
        return {ENGINE: self.engine.kind}

    def begin(self, kind: str, number: int, dimension: int, coding: str) -> None:
        if kind != IMAGES:
            raise not_here(self.path, kind)
        assert self._store is not None, "the store is opened first"
        if number in self.engine.numbers():
            if self._store.setting(_BEGUN) != number:
                raise CollectionMismatchError(
                    f"{self.path} holds vectors that this metadata knows nothing of, so nothing was written; name "
                    "another collection in the address, or delete those with the engine's own tools"
                )
            self.engine.drop(number)  # a left-over of a process of ours that was killed
        self._store.set_setting(_BEGUN, number)
        self.engine.open(number, dimension, None).ensure()

    def open(self, generation: Generation, index_type: str, store: MetadataStore) -> Search:
        refuse_other_place(self.path, generation, self.engine.kind)
        return EngineSearch(self.engine, store, generation)

    def drop_others(self, numbers: set[int]) -> None:
        for number in set(self.engine.numbers()) - numbers:
            self.engine.drop(number)

    def bytes(self, numbers: set[int] | None = None) -> int:
        if numbers is None:
            return (self._store.bytes() if self._store else 0) + (self.engine.bytes() or 0)
        return sum(self.engine.bytes(number) or 0 for number in numbers)

    def engine_version(self) -> str | None:
        return self.engine.version()

    def close(self) -> None:
        if self._engine is not None:
            self._engine.close()


def _cause(error: Exception) -> str:
    """What a sentence says before its advice."""
    return str(error).partition(";")[0]
