"""Homes of many images for measuring: vectors without files behind them, taken in as an export, kept in a cache."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np

from bench.vectors import DIMENSION, Mixture, unit
from dinosearch import Collection
from dinosearch.collection.keeping.transfer import write_vectors
from dinosearch.records import Fingerprint


def make_home(folder: Path, count: int, fingerprint: Fingerprint, weights: Path | None, photos: Path) -> Path:
    """A home of `count` clustered vectors and the folder of photos, made where it is not yet there.

    Args:
        folder: kept between runs; another model or number of images is another home in it.
        count: vectors beside those of the photos.
        fingerprint: of the model that the photos are embedded with; other dimensions than 384 get cut or padded rows.
        weights: weight file of that model, None for the one found.
        photos: indexed with it, so that the home has a root with files.
    """
    home = folder / f"home-{fingerprint.checkpoint}-{fingerprint.weights_sha256[:8]}-{count}"
    if home.with_suffix(".whole").is_file():
        return home
    shutil.rmtree(home, ignore_errors=True)
    export = folder / f"export-{os.getpid()}"
    try:
        with Collection.open(home, create=True, model=fingerprint.checkpoint, weights=weights) as collection:
            collection.index(photos, workers=1)
            rows = np.concatenate([rows for _, rows in Mixture(count).chunks()])
            paths = [f"/nowhere/{number // 1000}/{number}.jpg" for number in range(count)]
            write_vectors(export, fingerprint, paths, _fitted(rows, fingerprint.dimension))
            collection.import_(export)
    finally:
        shutil.rmtree(export, ignore_errors=True)
    home.with_suffix(".whole").touch()
    return home


def _fitted(rows: np.ndarray, dimension: int) -> np.ndarray:
    if dimension > DIMENSION:
        rows = np.pad(rows, ((0, 0), (0, dimension - DIMENSION)))
    return unit(rows[:, :dimension])
