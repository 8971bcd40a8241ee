"""MaxSim against loops written from its formula."""

from __future__ import annotations

import numpy as np
import pytest

from dinosearch.retrieval.maxsim import maxsim


def unit(rows: np.ndarray) -> np.ndarray:
    return (rows / np.linalg.norm(rows, axis=-1, keepdims=True)).astype(np.float32)


def slow(query: np.ndarray, answer: np.ndarray) -> float:
    forth = [max(float(q @ a) for a in answer) for q in query]
    back = [max(float(q @ a) for q in query) for a in answer]
    return (sum(forth) / len(forth) + sum(back) / len(back)) / 2


@pytest.mark.parametrize(("patches", "rows", "count"), [(1, 1, 1), (4, 9, 3), (16, 16, 5)])
def test_equals_the_formula(patches: int, rows: int, count: int) -> None:
    rng = np.random.default_rng(patches)
    query, answers = unit(rng.standard_normal((patches, 7))), unit(rng.standard_normal((count, rows, 7)))
    np.testing.assert_allclose(maxsim(query, answers), [slow(query, answer) for answer in answers], rtol=1e-5)


def test_an_image_is_nearest_to_itself_in_any_order_of_patches() -> None:
    rng = np.random.default_rng(0)
    answers = unit(rng.standard_normal((6, 12, 8)))
    scores = maxsim(answers[4][rng.permutation(12)], answers)
    assert scores.argmax() == 4
    assert scores[4] == pytest.approx(1.0, abs=1e-6)


def test_no_answers() -> None:
    assert maxsim(np.eye(3, dtype=np.float32), np.empty((0, 4, 3), np.float32)).shape == (0,)
