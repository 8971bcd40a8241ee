"""The committed state of a collection as the threads of one process see it: generations, and searches of their vectors.

A thread that asks reads one moment of the store. What is opened for it is shared by all threads, and follows the newest
moment that any of them has seen.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from dinosearch.advice import Named, run
from dinosearch.collection.kinds import IMAGES, REFINED, is_aside, row_ids
from dinosearch.collection.places.place import Place, Search
from dinosearch.errors import CollectionNotFoundError
from dinosearch.records import Fingerprint, Generation
from dinosearch.store import MetadataStore


class OvertakenError(Exception):
    """Another thread has taken over a newer state than that of the moment that this one reads."""


class Committed:
    """What a home's store says, and the vector searches, which open when they are first needed.

    Args:
        place: where it lives.
        store: its metadata store.
    """

    def __init__(self, place: Place, store: MetadataStore) -> None:
        self.place, self.store = place, store
        # Who holds it needs no connection: those who wait for it may have them all.
        self._lock = threading.RLock()
        self._inside = threading.local()
        self._searches: dict[str, Search] = {}
        self._generations: dict[str, Generation] = {}
        self._settings: dict[str, Any] = {}
        self._changes: int | None = None
        self._model: Fingerprint | None = None
        self._taken = self._models = 0

    @property
    def path(self) -> Path | str:
        """The folder or address, for messages."""
        return self.place.path

    @property
    def named(self) -> Named:
        """What names it in a command."""
        return self.place.named

    @property
    def generation(self) -> Generation:
        """The generation of whole images that is current since the last `search()` or write.

        Raises:
            CollectionNotFoundError: nothing has been indexed yet.
        """
        generation = self.generation_of(IMAGES)
        if generation is None:
            raise CollectionNotFoundError(
                f"the collection in {self.path} is empty: nothing has been indexed; run: ",
                run("index", "FOLDER", of=self.named),
            )
        return generation

    @property
    def fingerprint(self) -> Fingerprint | None:
        """What the vectors were made with; None while there are none."""
        generation = self.generation_of(IMAGES)
        return generation.fingerprint if generation else None

    def generation_of(self, kind: str) -> Generation | None:
        """The generation of a kind that is current since the last `search()` or write; None where there is none."""
        # Not kept here, without the lock: another thread may have taken over a newer state meanwhile.
        return (self._generations or self.store.generations()).get(kind)

    @property
    def searched(self) -> str:
        """The kind whose rows answer queries: `refined` where the collection has it, else `images`."""
        return self.searched_of("")

    def searched_of(self, side: str) -> str:
        """The kind of that side whose rows answer queries once the side does."""
        return side + (REFINED if self.generation_of(side + REFINED) else IMAGES)

    def now(self) -> Fingerprint | None:
        """What the vectors of the newest committed state were made with; None while there are none."""
        with self._newest():
            return self.fingerprint

    @property
    def seen(self) -> tuple[int, int | None]:
        """How often the model was found to be another one, and the number of changes at the last look."""
        if self._changes is None:
            self.now()
        return self._models, self._changes

    def search(self, kind: str = IMAGES) -> Search:
        """The vector search of a kind on the newest committed state.

        Raises:
            CollectionNotFoundError: there is no such generation.
        """
        with self._newest():
            if kind not in self._searches:
                self._open(kind)
            return self._searches[kind]

    def setting(self, key: str) -> Any:
        """What the store remembers under a name in its newest committed state; it is asked once for each state."""
        with self._newest():
            if key not in self._settings:
                self._settings[key] = self.store.setting(key)
            return self._settings[key]

    @contextmanager
    def moment(self) -> Iterator[None]:
        """Inside, this thread sees one committed state; others are not kept from looking for a newer one.

        Where one of them took it over, a look at what is open here raises OvertakenError.
        """
        before = getattr(self._inside, "moment", False)
        with self.store.one_moment():
            self._inside.moment = True
            try:
                yield
            finally:
                self._inside.moment = before

    def lasting(self) -> Callable[[], bool]:
        """Take over the newest state; tells later whether what is open here is still of it."""
        with self._newest():
            taken = self._taken
        return lambda: self._taken == taken

    @contextmanager
    def held(self) -> Iterator[None]:
        """Inside, this thread sees one committed state, and others wait who want to look for a newer one."""
        with self.store.one_moment(), self._lock:
            yield

    @contextmanager
    def _newest(self) -> Iterator[None]:
        with self.store.one_moment(), self._lock:
            self._follow()
            yield

    def _forget(self) -> None:
        """Close what was opened; the next use opens it anew."""
        with self._lock:
            for search in self._searches.values():
                search.close()
            self._searches, self._generations, self._settings, self._changes = {}, {}, {}, None
            self._taken += 1

    def _follow(self) -> None:
        """Take over what has been committed since the last look, by this process or another; in one moment, locked."""
        changes = self.store.changes()
        if changes == self._changes:
            return
        if getattr(self._inside, "moment", False) and changes < (self._changes or 0):
            raise OvertakenError
        self._generations, self._settings, self._changes = self.store.generations(), {}, changes
        self._taken += 1
        model = self.fingerprint if self._generations else None
        if model != self._model:
            self._model = model
            self._models += 1
        for kind in list(self._searches):
            self._refresh(kind)

    def _refresh(self, kind: str) -> None:
        search, generation = self._searches[kind], self._generations.get(kind)
        if generation is None or generation.number != search.generation.number:
            self._searches.pop(kind).close()
        else:
            search.refresh(generation)
            search.set_removed(self._removed(generation))

    def _open(self, kind: str) -> None:
        generation = self.generation_of(kind)
        if generation is None:
            raise CollectionNotFoundError(
                f"the collection in {self.path} has no {kind}: nothing has been indexed; run: ",
                run("index", "FOLDER", of=self.named),
            )
        search = self.at(generation)
        search.set_removed(self._removed(generation))
        self._searches[kind] = search

    def at(self, generation: Generation) -> Search:
        """The vectors of a generation, which need not be committed; the caller closes it."""
        return self.place.open(generation, self.store.setting("index_type") or "auto", self.store)

    def _removed(self, generation: Generation) -> np.ndarray:
        """The row ids that must not be answered."""
        removed = self.store.removed_ids()
        if is_aside(generation.kind) and len(removed):
            removed = np.setdiff1d(removed, self.store.waiting_ids())  # what waits for a vector here may have one there
        return row_ids(removed, generation)
