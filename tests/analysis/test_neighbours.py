"""Neighbours of every image against full matrices of cosines; components against SciPy's."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from dinosearch import Collection
from dinosearch.analysis.components import DisjointSets
from dinosearch.analysis.neighbours import neighbours, pairs
from tests.analysis.vector_home import vector_home


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> tuple[Collection, Collection]:
    """A collection with a crowd of 90 near images and two equal ones, and another one."""
    folder, rng = tmp_path_factory.mktemp("two"), np.random.default_rng(0)
    first, second = rng.normal(size=(300, 24)), rng.normal(size=(70, 24))
    first[100:190] = first[7] + 0.1 * rng.normal(size=(90, 24))
    first[250] = first[3]
    second[:20] = first[100:120] + 0.1 * rng.normal(size=(20, 24))
    return vector_home(folder / "first", first), vector_home(folder / "second", second)


def cosines(asking: Collection, other: Collection) -> np.ndarray:
    table = asking.vectors()[1].astype(np.float64) @ other.vectors()[1].astype(np.float64).T
    if asking is other:
        np.fill_diagonal(table, -np.inf)
    return table.astype(np.float32)


@pytest.mark.parametrize("across", [False, True])
def test_they_are_the_largest_cosines(two: tuple[Collection, Collection], across: bool) -> None:
    collection, other = two
    asking = other if across else collection
    ids, k = collection.ids(), 12
    told: list[tuple[str, int, int | None]] = []
    found = list(
        neighbours(
            collection, k, asking=other if across else None, block=32, progress=lambda *report: told.append(report)
        )
    )
    assert [len(block.ids) for block in found[:-1]] == [32] * (len(found) - 1)
    assert np.array_equal(np.concatenate([block.ids for block in found]), asking.ids())
    table = cosines(asking, collection)
    order = np.lexsort((np.broadcast_to(ids, table.shape), -table), axis=1)[:, :k]
    near = np.concatenate([block.near for block in found])
    values = np.concatenate([block.cosines for block in found])
    assert np.allclose(values, np.take_along_axis(table, order, 1), atol=1e-6)
    close = np.abs(np.diff(np.take_along_axis(table, order, 1), axis=1, append=-9)) < 1e-6
    assert np.array_equal(near[~close & ~np.roll(close, 1, axis=1)], ids[order][~close & ~np.roll(close, 1, axis=1)])
    assert told[0] == ("neighbours", 0, len(asking.ids()))
    assert told[-1] == ("neighbours", len(asking.ids()), len(asking.ids()))


def test_only_those_asked_for_ask_and_answer(two: tuple[Collection, Collection]) -> None:
    collection, _ = two
    asking, among = np.array([9, 4, 120]), np.array([4, 5, 6, 110])
    (block,) = neighbours(collection, 6, ids=asking, among=among)
    assert block.ids.tolist() == [9, 4, 120]
    assert [sorted(row[row >= 0].tolist()) for row in block.near] == [[4, 5, 6, 110], [5, 6, 110], [4, 5, 6, 110]]
    assert np.isneginf(block.cosines[block.near < 0]).all()


@pytest.mark.parametrize(("threshold", "depth"), [(0.9, 2), (0.9, 64), (0.2, 4), (1.0, 8)])
@pytest.mark.parametrize("across", [False, True])
def test_pairs_are_all_there(two: tuple[Collection, Collection], threshold: float, depth: int, across: bool) -> None:
    collection, other = two
    asking = other if across else collection
    found: set[tuple[int, int]] = set()
    for block in pairs(collection, threshold, asking=other if across else None, depth=depth):
        found |= set(zip(block.first.tolist(), block.second.tolist(), strict=True))
    table = cosines(asking, collection)
    rows, columns = np.nonzero(table >= min(threshold, 1 - 1e-6))
    expected = set(zip(asking.ids()[rows].tolist(), collection.ids()[columns].tolist(), strict=True))
    assert found == expected
    assert expected or across


def test_cosines_are_those_of_the_stored_vectors_where_others_are_searched(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    with vector_home(tmp_path / "home", rng.normal(size=(200, 12)) * np.linspace(3, 0.3, 12)) as collection:
        before = cosines(collection, collection)
        collection.refine(power=0.5)
        (block,) = neighbours(collection, 8)
        rows = np.arange(200)[:, None]
        assert np.allclose(block.cosines, before[rows, np.searchsorted(collection.ids(), block.near)], atol=1e-6)
        assert (np.diff(block.cosines, axis=1) <= 0).all()
        assert not np.allclose(block.cosines, collection.rank(collection.vectors()[1], 9)[1][:, 1:], atol=0.01)


@pytest.mark.parametrize("seed", range(6))
def test_components_are_those_of_the_graph(seed: int) -> None:
    rng = np.random.default_rng(seed)
    count = 400
    first, second = rng.integers(0, count, (2, 60 * (seed + 1)))
    if seed == 5:  # a chain in a bad order
        first, second = np.arange(count - 1)[::-1], np.arange(1, count)[::-1]
    sets = DisjointSets(count)
    for low in range(0, len(first), 17):
        sets.join(first[low : low + 17], second[low : low + 17])
    _, labels = connected_components(coo_array((np.ones(len(first)), (first, second)), shape=(count, count)), False)
    smallest = np.array([np.flatnonzero(labels == label)[0] for label in labels])
    assert np.array_equal(sets.roots(), smallest)
