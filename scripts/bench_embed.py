#!/usr/bin/env python
"""Measures `dinosearch embed` on a Ray cluster of this machine against the engine of one process, on the same cores.

    scripts/bench_embed.py [--images 4000] [--rounds 3] [--model mini] [--cache DIR] [--write]

Each round runs both engines one after the other, each as a user calls it, over a third of the photos and over all of
them, into fresh folders. The difference of the two is what the other two thirds took: the rate without what a run takes
to begin (a cluster, a model), which is told apart. Medians over the rounds; files are compared byte for byte. A model
other than `mini` has random weights.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image

SCRIPTS = Path(__file__).resolve().parent
sys.path[:0] = [str(SCRIPTS), str(SCRIPTS.parent)]

from bench.report import machine, table, write_section  # noqa: E402
from bench.weights import random_weights  # noqa: E402

ENGINES = ("local", "ray")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=4000)
    parser.add_argument("--size", default="1280x960", help="of the photos, pixels; default: %(default)s")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--model", default="mini")
    parser.add_argument("--shard-size", type=int, default=500)
    parser.add_argument("--cache", type=Path, help="keep photos here")
    parser.add_argument("--records", type=Path, help="append the seconds of each round, and tell of all rounds there")
    parser.add_argument("--write", action="store_true", help="put the table into docs/benchmarks.md")
    asked = parser.parse_args()
    try:
        import ray
    except ImportError:
        raise SystemExit("skipped: Ray is not installed; pip install 'dinosearch[ray]'") from None
    with tempfile.TemporaryDirectory() as temporary:
        photos = photos_in(asked.cache or Path(temporary), asked.images, asked.size)
        rounds = [run_all(photos, Path(temporary), asked) for _ in range(asked.rounds)]
    if asked.records:
        with open(asked.records, "a", encoding="utf-8") as lines:
            lines.writelines(json.dumps(one) + "\n" for one in rounds)
        rounds = [json.loads(line) for line in asked.records.read_text(encoding="utf-8").splitlines()]
    text = report(rounds, asked, ray.__version__)
    print(text)
    if asked.write:
        write_section("bench_embed", text)


def run_all(photos: list[Path], temporary: Path, asked: argparse.Namespace) -> dict[str, list[float]]:
    """Seconds of each engine, over a third and over all of the photos."""
    seconds, outs = {}, {}
    for engine in ENGINES:
        outs[engine] = temporary / engine
        seconds[engine] = []
        for folders in (photos[:1], photos):
            shutil.rmtree(outs[engine], ignore_errors=True)
            command = [sys.executable, "-m", "dinosearch", "embed", *folders, "--out", outs[engine], "--engine", engine]
            options = ["--model", asked.model, *weights_of(asked), "--shard-size", asked.shard_size, "--quiet"]
            started = time.perf_counter()
            subprocess.run(list(map(str, [*command, *options])), check=True, cwd=SCRIPTS.parent, env=environment())
            seconds[engine].append(time.perf_counter() - started)
    made = [{path.name: path.read_bytes() for path in (out / "shards").iterdir()} for out in outs.values()]
    if made[0] != made[1]:
        raise SystemExit("the engines made different files")
    return seconds


def weights_of(asked: argparse.Namespace) -> list[str]:
    """Random weights for a model whose trained ones are not part of the package: a forward pass takes as long."""
    if asked.model == "mini":
        return []
    return ["--weights", str(random_weights(asked.cache or Path(tempfile.gettempdir()), asked.model))]


def report(rounds: list[dict[str, list[float]]], asked: argparse.Namespace, version: str) -> str:
    rest = asked.images - asked.images // 3
    rates = {engine: [rest / (one[engine][1] - one[engine][0]) for one in rounds] for engine in ENGINES}
    ratios = [local / ray for local, ray in zip(rates["local"], rates["ray"], strict=True)]
    rows = []
    for engine in ENGINES:
        whole = statistics.median(one[engine][1] for one in rounds)
        begin = statistics.median(one[engine][0] - (one[engine][1] - one[engine][0]) / 2 for one in rounds)
        rows.append((engine, f"{statistics.median(rates[engine]):.0f}", f"{whole:.1f}", f"{begin:.1f}"))
    overhead = 100 * (statistics.median(ratios) - 1)
    wholes = [one["ray"][1] / one["local"][1] for one in rounds]
    spread = f"{100 * (min(ratios) - 1):.0f} to {100 * (max(ratios) - 1):.0f}"
    return (
        f"{table(('engine', 'images/s', 's for all', 's to begin and end'), rows)}\n\n"
        f"Ray {version} costs {overhead:.0f} % (rounds: {spread} %), "
        f"with its beginning and end {100 * (statistics.median(wholes) - 1):.0f} % of the whole run. "
        f"{machine()}; {asked.images:,} JPEG files of "
        f"{asked.size} pixels, model {asked.model}, shards of {asked.shard_size}, {len(rounds)} rounds; images/s are "
        "over the last two thirds; the files of both engines were the same, byte for byte. `scripts/bench_embed.py`"
    )


def photos_in(folder: Path, count: int, size: str) -> list[Path]:
    """Three folders with a third of the photos each."""
    folders = [folder / f"photos-{count}-{size}" / str(number) for number in range(3)]
    if not folders[-1].exists():
        width, height = map(int, size.split("x"))
        for one in folders:
            one.mkdir(parents=True, exist_ok=True)
        jobs = [(number, width, height, str(folders[3 * number // count])) for number in range(count)]
        with ProcessPoolExecutor() as processes:
            list(processes.map(photo, jobs, chunksize=32))
    return folders


def photo(job: tuple[int, int, int, str]) -> None:
    number, width, height, folder = job
    blobs = np.random.default_rng(number).integers(0, 256, (12, 16, 3), dtype=np.uint8)
    picture = Image.fromarray(blobs).resize((width, height), Image.Resampling.BICUBIC)
    picture.save(f"{folder}/{number:06}.jpg", quality=90)


def environment() -> dict[str, str]:
    return {**os.environ, "DINOSEARCH_OFFLINE": "1"}


if __name__ == "__main__":
    main()
