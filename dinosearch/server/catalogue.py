"""The collections of a server by name: opened, warmed up, and opened again where a home went away and came back."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np

from dinosearch.advice import Named, run
from dinosearch.collection import Collection
from dinosearch.engines.address import is_url
from dinosearch.errors import CollectionNotFoundError, DinosearchError
from dinosearch.home import Home
from dinosearch.images import start_ahead
from dinosearch.protocols import Embedder
from dinosearch.server.settings import Settings
from dinosearch.server.work.batching import batching
from dinosearch.server.work.side_by_side import OnPass

_log = logging.getLogger("dinosearch.server")
_WARM = 4  # images of a first pass: so many have the model ready for one and for several at a time

Identity = tuple[int, int]


class Served:
    """One collection with the name it is asked by.

    A newer state of the home, also one with another model, is taken over by the collection itself. Here it is noticed
    that the home is not there, or is another one than was opened.

    Args:
        name: what clients call it.
        home: its folder, or the address of an engine.
        opener: opens it.
        opened: it, in place of an opener, where it is open already and stays so.
    """

    def __init__(
        self,
        name: str,
        home: Path | str,
        opener: Callable[[], Collection] | None = None,
        opened: Collection | None = None,
    ) -> None:
        self.name, self.home = name, home
        self._opener, self._opened = opener, opened
        self._identity = _identity(home)
        self._tried: Identity | None = None
        self._lock = threading.Lock()

    @property
    def collection(self) -> Collection:
        """The open collection.

        Raises:
            CollectionNotFoundError: its home is not there now.
            DinosearchError: it cannot be opened.
        """
        opened, identity = self._opened, _identity(self.home)
        if opened is not None and (identity == self._identity or self._opener is None):
            return opened
        assert self._opener is not None
        with self._lock:
            if identity is None:
                raise CollectionNotFoundError(
                    f"there is no collection in {self.home} now; bring the folder back, or make one with: ",
                    run("index", "FOLDER", of=Named(str(self.home))),
                )
            if self._opened is None or identity != self._identity:
                # The one before closes itself when the last question to it is answered.
                self._opened, self._identity = self._opener(), identity
            return self._opened

    @contextmanager
    def changing(self) -> Iterator[Collection]:
        """The collection for a job, opened beside the one that answers: training an index locks what trains it.

        Who asks takes over each committed state, as if another process had made it. The model is shared.
        """
        answering = self.collection
        if self._opener is None:
            yield answering
            return
        embedder: Embedder | None = None
        with suppress(DinosearchError):  # a job that needs it is told
            embedder = answering.embedder
        with Collection.open(self.home, embedder=embedder, notify=_log.info) as opened:
            yield opened

    @property
    def identity(self) -> Identity | None:
        """Which home is open: another one that came in its place has another."""
        return self._identity

    @property
    def is_own(self) -> bool:
        """Whether it was opened here, and not handed over open."""
        return self._opener is not None

    def state(self) -> int:
        """A number that rises with every commit."""
        return self.collection.state

    def is_ready(self) -> bool:
        """Whether it can be asked at once: open, and its model loaded if it has one."""
        opened = self._opened
        if opened is None or self._opener is None:
            return opened is not None
        if _identity(self.home) != self._identity:
            return False
        return opened.device is not None or opened.info().fingerprint is None

    def is_cold(self) -> bool:
        """Whether `warm_up` has not been tried on the home that is there now."""
        identity = _identity(self.home)
        return self._opener is not None and identity is not None and identity != self._tried

    def warm_up(self) -> None:
        """Load the model and what is searched.

        Raises:
            DinosearchError: it cannot be loaded.
        """
        collection = self.collection
        self._tried = self._identity
        fingerprint = collection.info().fingerprint
        if fingerprint is None:
            return
        embedder = collection.embedder
        side = embedder.preprocessing.size - embedder.preprocessing.size % embedder.patch_size
        vectors = embedder.embed([np.full((side, side, 3), 128, np.uint8)] * _WARM)
        collection.search_vectors(vectors[0], 1)

    def close(self) -> None:
        """Close the collection, if it was opened here."""
        if self._opened is not None and self._opener is not None:
            self._opened.close()


class Catalogue:
    """The collections of the settings, or those that are open already.

    Args:
        settings: homes, and how their models are placed.
        collections: open collections by name; whoever opened them closes them.
        on_pass: told about every forward pass: its images and seconds.
        warm: load the models now, in a thread.

    Raises:
        CollectionNotFoundError: none of the homes is there. Where others are, a missing one is opened when it comes.
        DinosearchError: a collection cannot be opened.
    """

    def __init__(
        self,
        settings: Settings,
        collections: Mapping[str, Collection] | None = None,
        on_pass: OnPass | None = None,
        *,
        warm: bool = True,
    ) -> None:
        self._settings, self._on_pass = settings, on_pass
        self._warming: threading.Thread | None = None
        self._lock = threading.Lock()
        if collections is not None:
            self._served = {name: Served(name, one.home, opened=one) for name, one in collections.items()}
            return
        self._served = {
            name: Served(name, home if is_url(home) else Path(home), self._opener(home))
            for name, home in settings.homes
        }
        missing = []
        for served in self:
            try:
                _ = served.collection
            except CollectionNotFoundError as error:
                missing.append(error)
                _log.warning("collection %s is not there", served.name)
            except BaseException:
                self.close()
                raise
        if missing and len(missing) == len(self._served):
            raise missing[0]
        if warm:
            self._begin_warming()

    def __getitem__(self, name: str) -> Served:
        return self._served[name]

    def __iter__(self) -> Iterator[Served]:
        return iter(self._served.values())

    def ready(self) -> bool:
        """Whether every collection is open and its model loaded; begins to load those whose home has come."""
        with self._lock:
            if self._warming is not None and self._warming.is_alive():
                return False
            if any(served.is_cold() for served in self):
                self._begin_warming()
                return False
        return all(served.is_ready() for served in self)

    def close(self) -> None:
        """Close what was opened here; nobody may ask any more."""
        if self._warming is not None:
            self._warming.join()
        for served in self:
            served.close()

    def _opener(self, home: str) -> Callable[[], Collection]:
        settings = self._settings
        wrap = (lambda inner: batching(inner, settings.batch_wait, self._on_pass)) if settings.batching else None
        return lambda: Collection.open(
            home,
            read_only=not settings.writable,
            device=settings.device,
            dtype=settings.dtype,
            runtime=settings.runtime,
            wrap=wrap,
            notify=_log.info,
        )

    def _begin_warming(self) -> None:
        self._warming = threading.Thread(target=self._warm_up, name="dinosearch-warm-up", daemon=True)
        self._warming.start()

    def _warm_up(self) -> None:
        start_ahead()
        for served in filter(Served.is_cold, self):
            try:
                served.warm_up()
            except CollectionNotFoundError:
                continue  # it was said
            except DinosearchError as error:
                _log.error("collection %s cannot be asked by images: %s", served.name, error)


def _identity(home: Path | str) -> Identity | None:
    """Which file the home's metadata is; None where there is none. What an engine has is always the same."""
    if isinstance(home, str):
        return 0, 0
    try:
        found = os.stat(Home(home).metadata)
    except OSError:
        return None
    return found.st_dev, found.st_ino
