"""Whole index runs into fresh homes, with JPEG files decoded on the device or by the decode pool."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

from dinosearch import Collection
from dinosearch.collection.indexing import trial
from dinosearch.embedding.embedder import TorchEmbedder


def distinct(pictures: list[Path], folder: Path, count: int) -> list[Path]:
    """So many files of these pictures that differ in a comment: an index run embeds the same content once only."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{number:06d}.jpg" for number in range(count)]
    for number, path in enumerate(paths):
        if not path.is_file():
            data, text = pictures[number % len(pictures)].read_bytes(), f"{number:010d}".encode()
            path.write_bytes(data[:2] + b"\xff\xfe" + (2 + len(text)).to_bytes(2, "big") + text + data[2:])
    return paths


def index_run(embedder: TorchEmbedder, folder: Path, expected: int, decode: str | None) -> Callable[[], None]:
    """An index run over the files of a folder, as `dinosearch index` does it once the model is loaded.

    Args:
        embedder: the model.
        folder: that is indexed.
        expected: files that must be embedded.
        decode: what DINOSEARCH_DECODE is; None leaves it out.
    """

    def run() -> None:
        before = os.environ.pop("DINOSEARCH_DECODE", None)
        if decode is not None:
            os.environ["DINOSEARCH_DECODE"] = decode
        try:
            with tempfile.TemporaryDirectory() as home, Collection.open(home, create=True, embedder=embedder) as made:
                found = made.index(folder).embedded
        finally:
            os.environ.pop("DINOSEARCH_DECODE", None)
            if before is not None:
                os.environ["DINOSEARCH_DECODE"] = before
        if found != expected:
            raise RuntimeError(f"{found} of {expected} files were embedded")

    return run


def refusal(embedder: TorchEmbedder) -> str | None:
    """Why an index run would not decode on the device; None where it would."""
    return trial.refusal(embedder)
