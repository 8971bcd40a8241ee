"""Keeps a rolling pool of views with the teacher's features, made by a process beside the training.

Chunk number `i` depends on the seed and on `i` alone, so a resumed run sees the same views; it does not train.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

import numpy as np
import torch

from . import crops, teacher
from .photos import SIDE, Photos

CHUNK = 2048
TEACHER_SIDE = 160
KEPT = 384
"""Principal components of the teacher's features that are kept per cell of its map."""

SCENE_SHARE = 0.2
"""Share of the pairs that come from groups of several views."""


def make_basis(photos: Photos, weights: Path, seed: int, count: int = 3000) -> tuple[np.ndarray, np.ndarray]:
    """Mean (1024,) and principal axes (KEPT, 1024) of the teacher's embedding over `count` random views."""
    views, _ = _draw(photos, count, np.random.SeedSequence([seed, 2**31]))
    net = teacher.MobileNet(weights, TEACHER_SIDE)
    rows = np.stack([net.feature_map(view).mean(axis=0) for view in views.transpose(0, 2, 3, 1)])
    mean = rows.mean(axis=0)
    axes = np.linalg.svd(rows - mean, full_matrices=False)[2][:KEPT]
    return mean.astype(np.float32), axes.astype(np.float32)


def make_chunk(
    photos: Photos, weights: Path, basis: tuple[np.ndarray, np.ndarray], seed: int, number: int, work: Path
) -> None:
    """Write chunk `number` atomically: views uint8, targets float16 (CHUNK, cells, KEPT), whether each is one photo."""
    folder = work / "pool"
    target = folder / f"{number:05d}.npz"
    if target.exists():
        return
    views, single = _draw(photos, CHUNK, np.random.SeedSequence([seed, number]))
    net = teacher.MobileNet(weights, TEACHER_SIDE)
    mean, axes = basis
    features = np.stack([(net.feature_map(view) - mean) @ axes.T for view in views.transpose(0, 2, 3, 1)])
    partial = folder / f".{number:05d}.{os.getpid()}.npz"
    np.savez(partial, views=views, targets=features.astype(np.float16), single=single)
    partial.replace(target)


def read_chunk(folder: Path, number: int, patience: float = 900.0) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Wait for chunk `number` and read it.

    Raises:
        TimeoutError: it did not appear within `patience` seconds.
    """
    path = folder / f"{number:05d}.npz"
    until = time.monotonic() + patience
    while not path.exists():
        if time.monotonic() > until:
            raise TimeoutError(f"{path.name} did not appear; is the process that makes the views alive?")
        time.sleep(0.5)
    with np.load(path) as found:
        return tuple(torch.from_numpy(found[key]) for key in ("views", "targets", "single"))  # type: ignore[return-value]


def _draw(photos: Photos, count: int, sequence: np.random.SeedSequence) -> tuple[np.ndarray, np.ndarray]:
    """Views of random pairs: twice the same photo, or two views of one rendered scene."""
    rng = np.random.default_rng(sequence)
    generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
    pixels, aspect = torch.from_numpy(photos.pixels), torch.from_numpy(photos.aspect)
    members = np.bincount(photos.group)[photos.group]
    alone, several = np.flatnonzero(members == 1), np.flatnonzero(members > 1)
    views, single = [], []
    for start in range(0, count, 128):
        pairs = min(128, count - start) // 2
        first = rng.choice(alone, pairs)
        if len(several):
            first = np.where(rng.random(pairs) < SCENE_SHARE, rng.choice(several, pairs), first)
        begin = np.searchsorted(photos.group, photos.group[first])
        second = begin + rng.integers(members[first])  # sometimes the same view again
        rows = torch.from_numpy(np.stack((first, second), axis=1).ravel())
        batch, unmixed = crops.mix(crops.views(pixels[rows], aspect[rows], SIDE, generator), generator)
        views.append((batch * 255 + 0.5).to(torch.uint8))
        single.append(unmixed)
    return torch.cat(views).numpy(), torch.cat(single).numpy()
