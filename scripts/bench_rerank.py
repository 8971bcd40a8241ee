"""Measures what a preset costs: warm queries in a collection of many images, with the bundled model.

    scripts/bench_rerank.py [--images 100000] [--presets fast,maxsim,...] [--queries 30]

The collection holds `sample_images` and, up to the number asked for, copies of their vectors moved at random, each with
the kept patch tokens of the picture it was moved from; no file is behind them. Queries are sample images given as
bytes, so decoding, the forward passes, the search, the stages and the records are all in the figure. Presets take turns
in blocks of queries, as a program asks with one preset; medians over the queries, and over the paired differences to
the first preset.
"""

from __future__ import annotations

import argparse
import os
import platform
import tempfile
import time
from pathlib import Path

import numpy as np

from dinosearch import Collection
from dinosearch.collection.keeping.transfer import write_vectors

SAMPLES = Path(__file__).resolve().parents[1] / "sample_images"
STEP = 1000
ROUNDS, WARM = 3, 3
SPREAD = 0.7
"""Length of what is added to a unit vector; the sum is brought to unit length again, at a cosine of about 0.82."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=100_000)
    parser.add_argument("--presets", default="fast,expansion,superglobal,k-reciprocal,maxsim,balanced")
    parser.add_argument("--queries", type=int, default=30)
    options = parser.parse_args()
    presets = options.presets.split(",")
    photos = sorted(SAMPLES.glob("*/*.jpg"))
    spread = (photos * options.queries)[:: max(1, len(photos) // 10)]
    queries = [path.read_bytes() for path in spread[: options.queries]]
    with tempfile.TemporaryDirectory() as folder:
        with Collection.open(Path(folder) / "home", create=True, model="mini") as collection:
            collection.index(SAMPLES, keep_patches=True)
            fill(collection, options.images, Path(folder) / "export")
            times = measure(collection, queries, presets)
    print(f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, {options.images:,} images")
    print("| preset | median ms | 95th ms | more than the first, median ms |\n|---|---:|---:|---:|")
    for preset, column in times.items():
        more = np.median(column - times[presets[0]])
        print(f"| {preset} | {np.median(column):.1f} | {np.percentile(column, 95):.1f} | {more:+.1f} |")


def measure(collection: Collection, queries: list[bytes], presets: list[str]) -> dict[str, np.ndarray]:
    """Milliseconds of each query by preset, in rounds of blocks; the first queries of a block are not counted."""
    times: dict[str, list[float]] = {preset: [] for preset in presets}
    for number in range(ROUNDS):
        part = queries[number::ROUNDS]
        for preset in presets:
            for place, query in enumerate([*part[:WARM], *part]):
                started = time.perf_counter()
                collection.query(query, rerank=preset)
                if place >= WARM:
                    times[preset].append(1000 * (time.perf_counter() - started))
    return {preset: np.array(column) for preset, column in times.items()}


def fill(collection: Collection, images: int, folder: Path) -> None:
    """Add moved copies of the vectors through an export of them, then the patch tokens of what they are copies of."""
    ids, vectors = collection.vectors()
    known = {file["id"]: file["path"] for file in collection.files()}
    rng = np.random.default_rng(0)
    source = rng.integers(0, len(ids), images - len(ids))
    write_export(folder, collection, vectors, source, rng)
    collection.import_(folder)
    opened = collection._opened
    added = np.array([file["id"] for file in collection.files() if file["id"] not in known], np.int64)
    patches = opened.search("patches").vectors(ids)
    for low in range(0, len(added), STEP):
        with opened.store.transaction() as tx:
            opened.append(tx, added[low : low + STEP], patches[source[low : low + STEP]], "patches")


def write_export(
    folder: Path, collection: Collection, vectors: np.ndarray, source: np.ndarray, rng: np.random.Generator
) -> None:
    """The moved copies in the form of an export."""
    rows = np.empty((len(source), vectors.shape[1]), np.float32)
    for low in range(0, len(source), STEP):
        part = vectors[source[low : low + STEP]]
        noise = rng.standard_normal(part.shape).astype(np.float32)
        moved = part + SPREAD * noise / np.linalg.norm(noise, axis=1, keepdims=True)
        rows[low : low + STEP] = moved / np.linalg.norm(moved, axis=1, keepdims=True)
    paths = [f"/nowhere/{number}.jpg" for number in range(len(source))]
    write_vectors(folder, collection.embedder.fingerprint, paths, rows)


if __name__ == "__main__":
    main()
