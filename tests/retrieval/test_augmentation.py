"""Database-side augmentation against its formula in plain Python, block by block and from a memory-mapped file."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dinosearch.retrieval.augmentation import BLOCK_ROWS, augment, augmented_blocks
from dinosearch.retrieval.expansion import expand
from tests.retrieval.clusters import clustered, neighbours_of


def slowly(vectors: np.ndarray, neighbours: np.ndarray, cosines: np.ndarray, alpha: float) -> list[list[float]]:
    rows = []
    for i in range(len(vectors)):
        total = [float(x) for x in vectors[i]]
        for j, cosine in zip(neighbours[i], cosines[i], strict=True):
            if j == -1 or j == i or cosine <= 0:
                continue
            total = [a + float(cosine) ** alpha * float(b) for a, b in zip(total, vectors[j], strict=True)]
        length = math.sqrt(sum(a * a for a in total))
        rows.append([a / length for a in total])
    return rows


@pytest.mark.parametrize("own", [True, False])
@pytest.mark.parametrize("alpha", [0.0, 3.0])
def test_equals_the_formula(own: bool, alpha: float) -> None:
    vectors = clustered(3, 60)
    neighbours, cosines = neighbours_of(vectors, 8, own)
    augmented = augment(vectors, neighbours, cosines, alpha)
    assert augmented.dtype == np.float32
    np.testing.assert_allclose(augmented, slowly(vectors, neighbours, cosines, alpha), atol=1e-6)


def test_missing_neighbours_count_nothing() -> None:
    vectors = clustered(4, 20)
    neighbours, cosines = neighbours_of(vectors, 6, own=False)
    wider = np.pad(neighbours, ((0, 0), (0, 2)), constant_values=-1)
    scores = np.pad(cosines, ((0, 0), (0, 2)), constant_values=-np.inf)
    np.testing.assert_array_equal(augment(vectors, wider, scores), augment(vectors, neighbours, cosines))


def test_missing_neighbour_is_not_the_last_row() -> None:
    vectors = np.float32([[1, 0], [0, 1]])
    np.testing.assert_array_equal(augment(vectors, np.array([[-1], [-1]]), np.ones((2, 1))), vectors)


@pytest.mark.parametrize("block_rows", [1, 7, 25, 100])
def test_blocks_are_the_whole(block_rows: int) -> None:
    vectors = clustered(5, 50)
    neighbours, cosines = neighbours_of(vectors, 5)
    blocks = list(augmented_blocks(vectors, neighbours, cosines, 3.0, block_rows))
    assert [len(block) for block in blocks[:-1]] == [block_rows] * (len(blocks) - 1)
    np.testing.assert_array_equal(np.concatenate(blocks), augment(vectors, neighbours, cosines))


def test_memory_mapped_file_of_several_blocks(tmp_path: Path) -> None:
    vectors = clustered(6, 2 * BLOCK_ROWS + 3, dimension=4)
    rng = np.random.default_rng(6)
    neighbours = rng.integers(0, len(vectors), size=(len(vectors), 3))
    cosines = np.einsum("nd,nkd->nk", vectors, vectors[neighbours])
    np.save(tmp_path / "vectors.npy", vectors)
    mapped = np.load(tmp_path / "vectors.npy", mmap_mode="r")
    augmented = augment(mapped, neighbours, cosines)
    for i in (0, BLOCK_ROWS - 1, BLOCK_ROWS, len(vectors) - 1):
        others = neighbours[i] != i
        expected = expand(vectors[i], vectors[neighbours[i][others]], cosines[i][others])
        np.testing.assert_allclose(augmented[i], expected, atol=1e-6)
    np.testing.assert_array_equal(mapped, vectors)


@pytest.mark.parametrize("shape", [(0, 0), (0, 4), (1, 1), (3, 0)])
def test_few_rows_and_few_neighbours(shape: tuple[int, int]) -> None:
    vectors = clustered(7, shape[0])
    augmented = augment(vectors, np.zeros(shape, np.int64), np.zeros(shape, np.float32))
    np.testing.assert_allclose(augmented, vectors, atol=1e-7)
    assert augmented.shape == vectors.shape


def test_identical_rows_stay() -> None:
    vectors = np.repeat(clustered(8, 1), 6, axis=0)
    neighbours, cosines = neighbours_of(vectors, 4)
    np.testing.assert_allclose(augment(vectors, neighbours, cosines), vectors, atol=1e-7)


@given(seed=st.integers(0, 10_000), rows=st.integers(2, 30))
def test_renumbering_the_rows_renumbers_the_result(seed: int, rows: int) -> None:
    vectors = clustered(seed, rows)
    neighbours, cosines = neighbours_of(vectors, min(5, rows))
    order = np.random.default_rng(seed).permutation(rows)
    renumbered = np.argsort(order)[neighbours[order]]
    np.testing.assert_allclose(
        augment(vectors[order], renumbered, cosines[order]), augment(vectors, neighbours, cosines)[order], atol=1e-6
    )
