"""Which model a collection uses: what the user asked for, held against what the collection was made with."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass

from dinosearch.collection.opened import OpenedHome
from dinosearch.errors import FingerprintMismatchError, SettingError
from dinosearch.protocols import Embedder, Progress
from dinosearch.records import Preprocessing, pooling_parts


@dataclass(frozen=True)
class ModelChoice:
    """The model arguments of `Collection.open`, which explains them."""

    model: str | None = None
    weights: str | os.PathLike[str] | None = None
    preprocessing: Preprocessing | None = None
    pooling: str | None = None
    device: str | None = None
    dtype: str | None = None
    batch: int | None = None
    embedder: Embedder | None = None
    notify: Callable[[str], None] | None = None
    progress: Progress | None = None

    def check(self, opened: OpenedHome) -> None:
        """Refuse a model or preprocessing other than the collection's before anything heavy is loaded.

        Raises:
            FingerprintMismatchError: with the command that fixes it.
        """
        stored = opened.fingerprint
        if stored is None:
            return
        if self.embedder is not None:
            _check_same(opened, self.embedder)
            return
        wanted = stored.checkpoint
        if self.model not in (None, "auto"):
            from dinosearch.embedding import find_checkpoint

            wanted = find_checkpoint(str(self.model)).name
        pixels = str(self.preprocessing or stored.preprocessing)
        pooling = self.pooling or stored.pooling
        try:
            pooling_parts(pooling)
        except ValueError as error:
            raise SettingError(f"{error}; leave it out for: --pooling {stored.pooling}") from None
        if (wanted, pixels, pooling) != (stored.checkpoint, stored.preprocessing, stored.pooling):
            other = f"--model {wanted} --preprocessing {pixels} --pooling {pooling}"
            raise FingerprintMismatchError(
                f"the vectors in {opened.home.path} were made with {stored.checkpoint} {stored.preprocessing} "
                f"{stored.pooling}, not with {wanted} {pixels} {pooling}, and cannot be compared; leave out --model, "
                f"--preprocessing and --pooling, or make another collection with: "
                f"dinosearch index FOLDER --home OTHER {other}"
            )

    def open(self, opened: OpenedHome) -> Embedder:
        """Load the model; a collection that has vectors decides which one.

        Raises:
            FingerprintMismatchError: the weights at hand are not those that the collection was made with.
        """
        if self.embedder is not None:
            return self.embedder
        from dinosearch.embedding import open_embedder

        stored = opened.fingerprint
        weights = self.weights or opened.store.setting("weights")
        embedder = open_embedder(
            stored.checkpoint if stored else self.model or "auto",
            weights=os.fspath(weights) if weights else None,
            preprocessing=Preprocessing.parse(stored.preprocessing) if stored else self.preprocessing,
            pooling=stored.pooling if stored else self.pooling or "cls",
            device=self.device,
            dtype=self.dtype,
            batch=self.batch,
            notify=self.notify,
            progress=self.progress,
        )
        _check_same(opened, embedder)
        return embedder


def _check_same(opened: OpenedHome, embedder: Embedder) -> None:
    stored = opened.fingerprint
    if stored is not None and stored != embedder.fingerprint:
        raise FingerprintMismatchError(
            f"the vectors in {opened.home.path} were made with {stored}, but the model at hand is "
            f"{embedder.fingerprint}, and they "
            f"cannot be compared; give the same weights with --weights FILE, or make another collection with: "
            f"dinosearch index FOLDER --home OTHER --model {embedder.fingerprint.checkpoint}"
        )
