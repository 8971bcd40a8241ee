"""PCA and PCA-whitening of vectors, learned on a collection. It keeps nothing on disk and says not when to use it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from dinosearch.errors import DamagedHomeError, SettingError
from dinosearch.retrieval.unit import unit

POWER = 0.25
"""Half of full whitening: milder on the noisy tail (naver/deep-image-retrieval, --whitenp)."""
VECTORS_PER_DIMENSION = 10
"""Fewer leave the small eigenvalues to chance, which whitening then blows up; 10 to 20 are the rule of thumb
(retrieval.md, section 4)."""
FLOOR = 1e-5
"""Eigenvalues below this share of the largest are raised to it (DINO's copy detection, class PCA)."""
BLOCK_ROWS = 4096
_NO_SPREAD = 1e-12  # variance of unit vectors that differ by float32 rounding only


@dataclass(frozen=True, eq=False)
class PCA:
    """y = L2(diag(l^-power) V'(x - mean)), l the largest eigenvalues of the covariance and V their eigenvectors.

    Attributes:
        mean: (d,) float32.
        matrix: (d, dimension) float32, V diag(l^-power).
    """

    mean: np.ndarray
    matrix: np.ndarray

    @classmethod
    def fit(cls, vectors: np.ndarray, dimension: int, power: float = POWER, shrinkage: float = 1.0) -> PCA:
        """Learn mean, eigenvectors and eigenvalues; never from the queries of a benchmark.

        Args:
            vectors: (n, d) float32; may be memory-mapped, it is read twice in blocks.
            dimension: dimensions to keep, at most d.
            power: 0.5 whitens fully, 0.25 half, 0 only rotates and cuts.
            shrinkage: multiplies `power`; 1 whitens, 0 is plain PCA. It is the shrinkage of nikosips/met
                (code/utils/utils.py, estimate_pca_whiten_with_shrinkage: exponent 0.5 x shrinkage), whose published
                results are power 0.5, shrinkage 1.

        Returns:
            The same transform on every machine for the same vectors up to rounding: the largest entry of each
            eigenvector is positive.

        Raises:
            SettingError: fewer than 10 vectors for each dimension kept, more dimensions than there are, or vectors that
                are all the same.
        """
        count, width = vectors.shape
        if not 1 <= dimension <= width:
            raise SettingError(f"{width}-d vectors cannot be cut to {dimension} dimensions; choose 1 to {width}")
        if count < VECTORS_PER_DIMENSION * dimension:
            raise SettingError(
                f"whitening to {dimension} dimensions needs at least {VECTORS_PER_DIMENSION * dimension} vectors and "
                f"there are {count}; index more images or keep fewer dimensions"
            )
        mean = sum(block.sum(axis=0) for block in _blocks(vectors)) / count
        covariance = sum((block - mean).T @ (block - mean) for block in _blocks(vectors)) / count
        eigenvalues, eigenvectors = np.linalg.eigh(covariance)
        if eigenvalues[-1] <= _NO_SPREAD:
            raise SettingError("all vectors are the same, so there is nothing to whiten; index different images")
        strength = np.maximum(eigenvalues, FLOOR * eigenvalues[-1])[::-1][:dimension] ** -(power * shrinkage)
        axes = eigenvectors[:, ::-1][:, :dimension]
        signs = np.sign(np.take_along_axis(axes, np.abs(axes).argmax(axis=0)[None], axis=0))
        return cls(mean.astype(np.float32), (axes * signs * strength).astype(np.float32))

    def project(self, vectors: np.ndarray) -> np.ndarray:
        """(..., d) to (..., dimension) float64, not yet of unit length: uncorrelated over what it was learned from."""
        centred = np.asarray(vectors, np.float64) - self.mean
        projected: np.ndarray = centred @ self.matrix.astype(np.float64)
        return projected

    def apply(self, vectors: np.ndarray) -> np.ndarray:
        """Transform vectors.

        Args:
            vectors: (n, d) or (d,) float32, of the scale that it was learned from; memory-mapped ones are read in
                blocks.

        Returns:
            (n, dimension) or (dimension,) float32 of unit length; a vector that is the mean becomes zero.
        """
        if vectors.ndim == 1:
            return unit(self.project(vectors)).astype(np.float32)
        applied = np.empty((len(vectors), self.matrix.shape[1]), np.float32)
        for start in range(0, len(vectors), BLOCK_ROWS):
            applied[start : start + BLOCK_ROWS] = unit(self.project(vectors[start : start + BLOCK_ROWS]))
        return applied

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Everything there is to keep, for `numpy.savez`."""
        return {"mean": self.mean, "matrix": self.matrix}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> PCA:
        """Take back what `to_arrays` gave, such as an opened `.npz` file; it transforms exactly as before.

        Raises:
            DamagedHomeError: an array is missing or their shapes do not belong together.
        """
        if not {"mean", "matrix"} <= set(arrays):
            raise DamagedHomeError("the stored whitening lacks its mean or matrix; learn it again")
        mean, matrix = np.asarray(arrays["mean"], np.float32), np.asarray(arrays["matrix"], np.float32)
        if mean.ndim != 1 or matrix.ndim != 2 or matrix.shape[0] != len(mean):
            raise DamagedHomeError(
                f"the stored whitening has a mean of shape {mean.shape} and a matrix of shape {matrix.shape}, which do "
                "not belong together; learn it again"
            )
        return cls(mean, matrix)


def _blocks(vectors: np.ndarray) -> Iterator[np.ndarray]:
    for start in range(0, len(vectors), BLOCK_ROWS):
        yield np.asarray(vectors[start : start + BLOCK_ROWS], np.float64)
