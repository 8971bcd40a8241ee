"""Renders random scenes for the training: several views of each, under other light, weather and distance.

They are true multi-view positives, which the photos lack. None of them is a landmark of `sample_images/`: the scenes
come from the grammar of `render/random_scene.py` with seeds that the samples do not use.
"""

from __future__ import annotations

import os
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from render import random_scene

FIRST_SEED = 100_000
"""Seeds from here on; the distractors of `sample_images/` use 7001 to 7020."""

VIEWS = 8
WIDTH, HEIGHT = 160, 120


def read_scenes(stored: Path, count: int, side: int) -> tuple[np.ndarray, np.ndarray]:
    """Views of `count` scenes; kept in `stored` for a resumed run.

    Returns:
        uint8 (count * VIEWS, 3, side, side), squashed to a square, views of a scene beside each other, and the number
        of each view's scene, int64 (count * VIEWS,).
    """
    if not stored.exists():
        with ProcessPoolExecutor(os.cpu_count()) as pool:
            seeds = range(FIRST_SEED, FIRST_SEED + count)
            found = np.concatenate(list(pool.map(partial(_scene, side=side), seeds, chunksize=4)))
        partial_file = stored.with_suffix(f".{os.getpid()}.npy")
        np.save(partial_file, found)
        partial_file.replace(stored)
    pixels = np.load(stored)
    return pixels, np.arange(len(pixels)) // VIEWS


def _scene(seed: int, side: int) -> np.ndarray:
    views = random_scene.random_views(seed, VIEWS, WIDTH, HEIGHT)
    squares = [Image.fromarray(view).resize((side, side), Image.Resampling.BICUBIC) for view in views]
    return np.stack([np.asarray(square).transpose(2, 0, 1) for square in squares])
