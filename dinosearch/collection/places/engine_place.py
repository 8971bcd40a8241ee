"""A collection whose vectors lie in an engine, with its metadata store in the same database or elsewhere."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path

from dinosearch.advice import Named, run
from dinosearch.collection.kinds import DIFFUSION, PATCHES, REGIONS, without_side
from dinosearch.collection.places.engine_search import EngineSearch
from dinosearch.collection.places.packed_search import PackedSearch
from dinosearch.collection.places.place import ENGINE, Search, not_here, refuse_other_place
from dinosearch.engines import Address, open_engine, parse_address
from dinosearch.errors import CollectionMismatchError, CollectionNotFoundError, SettingError
from dinosearch.home import Home
from dinosearch.protocols import Progress, VectorEngine
from dinosearch.records import Generation
from dinosearch.store import MetadataStore
from dinosearch.store.packed import COMMON

_BEGUN = "generation begun"
"""The setting with the number of the last generation that was begun in an engine: what lies there up to it is ours."""
_ROW_BYTES = 64
"""Beside the numbers of a vector: in PostgreSQL its id, headers and the entry in the table's key, in Milvus its id and
eight numbers for filters."""


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

    @property
    def named(self) -> Named:
        """See `Place.named`."""
        if not self.apart:
            return Named(str(self.path))
        is_server = self._metadata.startswith("postgres")
        return Named(str(self.path), parse_address(self._metadata).shown if is_server else self._metadata)

    def open_store(self, *, create: bool, read_only: bool, progress: Progress | None) -> MetadataStore:
        try:
            store = MetadataStore.open(
                self._metadata, create=create and not read_only, read_only=read_only, progress=progress
            )
        except CollectionNotFoundError as error:
            if not self.keeps_facts:  # the sentence is of this very place
                raise
            raise CollectionNotFoundError(
                f"no collection in {self.path} ({_cause(error)}); make one with: ",
                run("index", "FOLDER", of=self.named),
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

    def require(self) -> None:
        pass

    def writer(self) -> AbstractContextManager[None]:
        assert self._store is not None, "the store is opened first"
        return self._store.writer(str(self.path))

    def holds(self, kind: str) -> bool:
        named = without_side(kind)
        return named != DIFFUSION and (named != REGIONS or self.engine.parts)

    def begin(self, kind: str, number: int, dimension: int, coding: str, each: int = 1) -> dict[str, str]:
        if not self.holds(kind):
            raise not_here(self.path, kind)
        assert self._store is not None, "the store is opened first"
        if without_side(kind) == PATCHES:
            with self._store.transaction() as tx:
                tx.make_packed(number)
            return {ENGINE: self.engine.kind}
        held = self.engine.numbers()
        if max(held, default=0) > self._begun():
            raise CollectionMismatchError(
                f"{self.path} holds vectors that this metadata knows nothing of, so nothing was written; name "
                "another collection in the address, or delete those with the engine's own tools"
            )
        if number in held:
            self.engine.drop(number)  # a left-over of a process of ours that was killed
        self._store.set_setting(_BEGUN, number)
        self.engine.open(number, dimension, None, each).ensure()
        return {ENGINE: self.engine.kind}

    def keep_basis(self, number: int, data: bytes) -> None:
        assert self._store is not None, "the store is opened first"
        with self._store.transaction() as tx:
            tx.make_packed(number)
            tx.put_packed(number, {COMMON: data})

    def basis(self, number: int) -> bytes | None:
        assert self._store is not None, "the store is opened first"
        held = number in self._store.packed_numbers()
        return self._store.packed(number, [COMMON]).get(COMMON) if held else None

    def open(self, generation: Generation, index_type: str, store: MetadataStore) -> Search:
        refuse_other_place(self.path, generation, self.engine.kind)
        if without_side(generation.kind) == PATCHES:
            return PackedSearch(store, generation)
        return EngineSearch(self.engine, store, generation)

    def _begun(self) -> int:
        """The largest number of a generation that was begun here; what has a larger one is somebody else's."""
        assert self._store is not None, "the store is opened first"
        return int(self._store.setting(_BEGUN) or 0)

    def drop_others(self, numbers: set[int]) -> None:
        begun = self._begun()
        for number in set(self.engine.numbers()) - numbers:
            if number <= begun:
                self.engine.drop(number)
        assert self._store is not None, "the store is opened first"
        packed = self._store.packed_numbers() - numbers
        if packed:
            with self._store.transaction() as tx:
                tx.end_packed(packed)

    def bytes(self, numbers: set[int] | None = None) -> int:
        if numbers is None:
            return (self._store.bytes() if self._store else 0) + (self.engine.bytes() or 0)
        packed = sum(self._store.packed_bytes(number) for number in numbers) if self._store else 0
        return packed + sum(self.engine.bytes(number) or 0 for number in numbers)

    def row_bytes(self, dimension: int) -> int:
        return 4 * dimension + _ROW_BYTES

    def engine_version(self) -> str | None:
        return self.engine.version()

    def close(self) -> None:
        if self._engine is not None:
            self._engine.close()


def _cause(error: Exception) -> str:
    """What a sentence says before its advice."""
    return str(error).partition(";")[0]
