"""Classifiers on frozen vectors, as data: k-NN is ours, the others are scikit-learn's and XGBoost's."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np

from dinosearch.analysis.classify.folds import stratified
from dinosearch.analysis.classify.knn import NEIGHBOURS, TEMPERATURE, nearest, vote
from dinosearch.errors import SettingError
from dinosearch.vectors.threads import one_thread

_INNER_FOLDS = 3
_FEW_NUMBERS = 1_000_000
"""Of all vectors together, below which one thread is faster than several that wait for each other busily."""
_TRIED_ON = 10_000
"""Examples, drawn evenly from the classes, that C is chosen on: with 75,000 it would take hours."""


@dataclass(frozen=True)
class Wanted:
    """What varies between runs.

    Attributes:
        neighbours: of k-NN.
        temperature: of its vote.
        seed: of everything that is drawn.
    """

    neighbours: int = NEIGHBOURS
    temperature: float = TEMPERATURE
    seed: int = 0


@dataclass(frozen=True)
class Fitted:
    """A classifier that has seen its examples.

    Attributes:
        predict: classes (n,) int64 of vectors (n, dimension) float32 of unit length.
        settings: what it was made with, JSON-ready.
    """

    predict: Callable[[np.ndarray], np.ndarray]
    settings: dict[str, Any]


Fit = Callable[[np.ndarray, np.ndarray, int, Wanted], Fitted]


@dataclass(frozen=True)
class Method:
    """One way to classify.

    Attributes:
        name: as it is asked for.
        title: as it is called.
        fit: makes it from vectors (n, dimension) float32 of unit length and classes (n,) 0 .. count - 1, all of which
            occur.
    """

    name: str
    title: str
    fit: Fit


def _knn(vectors: np.ndarray, classes: np.ndarray, count: int, wanted: Wanted) -> Fitted:
    def predict(queries: np.ndarray) -> np.ndarray:
        cosines, places = nearest(queries, vectors, wanted.neighbours)
        return np.asarray(vote(cosines, classes[places], count, wanted.temperature).argmax(axis=1))

    return Fitted(predict, {"neighbours": min(wanted.neighbours, len(vectors)), "temperature": wanted.temperature})


def _linear(vectors: np.ndarray, classes: np.ndarray, count: int, wanted: Wanted) -> Fitted:
    """Logistic regression. Vectors have unit length, so that a weak penalty (a large C) is the rule."""
    from sklearn.linear_model import LogisticRegression

    def make(c: float) -> Any:
        return LogisticRegression(C=c, max_iter=300, tol=1e-3)

    return _best_of(make, (1.0, 10.0, 100.0), vectors, classes, wanted)


def _svm(vectors: np.ndarray, classes: np.ndarray, count: int, wanted: Wanted) -> Fitted:
    """A linear support vector machine, one class against the rest."""
    from sklearn.svm import LinearSVC

    def make(c: float) -> Any:
        return LinearSVC(C=c, random_state=wanted.seed, max_iter=3000)

    return _best_of(make, (0.1, 1.0, 10.0), vectors, classes, wanted)


def _xgboost(vectors: np.ndarray, classes: np.ndarray, count: int, wanted: Wanted) -> Fitted:
    from xgboost import XGBClassifier

    # Shallow trees that see a tenth of the numbers each: neighbouring numbers of a vector say different things.
    settings = {"n_estimators": 100, "max_depth": 3, "learning_rate": 0.2, "colsample_bytree": 0.1, "subsample": 0.8}
    threads = 1 if vectors.size < _FEW_NUMBERS else None  # None leaves it to OpenMP
    model = XGBClassifier(tree_method="hist", random_state=wanted.seed, n_jobs=threads, **settings)
    model.fit(vectors, classes)
    return Fitted(lambda queries: np.asarray(model.predict(queries), np.int64), {"tree_method": "hist", **settings})


METHODS: dict[str, Method] = {
    method.name: method
    for method in (
        Method("knn", "k-NN, weighted vote", _knn),
        Method("linear", "linear probe (logistic regression)", _linear),
        Method("svm", "linear SVM", _svm),
        Method("xgboost", "XGBoost", _xgboost),
    )
}


def fit(name: str, vectors: np.ndarray, classes: np.ndarray, wanted: Wanted) -> Fitted:
    """Make a classifier; the classes of the examples need not all occur.

    Raises:
        SettingError: the library of the method is not installed.
    """
    known, places = np.unique(classes, return_inverse=True)
    if len(known) < 2:  # nothing to tell apart, which not every library takes
        return Fitted(lambda queries: np.full(len(queries), known[0], np.int64), {"classes": 1})
    try:
        found = METHODS[name].fit(vectors, places.astype(np.int64), len(known), wanted)
    except ModuleNotFoundError as error:
        package = {"sklearn": "scikit-learn"}.get(found_name := str(error.name).partition(".")[0], found_name)
        raise SettingError(
            f'the method {name} needs {package}, which is not installed; run: pip install "dinosearch[analysis]", '
            "or take --method knn"
        ) from None
    return Fitted(lambda queries: known[found.predict(queries)], found.settings)


def _best_of(
    make: Callable[[float], Any], grid: Sequence[float], vectors: np.ndarray, classes: np.ndarray, wanted: Wanted
) -> Fitted:
    """The model with the C that is right most often on folds of the examples; the smaller of equals."""
    with one_thread() if vectors.size < _FEW_NUMBERS else nullcontext():
        return _chosen(make, grid, vectors, classes, wanted)


def _chosen(
    make: Callable[[float], Any], grid: Sequence[float], vectors: np.ndarray, classes: np.ndarray, wanted: Wanted
) -> Fitted:
    chosen = grid[len(grid) // 2]
    tried = _some(classes, wanted.seed)
    if np.bincount(classes).min() >= 2:
        folds = stratified(classes[tried], _INNER_FOLDS, wanted.seed)
        right = [_right(make, c, vectors[tried], classes[tried], folds) for c in grid]
        chosen = grid[int(np.argmax(right))]
    model = make(chosen)
    converged = _quietly(model, vectors, classes)
    settings = {"C": chosen, "C_tried": list(grid), "converged": converged}
    return Fitted(lambda queries: np.asarray(model.predict(queries), np.int64), settings)


def _right(make: Callable[[float], Any], c: float, vectors: np.ndarray, classes: np.ndarray, folds: np.ndarray) -> int:
    right = 0
    for fold in range(_INNER_FOLDS):
        learned, asked = folds != fold, folds == fold
        if len(np.unique(classes[learned])) < 2 or not asked.any():
            continue
        model = make(c)
        _quietly(model, vectors[learned], classes[learned])
        right += int((model.predict(vectors[asked]) == classes[asked]).sum())
    return right


def _quietly(model: Any, vectors: np.ndarray, classes: np.ndarray) -> bool:
    """Fit; returns whether the optimiser reached its end. One that did not is nearly as good, and is reported."""
    from sklearn.exceptions import ConvergenceWarning

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ConvergenceWarning)
        model.fit(vectors, classes)
    for warning in caught:
        if not issubclass(warning.category, ConvergenceWarning):
            warnings.warn_explicit(warning.message, warning.category, warning.filename, warning.lineno)
    return not any(issubclass(warning.category, ConvergenceWarning) for warning in caught)


def _some(classes: np.ndarray, seed: int) -> np.ndarray:
    """Places of at most `_TRIED_ON` examples, as evenly of the classes as they are."""
    parts = -(-len(classes) // _TRIED_ON)
    return np.arange(len(classes)) if parts < 2 else np.flatnonzero(stratified(classes, parts, seed) == 0)
