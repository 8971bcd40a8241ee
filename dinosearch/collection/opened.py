"""What an open collection holds: home, metadata store and vector search, kept on one consistent state.

Readers refresh when another process has committed; the one writer appends and publishes. It knows no images.
"""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING

import numpy as np

from dinosearch.errors import CollectionNotFoundError
from dinosearch.home import Home
from dinosearch.protocols import Progress
from dinosearch.records import Fingerprint, Generation
from dinosearch.store import MetadataStore

if TYPE_CHECKING:
    from dinosearch.vectors import LocalVectorSearch


class OpenedHome:
    """One home with its store open; the vector search opens when it is first needed.

    Args:
        home: the folder.
        create: make the folder and an empty store where there is none.
        read_only: never write, not even a lock; works on a read-only disk.
    """

    def __init__(self, home: Home, *, create: bool = False, read_only: bool = False) -> None:
        if create and not read_only:
            home.create()
        else:
            home.require()
        self.home = home
        self.store = MetadataStore.open(home.metadata, create=create and not read_only, read_only=read_only)
        self._lock = threading.Lock()
        self._search: LocalVectorSearch | None = None
        self._changes: int | None = None
        self._generation: Generation | None = None

    @property
    def generation(self) -> Generation:
        """The generation that is current since the last `search()` or write.

        Raises:
            CollectionNotFoundError: nothing has been indexed yet.
        """
        generation = self._generation or self.store.generation()
        if generation is None:
            raise CollectionNotFoundError(
                f"the collection in {self.home.path} is empty: nothing has been indexed; "
                f"run: dinosearch index FOLDER --home {self.home.path}"
            )
        self._generation = generation
        return generation

    @property
    def fingerprint(self) -> Fingerprint | None:
        """What the vectors were made with; None while there are none."""
        generation = self._generation or self.store.generation()
        return generation.fingerprint if generation else None

    def begin(self, fingerprint: Fingerprint, weights: str | os.PathLike[str] | None = None) -> None:
        """Make the first generation with its empty vector file, if there is none; remember weights named by hand."""
        if self.store.generation() is not None:
            return
        from dinosearch.vectors import VectorFile

        VectorFile.create(self.home.vectors(1), fingerprint.dimension, generation=1).close()
        if weights is not None:
            self.store.set_setting("weights", os.path.abspath(weights))
        self._generation = self.store.create_generation(fingerprint)

    def search(self) -> LocalVectorSearch:
        """The vector search on the newest committed state."""
        from dinosearch.vectors import LADDERS, LocalVectorSearch

        with self._lock:
            changes = self.store.changes()
            if self._search is not None and changes == self._changes:
                return self._search
            self._generation = None
            generation = self.generation
            if self._search is None or self._search.generation.number != generation.number:
                previous = self._search
                ladder = LADDERS[self.store.setting("index_type") or "auto"]
                self._search = LocalVectorSearch(
                    self.home.vectors(generation.number), self.home.index, generation, ladder
                )
                if previous is not None:
                    previous.close()
            else:
                self._search.refresh(generation)
            self._search.set_removed(self.store.removed_ids())
            self._changes = changes
            return self._search

    def set_index_type(self, name: str) -> None:
        """Choose the type of index; the next `update_index` builds it.

        Raises:
            ValueError: no such type.
        """
        from dinosearch.vectors import LADDERS

        if name not in LADDERS:
            raise ValueError(f"index type {name!r} is not one of {', '.join(LADDERS)}")
        if name != (self.store.setting("index_type") or "auto"):
            self.store.set_setting("index_type", name)
            with self._lock:
                if self._search is not None:
                    self._search.close()
                self._search = None

    def append(self, ids: np.ndarray, vectors: np.ndarray) -> int:
        """Write vectors durably behind the committed rows; they count once the store commits the new number of rows."""
        return self.search().append(ids, vectors)

    def update_index(self, recall: float, progress: Progress | None) -> None:
        """Bring the vector index up to the committed rows and publish it, where that is worth a new file."""
        if self.fingerprint is None:
            return
        search = self.search()
        published = search.update_index(recall, progress)
        if published is not None:
            self.store.set_index(search.generation.number, published.index, published.sha256)
            search.drop_old_files()

    def rebuild_index(self, progress: Progress | None) -> None:
        """Train and publish the index anew from the vector file."""
        index = self.search().generation.index
        self.store.set_index(self.generation.number, None, None)
        self.update_index(index.recall_target if index else 0.98, progress)

    def drop_other_generations(self) -> None:
        """Delete the files of generations that are no longer current; readers that hold them open keep reading."""
        mine = (f"vectors-{self.generation.number}.", f"index-{self.generation.number}-")
        for path in self.home.generation_files():
            if not path.name.startswith(mine):
                path.unlink(missing_ok=True)

    def close(self) -> None:
        """Close every file; the object is of no use afterwards."""
        with self._lock:
            if self._search is not None:
                self._search.close()
                self._search = None
        self.store.close()
