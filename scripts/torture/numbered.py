"""Pictures that carry a number, an embedder that reads it again, and the vector that each number has.

So an oracle knows every vector without decoding or storing anything: the vector of a picture is drawn by its number.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from PIL import Image

from dinosearch.records import Fingerprint, Preprocessing

DIMENSION = 32
_SIDE, _CELLS = 64, 4  # 16 cells, black or white: one bit each


@lru_cache(maxsize=4096)
def png(number: int) -> bytes:
    """The encoded picture of a number below 65536."""
    bits = np.array([number >> bit & 1 for bit in range(_CELLS**2)], np.uint8).reshape(_CELLS, _CELLS)
    encoded = io.BytesIO()
    Image.fromarray(255 * bits).resize((_SIDE, _SIDE), Image.Resampling.NEAREST).save(encoded, "PNG")
    return encoded.getvalue()


@lru_cache(maxsize=4096)
def sha256(number: int) -> str:
    """Hex SHA-256 of the picture's bytes."""
    return hashlib.sha256(png(number)).hexdigest()


@lru_cache(maxsize=65536)
def vector(number: int) -> np.ndarray:
    """(32,) float32 unit vector of the number."""
    row = np.random.default_rng(number).standard_normal(DIMENSION)
    return np.asarray(row / np.linalg.norm(row), np.float32)


class NumberEmbedder:
    """Fulfils `dinosearch.protocols.Embedder` for pictures that carry a number."""

    def __init__(self) -> None:
        weights = hashlib.sha256(b"numbers").hexdigest()
        self.fingerprint = Fingerprint("numbers", weights, "squash-224", "cls", DIMENSION)
        self.preprocessing = Preprocessing()
        self.batch_size, self.patch_size = 8, 14

    def embed(self, pixels: Sequence[np.ndarray]) -> np.ndarray:
        """(n, 32) float32 vectors of the numbers in (h, w, 3) uint8 pictures."""
        return np.stack([vector(_number(image)) for image in pixels])


def _number(pixels: np.ndarray) -> int:
    height, width = pixels.shape[:2]
    rows, columns = ((np.arange(_CELLS) * 2 + 1) * side // (2 * _CELLS) for side in (height, width))
    bits = pixels[np.ix_(rows, columns)].mean(axis=2).ravel() > 127
    return int(sum(1 << bit for bit in np.flatnonzero(bits).tolist()))
