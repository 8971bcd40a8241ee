"""Which model a collection uses: what the user asked for, held against what the collection was made with."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, replace

from dinosearch.advice import Named, run
from dinosearch.collection.opened import OpenedHome
from dinosearch.errors import DamagedHomeError, FingerprintMismatchError, SettingError
from dinosearch.protocols import Embedder, Progress
from dinosearch.records import AGREEMENT, Fingerprint, Pooling, Preprocessing, scales_named


@dataclass(frozen=True)
class ModelChoice:
    """The model arguments of `Collection.open`, which explains them."""

    model: str | None = None
    weights: str | os.PathLike[str] | None = None
    preprocessing: Preprocessing | None = None
    pooling: str | None = None
    scales: str | None = None
    runtime: str | None = None
    device: str | None = None
    dtype: str | None = None
    batch: int | None = None
    embedder: Embedder | None = None
    notify: Callable[[str], None] | None = None
    progress: Progress | None = None
    wrap: Callable[[Embedder], Embedder] | None = None

    def check(self, opened: OpenedHome) -> None:
        """Refuse a model or preprocessing other than the collection's before anything heavy is loaded.

        Raises:
            FingerprintMismatchError: with the command that fixes it.
        """
        try:
            stored = opened.fingerprint
        except DamagedHomeError:
            return  # whoever needs it is told; `verify` can mend it
        if stored is None:
            return
        if self.embedder is not None:
            _check_same(opened, self.embedder)
            return
        wanted = self.wanted(stored)
        if wanted != stored:
            settings = ["checkpoint", "preprocessing", "pooling"]
            settings += ["scales"] if (stored.scales, wanted.scales) != ("1", "1") else []
            options = {name: f"--{'model' if name == 'checkpoint' else name}" for name in settings}
            wrong = [options[name] for name in settings if getattr(wanted, name) != getattr(stored, name)]
            other = [word for name in settings for word in (options[name], getattr(wanted, name))]
            raise FingerprintMismatchError(
                f"the vectors in {opened.path} were made with {stored.settings}, not with {wanted.settings}, and "
                f"cannot be compared; leave out {' and '.join(wrong)}, make another collection with: ",
                run("index", "FOLDER", *other, of=Named("OTHER")),
                ", or change the model of this one with: ",
                run("migrate", *other, of=opened.named),
            )

    def wanted(self, stored: Fingerprint) -> Fingerprint:
        """A fingerprint with what is asked for put in."""
        wanted = stored
        if self.model not in (None, "auto"):
            from dinosearch.embedding import find_checkpoint

            wanted = replace(wanted, checkpoint=find_checkpoint(str(self.model)).name)
        if self.preprocessing is not None:
            wanted = replace(wanted, preprocessing=str(self.preprocessing))
        try:
            if self.pooling is not None:
                wanted = replace(wanted, pooling=str(Pooling.parse(self.pooling)))
            if self.scales is not None:
                scales_named(self.scales)
                wanted = replace(wanted, scales=self.scales)
        except ValueError as error:
            raise SettingError(
                f"{error}; leave it out for: --pooling {stored.pooling} --scales {stored.scales}"
            ) from None
        return wanted

    def open(self, opened: OpenedHome) -> Embedder:
        """Load the model; a collection that has vectors decides which one.

        Raises:
            FingerprintMismatchError: the weights at hand are not those that the collection was made with.
        """
        if self.embedder is not None:
            return self.embedder
        embedder = self.load(opened.fingerprint, self.weights or opened.store.setting("weights"))
        _check_same(opened, embedder)
        return embedder

    def load(self, like: Fingerprint | None, weights: str | os.PathLike[str] | None) -> Embedder:
        """Load the model of a fingerprint, or the one that is asked for where there is none; nothing is compared."""
        from dinosearch.embedding import open_embedder

        return open_embedder(
            like.checkpoint if like else self.model or "auto",
            weights=os.fspath(weights) if weights else None,
            preprocessing=Preprocessing.parse(like.preprocessing) if like else self.preprocessing,
            pooling=like.pooling if like else self.pooling or "cls",
            scales=like.scales if like else self.scales or "1",
            runtime=self.runtime,
            device=self.device,
            dtype=self.dtype,
            batch=self.batch,
            notify=self.notify,
            progress=self.progress,
        )

    def placed(self) -> ModelChoice:
        """Only how a model is run, not which."""
        return replace(self, model=None, weights=None, preprocessing=None, pooling=None, scales=None, embedder=None)


def _check_same(opened: OpenedHome, embedder: Embedder) -> None:
    stored, found = opened.fingerprint, embedder.fingerprint
    if stored is None or stored.matches(found):
        return
    if replace(found, numbers=stored.numbers, agreement=stored.agreement) == stored:
        raise FingerprintMismatchError(
            f"the vectors in {opened.path} are {stored.numbers} and agree with float32 by {stored.agreement:.4f}, "
            f"those of the model at hand are {found.numbers} and agree by {found.agreement:.4f}, and families that "
            f"agree by less than {AGREEMENT} cannot be compared; use: --dtype {stored.numbers}"
        )
    raise FingerprintMismatchError(
        f"the vectors in {opened.path} were made with {stored}, but the model at hand is {found}, and they "
        f"cannot be compared; give the same weights with --weights FILE, or make another collection with: ",
        run("index", "FOLDER", "--model", found.checkpoint, of=Named("OTHER")),
    )
