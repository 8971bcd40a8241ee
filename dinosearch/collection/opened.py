"""What an open collection holds and its one writer does with it: begin and drop generations, append, publish.

How readers follow what was committed is in `committed`. It knows no images.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from dinosearch.collection.committed import Committed
from dinosearch.collection.derived.basis import Basis, sha256_of
from dinosearch.collection.kinds import IMAGES, REFINED
from dinosearch.collection.places.place import Place, Search, not_here
from dinosearch.errors import SettingError
from dinosearch.home import Home
from dinosearch.protocols import Progress
from dinosearch.records import Fingerprint, Generation
from dinosearch.store import Transaction


class OpenedHome(Committed):
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
        self._process = os.getpid()
        super().__init__(place, place.open_store(create=create, read_only=read_only, progress=progress))
        self._bases: dict[str, tuple[int, Basis | None]] = {}  # with the number of their generation
        self.is_warm = False  # whether a model was asked for a vector, and what is searched has been read

    @property
    def home(self) -> Home:
        """The folder.

        Raises:
            SettingError: it is none: what is asked for needs files.
        """
        if self.place.home is None:
            raise not_here(self.path, "prepared diffusion")
        return self.place.home

    def must_hold(self, kind: str) -> None:
        """Refuse a kind of rows that this place cannot hold, before anything is begun.

        Raises:
            SettingError: it cannot.
        """
        if not self.place.holds(kind):
            raise not_here(self.path, kind)

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
        mark = self.place.begin(kind, number, fingerprint.dimension, coding, int((recipe or {}).get("rows", 1)))
        saved = {"basis": self.keep_basis(number, basis)} if basis else {}
        marked = {**(recipe or {}), **saved, **mark}
        self.store.switch_generation(Generation(number, fingerprint, 0, kind=kind, recipe=marked))
        self._forget()
        return self.search(kind).generation

    def drop_generation(self, kind: str) -> None:
        """Forget the generation of a kind and delete its files."""
        self.store.drop_generations(kind)
        self._forget()
        self.drop_other_files()

    def answering(self, side: str = "") -> tuple[Search, Basis]:
        """The search that answers queries, on the newest committed state, and what vectors of the model go through.

        With `NEXT` or `KEPT` the search that would, if that side were swapped in.
        """
        with self._newest():
            kind = self.searched_of(side)
            return self.search(kind), self.basis(kind) or Basis()

    def live_ids(self, side: str = "") -> np.ndarray:
        """int64 ids, ascending, of the images that can be found, or could if that side were swapped in."""
        if not side:
            return self.store.live_ids()
        return np.intersect1d(self.store.placed_ids(), self.search(side + IMAGES).ids())

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
                self._bases[kind] = generation.number, self._read_basis(generation.number, str(sha256))
            return self._bases[kind][1]

    def keep_basis(self, number: int, basis: Basis) -> str:
        """Keep what the rows of a generation are turned by, before it is committed; returns the SHA-256."""
        data = basis.to_bytes()
        self.place.keep_basis(number, data)
        return sha256_of(data)

    def _read_basis(self, number: int, sha256: str) -> Basis:
        named = f"what the vectors of generation {number} in {self.path} are turned by"
        return Basis.read(self.place.basis(number), sha256, named)

    def append(self, tx: Transaction, ids: np.ndarray, vectors: np.ndarray, kind: str = IMAGES) -> None:
        """Write vectors durably behind the committed rows; they count when the transaction commits.

        Vectors of images are refined too where the collection is, so that no moment sees the one without the other.
        """
        search = self.search(kind)
        tx.commit_rows(search.generation.number, self.write(tx, search, ids, vectors))
        if kind == IMAGES and self.searched == REFINED:
            self.append(tx, ids, (self.basis(REFINED) or Basis()).apply(vectors), REFINED)

    def write(self, tx: Transaction, search: Search, ids: np.ndarray, vectors: np.ndarray) -> int:
        """Write vectors durably; returns how many rows of the generation count once that is committed."""
        return search.upsert(ids, vectors, tx.facts(ids) if self.place.keeps_facts else None)

    def make_refined(self, image_ids: Iterable[int]) -> None:
        """Refine the vectors of images that were removed when the others were, before they come back."""
        plain = self.search()  # which takes over the newest state
        if self.searched != REFINED:
            return
        wanted = np.fromiter(image_ids, np.int64)
        absent = self.search(REFINED).missing(np.setdiff1d(wanted, plain.missing(wanted)))
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
            search.drop_old_files(published)

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
