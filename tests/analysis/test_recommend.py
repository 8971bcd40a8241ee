"""Recommendations against the formulas in NumPy, over all vectors."""

from __future__ import annotations

import numpy as np
import pytest

from dinosearch import Collection
from dinosearch.analysis import recommend
from dinosearch.errors import ImageNotFoundError, SettingError
from tests.analysis.vector_home import vector_home

COUNT = 400


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> tuple[Collection, np.ndarray]:
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(COUNT, 6))
    vectors = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    return vector_home(tmp_path_factory.mktemp("recommend") / "home", vectors), vectors


def best(vectors: np.ndarray, like: list[int], dislike: list[int]) -> dict[int, float]:
    liked = (vectors @ vectors[np.array(like) - 1].T).max(axis=1)
    against = (vectors @ vectors[np.array(dislike, int) - 1].T).max(axis=1) if dislike else np.full(COUNT, -2)
    return {i + 1: float(liked[i]) for i in range(COUNT) if liked[i] > against[i] and i + 1 not in like}


def average(vectors: np.ndarray, like: list[int], dislike: list[int]) -> dict[int, float]:
    query = 2 * vectors[np.array(like) - 1].mean(axis=0)
    if dislike:
        query = query - vectors[np.array(dislike) - 1].mean(axis=0)
    scores = vectors @ (query / np.linalg.norm(query))
    return {i + 1: float(scores[i]) for i in range(COUNT) if i + 1 not in (*like, *dislike)}


ORACLES = {"best": best, "average": average}


@pytest.mark.parametrize("strategy", ["best", "average"])
@pytest.mark.parametrize("dislike", [[], [5], [5, 77, 200]])
@pytest.mark.parametrize("k", [1, 10, 150, 1000])
def test_hits_are_those_of_the_formula(
    home: tuple[Collection, np.ndarray], strategy: str, dislike: list[int], k: int
) -> None:
    collection, vectors = home
    like = [3, 141, 300]
    wanted = ORACLES[strategy](vectors, like, dislike)
    order = sorted(wanted, key=lambda number: (-wanted[number], number))[:k]
    hits = recommend(collection, like, dislike, k=k, strategy=strategy)
    assert [hit.rank for hit in hits] == list(range(1, len(order) + 1))
    np.testing.assert_allclose([hit.score for hit in hits], [wanted[number] for number in order], atol=1e-5)
    np.testing.assert_allclose([wanted[hit.id] for hit in hits], [wanted[number] for number in order], atol=1e-5)


@pytest.mark.parametrize("strategy", ["best", "average"])
def test_given_images_are_not_answered_and_filters_hold(home: tuple[Collection, np.ndarray], strategy: str) -> None:
    collection, _ = home
    hits = recommend(collection, ["id:3", 4], ["id:9"], k=COUNT, strategy=strategy, where="id < 100")
    found = {hit.id for hit in hits}
    assert found and max(found) < 100 and not found & {3, 4, 9}


def test_a_disliked_image_takes_its_surroundings_away(home: tuple[Collection, np.ndarray]) -> None:
    collection, vectors = home
    near = [hit.id for hit in recommend(collection, [1], k=5)]
    left = [hit.id for hit in recommend(collection, [1], [near[0]], k=COUNT)]
    assert near[0] not in left
    assert all(vectors[i - 1] @ vectors[0] > vectors[i - 1] @ vectors[near[0] - 1] for i in left)


def test_mistakes_are_refused(home: tuple[Collection, np.ndarray]) -> None:
    with pytest.raises(SettingError, match="best, average"):
        recommend(home[0], [1], strategy="worst")
    with pytest.raises(ValueError, match="liked"):
        recommend(home[0], [])
    with pytest.raises(ImageNotFoundError, match="no image id:9999"):
        recommend(home[0], ["id:9999"])
