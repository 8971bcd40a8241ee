"""Retrieval measures of one ranked list, exact to the protocols; it averages nothing and reads nothing.

Definitions and their sources stand at each function. A ranking may be cut off: relevant images that it does not hold
count as not found.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from dinosearch.evaluation.dataset import Judgement


@dataclass(frozen=True)
class Found:
    """Where the relevant images stand in one ranking, junk taken out.

    Attributes:
        positions: int64, ascending, 0 is the first rank.
        relevant: how many relevant images there are, found or not.
    """

    positions: np.ndarray
    relevant: int


def find(ranking: np.ndarray, judgement: Judgement) -> Found:
    """Take the junk out of a ranking and look where the relevant rows stand.

    Args:
        ranking: int64 database rows, best first, no row twice.
        judgement: the query's ground truth.
    """
    # junk wins where a row is both, as in the Revisited code, whose positives are shifted but never junk themselves
    kept = ranking[~np.isin(ranking, judgement.junk)] if len(judgement.junk) else ranking
    relevant = judgement.relevant
    if len(judgement.junk):
        relevant = relevant[~np.isin(relevant, judgement.junk)]
    return Found(np.flatnonzero(np.isin(kept, relevant)), len(relevant))


def average_precision(found: Found) -> float:
    """AP as the area under the precision-recall curve by the trapezoid rule.

    Revisited Oxford/Paris (filipradenovic/revisitop, python/evaluate.py) and Oxford5k's compute_ap.
    """
    ranks = found.positions
    before = np.arange(len(ranks))
    left = np.where(ranks == 0, 1.0, before / np.maximum(ranks, 1))
    right = (before + 1) / (ranks + 1)
    return float((left + right).sum() / (2 * found.relevant))


def rectangular_average_precision(found: Found) -> float:
    """AP as the mean of the precision at each relevant image, as trec_eval and scikit-learn have it."""
    ranks = found.positions
    return float(((np.arange(len(ranks)) + 1) / (ranks + 1)).sum() / found.relevant)


def cut_average_precision(k: int, found: Found) -> float:
    """AP@k: rectangular, over the first k ranks, divided by min(relevant, k).

    GLDv2 retrieval (k 100; tensorflow/models, google_landmarks_dataset/metrics.py) and ILIAS (k 1000).
    """
    ranks = found.positions[found.positions < k]
    return float(((np.arange(len(ranks)) + 1) / (ranks + 1)).sum() / min(found.relevant, k))


def cut_trapezoid(k: int, found: Found) -> float:
    """Trapezoid AP over the first k ranks, divided by all relevant images (Copydays: facebookresearch/dino, top 20)."""
    return average_precision(Found(found.positions[found.positions < k], found.relevant))


def revisited_precision(k: int, found: Found) -> float:
    """mP@k of Revisited Oxford/Paris: k shrinks to the rank of the last relevant image where that is smaller.

    With a cut ranking the last relevant image found counts; without any the precision is 0.
    """
    if not len(found.positions):
        return 0.0
    # A relevant image that was not found stands behind the end of the ranking, so k does not shrink.
    k = min(k, int(found.positions[-1]) + 1) if len(found.positions) == found.relevant else k
    return float((found.positions < k).sum() / k)


def precision(k: int, found: Found) -> float:
    """Share of relevant images among the first k ranks."""
    return float((found.positions < k).sum() / k)


def recall(k: int, found: Found) -> float:
    """Share of the relevant images that stand in the first k ranks."""
    return float((found.positions < k).sum() / found.relevant)


def hit(k: int, found: Found) -> float:
    """Whether a relevant image stands in the first k ranks: the Recall@K of metric learning (SOP, CUB)."""
    return float(len(found.positions) > 0 and found.positions[0] < k)


def correct(k: int, found: Found) -> float:
    """Number of relevant images in the first k ranks; with k 4 and the query counted it is UKBench's N-S score."""
    return float((found.positions < k).sum())


def ndcg(k: int, found: Found) -> float:
    """Normalised discounted cumulative gain at k with gains 0 and 1 and the discount log2(rank + 1)."""
    ranks = found.positions[found.positions < k]
    ideal = (1 / np.log2(np.arange(min(found.relevant, k)) + 2)).sum()
    return float((1 / np.log2(ranks + 2)).sum() / ideal)


Measure = Callable[[Found], float]

PLAIN: dict[str, Measure] = {"mAP": average_precision, "mAP-rectangular": rectangular_average_precision}
"""Measures of a whole ranking."""

AT_K: dict[str, Callable[[int, Found], float]] = {
    "mAP": cut_average_precision,
    "mAP-trapezoid": cut_trapezoid,
    "mP": revisited_precision,
    "P": precision,
    "recall": recall,
    "hit": hit,
    "N-S": correct,
    "nDCG": ndcg,
}
"""Measures of the first k ranks, written `name@k`."""


def measure(name: str) -> Measure:
    """The measure of that name, such as `mAP`, `mP@10`, `recall@100`.

    Raises:
        ValueError: no such measure.
    """
    if name in PLAIN:
        return PLAIN[name]
    match = re.fullmatch(r"(.+)@([1-9]\d*)", name)
    if match is None or match[1] not in AT_K:
        known = [*PLAIN, *(f"{at}@k" for at in AT_K)]
        raise ValueError(f"there is no measure {name!r}; known are {', '.join(known)}")
    return partial(AT_K[match[1]], int(match[2]))


def needed_depth(names: tuple[str, ...]) -> int | None:
    """Ranks that the measures look at when nothing is junk; None for all."""
    if any("@" not in name for name in names):
        return None
    return max((int(name.rpartition("@")[2]) for name in names), default=1)
