"""Collections for the tests of duplicates: of made-up vectors in folders, and of photos with copies."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageOps

from bench.photos import make_photo
from dinosearch import Collection
from dinosearch.collection.keeping.transfer import write_vectors
from dinosearch.records import Fingerprint
from tests.conftest import FakeEmbedder

DIMENSION = 24


def clustered(count: int, clusters: int, spread: float, seed: int = 0, dimension: int = DIMENSION) -> np.ndarray:
    """(count, dimension) float32 unit vectors around so many centres: clumps, chains and loners."""
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(clusters, dimension))[rng.integers(0, clusters, count)]
    rows += spread * rng.normal(size=rows.shape)
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def of_vectors(folder: Path, vectors: np.ndarray, paths: Sequence[str]) -> Collection:
    """A collection of vectors whose files are nowhere."""
    fingerprint = Fingerprint("fake", "0" * 64, "squash-224", "cls", vectors.shape[1])
    write_vectors(folder / "export", fingerprint, paths, vectors)
    collection = Collection.open(folder / "home", create=True, embedder=FakeEmbedder())
    collection.import_(folder / "export")
    return collection


def photo(seed: int, size: tuple[int, int] = (320, 240)) -> Image.Image:
    return make_photo(seed, size)


def _captioned(image: Image.Image) -> Image.Image:
    written = image.copy()
    ImageDraw.Draw(written).rectangle((0, image.height * 5 // 6, image.width, image.height), fill=(10, 10, 40))
    return written


COPIES: dict[str, Callable[[Image.Image], Image.Image]] = {
    "smaller": lambda image: image.resize((160, 120), Image.Resampling.LANCZOS),
    "squashed": lambda image: image.resize((200, 200), Image.Resampling.LANCZOS),
    "mirrored": ImageOps.mirror,
    "quarter": lambda image: image.transpose(Image.Transpose.ROTATE_90),
    "cut": lambda image: image.crop((30, 20, 290, 215)),
    "mirrored and cut": lambda image: ImageOps.mirror(image.crop((40, 10, 310, 200))),
    "turned": lambda image: image.rotate(4, Image.Resampling.BICUBIC, fillcolor=(124, 116, 104)),
    "blurred": lambda image: image.filter(ImageFilter.GaussianBlur(1.5)),
    "grey": lambda image: image.convert("L").convert("RGB"),
    "captioned": _captioned,
}
"""What copies of a photo may be."""


def another_shot(seed: int, size: tuple[int, int] = (320, 240)) -> tuple[Image.Image, Image.Image]:
    """Two photos of one scene from places a step apart: what is near has moved further than what is far."""
    far, near = make_photo(seed, size), make_photo(seed + 1000, size)
    shots = []
    for step in (0, 1):
        shot = far.transform(size, Image.Transform.AFFINE, (1, 0, 2 * step, 0, 1, 0), Image.Resampling.BICUBIC)
        for row in range(3):
            for column in range(4):
                box = (column * 80 + 10, row * 80 + 10, column * 80 + 60, row * 80 + 60)
                left = box[0] + step * (4 + 3 * ((row + column) % 3)) - 2
                shot.paste(near.crop(box), (left, box[1] + step * (row % 2)))
        shots.append(shot)
    return shots[0], shots[1]
