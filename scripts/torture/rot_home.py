"""A home that has everything that can be stored, what it must answer, and what it holds: the truth for bit rot."""

from __future__ import annotations

import hashlib
import shutil
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from dinosearch import Collection
from dinosearch.embedding.tokens import ImageTokens
from dinosearch.errors import DinosearchError
from torture.photos import Colours, vector_of, write_photo

PHOTOS = 48
ASKED = (0, 23)
STAGES = ("fast", "diffusion", "maxsim")


class Detailed(Colours):
    """Colours with patch tokens: mean and spread of each patch."""

    def tokens(self, pixels: Sequence[np.ndarray]) -> list[ImageTokens]:
        """Tokens of (h, w, 3) uint8 pictures whose sides are multiples of 14."""
        found = []
        for image in pixels:
            height, width = (side // 14 for side in image.shape[:2])
            cells = image.astype(np.float32).reshape(height, 14, width, 14, 3)
            patches = np.concatenate([cells.mean((1, 3)), cells.std((1, 3)) + 1], axis=-1)
            found.append(ImageTokens(patches.mean((0, 1)), np.empty((0, 6), np.float32), patches))
        return found


@dataclass(frozen=True)
class Answer:
    """One hit, as far as it must be right."""

    path: str
    score: float
    confidence: float | None


class RotHome:
    """Two homes: one that was closed, and one whose last changes are still in the -wal file.

    Args:
        folder: an empty folder.
    """

    def __init__(self, folder: Path) -> None:
        self.photos, self.closed, self.open = folder / "photos", folder / "closed", folder / "open"
        for seed in range(PHOTOS):
            write_photo(self.photos / f"{seed % 3}" / f"{seed:03}.png", seed)
        (self.photos / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n and then nothing")
        with Collection.open(self.closed, create=True, embedder=Detailed()) as collection:
            collection.index(self.photos, regions=True, keep_patches=True)
            collection.refine(dimensions=4)
            collection.diffuse(edges=8, truncation=16)
            collection.calibrate(sample=20)
            collection.confirm(self.photos / "0" / "000.png", "id:2")
            collection.reject(self.photos / "0" / "000.png", "id:3")
            collection.tag([1, 2, 3], ["LABELLED", "other", "other"], [1, 0.5, 0.75], given=False)
            collection.say_not_duplicates([(1, 2), (5, 9)])
            collection.remove(str(self.photos / "2" / "047.png"))
        shutil.copytree(self.closed, self.open)
        with Collection.open(self.open, embedder=Detailed()) as collection:
            collection.remove(str(self.photos / "1" / "046.png"))
            collection.confirm(self.photos / "0" / "000.png", "id:5")
            for path in self.open.iterdir():  # as a killed process leaves it: closing would empty the -wal file
                shutil.copy2(path, folder / path.name)
        shutil.rmtree(self.open)
        self.open.mkdir()
        for path in list(folder.iterdir()):
            if path.is_file():
                path.rename(self.open / path.name)
        (self.open / "writer.json").write_text('{"pid": 999999, "host": "elsewhere", "since": "2026-01-01 00:00:00"}')
        self.truth = {home: answers(copied(home, folder / "look")) for home in (self.closed, self.open)}
        self.rows = {home: rows(copied(home, folder / "look")) for home in (self.closed, self.open)}

    def targets(self) -> list[tuple[Path, Path]]:
        """Every stored file with the home that it is damaged in."""
        found = [(self.closed, path) for path in sorted(self.closed.iterdir()) if path.name != "writer.lock"]
        late = ("metadata.sqlite-wal", "metadata.sqlite-shm", "writer.json")
        return found + [(self.open, self.open / name) for name in late]


def copied(home: Path, place: Path) -> Path:
    """A fresh copy of a home."""
    shutil.rmtree(place, ignore_errors=True)
    try:
        shutil.copytree(home, place)
    except shutil.Error:  # SQLite deletes its own files when it finds them useless
        shutil.copytree(home, place, dirs_exist_ok=True)
    return place


def answers(home: Path) -> dict[str, list[Answer] | str]:
    """What the home answers to every query, by query; a refusal is its sentence."""
    found: dict[str, list[Answer] | str] = {}
    try:
        with Collection.open(home, embedder=Detailed()) as collection:
            for seed in ASKED:
                for stage in STAGES:
                    try:
                        hits = _asked(collection, seed, stage)
                        found[f"{seed} {stage}"] = [Answer(h.path, h.score, h.confidence) for h in hits]
                    except DinosearchError as error:
                        found[f"{seed} {stage}"] = str(error)
    except DinosearchError as error:
        found["open"] = str(error)
    return found


def _asked(collection: Collection, seed: int, stage: str) -> Sequence[Any]:
    if stage == "fast":
        return collection.search_vectors(vector_of(seed, "colours"), k=PHOTOS)[0]
    return collection.query(f"id:{seed + 1}", k=8, rerank=stage)


def rows(home: Path) -> str:
    """Digest of every row and definition of the database, read past the product."""
    database = sqlite3.connect(home / "metadata.sqlite")
    database.text_factory = bytes
    try:
        digest = hashlib.sha256()
        schema = database.execute("SELECT type, name, tbl_name, sql FROM sqlite_master ORDER BY type, name").fetchall()
        digest.update(repr(schema).encode())
        for kind, name, *_ in schema:
            if kind == b"table":
                held = database.execute(f"SELECT rowid, * FROM {name.decode()} NOT INDEXED ORDER BY rowid").fetchall()
                digest.update(repr(held).encode())
        return digest.hexdigest()
    except (sqlite3.Error, UnicodeDecodeError) as error:
        return str(error)
    finally:
        database.close()


def stored(home: Path, name: str) -> bytes:
    """The bytes of a file of vectors that count: its header and the committed rows; others are declared unused."""
    from dinosearch.vectors import VectorFile

    number = int(name.split("-")[1].split(".")[0])
    database = sqlite3.connect(f"file:{home / 'metadata.sqlite'}?mode=ro", uri=True)
    try:
        count = int(database.execute("SELECT rows FROM generations WHERE number = ?", (number,)).fetchone()[0])
    finally:
        database.close()
    slots = np.arange(count)
    with VectorFile.open(home / name, count) as file:
        kept = file._blocks[slots // 256]
        parts = [np.ascontiguousarray(kept[field][slots, slots % 256]).tobytes() for field in kept.dtype.names or ()]
    return (home / name).read_bytes()[:4096] + b"".join(parts)
