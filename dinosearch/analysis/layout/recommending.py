"""Images that several liked ones lead to and disliked ones do not; what is searched is the index's business."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from dinosearch.arguments import checked
from dinosearch.errors import SettingError
from dinosearch.records import Hit

if TYPE_CHECKING:
    from dinosearch.collection import Collection

QueryImage = Any
_DEEPER = 4
_FILES = 200  # ids in one filter, which takes 250 values


@checked
def recommend(
    collection: Collection,
    like: Sequence[QueryImage],
    dislike: Sequence[QueryImage] = (),
    *,
    k: int = 10,
    strategy: str = "best",
    where: str | None = None,
    exact: bool = False,
) -> list[Hit]:
    """Find images like some and unlike others; those given are not answered.

    `average` asks with one vector, unit(mean(like) - mean(dislike) / 2), and answers its cosine: what the liked images
    have in common. `best` scores an image with its largest cosine to a liked one, and leaves it out where its largest
    cosine to a disliked one is as large: what is near to any liked image, so that likes of several kinds keep apart.
    The two are known from Qdrant, whose `average_vector`, 2 mean(like) - mean(dislike), is the same direction, and
    whose `best_score` puts last what is left out here.

    Args:
        collection: opened.
        like: images as in `Collection.query`, at least one.
        dislike: the same.
        k: hits wanted, at least 1.
        strategy: one of `STRATEGIES`.
        where: a filter.
        exact: brute force instead of the index.

    Returns:
        At most k hits, best first, an image once.

    Raises:
        SettingError: an unknown strategy; likes and dislikes that cancel each other out.
        ValueError: no liked image, or k below 1.
        ImageNotFoundError, ImageUnreadableError: an image that is not there or cannot be decoded.
    """
    if strategy not in STRATEGIES:
        raise SettingError(f"there is no strategy {strategy}; take one of: {', '.join(STRATEGIES)}")
    if not like:
        raise ValueError("a recommendation needs at least one liked image")
    return STRATEGIES[strategy](collection, like, dislike, k, where, exact)


def _average(
    collection: Collection,
    like: Sequence[QueryImage],
    dislike: Sequence[QueryImage],
    k: int,
    where: str | None,
    exact: bool,
) -> list[Hit]:
    return collection.query(*like, negative=dislike, k=k, where=where, exact=exact, unique=True, rerank="fast")


def _best(
    collection: Collection,
    like: Sequence[QueryImage],
    dislike: Sequence[QueryImage],
    k: int,
    where: str | None,
    exact: bool,
) -> list[Hit]:
    liked = collection.embed(*like)
    disliked = collection.embed(*dislike) if dislike else np.empty((0, liked.shape[1]), np.float32)
    skipped = _skipped((*like, *dislike))
    depth = k + len(skipped)
    while True:
        # Nothing outside of these candidates is nearer to a liked image than the last of some list.
        near, cosines = collection.rank(liked, depth, where=where, exact=exact)
        all_seen = bool((near[:, -1] < 0).any())
        bound = float(cosines[:, -1].max())
        ids = np.unique(near[near >= 0])
        scores, against = _nearest(collection, ids, liked, disliked)
        kept = np.flatnonzero(scores > against)
        order = kept[np.lexsort((ids[kept], -scores[kept]))]
        hits = _hits(collection, ids[order], scores[order], skipped, k)
        if all_seen or (len(hits) == k and hits[-1].score >= bound):
            return hits
        depth *= _DEEPER


def _nearest(
    collection: Collection, ids: np.ndarray, liked: np.ndarray, disliked: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The largest cosine of each image to a liked one, and to a disliked one: -inf without any."""
    scores, against = np.empty(len(ids), np.float32), np.full(len(ids), -np.inf, np.float32)
    for low in range(0, len(ids), 4096):
        part = slice(low, low + 4096)
        vectors = collection.vectors(ids[part])[1]
        scores[part] = (vectors @ liked.T).max(axis=1)
        if len(disliked):
            against[part] = (vectors @ disliked.T).max(axis=1)
    return scores, against


def _skipped(images: Sequence[QueryImage]) -> frozenset[str | int]:
    from dinosearch.collection.asking.pictures import identity

    return frozenset(found for found in map(identity, images) if found is not None)


def _hits(
    collection: Collection, ids: np.ndarray, scores: np.ndarray, skipped: frozenset[str | int], k: int
) -> list[Hit]:
    """The first k images that were not given, each with its first path."""
    hits: list[Hit] = []
    for low in range(0, len(ids), _FILES):
        part = ids[low : low + _FILES].tolist()
        files: dict[int, list[dict[str, Any]]] = {}
        for file in collection.files(f"id in ({', '.join(map(str, part))})"):
            files.setdefault(file["id"], []).append(file)
        for number, score in zip(part, scores[low : low + _FILES].tolist(), strict=True):
            rows = files.get(number, [])
            if rows and number not in skipped and not any(row["path"] in skipped for row in rows):
                hits.append(_hit(len(hits) + 1, score, rows[0]))
                if len(hits) == k:
                    return hits
    return hits


def _hit(rank: int, score: float, file: dict[str, Any]) -> Hit:
    told = {name: file[name] for name in ("id", "path", "width", "height", "format", "size", "camera")}
    taken = datetime.fromisoformat(file["taken"]) if file["taken"] else None
    return Hit(rank, score, taken=taken, **told)


Strategy = Callable[["Collection", Sequence[QueryImage], Sequence[QueryImage], int, "str | None", bool], "list[Hit]"]
STRATEGIES: dict[str, Strategy] = {"best": _best, "average": _average}
"""What `recommend` is given, by name; its docstring has the formulas."""
