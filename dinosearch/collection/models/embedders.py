"""The models that an open collection has loaded, and answers that are of one model though the collection changes it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

from dinosearch.collection.models.chosen import ModelChoice
from dinosearch.collection.opened import OpenedHome
from dinosearch.errors import DamagedHomeError, FingerprintMismatchError
from dinosearch.protocols import Embedder
from dinosearch.records import Fingerprint

T = TypeVar("T")
KEPT_LOADED = 2
"""Models in memory at most: a collection that changes its model is asked by the old one until the last moment."""
TRIES = 5
"""Errors beside a writer that commits, until an error is believed."""


class Embedders:
    """Loads the model that the collection answers with, anew when another process or thread has changed it.

    Args:
        opened: the home.
        choice: what was asked for when the collection was opened.
    """

    def __init__(self, opened: OpenedHome, choice: ModelChoice) -> None:
        self._opened, self._choice = opened, choice
        self._chosen_for: Fingerprint | None = None
        with suppress(DamagedHomeError):  # whoever needs it is told; `verify` can mend it
            self._chosen_for = opened.fingerprint
        self._loaded: list[Embedder] = []
        self._lock = threading.Lock()

    @property
    def latest(self) -> Embedder | None:
        """The model that was used last; None while none is loaded."""
        return self._loaded[0] if self._loaded else None

    def current(self) -> Embedder:
        """The model that the collection answers with now.

        Raises:
            FingerprintMismatchError: the weights at hand are not those that the vectors were made with.
        """
        wanted = self._opened.now()  # before our lock: who holds that of the home may ask for the model
        with self._lock:
            found = self._find(wanted) or self._wrapped(self._load(wanted))
            self._keep(found)
            return found

    def find(self, fingerprint: Fingerprint) -> Embedder | None:
        """A loaded model that makes such vectors."""
        with self._lock:
            return self._find(fingerprint)

    def add(self, embedder: Embedder) -> None:
        """Have a model at hand that the collection may answer with soon."""
        with self._lock:
            answering = self._find(self._opened.fingerprint)
            others = [one for one in (answering, *self._loaded) if one is not None and one is not embedder]
            self._loaded = [*others[: KEPT_LOADED - 1], self._wrapped(embedder)]

    def _find(self, wanted: Fingerprint | None) -> Embedder | None:
        return next((one for one in self._loaded if wanted is None or wanted.matches(one.fingerprint)), None)

    def _load(self, wanted: Fingerprint | None) -> Embedder:
        if self._chosen_for is None or wanted == self._chosen_for:
            chosen = self._choice.open(self._opened)
            self._chosen_for = wanted or chosen.fingerprint  # which a new collection begins with
            return chosen
        given = self._choice.embedder
        if given is None:
            return self._choice.placed().open(self._opened)
        if wanted is not None and wanted.matches(given.fingerprint):
            return given
        raise FingerprintMismatchError(
            f"the model of {self._opened.path} was changed and is now {wanted}, but this program brought "
            f"{given.fingerprint}; open the collection anew with an embedder of that model"
        )

    def _wrapped(self, embedder: Embedder) -> Embedder:
        wrap = self._choice.wrap
        is_wrapped = any(one is embedder for one in self._loaded)
        return embedder if wrap is None or is_wrapped else wrap(embedder)

    def _keep(self, embedder: Embedder) -> None:
        if not self._loaded or self._loaded[0] is not embedder:
            self._loaded = [embedder, *(one for one in self._loaded if one is not embedder)][:KEPT_LOADED]


def with_one_model(opened: OpenedHome, answer: Callable[[], T]) -> T:
    """What `answer` makes of vectors and embeddings of one model: it is asked again where the model was changed."""
    attempt = 0
    while True:
        attempt += 1
        model, changes = opened.seen
        try:
            found = answer()
        except Exception:
            # It may have met two models, also if the first of them answers again by now.
            opened.now()
            if opened.seen[0] == model and (attempt >= TRIES or opened.seen[1] == changes):
                raise
            continue
        # Whoever searched has taken over what was committed, and a later change does not matter.
        if opened.seen[0] == model:
            return found
