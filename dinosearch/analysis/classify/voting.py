"""Let the images that people labelled vote on what all others are, and keep the outcome as tags of the collection."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from dinosearch.advice import run
from dinosearch.analysis.classify.embedded import Vectors
from dinosearch.analysis.classify.knn import NEIGHBOURS, TEMPERATURE, nearest, vote
from dinosearch.arguments import checked
from dinosearch.collection import Collection
from dinosearch.errors import SettingError
from dinosearch.protocols import Progress

_STEP = 4096  # images voted on, and written, at a time
MIN_CONFIDENCE = 0.5
"""A label has at least half of the vote unless something else is asked for."""


@dataclass(frozen=True)
class Ballot:
    """How a vote is held.

    Attributes:
        neighbours: examples that vote on an image.
        temperature: of their weights exp(cosine / temperature).
        min_confidence: smallest share of the vote that gives a label.
        min_score: smallest cosine of the nearest example that gives a label.
    """

    neighbours: int = NEIGHBOURS
    temperature: float = TEMPERATURE
    min_confidence: float = MIN_CONFIDENCE
    min_score: float = -1.0


@dataclass(frozen=True)
class Outcome:
    """What a vote gave.

    Attributes:
        examples: images that voted, inside and outside of the collection.
        labels: names, in order.
        ids: (n,) int64 images that got a label, rising.
        places: (n,) int64 of their labels in `labels`.
        confidence: (n,) float64 share of the vote.
        unsure: images that got none.
    """

    examples: int
    labels: tuple[str, ...]
    ids: np.ndarray
    places: np.ndarray
    confidence: np.ndarray
    unsure: int

    def named(self) -> list[tuple[str, float]]:
        """Label and confidence of each image."""
        pairs = zip(self.places.tolist(), self.confidence.tolist(), strict=True)
        return [(self.labels[place], share) for place, share in pairs]

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready counts."""
        return {"examples": self.examples, "labels": len(self.labels), "voted": len(self.ids), "unsure": self.unsure}


@checked
def hold_vote(
    collection: Collection,
    outside: Vectors | None = None,
    ballot: Ballot | None = None,
    *,
    where: str | None = None,
    said: Mapping[int, str] | None = None,
    dry_run: bool = False,
    progress: Progress | None = None,
) -> Outcome:
    """Label the images of a collection by their nearest examples; what a person said is never changed.

    An image whose vote is too low loses the label that an earlier vote gave it.

    Args:
        collection: opened for writing; its given labels are the examples.
        outside: more examples, whose images are not in the collection, with vectors of the same model.
        ballot: how the vote is held.
        where: a filter; images that do not match stay as they are.
        said: labels of images as if a person had given them, for a vote that is only tried.
        dry_run: write nothing.
        progress: told about the stage `label` in images.

    Raises:
        SettingError: there is no example.
    """
    ballot = ballot or Ballot()
    rows, names, given = _examples(collection, outside, said or {})
    if not len(rows):
        raise SettingError(
            "no image has a label that a person gave; give some with: ",
            run("label", "NAME", "IMAGE..."),
            ", or ",
            run("label", "--from", "FOLDER"),
        )
    labels = tuple(sorted(set(names)))
    place = {label: number for number, label in enumerate(labels)}
    classes = np.array([place[name] for name in names], np.int64)
    asked = np.setdiff1d(collection.ids(where), given)
    places, confidence = np.full(len(asked), -1, np.int64), np.zeros(len(asked))
    for low in range(0, len(asked), _STEP):
        part = slice(low, min(low + _STEP, len(asked)))
        cosines, near = nearest(collection.vectors(asked[part])[1], rows, ballot.neighbours)
        shares = vote(cosines, classes[near], len(labels), ballot.temperature)
        best, share = shares.argmax(axis=1), shares.max(axis=1).clip(0, 1)
        sure = (share >= ballot.min_confidence) & (cosines[:, 0] >= ballot.min_score)
        places[part], confidence[part] = np.where(sure, best, -1), share
        if not dry_run:
            ids = asked[part]
            collection.tag(ids[sure], [labels[number] for number in best[sure]], share[sure], given=False)
            collection.untag(ids[~sure], given=False)
        if progress:
            progress("label", part.stop, len(asked))
    kept = places >= 0
    return Outcome(len(rows), labels, asked[kept], places[kept], confidence[kept], int((~kept).sum()))


def _examples(
    collection: Collection, outside: Vectors | None, said: Mapping[int, str]
) -> tuple[np.ndarray, list[str], np.ndarray]:
    """Vectors and labels of all that a person labelled, and the ids of those in the collection."""
    given = {number: tag.label for number, tag in collection.tags().items() if tag.given} | dict(said)
    ids = np.intersect1d(np.fromiter(given, np.int64, len(given)), collection.ids())  # others lost their last file
    parts = [collection.vectors(ids[low : low + _STEP])[1] for low in range(0, len(ids), _STEP)]
    names = [given[number] for number in ids.tolist()]
    if outside is not None and len(outside.rows):
        parts.append(outside.rows)
        names += outside.labels
    return np.concatenate(parts) if parts else np.empty((0, 0), np.float32), names, ids
