"""Open an embedder by name: find or fetch the weights, load the model, state its fingerprint.

Importing it loads no torch; opening an embedder does.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from dinosearch.embedding.checkpoints import CHECKPOINTS, Checkpoint, find_checkpoint
from dinosearch.embedding.recipe import Recipe
from dinosearch.embedding.runtimes.choose import Wanted, graph_embedder
from dinosearch.embedding.runtimes.graph_embedder import GraphEmbedder
from dinosearch.embedding.runtimes.graphs import GraphUnavailableError
from dinosearch.embedding.weights import files
from dinosearch.errors import DinosearchError, SettingError, WeightsUnavailableError
from dinosearch.protocols import Progress
from dinosearch.records import Pooling, Preprocessing, scales_named

if TYPE_CHECKING:
    from dinosearch.embedding.embedder import TorchEmbedder

T = TypeVar("T")

AUTO = "dinov2_vits14"
FALLBACK = "mini"
AUTO_DEADLINE = 30.0  # seconds that `auto` may take to fetch 88 MB
AUTO_CONNECT = 2.0  # seconds that `auto` waits for a server


def open_embedder(
    model: str = "auto",
    *,
    weights: str | os.PathLike[str] | None = None,
    preprocessing: Preprocessing | None = None,
    pooling: str = "cls",
    scales: str = "1",
    runtime: str | None = None,
    device: str | None = None,
    dtype: str | None = None,
    batch: int | None = None,
    notify: Callable[[str], None] | None = None,
    progress: Progress | None = None,
) -> GraphEmbedder | TorchEmbedder:
    """Open an embedder; `dinosearch.Collection.open` explains the arguments.

    On a processor a graph exported from our own transformer does the work, without torch; on a GPU, and for several
    scales, torch does.

    Raises:
        UnknownCheckpointError: no such model.
        WeightsUnavailableError: its weights are not here and cannot be fetched.
        DamagedWeightsError: the weight file is not what it should be.
        SettingError: a size that is no multiple of the patch, an unknown pooling or one of more blocks than there are,
            unknown scales, or a device, runtime or number format that is not there.
    """
    parts = _read(pooling, Pooling.parse, "--pooling cls")
    _read(scales, scales_named, "--scales 1")
    wanted = Wanted.of(runtime, device, dtype, batch)
    checkpoint, path = resolve(model, weights, notify, progress)
    recipe = Recipe(checkpoint, path, files.file_digest(path), preprocessing or Preprocessing(), parts, scales)

    if scales != "1" and wanted.runtime not in (None, "torch"):
        raise SettingError(f"several scales are made by torch; leave out --scales {scales} or --runtime")
    if wanted.by_torch or scales != "1":
        return _by_torch(recipe, wanted)
    try:
        return graph_embedder(recipe, wanted, lambda: _by_torch(recipe, Wanted("torch", "cpu", "float32")), notify)
    except GraphUnavailableError as error:
        if wanted.runtime is not None or wanted.dtype == "int8":
            raise SettingError(
                f"{wanted.runtime or wanted.dtype} cannot be used here ({error}); leave out --runtime and --dtype"
            ) from None
        if notify:
            notify(f"embedding by torch, which is slower on a processor: {error}")
        return _by_torch(recipe, wanted)


def _by_torch(recipe: Recipe, wanted: Wanted) -> TorchEmbedder:
    from dinosearch.embedding.embedder import open_torch

    return open_torch(recipe, device=wanted.device, dtype=wanted.dtype, batch=wanted.batch)


def _read(text: str, parse: Callable[[str], T], default: str) -> T:
    try:
        return parse(text)
    except ValueError as error:
        raise SettingError(f"{error}; leave it out for: {default}") from None


def resolve(
    model: str,
    weights: str | os.PathLike[str] | None = None,
    notify: Callable[[str], None] | None = None,
    progress: Progress | None = None,
) -> tuple[Checkpoint, Path]:
    """Which checkpoint is meant and where its weight file lies, fetched where that is needed and allowed.

    Raises:
        UnknownCheckpointError: no such model.
        WeightsUnavailableError: its weights are not here and cannot be fetched.
        DamagedWeightsError: the file found or fetched is not the published one.
    """
    if weights is not None:
        path = Path(weights).expanduser()
        if not path.is_file():
            raise WeightsUnavailableError(f"there is no weight file {path}; name an existing one with: --weights FILE")
        files.check_named(path)
        return _named_by(path) if model == "auto" else find_checkpoint(model), path
    if model == "auto":
        return _auto(notify, progress)
    checkpoint = find_checkpoint(model)
    return checkpoint, _located(checkpoint) or files.fetch(checkpoint, progress)


def _named_by(path: Path) -> Checkpoint:
    """The checkpoint whose official file has that name, or that is the file's name, else that of `auto`."""
    named = (c for c in CHECKPOINTS.values() if path.name == c.file_name or path.stem in (c.name, *c.aliases))
    return next(named, CHECKPOINTS[AUTO])


def _auto(notify: Callable[[str], None] | None, progress: Progress | None) -> tuple[Checkpoint, Path]:
    checkpoint = CHECKPOINTS[AUTO]
    path = _located(checkpoint)
    if path is not None:
        return checkpoint, path
    try:
        return checkpoint, files.fetch(checkpoint, progress, deadline=AUTO_DEADLINE, connect_timeout=AUTO_CONNECT)
    except DinosearchError:
        bundled = files.locate(CHECKPOINTS[FALLBACK])
        if bundled is None:
            raise
        if notify:
            notify(
                "DINOv2's weights are not here and cannot be fetched quickly, so the small bundled model "
                f"'{FALLBACK}' is used, which is for trying out; for real work put {checkpoint.file_name} into "
                f"{files.weights_folder()}, or let it be fetched with: --model {AUTO}"
            )
        return CHECKPOINTS[FALLBACK], bundled


def _located(checkpoint: Checkpoint) -> Path | None:
    path = files.locate(checkpoint)
    if path is not None:
        files.check_published(checkpoint, path)
    return path
