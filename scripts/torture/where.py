"""Ask a collection of made-up records by filters of `expressions`, and hold the answers against their meaning."""

from __future__ import annotations

import hashlib
import json
import random
import sqlite3
import time
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from dinosearch import Collection
from dinosearch.errors import FilterError
from torture.expressions import Writer, records
from torture.numbered import DIMENSION, NumberEmbedder, vector
from torture.verdict import Verdict

RECORDS = 250
LIMIT = 1.0
"""Seconds of processor time that a filter may take, refused or answered."""


class Filters:
    """A collection of made-up records; a context manager.

    Args:
        folder: an empty folder.
        seed: of the records.
        count: of the records.
    """

    def __init__(self, folder: Path, seed: int, count: int = RECORDS) -> None:
        made = records(random.Random(f"{seed} records"), count)
        _write_export(folder / "export", made)
        self._collection = Collection.open(folder / "home", create=True, embedder=NumberEmbedder())
        self._collection.import_(folder / "export")
        self.files = list(self._collection.files())
        kept = ("path", "width", "height", "format", "size", "modified", "taken", "camera")
        kept += ("label", "label_confidence", "label_given")
        found = [{name: file.get(name) for name in kept} for file in self.files]
        wanted = [{name: line.get(name) for name in kept} for line in made]
        assert sorted(found, key=lambda f: f["path"]) == sorted(wanted, key=lambda f: f["path"]), "import changed them"
        self.home = folder / "home"
        self._tables = folder / "home" / "metadata.sqlite"
        self._before = _checksum(self._tables)
        self._slowest, self._halves = 0.0, 0

    def try_one(
        self, number: int, rng: random.Random, verdict: Verdict, limit: float = LIMIT, full: bool = True
    ) -> None:
        """Try one whole filter and one mutated string; and, for a full try, a wrong one, and a search."""
        writer = Writer(rng, self.files)
        text, test = writer.filter()
        wanted = [file["path"] for file in self.files if test(file)]
        answered = self._answer(number, text, verdict, limit)
        if isinstance(answered, str):
            verdict.fail(number, f"{text!r} is refused: {answered}")
        elif answered is not None:
            self._halves += 0 < len(wanted) < len(self.files)
            self._hold(number, text, answered, wanted, verdict, full)
        for kind, text in (("wrong", writer.wrong()), ("mutated", writer.mutated()))[not full :]:
            answered = self._answer(number, text, verdict, limit)
            if isinstance(answered, str):
                verdict.count(f"{kind}: refused with a place")
                if "character" not in answered and "at its end" not in answered:
                    verdict.fail(number, f"{text[:200]!r} is refused without a place: {answered[:200]}")
            elif kind == "mutated" and answered is not None:
                verdict.count("mutated: still a filter, answered")
            elif answered is not None:
                verdict.fail(number, f"{text[:200]!r} is wrong, but was answered")

    def finish(self, verdict: Verdict) -> None:
        """Look whether anything was changed."""
        verdict.figure("filters that split the records in two", self._halves)
        verdict.figure("slowest filter, s of processor time", round(self._slowest, 2))
        if _checksum(self._tables) != self._before:
            verdict.fail(0, "the tables are not what they were")
        if (found := self._collection.verify()).problems:
            verdict.fail(0, f"verify finds {found.problems[0]}")

    def _answer(self, number: int, text: str, verdict: Verdict, limit: float) -> list[dict[str, Any]] | str | None:
        """The files that match, or what the refusal says; None where it failed otherwise."""
        started = time.process_time()
        try:
            answered: list[dict[str, Any]] | str = list(self._collection.files(text)) if text else "at its end"
        except FilterError as error:
            answered = str(error)
        except Exception as error:
            verdict.fail(number, f"{text[:200]!r} raises {type(error).__name__}: {str(error)[:200]}")
            return None
        took = time.process_time() - started
        self._slowest = max(self._slowest, took)
        if took > limit:
            verdict.fail(number, f"{text[:200]!r} takes {took:.1f} s")
        return answered

    def _hold(
        self, number: int, text: str, answered: list[dict[str, Any]], wanted: list[str], verdict: Verdict, search: bool
    ) -> None:
        found = [file["path"] for file in answered]
        if found != wanted:
            verdict.fail(number, f"{text!r}: {_difference(found, wanted)}")
            return
        if search:
            ids = {file["id"] for file in self.files if file["path"] in set(wanted)}
            ranked = self._collection.rank(vector(0), len(self.files), where=text)[0][0]
            if set(ranked[ranked >= 0].tolist()) != ids:
                verdict.fail(number, f"{text!r}: a search ranks other images than match")
                return
        verdict.count("whole: equal to the oracle")

    def __enter__(self) -> Filters:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._collection.close()


def _difference(found: list[str], wanted: list[str]) -> str:
    more, less = sorted(set(found) - set(wanted)), sorted(set(wanted) - set(found))
    return f"{len(found)} files instead of {len(wanted)}, such as {more[:1] or less[:1]}"


def _checksum(file: Path) -> str:
    """SHA-256 of every row of every table."""
    digest = hashlib.sha256()
    with sqlite3.connect(f"file:{file}?mode=ro", uri=True) as connection:
        for (name,) in connection.execute(
            "SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name"
        ).fetchall():
            for row in connection.execute(f'SELECT * FROM "{name}" ORDER BY rowid'):
                digest.update(repr((name, row)).encode())
    connection.close()
    return digest.hexdigest()


def _write_export(folder: Path, made: list[dict[str, Any]]) -> None:
    """The records in the form that `import` reads."""
    folder.mkdir()
    rows = np.random.default_rng(1).standard_normal((len(made), DIMENSION)).astype(np.float32)
    np.save(folder / "vectors.npy", rows / np.linalg.norm(rows, axis=1, keepdims=True))
    lines = "".join(json.dumps({"id": number, **line}) + "\n" for number, line in enumerate(made, start=1))
    (folder / "images.jsonl").write_text(lines, encoding="utf-8")
    sums = {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in ("images.jsonl", "vectors.npy")}
    manifest = {
        "schema": "dinosearch-export-1",
        "images": len(made),
        "files": len(made),
        "fingerprint": NumberEmbedder().fingerprint.to_dict(),
        "sha256": sums,
    }
    (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
