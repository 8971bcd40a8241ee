"""Reads the training photos once into one array in memory.

It does not augment them and knows nothing of teacher or student.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image

SIDE = 160
"""Every photo is squashed to SIDE x SIDE; the sources have a short side of 128 px, so nothing is lost that matters."""

HELD_OUT_CLASSES = (
    "accordion", "buddha", "butterfly", "chandelier", "cougar_face", "ewer", "ferry", "grand_piano",
    "hawksbill", "ibis", "pagoda", "soccer_ball", "trilobite", "yin_yang",
)  # fmt: skip
"""Caltech-101 folders that are never trained on: choices are made on them, never on the evaluation photos."""

HELD_OUT_PER_CLASS = 32
SHARP_TILES = 16


@dataclass(frozen=True)
class Photos:
    """Decoded photos.

    Attributes:
        pixels: uint8, shape (n, 3, SIDE, SIDE), sRGB, each photo squashed to a square.
        aspect: float32, shape (n,), width / height of each photo before it was squashed.
        labels: class name per photo (the folder).
        digest: sha256 over names and file bytes, hexadecimal: identifies the data list.
        group: int64, shape (n,), ascending: photos of one number show one scene.
    """

    pixels: np.ndarray
    aspect: np.ndarray
    labels: tuple[str, ...]
    digest: str
    group: np.ndarray


def with_scenes(photos: Photos, pixels: np.ndarray, scene: np.ndarray, aspect: float = 4 / 3) -> Photos:
    """Append rendered views (m, 3, SIDE, SIDE) with the number of each one's scene (m,)."""
    return replace(
        photos,
        pixels=np.concatenate((photos.pixels, pixels)),
        aspect=np.concatenate((photos.aspect, np.full(len(pixels), aspect, np.float32))),
        labels=photos.labels + ("scene",) * len(pixels),
        group=np.concatenate((photos.group, scene + len(photos.group))),
    )


def read_training(root: Path) -> tuple[Photos, Photos]:
    """Read `caltech101`, `flower_photos` and `clic2025` below `root`.

    The few large photos (CLIC, short side 512 px) are cut into SHARP_TILES deterministic tiles each, so that
    the student also sees images that are sharp at full resolution.

    Returns:
        Training photos and held-out photos (whole Caltech classes and every tenth flower).

    Raises:
        FileNotFoundError: no photos below `root`.
    """
    train: list[tuple[Path, str]] = []
    held: list[tuple[Path, str]] = []
    for path in sorted((root / "caltech101").glob("*/*.jpg")):
        label = path.parent.name
        if label not in HELD_OUT_CLASSES:
            train.append((path, label))
        elif sum(known == label for _, known in held) < HELD_OUT_PER_CLASS:
            held.append((path, label))
    for i, path in enumerate(sorted((root / "flower_photos").glob("*/*.jpg"))):
        (held if i % 20 == 0 else train).append((path, path.parent.name))
    large = sorted((root / "clic2025").glob("*.jpg"))
    if not train:
        raise FileNotFoundError(f"no training photos below {root}; pass --data with the folder that has caltech101/")
    return _read(train, large), _read(held, [])


def _read(files: list[tuple[Path, str]], large: list[Path]) -> Photos:
    sha = hashlib.sha256()
    pixels, aspect, labels = [], [], []
    for path, label in [*files, *((path, "clic") for path in large)]:
        sha.update(f"{path.parent.name}/{path.name}".encode() + b"\0" + hashlib.sha256(path.read_bytes()).digest())
        with Image.open(path) as opened:
            photo = opened.convert("RGB")
        for view in _tiles(photo) if label == "clic" else [photo]:
            square = view.resize((SIDE, SIDE), Image.Resampling.BICUBIC)
            pixels.append(np.asarray(square).transpose(2, 0, 1))
            aspect.append(view.width / view.height)
            labels.append(label)
    alone = np.arange(len(labels))
    return Photos(np.stack(pixels), np.asarray(aspect, np.float32), tuple(labels), sha.hexdigest(), alone)


def _tiles(photo: Image.Image) -> list[Image.Image]:
    rng = np.random.default_rng(photo.width * 10007 + photo.height)
    views = [photo]
    for _ in range(SHARP_TILES - 1):
        side = int(rng.uniform(0.35, 1.0) * min(photo.size))
        left, top = (int(rng.integers(0, extent - side + 1)) for extent in photo.size)
        views.append(photo.crop((left, top, left + side, top + side)))
    return views
