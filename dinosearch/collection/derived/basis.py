"""What derived rows are centred and turned by, learned once on the collection and kept beside them."""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from dinosearch.advice import Sentence, run
from dinosearch.errors import DamagedHomeError

if TYPE_CHECKING:
    from dinosearch.retrieval.whitening import PCA


@dataclass(frozen=True, eq=False)
class Basis:
    """A principal basis, a centre, or both.

    Attributes:
        pca: rotates, cuts and perhaps whitens; None keeps all dimensions.
        centre: (h, w, d) float32, the mean patch token at each place of the grid, subtracted first; None where the rows
            are not made from tokens or the collection was too small to say.
    """

    pca: PCA | None = None
    centre: np.ndarray | None = None

    def apply(self, vectors: np.ndarray) -> np.ndarray:
        """(n, d) vectors of unit length to (n, dimension) float32 of unit length."""
        if self.pca is None:
            return vectors
        from dinosearch.retrieval.threads import one_thread

        with one_thread():
            turned = self.pca.apply(vectors)
        lost = ~turned.any(axis=1)  # a vector that is the mean has no direction; a row must have one
        turned[lost, 0] = 1.0
        return turned

    def to_bytes(self) -> bytes:
        """The arrays as a .npz file has them."""
        arrays = self.pca.to_arrays() if self.pca is not None else {}
        if self.centre is not None:
            arrays = {**arrays, "centre": self.centre}
        file = io.BytesIO()
        np.savez(file, **arrays)  # type: ignore[arg-type]
        return file.getvalue()

    @classmethod
    def read(cls, data: bytes | None, sha256: str, name: object) -> Basis:
        """Read what `to_bytes` gave.

        Args:
            data: None where it is not there.
            sha256: of what was written.
            name: what the sentences call it.

        Raises:
            DamagedHomeError: it is missing, or not what was written.
        """
        from dinosearch.retrieval.whitening import PCA

        advice = Sentence("make it and what depends on it again with: ", run("verify", "--repair"))
        if data is None:
            raise DamagedHomeError(f"{name} is missing, though the collection needs it; ", advice)
        if sha256_of(data) != sha256:
            raise DamagedHomeError(f"{name} does not match its checksum; ", advice)
        with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
            held = {key: arrays[key] for key in arrays.files}
        return cls(PCA.from_arrays(held) if "matrix" in held else None, held.get("centre"))


def sha256_of(data: bytes) -> str:
    """The checksum that the recipe of a generation keeps of its basis."""
    return hashlib.sha256(data).hexdigest()
