"""Every stage in the table under the same rules, and the reordering that applies its scores."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dinosearch.retrieval.manifold import manifold
from dinosearch.retrieval.reciprocal import k_reciprocal
from dinosearch.retrieval.stages import STAGES, reorder
from dinosearch.retrieval.superglobal import superglobal
from tests.retrieval.clusters import clustered

NO_COSINES = np.empty(0, np.float32)


def by_hand(ids: list[int], cosines: list[float], scores: list[float]) -> list[int]:
    return reorder(np.array(ids), np.float32(cosines), np.float32(scores), len(scores)).tolist()


def test_table_holds_the_stages_with_their_own_settings() -> None:
    rows = clustered(40, 50)
    query, vectors = rows[0], rows[1:]
    expected = {
        "superglobal": superglobal(query, vectors),
        "k-reciprocal": k_reciprocal(query, vectors),
        "manifold": manifold(query, vectors),
    }
    assert set(STAGES) == set(expected)
    for name, stage in STAGES.items():
        np.testing.assert_array_equal(stage(query, vectors, vectors @ query), expected[name])


@pytest.mark.parametrize("name", STAGES)
@settings(max_examples=50)
@given(seed=st.integers(0, 10_000), m=st.integers(0, 50), copies=st.integers(0, 5), near=st.booleans())
def test_stage_and_reorder_never_lose_or_double_a_hit(name: str, seed: int, m: int, copies: int, near: bool) -> None:
    rows = clustered(seed, m + 1)
    query = rows[0] if near else np.zeros_like(rows[0])
    vectors = np.concatenate([rows[1:], rows[1 : copies + 1], np.repeat(rows[1:2], copies, axis=0)])
    vectors = vectors[np.argsort(-(vectors @ query), kind="stable")]
    cosines = vectors @ query
    rng = np.random.default_rng(seed)
    ids, top = rng.permutation(1000)[: len(vectors)], int(rng.integers(0, len(vectors) + 5))
    scores = STAGES[name](query, vectors[:top], cosines[:top])
    assert scores.dtype == np.float32 and scores.shape == (min(top, len(vectors)),) and np.isfinite(scores).all()
    order = reorder(ids, cosines, scores, top)
    assert sorted(order.tolist()) == list(range(len(ids)))
    assert order[top:].tolist() == list(range(top, len(ids)))
    assert (np.diff(scores[order[:top]]) <= 0).all()


@pytest.mark.parametrize("name", STAGES)
@given(seed=st.integers(0, 10_000), m=st.integers(1, 40))
def test_stage_does_not_change_what_it_is_given(name: str, seed: int, m: int) -> None:
    rows = clustered(seed, m + 1)
    query, vectors, cosines = rows[0].copy(), rows[1:].copy(), rows[1:] @ rows[0]
    for array in (query, vectors, cosines):
        array.flags.writeable = False
    np.testing.assert_array_equal(STAGES[name](query, vectors, cosines), STAGES[name](query, vectors, cosines))


def test_new_scores_order_the_head_and_the_tail_stays() -> None:
    ids, cosines = np.array([7, 5, 9, 2, 4]), np.float32([0.9, 0.8, 0.7, 0.6, 0.5])
    assert reorder(ids, cosines, np.float32([0.1, 0.3, 0.2]), 3).tolist() == [1, 2, 0, 3, 4]
    assert reorder(ids, cosines, NO_COSINES, 0).tolist() == [0, 1, 2, 3, 4]


def test_ties_go_to_the_smaller_id() -> None:
    assert by_hand([7, 5, 9], [0.9, 0.8, 0.7], [0.5, 0.5, 0.5]) == [1, 0, 2]


def test_places_without_a_hit_stay_behind() -> None:
    assert by_hand([7, 5, -1, -1], [0.9, 0.8, -np.inf, -np.inf], [-2.0, -1.0, 3.0, 0.0]) == [1, 0, 2, 3]


def test_infinite_scores_are_an_order() -> None:
    assert by_hand([7, 5, 9], [0.9, 0.8, 0.7], [-np.inf, 0.0, np.inf]) == [2, 1, 0]


def test_empty_ranking() -> None:
    order = reorder(np.empty(0, np.int64), NO_COSINES, NO_COSINES, 10)
    assert order.shape == (0,) and order.dtype == np.int64


def test_not_a_number_is_refused() -> None:
    with pytest.raises(ValueError, match="not a number"):
        by_hand([1, 2], [0.9, 0.8], [0.5, np.nan])


@pytest.mark.parametrize("scores", [1, 3])
def test_wrong_number_of_scores_is_refused(scores: int) -> None:
    with pytest.raises(ValueError, match="for the first 2 ranks"):
        reorder(np.array([1, 2]), np.float32([0.9, 0.8]), np.zeros(scores, np.float32), 2)


@given(seed=st.integers(0, 10_000), m=st.integers(1, 30))
def test_order_of_the_head_does_not_matter(seed: int, m: int) -> None:
    rng = np.random.default_rng(seed)
    ids, scores = rng.permutation(1000)[:m], rng.integers(0, 4, size=m).astype(np.float32)
    cosines, order = np.ones(m, np.float32), rng.permutation(m)
    ranked = ids[reorder(ids, cosines, scores, m)]
    np.testing.assert_array_equal(ids[order][reorder(ids[order], cosines, scores[order], m)], ranked)
