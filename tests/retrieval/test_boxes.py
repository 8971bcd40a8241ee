"""Boxes between the windows, against a loop written from the definition."""

from __future__ import annotations

import math

import numpy as np
import pytest

from dinosearch.retrieval.boxes import LEAST_OVERLAP, TEMPERATURE, overlaps, refine_box
from dinosearch.retrieval.windows import WINDOWS


def iou(a: np.ndarray, b: np.ndarray) -> float:
    width, height = (max(0.0, min(a[2 + i], b[2 + i]) - max(a[i], b[i])) for i in (0, 1))
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (a, b)]
    return float(width * height / (sum(areas) - width * height))


def test_overlaps_by_hand() -> None:
    boxes = np.array([[0, 0, 0.5, 0.5], [0.25, 0, 0.75, 0.5], [0.5, 0.5, 1, 1]])
    np.testing.assert_allclose(overlaps(boxes, boxes), [[1, 1 / 3, 0], [1 / 3, 1, 0], [0, 0, 1]])


def test_a_box_is_the_weighted_mean_of_the_windows_around_the_best() -> None:
    scores = np.random.default_rng(0).uniform(0.2, 0.6, (20, len(WINDOWS))).astype(np.float32)
    found = refine_box(scores)
    assert found.dtype == np.float32
    for row, box in zip(scores.astype(float), found, strict=True):
        best = WINDOWS[row.argmax()]
        kept = [
            (math.exp(s / TEMPERATURE), w) for s, w in zip(row, WINDOWS, strict=True) if iou(w, best) >= LEAST_OVERLAP
        ]
        expected = sum(weight * window for weight, window in kept) / sum(weight for weight, _ in kept)
        np.testing.assert_allclose(box, expected, atol=1e-6)
    np.testing.assert_array_equal(refine_box(scores[3]), found[3])


def test_one_window_far_above_the_others_is_the_box() -> None:
    for i in range(len(WINDOWS)):
        scores = np.zeros(len(WINDOWS))
        scores[i] = 1.0
        np.testing.assert_allclose(refine_box(scores), WINDOWS[i], atol=1e-6)


def test_a_second_such_thing_elsewhere_does_not_move_the_box() -> None:
    scores = np.zeros(len(WINDOWS))
    first, second = (
        int(np.abs(WINDOWS - box).sum(axis=1).argmin()) for box in ([0, 0, 1 / 4, 1 / 4], [3 / 4] * 2 + [1] * 2)
    )
    scores[[first, second]] = 0.9, 0.89
    np.testing.assert_allclose(refine_box(scores), WINDOWS[first], atol=1e-6)


def test_a_box_follows_a_thing_that_lies_between_the_windows() -> None:
    rng = np.random.default_rng(1)
    refined, best = [], []
    for _ in range(200):
        side = rng.uniform(0.2, 0.45)
        thing = np.concatenate([corner := rng.uniform(0, 1 - side, 2), corner + side])
        scores = 0.3 * overlaps(thing[None], WINDOWS)[0]
        refined.append(iou(refine_box(scores).astype(float), thing))
        best.append(iou(WINDOWS[scores.argmax()], thing))
    assert np.mean(refined) > np.mean(best) + 0.05


def test_scores_of_other_windows_are_refused() -> None:
    with pytest.raises(ValueError, match="84 scores"):
        refine_box(np.zeros((2, 59)))
