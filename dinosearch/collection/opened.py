"""What an open collection holds: its place, metadata store and vector searches, kept on one consistent state.

Readers refresh when another process has committed; the one writer appends and publishes. It knows no images.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from dinosearch.collection.derived.basis import Basis
from dinosearch.collection.kinds import IMAGES, REFINED, is_aside, row_ids
from dinosearch.collection.places.place import Place, Search, not_here
from dinosearch.errors import CollectionNotFoundError, SettingError
from dinosearch.home import Home
from dinosearch.protocols import Progress
from dinosearch.records import Fingerprint, Generation
from dinosearch.store import Transaction


class OpenedHome:
    """One home with its store open; a vector search opens when it is first needed.

    A home has one generation of vectors of whole images and may have one of each other kind (`records.KINDS`); every
    method that takes a `kind` means the current generation of it.

    Args:
        place: where it lives.
        create: make the place and an empty store where there is none.
        read_only: never write, not even a lock; works on a read-only disk.
        progress: told about the stage `upgrade`, where the home has an older format.
    """

    def __init__(
        self, place: Place, *, create: bool = False, read_only: bool = False, progress: Progress | None = None
    ) -> None:
        self.place = place
        self._process = os.getpid()
        self.store = place.open_store(create=create, read_only=read_only, progress=progress)
        self._lock = threading.RLock()
        self._searches: dict[str, Search] = {}
        self._changes: int | None = None
        self._generations: dict[str, Generation] = {}
        self._bases: dict[str, tuple[int, Basis | None]] = {}  # with the number of their generation

    @property
    def path(self) -> Path | str:
        """The folder or address, for messages and commands."""
        return self.place.path

    @property
    def home(self) -> Home:
        """The folder.

        Raises:
            SettingError: it is none: what is asked for needs files.
        """
        if self.place.home is None:
            raise not_here(self.path, "refined vectors, windows, patches and second models")
        return self.place.home

    @property
    def generation(self) -> Generation:
        """The generation of whole images that is current since the last `search()` or write.

        Raises:
            CollectionNotFoundError: nothing has been indexed yet.
        """
        generation = self.generation_of(IMAGES)
        if generation is None:
            raise CollectionNotFoundError(
                f"the collection in {self.path} is empty: nothing has been indexed; "
                f"run: dinosearch index FOLDER --home {self.path}"
            )
        return generation

    @property
    def fingerprint(self) -> Fingerprint | None:
        """What the vectors were made with; None while there are none."""
        generation = self.generation_of(IMAGES)
        return generation.fingerprint if generation else None

    def now(self) -> Fingerprint | None:
        """What the vectors of the newest committed state were made with; None while there are none."""
        with self._lock:
            self._follow()
            return self.fingerprint

    def generation_of(self, kind: str) -> Generation | None:
        """The generation of a kind that is current since the last `search()` or write; None where there is none."""
        # Not kept here, without the lock: another thread may have taken over a newer state meanwhile.
        return (self._generations or self.store.generations()).get(kind)

    def begin(self, fingerprint: Fingerprint, weights: str | os.PathLike[str] | None = None) -> None:
        """Make the first generation with its empty vector file, if there is none; remember weights named by hand."""
        if self.store.generation() is not None:
            return
        self.add_generation(IMAGES, fingerprint)
        if weights is not None:
            self.store.set_setting("weights", os.path.abspath(weights))

    def add_generation(
        self,
        kind: str,
        fingerprint: Fingerprint,
        recipe: Mapping[str, Any] | None = None,
        basis: Basis | None = None,
        coding: str = "float32",
    ) -> Generation:
        """Make the one generation of a kind without vectors, in place of any earlier one of that kind."""
        number = self.store.next_generation()
        # The place first: a generation without its vectors would be a damaged home.
        self.place.begin(kind, number, fingerprint.dimension, coding)
        saved = {"basis": basis.save(self.home.basis(number))} if basis else {}
        marked = {**(recipe or {}), **saved, **self.place.recipe()}
        self.store.switch_generation(Generation(number, fingerprint, 0, kind=kind, recipe=marked))
        self._forget()
        return self.search(kind).generation

    def drop_generation(self, kind: str) -> None:
        """Forget the generation of a kind and delete its files."""
        self.store.drop_generations(kind)
        self._forget()
        self.drop_other_files()

    @contextmanager
    def held(self) -> Iterator[None]:
        """Inside, this thread sees one committed state; others wait who want to look for a newer one."""
        with self._lock, self.store.one_moment():
            yield

    def search(self, kind: str = IMAGES) -> Search:
        """The vector search of a kind on the newest committed state.

        Raises:
            CollectionNotFoundError: there is no such generation.
        """
        with self._lock:
            self._follow()
            if kind not in self._searches:
                self._open(kind)
            return self._searches[kind]

    def answering(self, side: str = "") -> tuple[Search, Basis]:
        """The search that answers queries, on the newest committed state, and what vectors of the model go through.

        With `NEXT` or `KEPT` the search that would, if that side were swapped in.
        """
        with self._lock:
            self._follow()
            kind = self.searched_of(side)
            return self.search(kind), self.basis(kind) or Basis()

    def live_ids(self, side: str = "") -> np.ndarray:
        """int64 ids, ascending, of the images that can be found, or could if that side were swapped in."""
        if not side:
            return self.store.live_ids()
        return np.intersect1d(self.store.placed_ids(), self.search(side + IMAGES).ids())

    @property
    def searched(self) -> str:
        """The kind whose rows answer queries: `refined` where the collection has it, else `images`."""
        return self.searched_of("")

    def searched_of(self, side: str) -> str:
        """The kind of that side whose rows answer queries once the side does."""
        return side + (REFINED if self.generation_of(side + REFINED) else IMAGES)

    def basis(self, kind: str) -> Basis | None:
        """What the rows of a kind were centred and turned by; None where they were not.

        Raises:
            DamagedHomeError: its file is missing or damaged.
        """
        generation = self.generation_of(kind)
        sha256 = generation.recipe.get("basis") if generation else None
        if generation is None or sha256 is None:
            return None
        with self._lock:
            if self._bases.get(kind, (0, None))[0] != generation.number:
                self._bases[kind] = generation.number, Basis.load(self.home.basis(generation.number), str(sha256))
            return self._bases[kind][1]

    def append(self, tx: Transaction, ids: np.ndarray, vectors: np.ndarray, kind: str = IMAGES) -> None:
        """Write vectors durably behind the committed rows; they count when the transaction commits.

        Vectors of images are refined too where the collection is, so that no moment sees the one without the other.
        """
        search = self.search(kind)
        facts = tx.facts(ids) if self.place.keeps_facts else None
        tx.commit_rows(search.generation.number, search.upsert(ids, vectors, facts))
        if kind == IMAGES and self.searched == REFINED:
            self.append(tx, ids, (self.basis(REFINED) or Basis()).apply(vectors), REFINED)

    def make_refined(self, image_ids: Iterable[int]) -> None:
        """Refine the vectors of images that were removed when the others were, before they come back."""
        plain = self.search()  # which takes over the newest state
        if self.searched != REFINED:
            return
        wanted = np.intersect1d(np.fromiter(image_ids, np.int64), plain.ids())
        absent = np.setdiff1d(wanted, self.search(REFINED).ids())
        if len(absent):
            with self.store.transaction() as tx:
                refined = (self.basis(REFINED) or Basis()).apply(plain.vectors(absent))
                self.append(tx, absent, refined, REFINED)

    def update_index(self, recall: float, progress: Progress | None, kind: str = IMAGES) -> None:
        """Bring the vector index up to the committed rows and publish it, where that is worth a new file."""
        if self.generation_of(kind) is None:
            return
        search = self.search(kind)
        published = search.update_index(recall, progress)
        if published is not None:
            self.store.set_index(search.generation.number, published.index, published.sha256)
            search.drop_old_files()

    def rebuild_index(self, progress: Progress | None, kind: str = IMAGES) -> None:
        """Train and publish the index anew from the vector file."""
        generation = self.search(kind).generation
        self.store.set_index(generation.number, None, None)
        self.update_index(generation.index.recall_target if generation.index else 0.98, progress, kind)

    def drop_other_files(self) -> None:
        """Delete the files of generations that are no longer current; readers that hold them open keep reading."""
        self.place.drop_others({generation.number for generation in self.store.generations().values()})

    def reopen(self) -> None:
        """Look at everything anew, after files or settings were changed behind its back."""
        self._forget()

    def check_process(self) -> None:
        """Refuse to work in a fork of the process that opened the home: neither SQLite nor locks bear that.

        Raises:
            SettingError: this is another process.
        """
        if os.getpid() != self._process:
            raise SettingError(
                f"{self.path} was opened by process {self._process}, and what it holds does not work in the fork "
                f"{os.getpid()} of it; open it in every process anew: Collection.open({str(self.path)!r})"
            )

    def close(self) -> None:
        """Close every file; the object is of no use afterwards."""
        if os.getpid() != self._process:
            return  # they belong to the process that opened them
        with self._lock:
            self._forget()
        self.place.close()
        self.store.close()

    def _forget(self) -> None:
        """Close what was opened; the next use opens it anew."""
        with self._lock:
            for search in self._searches.values():
                search.close()
            self._searches, self._generations, self._changes = {}, {}, None

    def _follow(self) -> None:
        """Take over what has been committed since the last look, by this process or another."""
        changes = self.store.changes()
        if changes != self._changes:
            self._generations = self.store.generations()
            self._changes = changes
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
                f"the collection in {self.path} has no {kind}: nothing has been indexed; "
                f"run: dinosearch index FOLDER --home {self.path}"
            )
        search = self.place.open(generation, self.store.setting("index_type") or "auto", self.store)
        search.set_removed(self._removed(generation))
        self._searches[kind] = search

    def _removed(self, generation: Generation) -> np.ndarray:
        """The row ids that must not be answered."""
        removed = self.store.removed_ids()
        if is_aside(generation.kind) and len(removed):
            removed = np.setdiff1d(removed, self.store.waiting_ids())  # what waits for a vector here may have one there
        return row_ids(removed, generation)
