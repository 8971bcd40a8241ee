"""Photographs made on the spot, as camera-sized JPEG files: smooth colour, edges and noise of all sizes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

SIZES = {"0.2mp": (512, 384), "2mp": (1632, 1224), "12mp": (4000, 3000)}
"""Width and height by name."""
GRAIN = 5.0
"""Deviation of the sensor's noise in grey levels: files of 2 and 12 megapixels get the sizes that cameras write."""


def make_photo(seed: int, size: tuple[int, int]) -> Image.Image:
    """A picture of that size; another seed is another picture.

    Its spectrum falls as a photograph's does (amplitude about 1 / frequency): noise of every octave, and shapes.
    """
    rng = np.random.default_rng(seed)
    width, height = size
    picture = np.zeros((height, width, 3), np.float32)
    side = 4
    while side < max(size):
        cells = rng.standard_normal((max(2, side * height // max(size)), max(2, side * width // max(size)), 3))
        grey = 0.7 * cells.mean(axis=2, keepdims=True) * 1.7 + 0.3 * cells
        octave = [
            Image.fromarray(grey[:, :, c].astype(np.float32)).resize(size, Image.Resampling.BILINEAR) for c in range(3)
        ]
        picture += np.stack([np.asarray(channel) for channel in octave], axis=2) / side**0.85
        side *= 2
    low, high = np.percentile(picture[::8, ::8], (1, 99))
    grain = GRAIN * rng.standard_normal((height, width, 1), dtype=np.float32)
    image = Image.fromarray(np.clip(255 * (picture - low) / (high - low) + grain, 0, 255).astype(np.uint8))
    draw = ImageDraw.Draw(image, "RGBA")
    for _ in range(24):
        centre = rng.random(2) * size
        half = (0.02 + 0.12 * rng.random(2)) * min(size)
        box = (*(centre - half), *(centre + half))
        colour = (*rng.integers(0, 256, 3).tolist(), int(rng.integers(90, 220)))
        (draw.rectangle if rng.random() < 0.6 else draw.ellipse)(box, fill=colour)
    return image


def make_folder(folder: Path, count: int, size: tuple[int, int], quality: int = 90, first: int = 0) -> list[Path]:
    """`count` JPEG files of that size in the folder, made where they are not yet there."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{number:05d}.jpg" for number in range(first, first + count)]
    for number, path in enumerate(paths, start=first):
        if not path.is_file():
            make_photo(number, size).save(path, quality=quality)
    return paths
