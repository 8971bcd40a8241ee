"""What readers ask while a writer writes, and by brute force whether an answer is that of one committed state."""

from __future__ import annotations

import random
from collections.abc import Callable
from fnmatch import fnmatchcase
from functools import partial

import numpy as np

from dinosearch import Collection
from dinosearch.errors import CollectionNotFoundError, ImageNotFoundError
from torture.numbered import vector
from torture.states import State

Fits = Callable[[State], bool]
"""Whether an answer is the right one for a state."""
TIED = 2e-6
"""Scores as near as this may be rounded into either order."""
KEPT = "*[02468].png"
"""The pattern of the filtered asks: half of the names."""
_WHERE = f'name ~ "{KEPT}"'


def ask(collection: Collection, rng: random.Random, numbers: int) -> tuple[str, Fits]:
    """Ask something by chance; the kind of it, and what tells the states that the answer fits."""
    kind = rng.choices(list(_ASKS), [weight for weight, _ in _ASKS.values()])[0]
    return kind, _ASKS[kind][1](collection, rng, numbers)


def _search(collection: Collection, rng: random.Random, numbers: int, where: str | None, exact: bool) -> Fits:
    number, k = rng.randrange(numbers), rng.choice([1, 5, 40, 2000])
    hits = collection.search_vectors(vector(number), k, where=where, exact=exact)[0]
    found = [(hit.path, hit.id) for hit in hits]
    scores = [hit.score for hit in hits]

    def fits(state: State) -> bool:
        wanted = _ranked(state, number, where is not None)
        return _same(found, wanted, k) and np.allclose(scores, [score for *_, score in wanted[:k]], atol=1e-5)

    return fits


def _same(found: list[tuple[str, int]], wanted: list[tuple[str, int, float]], k: int) -> bool:
    """Whether the answer is the first k of what is wanted, where equal scores may change places."""
    score_of = {(path, image): score for path, image, score in wanted}
    return (
        len(set(found)) == len(found) == min(k, len(wanted))
        and score_of.keys() >= set(found)
        and all(
            file == (path, image) or abs(score_of[file] - score) < TIED
            for file, (path, image, score) in zip(found, wanted, strict=False)
        )
    )


def _by_id(collection: Collection, rng: random.Random, numbers: int) -> Fits:
    image = rng.randrange(1, 3 * numbers)
    live = collection.vectors()[0]
    if len(live) and rng.random() < 0.9:
        image = int(rng.choice(live.tolist()))
    try:
        found = [(hit.path, hit.id) for hit in collection.query(f"id:{image}", k=7, rerank="fast")]
    except ImageNotFoundError:
        return lambda state: image not in state.numbers
    return lambda state: _neighbours(state, image, found)


def _neighbours(state: State, image: int, found: list[tuple[str, int]]) -> bool:
    # The vector of an id never changes, and may be taken from a state just before.
    number = state.numbers.get(image)
    if number is None:
        return False
    return _same(found, [file for file in _ranked(state, number, False) if file[1] != image], 7)


def _balanced(collection: Collection, rng: random.Random, numbers: int) -> Fits:
    hits = collection.search_vectors(vector(rng.randrange(numbers)), 20, rerank="balanced")[0]
    found = [(hit.path, hit.id) for hit in hits]
    return lambda state: (
        len(found) == len(set(found)) == min(20, len(state.files))
        and set(found) <= {(path, image) for path, image, _ in state.files}
    )


def _rank(collection: Collection, rng: random.Random, numbers: int) -> Fits:
    number = rng.randrange(numbers)
    ids, scores = collection.rank(vector(number), 30)
    found = ids[0].tolist()

    def fits(state: State) -> bool:
        scores = {image: score for _, image, score in _ranked(state, number, False)}
        wanted = [("", image, score) for image, score in scores.items()]
        answered = [("", image) for image in found if image >= 0]
        return _same(answered, wanted, 30) and found[len(answered) :] == [-1] * (30 - len(answered))

    return fits


def _files(collection: Collection, rng: random.Random, numbers: int, where: str | None) -> Fits:
    found = [(str(file["path"]), int(file["id"])) for file in collection.files(where)]

    def fits(state: State) -> bool:
        files = ((path, image) for path, image, _ in state.files if where is None or fnmatchcase(path, KEPT))
        return found == sorted(files, key=lambda file: (file[1], file[0]))

    return fits


def _vectors(collection: Collection, rng: random.Random, numbers: int) -> Fits:
    ids, rows = collection.vectors()

    def fits(state: State) -> bool:
        wanted = sorted(state.numbers.items())
        return ids.tolist() == [image for image, _ in wanted] and all(
            np.array_equal(row, vector(number)) for row, (_, number) in zip(rows, wanted, strict=True)
        )

    return fits


def _info(collection: Collection, rng: random.Random, numbers: int) -> Fits:
    info = collection.info()
    return lambda state: (
        (info.images, info.files) == (len(state.numbers), len(state.files))
        and (info.index_problem is None and info.rows >= info.images)
    )


def _ranked(state: State, number: int, kept: bool) -> list[tuple[str, int, float]]:
    """(path, id, score) of all files, best first: brute force over the vectors that the numbers have."""
    if not state.files:
        return []
    images = sorted(state.numbers)
    scores = np.stack([vector(state.numbers[image]) for image in images]) @ vector(number)
    order = np.lexsort((images, -scores))
    return [
        (path, images[place], float(scores[place]))
        for place in order.tolist()
        for path in state.paths[images[place]]
        if not kept or fnmatchcase(path, KEPT)
    ]


_ASKS: dict[str, tuple[int, Callable[[Collection, random.Random, int], Fits]]] = {
    "search": (30, partial(_search, where=None, exact=False)),
    "exact search": (10, partial(_search, where=None, exact=True)),
    "filtered search": (20, partial(_search, where=_WHERE, exact=False)),
    "query by id": (20, _by_id),
    "re-ranked search": (10, _balanced),
    "rank": (10, _rank),
    "files": (5, partial(_files, where=None)),
    "filtered files": (5, partial(_files, where=_WHERE)),
    "vectors": (5, _vectors),
    "info": (10, _info),
}
EMPTY = CollectionNotFoundError
"""What every verb may say as long as nothing was indexed."""
