"""Which model a collection is to change to: what is named, held against what it has and what is half made."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, replace

from dinosearch.advice import run
from dinosearch.collection.kinds import IMAGES, KEPT, NEXT
from dinosearch.collection.models.chosen import ModelChoice
from dinosearch.collection.models.embedders import Embedders
from dinosearch.collection.opened import OpenedHome
from dinosearch.errors import FingerprintMismatchError, SettingError
from dinosearch.protocols import Embedder
from dinosearch.records import Fingerprint, Generation


@dataclass(frozen=True)
class Target:
    """A model that a collection may change to.

    Attributes:
        open: loads it, once; the collection has it at hand then, so that queries can be answered by it at once.
        weights: its weight file, where one was named.
    """

    open: Callable[[], Embedder]
    weights: str | None = None


def named(opened: OpenedHome, models: Embedders, wanted: ModelChoice, choice: ModelChoice) -> Target:
    """The model that the arguments name; without any, that of a half-made change.

    Args:
        opened: the home.
        models: what is loaded.
        wanted: the arguments.
        choice: where the collection's models run.

    Raises:
        SettingError: nothing is named and no change is half made, or a pooling or scales that do not exist.
        CollectionNotFoundError: nothing has been indexed yet.
    """
    now, half = opened.generation, opened.store.generation(NEXT + IMAGES)
    if wanted.embedder is not None:
        return _held(models, wanted.embedder)
    if wanted == ModelChoice():
        if half is None:
            raise SettingError(
                f"no model is named, and no change of {opened.path} is half done; name one, as in: ",
                run("migrate", "--model", "dinov2_vits14", of=opened.named),
            )
        return _loaded(models, half.fingerprint, _weights_of(half), choice)
    like = wanted.wanted(now.fingerprint)
    if wanted.model == "auto":
        like = replace(like, checkpoint="auto")
    same = like.checkpoint == now.fingerprint.checkpoint
    weights = wanted.weights or (opened.store.setting("weights") if same else None)
    return _loaded(models, replace(like, weights_sha256=""), os.path.abspath(weights) if weights else None, choice)


def kept(opened: OpenedHome, models: Embedders, wanted: ModelChoice, choice: ModelChoice) -> Target:
    """The model that was kept at the last change.

    Raises:
        SettingError: none is kept.
    """
    before = opened.store.generation(KEPT + IMAGES)
    if before is None:
        raise SettingError(
            f"no other model is kept in {opened.path}; see which ones it has with: ", run("info", of=opened.named)
        )
    weights = os.path.abspath(wanted.weights) if wanted.weights else _weights_of(before)
    found = _held(models, wanted.embedder) if wanted.embedder else _loaded(models, before.fingerprint, weights, choice)

    def checked() -> Embedder:
        embedder = found.open()
        if not before.fingerprint.matches(embedder.fingerprint):
            raise FingerprintMismatchError(
                f"the kept vectors in {opened.path} were made with {before.fingerprint}, but the model at hand is "
                f"{embedder.fingerprint}; name the same weights by: ",
                run("migrate", "--back", "--weights", "FILE"),
            )
        return embedder

    return Target(checked, weights)


def _held(models: Embedders, embedder: Embedder) -> Target:
    models.add(embedder)
    return Target(lambda: embedder)


def _loaded(models: Embedders, like: Fingerprint, weights: str | None, choice: ModelChoice) -> Target:
    made: list[Embedder] = []

    def load() -> Embedder:
        if not made:
            made.append(models.find(like) or choice.placed().load(like, weights))
            models.add(made[0])
        return made[0]

    return Target(load, weights)


def _weights_of(generation: Generation) -> str | None:
    weights = generation.recipe.get("settings", {}).get("weights")
    return None if weights is None else str(weights)
