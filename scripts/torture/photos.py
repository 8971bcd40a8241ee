"""Photos that cost nothing, an embedder that costs nothing, and what its vectors must be: the oracle."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from types import SimpleNamespace

import numpy as np
from PIL import Image

from dinosearch.images import prepare
from dinosearch.records import Fingerprint, Preprocessing

SIDE = 56
MODELS = ("colours", "shades")


class Colours:
    """An embedder without weights: the colours of a 4 x 4 grid, 48 numbers; another name gives other vectors."""

    patch_size = 14

    def __init__(self, name: str = MODELS[0], batch_size: int = 8) -> None:
        digest = hashlib.sha256(name.encode()).hexdigest()
        self.preprocessing = Preprocessing("squash", SIDE)
        self.fingerprint = Fingerprint(name, digest, str(self.preprocessing), "cls", 48)
        self.batch_size = batch_size
        self._turn = int(digest, 16) % 47

    def embed(self, pixels: Sequence[np.ndarray]) -> np.ndarray:
        rows = [image[SIDE // 8 :: SIDE // 4, SIDE // 8 :: SIDE // 4].ravel() for image in pixels]
        vectors = np.roll(np.asarray(rows, np.float32) - 127.5, self._turn, 1)
        return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.float32)

    def tokens(self, pixels: Sequence[np.ndarray]) -> list[SimpleNamespace]:
        """The mean colour of each patch, turned and bent: 8 numbers."""
        turned = np.random.default_rng(self._turn).standard_normal((3, 8)) / 64
        found = []
        for image in pixels:
            rows, columns = (side // self.patch_size for side in image.shape[:2])
            cells = image.reshape(rows, self.patch_size, columns, self.patch_size, 3).mean(axis=(1, 3))
            patches = np.tanh((cells - 127.5) @ turned).astype(np.float32)
            found.append(SimpleNamespace(patches=patches))
        return found


@cache
def content(seed: int) -> bytes:
    """The PNG file of a seed: 16 fields of colour; another seed gives another image."""
    import io

    fields = np.random.default_rng(seed).integers(0, 256, (4, 4, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(fields).resize((SIDE, SIDE), Image.Resampling.NEAREST).save(file, "PNG")
    return file.getvalue()


@cache
def sha256_of(seed: int) -> str:
    return hashlib.sha256(content(seed)).hexdigest()


@cache
def vector_of(seed: int, model: str) -> np.ndarray:
    """(48,) float32 the vector that the photo of the seed must have, made beside any home."""
    embedder = Colours(model)
    image = prepare(content(seed), "photo.png", embedder.preprocessing, embedder.patch_size)
    row: np.ndarray = embedder.embed([image.pixels])[0]
    return row


def write_photo(path: Path, seed: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content(seed))
