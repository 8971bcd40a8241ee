"""What users say of results, whether they show the same thing as the query: kept, listed, taken back.

The calibration follows each of them; see `calibrating`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timezone

import numpy as np

from dinosearch.advice import run
from dinosearch.collection.asking.pictures import QueryImage, id_of, no_such_id, prepare_image, stored_vectors
from dinosearch.collection.derived.calibrating import with_verdicts
from dinosearch.collection.opened import OpenedHome
from dinosearch.errors import ImageNotFoundError
from dinosearch.images import sha256_of
from dinosearch.protocols import Embedder
from dinosearch.records import Calibration, Verdict


def judge(
    opened: OpenedHome,
    embedder: Callable[[], Embedder],
    query: QueryImage,
    results: Sequence[int | str | os.PathLike[str]],
    same: bool,
) -> Calibration | None:
    """See `Collection.confirm` and `Collection.reject`; the caller holds the writer's lock.

    A verdict on the same query and image replaces the earlier one. Verdicts on other vectors than those that answer now
    are kept and not used, as their scores mean something else.

    Returns:
        The calibration with the verdicts; None where the collection is not calibrated: they count once it is.

    Raises:
        ImageNotFoundError: the query is not there, or a result is not in the collection; nothing is recorded then.
        ImageUnreadableError: the query cannot be decoded.
    """
    if not results:
        raise ValueError("a verdict is on at least one result")
    ids = [_id_in(opened, result) for result in results]
    digest, vector = _asked(opened, embedder, query)
    search, _ = opened.answering()
    scores = (stored_vectors(search, ids, opened) @ vector).tolist()
    now, generation = datetime.now(timezone.utc), search.generation.number
    opened.store.put_verdicts(
        [Verdict(digest, i, same, float(score), generation, now) for i, score in zip(ids, scores, strict=True)]
    )
    return with_verdicts(opened)


def said(opened: OpenedHome, query: QueryImage | None, results: Iterable[int] | None) -> list[Verdict]:
    """See `Collection.verdicts`."""
    return opened.store.verdicts(None if query is None else _digest(opened, query), results)


def forget(opened: OpenedHome, query: QueryImage | None, results: Iterable[int] | None) -> int:
    """See `Collection.forget_verdicts`; the caller holds the writer's lock."""
    count = opened.store.forget_verdicts(None if query is None else _digest(opened, query), results)
    if count:
        with_verdicts(opened)
    return count


def _asked(opened: OpenedHome, embedder: Callable[[], Embedder], query: QueryImage) -> tuple[str, np.ndarray]:
    """Digest of the query image, and its vector as it is compared."""
    search, basis = opened.answering()
    number = id_of(query)
    if number is not None:
        return _digest(opened, query), stored_vectors(search, [number], opened)[0]
    model = embedder()
    image = prepare_image(query, model.preprocessing, model.patch_size)
    vector: np.ndarray = basis.apply(model.embed([image.pixels]))[0]
    return image.sha256, vector


def _id_in(opened: OpenedHome, result: int | str | os.PathLike[str]) -> int:
    """The id of an image of the collection, given as `N`, `id:N` or as one of its paths."""
    number = id_of(result)
    if number is not None:
        if opened.store.by_id(number) is None:
            raise no_such_id(number, opened)
        return number
    assert not isinstance(result, int)  # which has been taken as a number
    path = os.path.abspath(os.path.expanduser(os.fspath(result)))
    known = opened.store.known_paths([path]).get(path)
    if known is None:
        raise ImageNotFoundError(
            f"{os.fspath(result)} is not in the collection in {opened.path}, so no verdict was recorded; results "
            "are listed by: ",
            run("query", "IMAGE"),
        )
    return known.image_id


def _digest(opened: OpenedHome, query: QueryImage) -> str:
    """By what a query is known: the digest of its content."""
    number = id_of(query)
    if number is None:
        return sha256_of(query)
    record = opened.store.by_id(number)
    if record is None:
        raise no_such_id(number, opened)
    return record.sha256
