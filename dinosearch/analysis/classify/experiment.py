"""Classify one set of vectors by another, or a set by folds of itself, with several methods, and measure each."""

from __future__ import annotations

import platform
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from importlib import metadata
from typing import Any

import numpy as np

from dinosearch import __version__
from dinosearch.analysis.classify.embedded import Vectors
from dinosearch.analysis.classify.folds import stratified
from dinosearch.analysis.classify.measures import Figures, figures
from dinosearch.analysis.classify.methods import METHODS, Wanted, fit
from dinosearch.arguments import checked
from dinosearch.capacity import cores
from dinosearch.errors import DatasetError
from dinosearch.protocols import Progress

_PACKAGES = ("numpy", "scikit-learn", "xgboost")


@dataclass(frozen=True)
class MethodResult:
    """One method.

    Attributes:
        method: its name.
        title: what it is called.
        figures: how right it is, over all tested examples.
        top1_of_folds: of each fold; one number without folds.
        settings: what it was made with; of each fold.
        fit_seconds: learning, all folds together.
        predict_seconds: the same for the answers.
    """

    method: str
    title: str
    figures: Figures
    top1_of_folds: tuple[float, ...]
    settings: tuple[dict[str, Any], ...]
    fit_seconds: float
    predict_seconds: float

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready form."""
        return {**asdict(self), "figures": self.figures.to_dict(), "seconds": self.fit_seconds + self.predict_seconds}


@dataclass(frozen=True)
class Classification:
    """All of a run.

    Attributes:
        classes: names, in the order of the confusion matrices.
        train: examples learned from; with folds all of them.
        tested: examples asked.
        folds: 0 where there was a set to test on.
        shared: tested examples whose content is among those learned from: their class was given away.
        missing: examples without a vector: not there, or unreadable.
        results: one for each method, in the order asked for.
        recipe: what else the figures depend on.
    """

    classes: tuple[str, ...]
    train: int
    tested: int
    folds: int
    shared: int
    missing: tuple[str, ...]
    results: tuple[MethodResult, ...]
    recipe: dict[str, Any] = field(default_factory=dict)

    @property
    def best(self) -> MethodResult:
        """The method that is right most often, the first of equals."""
        return max(self.results, key=lambda result: result.figures.top1)

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready form."""
        return {**asdict(self), "results": [result.to_dict() for result in self.results]}


@checked
def classify(
    train: Vectors,
    test: Vectors | None,
    methods: Sequence[str] = ("knn",),
    wanted: Wanted | None = None,
    *,
    folds: int = 5,
    progress: Progress | None = None,
) -> Classification:
    """Learn classes from frozen vectors and measure how right they are predicted.

    Args:
        train: what is learned from.
        test: what is asked; None asks every example of `train` by the other folds of it.
        methods: names out of `METHODS`.
        wanted: what varies.
        folds: number of stratified folds where there is no `test`; those of more examples than folds are leave-one-out.
        progress: told about the stage `classify` in fits.

    Raises:
        DatasetError: fewer than two classes or examples, or a tested class that no example has.
        SettingError: the library of a method is not installed.
    """
    wanted = wanted or Wanted()
    classes = sorted(set(train.labels))
    _check(train, test, classes)
    places = {label: place for place, label in enumerate(classes)}
    known = np.array([places[label] for label in train.labels], np.int64)
    folds = 0 if test is not None else min(folds, len(known))
    asked = known if test is None else np.array([places[label] for label in test.labels], np.int64)
    results: list[MethodResult] = []
    steps = len(methods) * max(1, folds)
    for number, name in enumerate(methods):
        predicted, settings, shares, fitting, answering = np.empty(len(asked), np.int64), [], [], 0.0, 0.0
        for step, (learned, tested) in enumerate(_splits(known, len(asked), folds, wanted.seed)):
            if progress:
                progress("classify", number * max(1, folds) + step, steps)
            started = time.perf_counter()
            fitted = fit(name, train.rows[learned], known[learned], wanted)
            fitting += time.perf_counter() - started
            started = time.perf_counter()
            predicted[tested] = fitted.predict((test or train).rows[tested])
            answering += time.perf_counter() - started
            settings.append(fitted.settings)
            shares.append(float((predicted[tested] == asked[tested]).mean()))
        found = figures(asked, predicted, classes)
        title = METHODS[name].title
        results.append(MethodResult(name, title, found, tuple(shares), tuple(settings), fitting, answering))
    if progress:
        progress("classify", steps, steps)
    missing = (*train.missing, *(test.missing if test else ()))
    shared = _shared(train, test)
    return Classification(
        tuple(classes), len(known), len(asked), folds, shared, missing, tuple(results), _recipe(train, test, wanted)
    )


def _check(train: Vectors, test: Vectors | None, classes: Sequence[str]) -> None:
    if len(classes) < 2 or len(train.labels) < 3:
        raise DatasetError(f"{train.source} has fewer than two classes to tell apart; name a folder with one for each")
    if test is None:
        return
    if not len(test.labels):
        raise DatasetError(f"{test.source} has no example that could be read; name one that has")
    unknown = sorted(set(test.labels) - set(classes))
    if unknown:
        raise DatasetError(
            f"the class {unknown[0][:40]!r} of {test.source} has no example in {train.source}; name the two as they "
            "belong together"
        )
    if train.rows.shape[1] != test.rows.shape[1]:
        raise DatasetError(
            f"{train.source} has vectors of {train.rows.shape[1]} numbers, {test.source} of {test.rows.shape[1]}; give "
            "vectors of one model"
        )


def _splits(known: np.ndarray, asked: int, folds: int, seed: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Places learned from, and places asked."""
    if not folds:
        yield np.arange(len(known)), np.arange(asked)
        return
    dealt = stratified(known, folds, seed)
    for fold in range(folds):
        yield np.flatnonzero(dealt != fold), np.flatnonzero(dealt == fold)


def _shared(train: Vectors, test: Vectors | None) -> int:
    if train.contents is None or (test is not None and test.contents is None):
        return 0
    if test is not None and test.contents is not None:
        return int(np.isin(test.contents, train.contents).sum())
    _, counts = np.unique(train.contents, return_counts=True)
    return int(counts[counts > 1].sum())


def _recipe(train: Vectors, test: Vectors | None, wanted: Wanted) -> dict[str, Any]:
    packages = {name: metadata.version(name) for name in _PACKAGES if _installed(name)}
    return {
        "version": __version__,
        "python": platform.python_version(),
        "packages": packages,
        "machine": f"{platform.system()} {platform.machine()}, {cores()} cores",
        "model": train.model,
        "train": train.source,
        "test": test.source if test else None,
        "dimension": int(train.rows.shape[1]),
        **asdict(wanted),
    }


def _installed(name: str) -> bool:
    try:
        metadata.version(name)
    except metadata.PackageNotFoundError:
        return False
    return True
