"""How right predicted classes are: top-1, F1 and what is taken for what; sklearn.metrics has the same definitions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Figures:
    """What a confusion matrix says.

    Attributes:
        top1: share of the examples whose class was right.
        weighted_f1: F1 of the classes, each counted by its examples.
        macro_f1: F1 of the classes, each counted once.
        per_class: precision, recall, F1 and number of examples (support) of each class, by name.
        confusion: (classes, classes) int64; the row is the true class, the column what it was taken for.
    """

    top1: float
    weighted_f1: float
    macro_f1: float
    per_class: dict[str, dict[str, float]]
    confusion: np.ndarray

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready form."""
        return {
            "top1": self.top1,
            "weighted_f1": self.weighted_f1,
            "macro_f1": self.macro_f1,
            "per_class": self.per_class,
            "confusion": self.confusion.tolist(),
        }

    def mistakes(self, most: int) -> list[tuple[int, int, int]]:
        """True class, what it was taken for, and how often: the most frequent mistakes first."""
        wrong = self.confusion.copy()
        np.fill_diagonal(wrong, 0)
        order = np.argsort(-wrong, axis=None, kind="stable")[:most]
        rows, columns = np.unravel_index(order, wrong.shape)
        found = zip(rows.tolist(), columns.tolist(), wrong[rows, columns].tolist(), strict=True)
        return [mistake for mistake in found if mistake[2]]


def figures(truth: np.ndarray, predicted: np.ndarray, classes: Sequence[str]) -> Figures:
    """Compare predicted classes with the true ones.

    Args:
        truth: (n,) places in `classes`.
        predicted: (n,) the same.
        classes: names.
    """
    count = len(classes)
    confusion = np.bincount(truth * count + predicted, minlength=count * count).reshape(count, count)
    right, support, said = np.diag(confusion).astype(float), confusion.sum(axis=1), confusion.sum(axis=0)
    # A class that was never said has precision 0, and F1 0 where it had no right example either.
    precision = right / np.maximum(said, 1)
    recall = right / np.maximum(support, 1)
    f1 = 2 * right / np.maximum(support + said, 1)
    met = (support + said) > 0
    return Figures(
        top1=float(right.sum() / max(1, confusion.sum())),
        weighted_f1=float((f1 * support).sum() / max(1, support.sum())),
        macro_f1=float(f1[met].mean()) if met.any() else 0.0,
        per_class={
            name: {"precision": float(p), "recall": float(r), "f1": float(f), "support": int(n)}
            for name, p, r, f, n in zip(classes, precision, recall, f1, support, strict=True)
        },
        confusion=confusion.astype(np.int64),
    )
