"""Where a collection lives: a folder of this machine, or an engine with a metadata store beside it.

A place knows where the store is, who may write, and where the vectors of a generation lie; `opened` asks it, and does
not know which kind it is.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, Union

from dinosearch.advice import Named, run
from dinosearch.collection.kinds import REGIONS
from dinosearch.errors import CollectionMismatchError, DamagedHomeError, SettingError
from dinosearch.home import Home, atomic_path, listed
from dinosearch.protocols import Progress
from dinosearch.records import Generation
from dinosearch.store import MetadataStore

if TYPE_CHECKING:
    from dinosearch.collection.places.engine_search import EngineSearch
    from dinosearch.collection.places.packed_search import PackedSearch
    from dinosearch.vectors import LocalVectorSearch

Search = Union["LocalVectorSearch", "EngineSearch", "PackedSearch"]
ENGINE = "engine"
"""What the recipe of a generation calls the kind of engine that holds its vectors; a folder's has no such entry."""


class Place(Protocol):
    """What an opened collection asks of where it lives."""

    path: Path | str
    """For messages; without password."""

    @property
    def named(self) -> Named:
        """What names it in a command; without password."""
        ...

    home: Home | None
    """The folder; None where there is none, but an engine that is given filters and forgets what is removed."""

    keeps_facts: bool
    """Whether what filters ask of an image is written beside its vector."""

    apart: bool
    """Whether vectors change by themselves, so that they may be newer than a moment of the store that is read."""

    def open_store(self, *, create: bool, read_only: bool, progress: Progress | None) -> MetadataStore:
        """Open the metadata store, and connect to what holds the vectors."""
        ...

    def require(self) -> None:
        """Raise CollectionNotFoundError where a folder was taken away since; an engine's store says so by itself."""
        ...

    def writer(self) -> AbstractContextManager[None]:
        """Hold the one writer's lock; see `Home.writer`."""
        ...

    def holds(self, kind: str) -> bool:
        """Whether rows of this kind can be kept here."""
        ...

    def begin(self, kind: str, number: int, dimension: int, coding: str, each: int = 1) -> dict[str, str]:
        """Make the empty place of vectors, of which an image has `each`; gives what their recipe is marked with."""
        ...

    def keep_basis(self, number: int, data: bytes) -> None:
        """Keep durably what the rows of a generation are turned by."""
        ...

    def basis(self, number: int) -> bytes | None:
        """What `keep_basis` was given; None where it is not there."""
        ...

    def open(self, generation: Generation, index_type: str, store: MetadataStore) -> Search:
        """The vectors of a generation."""
        ...

    def drop_others(self, numbers: set[int]) -> None:
        """Delete all generations but these; readers that have files open keep reading."""
        ...

    def bytes(self, numbers: set[int] | None = None) -> int:
        """Disk space of some generations, or of all there is."""
        ...

    def row_bytes(self, dimension: int) -> int:
        """Disk space of one vector of so many numbers, about, without its share of an index."""
        ...

    def engine_version(self) -> str | None:
        """Name and version of the engine that holds the vectors; None for a folder."""
        ...

    def close(self) -> None:
        """Let go of connections; closing twice is harmless."""
        ...


class LocalPlace:
    """A folder."""

    keeps_facts = apart = False

    def __init__(self, home: Home) -> None:
        self.home: Home | None = home
        self._home = home
        self.path: Path | str = home.path

    @property
    def named(self) -> Named:
        return self._home.named

    def open_store(self, *, create: bool, read_only: bool, progress: Progress | None) -> MetadataStore:
        self._refuse_loss()
        if create and not read_only:
            self._home.create()
        else:
            self._home.require()
        return MetadataStore.open(
            self._home.metadata, create=create and not read_only, read_only=read_only, progress=progress
        )

    def require(self) -> None:
        self._home.require()

    def _refuse_loss(self) -> None:
        """Raise where the database is gone or empty beside vectors, which are only ever written after it."""
        file = self._home.metadata
        if (file.exists() and file.stat().st_size) or not self._home.path.is_dir():
            return
        from dinosearch.vectors.header import HEADER_BYTES

        if any(path.stat().st_size > HEADER_BYTES for path in listed(self._home.path, "vectors-*.f32")):
            state = "empty" if file.exists() else "missing"
            raise DamagedHomeError(
                f"{file} is {state}, though vectors lie beside it: which files they are of, labels, verdicts and all "
                "else that was kept there is lost, and cannot be told from the vectors by verify --repair; put "
                f"{file.name} back from a backup, or delete {self._home.path} and run: ",
                run("index", "FOLDER", of=self.named),
            )

    def writer(self) -> AbstractContextManager[None]:
        return self._home.writer()

    def holds(self, kind: str) -> bool:
        return True

    def begin(self, kind: str, number: int, dimension: int, coding: str, each: int = 1) -> dict[str, str]:
        from dinosearch.vectors import VectorFile, new_mark, tag_of

        mark = new_mark()
        # Left-over files are overwritten.
        VectorFile.create(self._home.vectors(number), dimension, number, tag_of(mark), coding).close()
        return mark

    def keep_basis(self, number: int, data: bytes) -> None:
        with atomic_path(self._home.basis(number)) as temporary:
            temporary.write_bytes(data)

    def basis(self, number: int) -> bytes | None:
        try:
            return self._home.basis(number).read_bytes()
        except OSError:
            return None

    def open(self, generation: Generation, index_type: str, store: MetadataStore) -> Search:
        from dinosearch.vectors import LADDERS, WINDOW_LADDER, LocalVectorSearch

        refuse_other_place(self.path, generation, None)
        ladder = WINDOW_LADDER if generation.kind.endswith(REGIONS) else LADDERS[index_type]
        return LocalVectorSearch(self._home.vectors(generation.number), self._home.index, generation, ladder)

    def drop_others(self, numbers: set[int]) -> None:
        kept = {path for number in numbers for path in self._files_of(number)}
        for path in self._home.generation_files():
            if path not in kept:
                path.unlink(missing_ok=True)

    def bytes(self, numbers: set[int] | None = None) -> int:
        if numbers is None:
            return bytes_of(listed(self._home.path))
        return bytes_of(path for number in numbers for path in self._files_of(number))

    def _files_of(self, number: int) -> list[Path]:
        """The files of the generation of that number; not what a killed process left half written."""
        mine = (f"vectors-{number}.", f"index-{number}-", f"basis-{number}.", f"diffusion-{number}-")
        return [p for p in self._home.generation_files() if p.name.startswith(mine) and p.suffix != ".tmp"]

    def row_bytes(self, dimension: int) -> int:
        return 4 * dimension + 12  # its id and its checksum

    def engine_version(self) -> str | None:
        return None

    def close(self) -> None:
        pass


def place_of(home: str | os.PathLike[str], metadata: str | None = None) -> Place:
    """The place that `Collection.open` is given; DINOSEARCH_METADATA stands in for metadata that an engine needs.

    Raises:
        SettingError: a URL that is none of an engine, or metadata named for a folder.
    """
    if isinstance(home, str) and "://" in home:
        from dinosearch.collection.places.engine_place import EnginePlace
        from dinosearch.engines import parse_address

        address = parse_address(home)
        if address.kind != "pgvector":
            metadata = metadata or os.environ.get("DINOSEARCH_METADATA")
        return EnginePlace(address, metadata)
    if metadata is not None:
        raise SettingError(f"{os.fspath(home)} is a folder, which holds its metadata itself; leave out --metadata")
    return LocalPlace(Home(home))


def not_here(path: Path | str, what: str) -> SettingError:
    """The error of what only a folder can do yet."""
    return SettingError(
        f"{path} can keep no {what}, which only a folder can hold so far; make a copy with: ",
        run("export", "FOLDER"),
        ", ",
        run("import", "FOLDER", of=Named("COPY")),
    )


def bytes_of(paths: Iterable[Path]) -> int:
    """Disk space of the files among the paths."""
    total = 0
    for path in paths:
        with suppress(FileNotFoundError):  # a writer's temporary file, or one that it has just replaced
            status = path.lstat()
            total += status.st_size if stat.S_ISREG(status.st_mode) else 0
    return total


def refuse_other_place(path: Path | str, generation: Generation, engine: str | None) -> None:
    """Raise where the vectors of a generation lie elsewhere than in this kind of engine, None for a folder."""
    held = generation.recipe.get(ENGINE)
    if held != engine:
        raise CollectionMismatchError(
            f"the vectors that {path} knows of lie in {held or 'a folder'}, not here; name by --home where they lie"
        )
