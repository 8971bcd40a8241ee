"""The stages of an index run alone, and what storing costs in one: a process of its own, without torch.

    python -m bench.stages FOLDER HOME MODEL WEIGHTS SECONDS

Prints JSON: images/s of decoding alone and of the forward pass alone, each for that many seconds on all cores, and the
shares of an index run that went into committing batches and into the vector index.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from dinosearch import Collection
from dinosearch.collection.indexing.run import IndexRun
from dinosearch.collection.opened import OpenedHome
from dinosearch.images import DecodePool
from dinosearch.protocols import Embedder
from dinosearch.records import FoundFile, PreparedImage


class Clock:
    """Seconds that a function takes which it is put around, and those of them that its thread was at work."""

    def __init__(self) -> None:
        self.seconds = self.working = 0.0

    def around(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def timed(*arguments: Any, **options: Any) -> Any:
            started, worked = time.perf_counter(), time.thread_time()
            try:
                return function(*arguments, **options)
            finally:
                self.seconds += time.perf_counter() - started
                self.working += time.thread_time() - worked

        return timed


def decoding(files: list[FoundFile], embedder: Embedder, seconds: float) -> float:
    """Images/s of the decode pool when nothing else runs."""
    with DecodePool(embedder.preprocessing, embedder.patch_size) as pool:
        prepared = pool.prepare_all(files[i % len(files)] for i in range(1 << 30))
        for _ in range(16):  # until the workers are up
            next(prepared)
        started, done = time.perf_counter(), 0
        while time.perf_counter() - started < seconds:
            next(prepared)
            done += 1
        return done / (time.perf_counter() - started)


def forward(files: list[FoundFile], embedder: Embedder, seconds: float) -> float:
    """Images/s of the model on pixels that are ready."""
    with DecodePool(embedder.preprocessing, embedder.patch_size) as pool:
        answers = [answer for _, answer in pool.prepare_all(files[: max(embedder.batch_size, 32)])]
    pixels = [answer.pixels for answer in answers if isinstance(answer, PreparedImage)]
    embedder.embed(pixels)
    started, done = time.perf_counter(), 0
    while time.perf_counter() - started < seconds:
        for low in range(0, len(pixels), embedder.batch_size):
            part = pixels[low : low + embedder.batch_size]
            embedder.embed(part)
            done += len(part)
    return done / (time.perf_counter() - started)


def storing(folder: Path, embedder: Embedder) -> dict[str, float]:
    """Shares of an index run: of committing, whose waits for the disk pass beside the model, and of the index."""
    commit, build = Clock(), Clock()
    IndexRun._commit = commit.around(IndexRun._commit)  # type: ignore[method-assign]
    OpenedHome.update_index = build.around(OpenedHome.update_index)  # type: ignore[method-assign]
    with tempfile.TemporaryDirectory() as home, Collection.open(home, create=True, embedder=embedder) as collection:
        started = time.perf_counter()
        collection.index(folder)
        whole = time.perf_counter() - started
    return {"commit": commit.working / whole, "beside": commit.seconds / whole, "build": build.seconds / whole}


def main() -> None:
    folder, home, model, weights, seconds = sys.argv[1:]
    with Collection.open(home, create=True, model=model, weights=weights or None) as collection:
        embedder = collection.embedder
        files = [FoundFile(str(path), path.stat().st_size, 0) for path in sorted(Path(folder).glob("*.jpg"))]
        rates = {
            "decode": decoding(files, embedder, float(seconds)),
            "forward": forward(files, embedder, float(seconds)),
        }
        print(json.dumps({**rates, **storing(Path(folder), embedder)}))


if __name__ == "__main__":
    main()
