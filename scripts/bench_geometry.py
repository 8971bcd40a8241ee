"""Measures the geometric check through `Collection.explain` with the bundled model, on sample_images and on photos.

    scripts/bench_geometry.py [--warps 48] [--pairs 300] [--parts 15] [--photos FOLDER ...]

Warps: rotation to 30 degrees, scale 0.6 to 1.6, drawn on a canvas of the picture's size, of the mean colour and over
another picture; the error is that of the farthest corner in patches of the result (a 28th of its longer side). Pairs:
rendered pictures of two landmarks, or two photos of a FOLDER, which is to hold no two of the same thing (such as
shared/data/photos/kodak). Parts: squares of a share of the sides, cut out at random; found means a box with IoU >= 0.3.
Milliseconds: matching one view of a query with 20 answers whose tokens are given, on one thread where OMP_NUM_THREADS
is 1.
"""

from __future__ import annotations

import argparse
import math
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from dinosearch import Collection
from dinosearch.images.resizing import MEAN_COLOUR, resize
from dinosearch.records import Preprocessing
from dinosearch.retrieval import describe, verify_all

SAMPLES = Path(__file__).resolve().parents[1] / "sample_images"
GRID, SHARES = 28, (0.3, 0.45, 0.6)
SIDES, DIMENSIONS, SHORTLIST = (224, 336, 448), 64, 20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--warps", type=int, default=48, help="on each canvas")
    parser.add_argument("--pairs", type=int, default=300)
    parser.add_argument("--parts", type=int, default=15, help="of each share")
    parser.add_argument("--photos", type=Path, nargs="*", default=[], metavar="FOLDER")
    options = parser.parse_args()
    landmarks = [path for path in sorted(SAMPLES.glob("*/*_[12].jpg")) if path.parent.name != "other"]
    measure("rendered", SAMPLES, landmarks, lambda path: path.parent.name, options)
    for folder in options.photos:
        measure(folder.name, folder, sorted(folder.glob("*.jpg")), lambda path: path.name, options)


def measure(
    name: str, folder: Path, files: Sequence[Path], thing: Callable[[Path], str], options: argparse.Namespace
) -> None:
    """Print the figures of one source; `thing` says what a file shows."""
    rng = np.random.default_rng(0)
    pictures = [Image.open(path).convert("RGB") for path in files]
    strangers = [(a, b) for a in range(len(files)) for b in range(len(files)) if thing(files[a]) != thing(files[b])]
    rng.shuffle(strangers)
    with tempfile.TemporaryDirectory() as home, Collection.open(home, create=True, model="mini") as photos:
        photos.index(folder)
        for canvas in ("the mean colour", "another picture"):
            errors = []
            for i in range(options.warps):
                a, b = strangers[i % len(strangers)]
                picture = pictures[i % len(pictures)] if canvas == "the mean colour" else pictures[a]
                errors.append(warp_error(photos, picture, pictures[b] if canvas == "another picture" else None, rng))
            known = np.array([error for error in errors if error is not None])
            shares = ", ".join(f"{np.sum(known <= n) / max(1, len(errors)):.0%} to {n}" for n in (0.5, 1, 1.5, 2))
            accepted = len(known) / max(1, len(errors))
            print(f"{name}: {len(errors)} warps on {canvas}: {shares} patches; {accepted:.0%} accepted", flush=True)
        tried = strangers[: options.pairs]
        wrong = sum(photos.explain(pictures[a], pictures[b]).matched for a, b in tried)
        print(f"{name}: {wrong} of {len(tried)} unrelated pairs accepted", flush=True)
        for share in SHARES:
            found = sum(
                part_is_found(photos, pictures[2 * i % len(pictures)], share, rng) for i in range(options.parts)
            )
            print(f"{name}: {found} of {options.parts} parts found that have {share:.0%} of each side", flush=True)
        for side in SIDES:
            chosen = [pictures[i % len(pictures)] for i in range(SHORTLIST + 1)]
            print(f"{name}: {milliseconds(photos, chosen, side):.2f} ms a pair at {side} pixels", flush=True)


def warp_error(
    photos: Collection, image: Image.Image, canvas: Image.Image | None, rng: np.random.Generator
) -> float | None:
    """Farthest corner in patches; None where the match is not accepted."""
    angle, scale = math.radians(rng.uniform(-30, 30)), math.exp(rng.uniform(math.log(0.6), math.log(1.6)))
    half = np.array(image.size) / 2
    linear = scale * np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    back = np.linalg.inv(linear)
    offset = half - back @ half
    small = image.resize([max(1, round(side * min(1.0, scale))) for side in image.size])  # transform does not filter
    shrink = np.diag([small.width / image.width, small.height / image.height])
    matrix = tuple(np.column_stack([shrink @ back, shrink @ offset]).ravel())
    drawn = small.transform(image.size, Image.Transform.AFFINE, matrix, Image.Resampling.BICUBIC, fillcolor=MEAN_COLOUR)
    if canvas is not None:
        shown = Image.new("L", small.size, 255).transform(image.size, Image.Transform.AFFINE, matrix)
        drawn = Image.composite(drawn, canvas.resize(image.size), shown)
    found = photos.explain(image, drawn)
    if found.outline is None:
        return None
    corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * half
    expected = corners @ linear.T + half
    farthest = np.linalg.norm(found.outline * image.size - expected, axis=1).max()
    return float(farthest / (max(image.size) / GRID))


def part_is_found(photos: Collection, image: Image.Image, share: float, rng: np.random.Generator) -> bool:
    """Whether the part of the picture is put where it was cut out."""
    x, y = rng.uniform(0, 1 - share, 2)
    box = (x, y, x + share, y + share)
    part = image.crop(tuple(round(edge * side) for edge, side in zip(box, image.size * 2, strict=True)))
    found = photos.explain(part, image).box
    if found is None:
        return False
    width, height = (max(0.0, min(found[2 + i], box[2 + i]) - max(found[i], box[i])) for i in (0, 1))
    areas = [(b[2] - b[0]) * (b[3] - b[1]) for b in (found, box)]
    return width * height / (sum(areas) - width * height) >= 0.3


def milliseconds(photos: Collection, pictures: Sequence[Image.Image], side: int) -> float:
    """Median over ten runs of matching the first picture with the others, by the first dimensions of their tokens."""
    maps = [
        found.patches[..., :DIMENSIONS]
        for found in photos.embedder.tokens([resize(picture, Preprocessing("squash", side)) for picture in pictures])
    ]
    query, *answers = (
        describe(tokens, *picture.size, mean=np.mean(maps, axis=0))
        for tokens, picture in zip(maps, pictures, strict=True)
    )
    taken = []
    for _ in range(10):
        start = time.perf_counter()
        verify_all([query], answers)
        taken.append(time.perf_counter() - start)
    return float(np.median(taken)) * 1000 / len(answers)


if __name__ == "__main__":
    main()
