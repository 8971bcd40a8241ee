"""Predict the class of queries from their neighbours and score the predictions: k-NN, Met and GLDv2.

It sees neighbours as database rows with cosines; where they come from is not its business.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from dinosearch.evaluation.dataset import Recognition
from dinosearch.evaluation.result import Scores

Neighbours = Callable[[int], tuple[np.ndarray, np.ndarray]]
"""Rows (m,) int64 and cosines (m,) of the nearest database images of `Dataset.queries[i]`, best first; m may be 0."""

KNN_NEIGHBOURS, KNN_TEMPERATURE = 20, 0.07
"""facebookresearch/dino eval_knn.py: the default k, and the vote exp(cosine / 0.07)."""

MET_NEIGHBOURS = (1, 2, 3, 5, 7, 10, 15, 20, 50)
MET_TEMPERATURES = (0.01, 0.1, 1, 5, 10, 15, 20, 25, 30, 50, 100, 500)
"""The grid that nikosips/met tunes on its validation part."""

GLDV2_NEIGHBOURS = 1


@dataclass(frozen=True)
class Prediction:
    """One predicted class with its confidence; `label` is -1 where there was no neighbour to learn from."""

    label: int
    confidence: float


def recognise(part: Recognition, neighbours: Neighbours, seed: int = 0) -> tuple[Scores, dict[str, float]]:
    """Score one recognition part.

    Returns:
        Its scores, and the settings that were used (number of neighbours, temperature).
    """
    return METHODS[part.method].score(part, neighbours, seed)


def depth(part: Recognition) -> int:
    """Neighbours that the part's method looks at."""
    return METHODS[part.method].depth


def global_average_precision(
    predictions: Sequence[Prediction], truth: Sequence[frozenset[int]], names: Sequence[int] | None = None
) -> float:
    """GAP, micro average precision over all queries together (GLDv2's metrics.py, Met's evaluation).

    Predictions of all queries are sorted by confidence, ties by `names` and class, ascending; the precision at each
    right one is summed and divided by the number of queries that have a right class at all.

    Args:
        predictions: one for each query.
        truth: right classes of each query; empty for a distractor.
        names: what breaks ties; None for the order given.
    """
    answerable = sum(bool(classes) for classes in truth)
    if not answerable:
        return float("nan")
    order = names if names is not None else range(len(predictions))
    ranked = sorted(
        (-p.confidence, name, p.label, p.label in classes)
        for p, classes, name in zip(predictions, truth, order, strict=True)
        if p.label >= 0
    )
    right = np.array([entry[-1] for entry in ranked], bool)
    precision = np.cumsum(right) / np.arange(1, len(right) + 1)
    return float(precision[right].sum() / answerable)


@dataclass(frozen=True)
class _Method:
    depth: int
    score: Callable[[Recognition, Neighbours, int], tuple[Scores, dict[str, float]]]


def _knn(part: Recognition, neighbours: Neighbours, seed: int) -> tuple[Scores, dict[str, float]]:
    """Top-1 of the vote of the 20 nearest, each weighing exp(cosine / 0.07)."""
    values = []
    for query, classes in zip(part.queries, part.truth, strict=True):
        rows, cosines = (found[:KNN_NEIGHBOURS] for found in neighbours(int(query)))
        if not classes:
            values.append([float("nan")])
            continue
        labels, places = np.unique(part.labels[rows], return_inverse=True)
        votes = np.bincount(places, np.exp((cosines - 1.0) / KNN_TEMPERATURE), len(labels))
        values.append([float(len(labels) > 0 and int(labels[votes.argmax()]) in classes)])
    settings = {"neighbours": float(KNN_NEIGHBOURS), "temperature": KNN_TEMPERATURE}
    return Scores(part.name, ("top-1",), np.array(values, np.float64).reshape(-1, 1), seed=seed), settings


def _met(part: Recognition, neighbours: Neighbours, seed: int) -> tuple[Scores, dict[str, float]]:
    """GAP, GAP- and ACC of Met, with neighbours and temperature chosen for GAP on the validation part."""
    count, temperature = 1, 1.0
    validation = part.tuned_on
    if validation is not None:
        grid = itertools.product(MET_NEIGHBOURS, MET_TEMPERATURES)
        found = _Neighbourhood(validation, neighbours)
        count, temperature = max(grid, key=lambda setting: _met_figures(validation, found.predict(*setting))[0])
    figures = _met_figures(part, _Neighbourhood(part, neighbours).predict(count, temperature))
    settings = {"neighbours": float(count), "temperature": temperature}
    return Scores(part.name, ("GAP", "GAP-", "ACC"), np.array([figures]), seed=seed), settings


class _Neighbourhood:
    """Per query the classes among the nearest, in the order of their best cosine."""

    def __init__(self, part: Recognition, neighbours: Neighbours) -> None:
        self._classes = len(np.unique(part.labels))
        self._found = []
        for query in part.queries:
            rows, cosines = neighbours(int(query))
            self._found.append((part.labels[rows], np.asarray(cosines, np.float64)))

    def predict(self, count: int, temperature: float) -> list[Prediction]:
        """Softmax over all classes of their best cosine among the `count` nearest; classes not seen have cosine 0."""
        predictions = []
        for labels, cosines in self._found:
            best: dict[int, float] = {}
            for label, cosine in zip(labels[:count].tolist(), cosines[:count].tolist(), strict=True):
                best[label] = max(best.get(label, -1.0), cosine)
            if not best:
                predictions.append(Prediction(-1, 0.0))
                continue
            label = max(best, key=lambda known: best[known])
            highest = best[label]
            # relative to the highest, so that a temperature of 500 does not overflow
            total = sum(np.exp(temperature * (value - highest)) for value in best.values())
            total += (self._classes - len(best)) * np.exp(-temperature * highest)
            predictions.append(Prediction(label, float(1 / total)))
        return predictions


def _met_figures(part: Recognition, predictions: list[Prediction]) -> tuple[float, float, float]:
    known = [i for i, classes in enumerate(part.truth) if classes]
    truth = [part.truth[i] for i in known]
    right = [predictions[i].label in classes for i, classes in zip(known, truth, strict=True)]
    return (
        global_average_precision(predictions, part.truth),
        global_average_precision([predictions[i] for i in known], truth),
        float(np.mean(right)) if right else float("nan"),
    )


def _gldv2(part: Recognition, neighbours: Neighbours, seed: int) -> tuple[Scores, dict[str, float]]:
    """GAP with the class of the nearest image and its cosine as confidence."""
    predictions = []
    for query in part.queries:
        rows, cosines = neighbours(int(query))
        predictions.append(Prediction(int(part.labels[rows[0]]), float(cosines[0])) if len(rows) else Prediction(-1, 0))
    gap = global_average_precision(predictions, part.truth)
    return Scores(part.name, ("GAP",), np.array([[gap]]), seed=seed), {"neighbours": float(GLDV2_NEIGHBOURS)}


METHODS: dict[str, _Method] = {
    "knn": _Method(KNN_NEIGHBOURS, _knn),
    "met": _Method(max(MET_NEIGHBOURS), _met),
    "gldv2": _Method(GLDV2_NEIGHBOURS, _gldv2),
}
