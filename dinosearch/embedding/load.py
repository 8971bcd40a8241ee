"""Open an embedder by name: find or fetch the weights, load the model, state its fingerprint.

Importing it loads no torch; opening an embedder does.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from dinosearch.embedding import files
from dinosearch.embedding.checkpoints import CHECKPOINTS, Checkpoint, find_checkpoint
from dinosearch.errors import DinosearchError, SettingError, WeightsUnavailableError
from dinosearch.protocols import Progress
from dinosearch.records import Fingerprint, Pooling, Preprocessing, scales_named

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
    device: str | None = None,
    dtype: str | None = None,
    batch: int | None = None,
    notify: Callable[[str], None] | None = None,
    progress: Progress | None = None,
) -> TorchEmbedder:
    """Open an embedder; `dinosearch.Collection.open` explains the arguments.

    Raises:
        UnknownCheckpointError: no such model.
        WeightsUnavailableError: its weights are not here and cannot be fetched.
        DamagedWeightsError: the weight file is not what it should be.
        SettingError: a size that is no multiple of the patch, an unknown pooling or one of more blocks than there are,
            unknown scales, or a device that is not there.
    """
    parts = _read(pooling, Pooling.parse, "--pooling cls")
    _read(scales, scales_named, "--scales 1")
    checkpoint, path = resolve(model, weights, notify, progress)
    from dinosearch.embedding.embedder import TorchEmbedder
    from dinosearch.embedding.weights import load_model

    settings = preprocessing or Preprocessing()
    network = load_model(checkpoint, path)
    patch, dimension, depth = (int(getattr(network, name)) for name in ("patch_size", "dimension", "depth"))
    if parts.blocks > depth:
        raise SettingError(
            f"pooling {parts} takes the last {parts.blocks} blocks, but {checkpoint.name} offers its last {depth}; "
            f"write at most @{depth}"
        )
    if settings.size % patch:
        raise SettingError(f"size {settings.size} is no multiple of {checkpoint.name}'s patch of {patch} pixels")
    fingerprint = Fingerprint(
        checkpoint.name, files.file_digest(path), str(settings), str(parts), dimension * parts.tokens, scales
    )
    return TorchEmbedder(network, checkpoint, fingerprint, settings, device=device, dtype=dtype, batch=batch)


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
        return find_checkpoint(AUTO if model == "auto" else model), path
    if model == "auto":
        return _auto(notify, progress)
    checkpoint = find_checkpoint(model)
    return checkpoint, _located(checkpoint) or files.fetch(checkpoint, progress)


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
