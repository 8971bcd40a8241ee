"""What derived rows are centred and turned by, learned once on the collection and kept beside them in a file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from dinosearch.errors import DamagedHomeError
from dinosearch.home import atomic_path, sha256_file

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

    def save(self, path: Path) -> str:
        """Write the file atomically; returns its SHA-256."""
        arrays = self.pca.to_arrays() if self.pca is not None else {}
        if self.centre is not None:
            arrays = {**arrays, "centre": self.centre}
        with atomic_path(path) as temporary, open(temporary, "wb") as file:
            np.savez(file, **arrays)  # type: ignore[arg-type]
        return sha256_file(path)

    @classmethod
    def load(cls, path: Path, sha256: str) -> Basis:
        """Read the file.

        Raises:
            DamagedHomeError: it is missing, or not what was written.
        """
        from dinosearch.retrieval.whitening import PCA

        advice = "make it and what depends on it again with: dinosearch verify --repair"
        try:
            if sha256_file(path) != sha256:
                raise DamagedHomeError(f"{path} does not match its checksum; {advice}")
            with np.load(path, allow_pickle=False) as arrays:
                held = {name: arrays[name] for name in arrays.files}
        except OSError:
            raise DamagedHomeError(f"{path} is missing, though the collection needs it; {advice}") from None
        return cls(PCA.from_arrays(held) if "matrix" in held else None, held.get("centre"))
