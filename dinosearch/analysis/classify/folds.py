"""Deal examples into folds so that every class is spread evenly over them."""

from __future__ import annotations

import numpy as np


def stratified(classes: np.ndarray, folds: int, seed: int) -> np.ndarray:
    """The fold of each example: (n,) int64 in 0 .. folds - 1; the same seed deals them the same.

    Args:
        classes: (n,) int64.
        folds: at least 2. Of a class with fewer examples, folds go without.
        seed: of the order.
    """
    shuffled = np.random.default_rng(seed).permutation(len(classes))
    # By class, in random order within it; dealt on from class to class, so that the folds are of one size.
    order = shuffled[np.argsort(classes[shuffled], kind="stable")]
    found = np.empty(len(classes), np.int64)
    found[order] = np.arange(len(classes)) % folds
    return found
