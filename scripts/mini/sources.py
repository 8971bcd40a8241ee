"""Everything a run draws its views from: photos, rendered scenes and the teacher's principal components.

It is made once and kept in the work folder, so that a resumed run and the makers of views find the same.
"""

from __future__ import annotations

import os
import pickle
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from . import photos, pool, scenes


@dataclass(frozen=True)
class Sources:
    """Training photos (scenes among them), held-out photos, and the teacher's mean (1024,) and axes (KEPT, 1024)."""

    train: photos.Photos
    held: photos.Photos
    basis: tuple[np.ndarray, np.ndarray]


def prepare(data: Path, work: Path, scene_count: int, seed: int) -> Sources:
    """Read or make what a run needs.

    Args:
        data: folder with `training/` and `weights/`.
        work: folder of the run.
        scene_count: rendered scenes of `scenes.VIEWS` views each.
        seed: of the run.

    Raises:
        FileNotFoundError: no training photos below `data`.
    """
    stored = work / "sources.pkl"
    if not stored.exists():
        train, held = photos.read_training(data / "training")
        if scene_count:
            train = photos.with_scenes(train, *scenes.read_scenes(work / "scenes.npy", scene_count, photos.SIDE))
        made = Sources(train, held, pool.make_basis(train, teacher_file(data), seed))
        partial = stored.with_suffix(f".{os.getpid()}")
        partial.write_bytes(pickle.dumps(made, protocol=4))
        partial.replace(stored)
    found = pickle.loads(stored.read_bytes())  # our own file, from this run or the one that it resumes
    assert isinstance(found, Sources)
    return found


def teacher_file(data: Path) -> Path:
    """The teacher's weights."""
    return data / "weights" / "mobilenet_v1_1.0_224_quant_embedding_extractor.tflite"
