"""The verbs that are tortured: how a random one is chosen, and how a child runs it and acknowledges."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from dinosearch import Collection
from dinosearch.collection.indexing import run as indexing
from dinosearch.collection.keeping import received
from dinosearch.retrieval.windows import WINDOWS
from dinosearch.vectors.header import BLOCK_ROWS, HEADER_BYTES, read_header
from dinosearch.vectors.vector_file import block_of
from torture.photos import MODELS, Colours, sha256_of
from torture.world import State, Step, World

INDEX_TYPES = (None, None, "auto", "ivf-flat", "ivf-sq8", "ivf-pq")
BATCHES = (1, 3, 8, 32)
Tell = Callable[..., None]
"""Acknowledges: `tell("placed", 12)`."""


def choose(rng: random.Random, world: World, home: Path, state: State) -> Step:
    """A step that makes sense in this state; photos on the disk may change on the way."""
    kinds = ["index", "add", "add"]
    if len(state.held) > 20:
        kinds = ["index", "index", "add", "remove", "remove", "compact", "compact", "repair", "repair", "refine"]
        kinds += ["migrate", "migrate"]
    return CHOOSE[rng.choice(kinds)](rng, world, home, state)


def _options(rng: random.Random) -> dict[str, Any]:
    return {"index_type": rng.choice(INDEX_TYPES), "batch": rng.choice(BATCHES)}


def _index(rng: random.Random, world: World, home: Path, state: State) -> Step:
    if not world.folders:
        return _add(rng, world, home, state)
    folder = rng.choice(world.folders)
    world.change(folder, rng)
    return Step("index", {"folder": folder, **_options(rng)}, state, world.indexed(state, folder), whole=False)


def _add(rng: random.Random, world: World, home: Path, state: State) -> Step:
    folder = world.add_folder(rng, rng.randrange(5, 60))
    return Step("add", {"folder": folder, **_options(rng)}, state, world.indexed(state, folder), whole=False)


def _remove(rng: random.Random, world: World, home: Path, state: State) -> Step:
    gone = rng.sample(sorted(state.held), rng.randrange(1, len(state.held) // 2))
    left = {path: seed for path, seed in state.held.items() if path not in gone}
    return Step("remove", {"targets": gone}, state, State(left, state.model))


def _compact(rng: random.Random, world: World, home: Path, state: State) -> Step:
    return Step("compact", {}, state, state)


def _refine(rng: random.Random, world: World, home: Path, state: State) -> Step:
    return Step("refine", {}, state, state)


def _repair(rng: random.Random, world: World, home: Path, state: State) -> Step:
    """Damage what can be mended: vectors of images whose photo is still there, or the index file."""
    for index in home.glob("index-*.faiss"):
        if rng.random() < 0.5:
            flip(index, rng.randrange(index.stat().st_size), rng)
    sound = {sha256_of(seed) for path, seed in state.held.items() if world.files.get(path) == seed}
    for file, offset, size in vector_places(home, sound, rng.randrange(1, 12), rng):
        flip(file, offset + rng.randrange(size), rng)
    return Step("repair", {}, state, state)


def _migrate(rng: random.Random, world: World, home: Path, state: State) -> Step:
    # Only what is on the disk can be embedded by another model.
    model = next(name for name in MODELS if name != state.model)
    for path, seed in state.held.items():
        if world.files.get(path) != seed:
            world.write(path, seed)
    return Step(
        "migrate", {"model": model, "back": rng.random() < 0.5, **_options(rng)}, state, replace(state, model=model)
    )


CHOOSE = {
    "index": _index,
    "add": _add,
    "remove": _remove,
    "compact": _compact,
    "refine": _refine,
    "repair": _repair,
    "migrate": _migrate,
}


def flip(file: Path, offset: int, rng: random.Random) -> None:
    """Turn over one bit of a file."""
    with open(file, "r+b") as stream:
        stream.seek(offset)
        byte = stream.read(1)[0]
        stream.seek(offset)
        stream.write(bytes([byte ^ (1 << rng.randrange(8))]))


def vector_places(home: Path, contents: set[str], count: int, rng: random.Random) -> list[tuple[Path, int, int]]:
    """(file, offset, bytes) of the vectors of up to `count` of the images, contents by their SHA-256."""
    database = sqlite3.connect(home / "metadata.sqlite")
    try:
        chosen = "SELECT number, rows FROM generations WHERE current = 1 AND kind = 'images'"
        number, rows = database.execute(chosen).fetchone() or (0, 0)
        ids = [image_id for image_id, sha in database.execute("SELECT id, sha256 FROM images") if sha.hex() in contents]
    finally:
        database.close()
    places = []
    file = home / f"vectors-{number}.f32"
    if ids and rows:
        block = block_of(read_header(file))
        data = file.read_bytes()[HEADER_BYTES:]
        size = (block.itemsize - BLOCK_ROWS * 12) // BLOCK_ROWS
        for slot in range(rows):
            base = slot // BLOCK_ROWS * block.itemsize
            row = slot % BLOCK_ROWS
            if int.from_bytes(data[base + 8 * row :][:8], "little") in ids:
                places.append((file, HEADER_BYTES + base + BLOCK_ROWS * 12 + row * size, size))
    return rng.sample(places, min(count, len(places)))


def run(step: Step, home: Path | str, tell: Tell) -> None:
    """Run the verb in this process, acknowledging `begun`, what it reports, and `ended`."""
    if not hasattr(indexing, "_BATCH"):
        raise AttributeError("indexing._BATCH has another name now; small batches need it")
    indexing._BATCH = step.arguments.get("batch", indexing._BATCH)
    embedder = Colours(step.before.model, step.arguments.get("batch", 8))
    with Collection.open(home, create=True, embedder=embedder) as collection:
        tell("begun", 1)
        RUN[step.kind](collection, step.arguments, tell)
    tell("ended", 1)


def _placed(tell: Tell) -> Callable[[str, int, int | None], None]:
    def progress(stage: str, done: int, total: int | None) -> None:
        if stage == "index":
            tell("placed", done)

    return progress


def _run_index(collection: Collection, asked: Mapping[str, Any], tell: Tell) -> None:
    kept: Mapping[str, bool] = asked.get("kept", {})
    collection.index(asked["folder"], index_type=asked["index_type"], progress=_placed(tell), **kept)
    if kept:
        images, found = collection.info().images, {one.kind: one.rows for one in collection.info().derived}
        found.pop("refined", None)  # `verify` looks whether every image has one
        if found != ({"regions": len(WINDOWS) * images, "patches": images} if kept["regions"] else {}):
            raise AssertionError(f"of {images} images there are {found}")


def _run_import(collection: Collection, asked: Mapping[str, Any], tell: Tell) -> None:
    received._BATCH = asked["batch"]
    collection.import_(asked["export"], progress=lambda stage, done, total: stage == "import" and tell("placed", done))


def _run_refine(collection: Collection, asked: Mapping[str, Any], tell: Tell) -> None:
    if collection.info().images >= 40:
        collection.refine(dimensions=4)


def _run_repair(collection: Collection, asked: Mapping[str, Any], tell: Tell) -> None:
    report = collection.verify(repair=True)
    if not report.ok or report.lost:
        raise AssertionError(f"repair did not restore all: {report}")


def _run_migrate(collection: Collection, asked: Mapping[str, Any], tell: Tell) -> None:
    embedder = Colours(asked["model"], asked["batch"])
    kept = [made.fingerprint.checkpoint for made in collection.info().models if made.state.startswith("kept")]
    if asked["model"] in kept and asked["back"]:
        report = collection.migrate_back(embedder=embedder)
    else:
        report = collection.migrate(embedder=embedder, restart=asked["model"] in kept)
    if report.outcome not in ("answering", "already"):
        raise AssertionError(f"the model was not changed: {report}")


RUN: dict[str, Callable[[Collection, Mapping[str, Any], Tell], Any]] = {
    "index": _run_index,
    "add": _run_index,
    "remove": lambda collection, asked, tell: collection.remove(*asked["targets"]),
    "compact": lambda collection, asked, tell: collection.compact(),
    "import": _run_import,
    "refine": _run_refine,
    "repair": _run_repair,
    "migrate": _run_migrate,
}
