"""Open a home as the next user would, and look at everything in it: what it holds, and what is wrong."""

from __future__ import annotations

import re
import sqlite3
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from dinosearch import Collection
from dinosearch.errors import DinosearchError, FingerprintMismatchError
from torture.photos import MODELS, Colours, sha256_of, vector_of
from torture.world import SEEDS, State


@dataclass
class Found:
    """What a look at a home found.

    Attributes:
        state: what it holds.
        problems: what is wrong in itself, whatever it should hold.
        seconds: to open it, to look at its counts, and to answer the first query.
    """

    state: State = field(default_factory=State)
    problems: list[str] = field(default_factory=list)
    seconds: float = 0.0


def examine(home: Path | str, *, repair: bool = False) -> Found:
    """Look at a home.

    Args:
        home: its folder or address; where there is no collection yet, one is begun.
        repair: mend it first, because damage was done to it.
    """
    found = Found()
    started = time.monotonic()
    with _opened(home) as (collection):
        info = collection.info()
        if info.fingerprint is None:
            return found
        found.state = State(model=info.fingerprint.checkpoint)
        collection.search_vectors(vector_of(0, found.state.model))
        found.seconds = time.monotonic() - started
        if repair:
            lost = collection.verify(repair=True).lost
            found.problems += [f"repair gave up {lost}"] if lost else []
        report = collection.verify()
        found.problems += [f"verify: {problem.path}: {problem.reason}" for problem in report.problems]
        _look(collection, found)
    if isinstance(home, Path):
        _look_at_tables(home, found)
    return found


def _opened(home: Path | str) -> Collection:
    for model in MODELS:
        try:
            return Collection.open(home, create=True, embedder=Colours(model))
        except FingerprintMismatchError:
            continue
    raise AssertionError("the vectors are of neither model")


def _look(collection: Collection, found: Found) -> None:
    files = list(collection.files())
    paths = [file["path"] for file in files]
    if len(set(paths)) < len(paths):
        found.problems.append("a path is listed twice")
    seeds = {sha256_of(seed): seed for seed in range(SEEDS)}
    contents = {file["id"]: file["sha256"] for file in files}
    if len(set(contents.values())) < len(contents):
        found.problems.append("a content has two ids")
    unknown = [file["path"] for file in files if file["sha256"] not in seeds]
    if unknown:
        found.problems.append(f"contents that were never given: {unknown[:3]}")
        return
    held = {file["path"]: seeds[file["sha256"]] for file in files}
    found.state = State(held, found.state.model)
    try:
        ids, vectors = collection.vectors()
    except DinosearchError as error:
        found.problems.append(str(error))
        return
    if sorted(ids.tolist()) != sorted(contents):
        found.problems.append(f"{len(ids)} vectors for {len(contents)} images")
        return
    for image_id, vector in zip(ids.tolist(), vectors, strict=True):
        if not np.array_equal(vector, vector_of(seeds[contents[image_id]], found.state.model)):
            found.problems.append(f"id:{image_id} has the vector of something else")
    _look_at_answers(collection, held, found)


def _look_at_answers(collection: Collection, held: Mapping[str, int], found: Found) -> None:
    seeds = sorted(set(held.values()))
    if seeds:  # a query for one image is answered by the index, one for all of them looks at every row
        asked = np.stack([vector_of(seed, found.state.model) for seed in seeds])
        answers = collection.search_vectors(asked, k=1)
        lost = [seed for seed, hits in zip(seeds, answers, strict=True) if not hits or held.get(hits[0].path) != seed]
        found.problems += [f"the index does not find the photos {lost[:5]}, {len(lost)} in all"] if lost else []
    for seed in list(dict.fromkeys(held.values()))[::17]:
        hits = collection.search_vectors(vector_of(seed, found.state.model), k=len(held) + 5)[0]
        answered = Counter(hit.path for hit in hits)
        if not hits or held.get(hits[0].path) != seed:
            found.problems.append(f"the photo {seed} does not find itself but {hits[:1]}")
        if answered.keys() != held.keys() or max(answered.values()) > 1:
            found.problems.append(
                f"a query for all {len(held)} paths answers {answered.total()}, {len(answered)} paths"
            )


def _look_at_tables(home: Path, found: Found) -> None:
    """Past the product: rows of the vector file that no image owns, and locations without an image."""
    from dinosearch.vectors import VectorFile

    database = sqlite3.connect(f"file:{home / 'metadata.sqlite'}?mode=ro", uri=True)
    try:
        images = {row[0]: row[1] for row in database.execute("SELECT id, removed FROM images")}
        located = {row[0] for row in database.execute("SELECT image_id FROM locations")}
        current: list[Any] = database.execute(
            "SELECT number, rows, kind FROM generations WHERE current = 1 AND kind = 'images'"
        ).fetchall()
    finally:
        database.close()
    if len(current) != 1:
        found.problems.append(f"{len(current)} current generations of images")
        return
    live = {image_id for image_id, removed in images.items() if removed is None}
    if live != located:
        found.problems.append(f"{len(live)} live images, {len(located)} with a place")
    number, rows, _ = current[0]
    with VectorFile.open(home / f"vectors-{number}.f32", rows) as file:
        stored = Counter(file.ids().tolist())
    strangers = stored.keys() - images.keys()
    if strangers:
        found.problems.append(f"vectors of images that are not there: {sorted(strangers)[:5]}")


def rubbish(home: Path) -> list[str]:
    """Files that stay in the home though a whole compaction has just ended."""
    with _opened(home) as collection:
        if collection.info().fingerprint is None:
            return []
        collection.compact()
    database = sqlite3.connect(home / "metadata.sqlite")
    numbers = {str(number) for (number,) in database.execute("SELECT number FROM generations")}
    database.close()
    names = [path.name for path in home.iterdir() if not path.name.startswith(("metadata.sqlite", "writer."))]
    known = [re.fullmatch(r"(vectors|index|basis|diffusion)-(\d+)[-.].*(?<!tmp)", name) for name in names]
    return [name for name, match in zip(names, known, strict=True) if match is None or match[2] not in numbers]
