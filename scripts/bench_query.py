"""Measures the first answer and the next ones: fresh processes, then queries in a running one, and where the time goes.

    scripts/bench_query.py [--images 100000] [--runs 9] [--queries 60] [--model dinov2_vits14] [--search 1000000]
                           [--cache FOLDER] [--write] [--quick]

The home holds clustered vectors without files behind them (scripts/bench/vectors.py) and some photos; the model has
random weights of the published shape, which take as long as trained ones. Photos are made on the spot
(scripts/bench/photos.py). Fresh processes take turns with `python -c pass` and with the tutorials' query (transformers,
torchvision and Faiss over as many vectors); one round before is not counted, so that files are in memory. Queries in a
running process are of files, presets take turns. The search alone is measured over --search vectors, with queries that
are moved stored ones. --cache keeps homes and photos for the next run; --write puts the tables into docs/benchmarks.md.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from unittest.mock import patch

import numpy as np

from bench.homes import make_home
from bench.photos import SIZES, make_folder
from bench.processes import PEER, import_costs, problem_of, race
from bench.report import machine, table, write_section
from bench.vectors import DIMENSION, Mixture
from bench.weights import random_weights
from dinosearch import Collection
from dinosearch.collection.asking import query_vectors, querying
from dinosearch.embedding import open_embedder
from dinosearch.vectors import LocalVectorSearch

PHOTOS = ("12mp", "0.2mp")
PRESETS = ("fast", "balanced")
PARTS = ("decode", "embed", "search", "re-rank", "store")
WARM = 5  # queries before the clock counts


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=100_000)
    parser.add_argument("--runs", type=int, default=9, help="fresh processes of each kind")
    parser.add_argument("--queries", type=int, default=60, help="of each photo size and preset")
    parser.add_argument("--model", default="dinov2_vits14")
    parser.add_argument("--photos", type=int, default=6, help="drawn of each size")
    parser.add_argument("--search", type=int, default=1_000_000, help="vectors of the search alone, 0 for none")
    parser.add_argument("--cache", type=Path, help="keeps homes, photos and weights")
    parser.add_argument("--write", action="store_true", help="into docs/benchmarks.md")
    parser.add_argument("--quick", action="store_true", help="mini, 500 images, once: does the script run")
    options = parser.parse_args()
    if options.quick:
        options.images, options.runs, options.queries, options.model, options.search = 500, 1, 2, "mini", 500
        options.photos = 1
    with tempfile.TemporaryDirectory() as temporary:
        text = measured(options, options.cache or Path(temporary))
    print(text)
    if options.write:
        write_section("bench_query", text)


def measured(options: argparse.Namespace, cache: Path) -> str:
    """All tables, as Markdown."""
    os.environ.setdefault("DINOSEARCH_OFFLINE", "1")
    weights = None if options.model == "mini" else random_weights(cache, options.model)
    photos = {size: make_folder(cache / size, options.photos, SIZES[size]) for size in PHOTOS}
    fingerprint = open_embedder(options.model, weights=weights).fingerprint
    home = make_home(cache, options.images, fingerprint, weights, cache / PHOTOS[-1])
    recipe = f"{options.model}, {options.images:,} images, photos of {' and '.join(PHOTOS)}"
    peers = ("openvino", "faiss-gpu", "torch", "transformers", "pillow", "sqlalchemy", "numpy")
    parts = [
        machine(*peers),
        f"`scripts/bench_query.py --images {options.images} --runs {options.runs} --queries {options.queries} "
        f"--model {options.model}` ({recipe})",
        *fresh(home, photos, options),
        running(home, photos, options.queries),
    ]
    if options.search:
        big = make_home(cache, options.search, fingerprint, weights, cache / PHOTOS[-1])
        parts.append(search_alone(big, options.search, fingerprint.dimension, max(10, 10 * options.queries)))
    return "\n\n".join(parts)


def fresh(home: Path, photos: dict[str, list[Path]], options: argparse.Namespace) -> Iterator[str]:
    """Tables of fresh processes and of what the query imports."""
    environment = dict(os.environ)
    ours = [sys.executable, "-m", "dinosearch", "--home", str(home)]
    queries = {f"dinosearch query, {size}": [*ours, "query", str(photos[size][0])] for size in PHOTOS}
    commands = {
        "python -c pass": [sys.executable, "-c", "pass"],
        "dinosearch --help": [*ours[:3], "--help"],
        "dinosearch info": [*ours, "info"],
        **queries,
    }
    peer, note = "tutorial query, 12mp", ""
    needed = "import faiss, torch, torchvision.transforms.v2, transformers; transformers.Dinov2Model"
    missing = "its model is dinov2_vits14" if options.model != "dinov2_vits14" else problem_of(needed, environment)
    if missing:
        note = f"The tutorials' query was left out: {missing}."
    else:
        index = home.parent / f"peer-{options.images}.faiss"
        write_peer_index(index, options.images)
        commands[peer] = [sys.executable, "-c", PEER, str(index), str(photos["12mp"][0])]
    runs = race(commands, options.runs, environment, warm=not options.quick)
    head = (f"fresh process ({options.runs} runs each, in turn)", "wall ms, median", "best", "processor ms")
    yield table(head, (run.row(name) for name, run in runs.items()))
    if note:
        yield note
    costs = import_costs(commands["dinosearch query, 12mp"][1:], environment, 1 if options.quick else 3)
    loaded = "torch is loaded" if "torch" in costs else "torch is not loaded"
    shown = ", ".join(f"{package} {spent:.0f}" for package, spent in list(costs.items())[:10])
    yield f"Imports of a query, own code of each package in ms, {sum(costs.values()):.0f} in all ({loaded}): {shown}."


def write_peer_index(path: Path, count: int) -> None:
    """An index as the tutorials make it, over as many vectors."""
    import faiss

    if not path.is_file():
        index = faiss.index_factory(DIMENSION, "Flat")
        for _, rows in Mixture(count).chunks():
            index.add(rows)
        faiss.write_index(index, str(path))


def running(home: Path, photos: dict[str, list[Path]], count: int) -> str:
    """Table of queries in one process, by size of the photo and preset, with the parts of each."""
    times: dict[tuple[str, str], list[float]] = defaultdict(list)
    parts: dict[tuple[str, str], dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    with Collection.open(home, read_only=True) as collection:
        for number in range(WARM + count):
            for size in PHOTOS:
                for preset in PRESETS:
                    with clocks(collection) as spent:
                        started = time.perf_counter()
                        collection.query(photos[size][number % len(photos[size])], rerank=preset)
                        whole = time.perf_counter() - started
                    if number >= WARM:
                        times[size, preset].append(whole)
                        for part in PARTS:
                            parts[size, preset][part].append(spent[part])
    rows = []
    for (size, preset), column in times.items():
        middle, late = 1000 * np.percentile(column, (50, 95))
        shares = (f"{1000 * np.median(parts[size, preset][part]):.1f}" for part in PARTS)
        rows.append([f"{size}, {preset}", f"{middle:.1f}", f"{late:.1f}", *shares])
    return table((f"running process ({count} queries each)", "p50 ms", "p95 ms", *PARTS), rows)


@contextmanager
def clocks(collection: Collection) -> Iterator[dict[str, float]]:
    """Seconds spent in the parts of a query while the block runs; re-ranking is without the search inside it."""
    spent: dict[str, float] = defaultdict(float)

    def clocked(part: str, call: Callable[..., object]) -> Callable[..., object]:
        def timed(*arguments: object, **named: object) -> object:
            started = time.perf_counter()
            try:
                return call(*arguments, **named)
            finally:
                spent[part] += time.perf_counter() - started

        return timed

    model = collection.embedder
    places = (
        (query_vectors, "prepare_image", "decode"),
        (model, "embed", "embed"),
        (LocalVectorSearch, "search", "search"),
        (querying, "rerank", "re-rank"),
        (querying.Query, "_places", "store"),
    )
    with ExitStack() as stack:
        for owner, name, part in places:
            stack.enter_context(patch.object(owner, name, clocked(part, getattr(owner, name))))
        yield spent
        spent["re-rank"] -= spent["search"]


def search_alone(home: Path, count: int, dimension: int, queries: int) -> str:
    """Sentence on single searches in the index of that many vectors."""
    source = Mixture(count)
    asked = source.queries(queries)[:, :dimension]
    asked = np.pad(asked, ((0, 0), (0, dimension - asked.shape[1])))
    asked /= np.linalg.norm(asked, axis=1, keepdims=True)
    started = time.perf_counter()
    with Collection.open(home, read_only=True) as collection:
        search, _ = collection._opened.answering()
        search.search(asked[:1], 10)
        opened = time.perf_counter() - started
        times = []
        for query in asked:
            started = time.perf_counter()
            search.search(query[None], 10)
            times.append(time.perf_counter() - started)
    middle, late = 1000 * np.percentile(times[len(times) // 10 :], (50, 95))
    return (
        f"Search alone over {count:,} vectors of {dimension} numbers, k = 10, one query after the other: "
        f"p50 {middle:.2f} ms, p95 {late:.2f} ms; opened with its first search in {opened:.2f} s."
    )


if __name__ == "__main__":
    main()
