"""Measures the geometric check through `Collection.explain` with the bundled model on sample_images.

    scripts/bench_geometry.py [--warps 48] [--pairs 60] [--parts 15]

Warps: rotation to 30 degrees, scale 0.6 to 1.6, on a canvas of the picture's size; the error is that of the farthest
corner in patches of the result (a 28th of its longer side). Pairs: pictures of two landmarks. Parts: squares of a share
of the sides, cut out at random; found means a box with IoU >= 0.3.
"""

from __future__ import annotations

import argparse
import math
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

from dinosearch import Collection
from dinosearch.images.resize import MEAN_COLOUR

SAMPLES = Path(__file__).resolve().parents[1] / "sample_images"
GRID, SHARES = 28, (0.3, 0.45, 0.6)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--warps", type=int, default=48)
    parser.add_argument("--pairs", type=int, default=60)
    parser.add_argument("--parts", type=int, default=15, help="of each share")
    options = parser.parse_args()
    rng = np.random.default_rng(0)
    folders = sorted(path for path in SAMPLES.iterdir() if path.is_dir() and path.name != "other")
    views = [Image.open(path).convert("RGB") for folder in folders for path in sorted(folder.glob("*_[12].jpg"))]
    with tempfile.TemporaryDirectory() as home, Collection.open(home, create=True, model="mini") as photos:
        photos.index(SAMPLES)
        errors = [warp_error(photos, views[i % len(views)], rng) for i in range(options.warps)]
        known = np.array([error for error in errors if error is not None])
        for patches in (1.0, 1.5, 2.0):
            print(f"warps: {np.sum(known <= patches) / len(errors):.0%} of {len(errors)} within {patches} patches")
        print(f"warps: {len(known) / len(errors):.0%} accepted")
        strangers = 0
        for i in range(options.pairs):
            a = i % len(views)
            b = (a + 2 * int(rng.integers(1, len(folders)))) % len(views)  # two views a folder: another landmark
            strangers += photos.explain(views[a], views[b]).matched
        print(f"pairs: {strangers} of {options.pairs} unrelated ones accepted")
        for share in SHARES:
            found = sum(part_is_found(photos, views[2 * i % len(views)], share, rng) for i in range(options.parts))
            print(f"parts: {found} of {options.parts} found that have {share:.0%} of each side")


def warp_error(photos: Collection, image: Image.Image, rng: np.random.Generator) -> float | None:
    """Farthest corner in patches; None where the match is not accepted."""
    angle, scale = math.radians(rng.uniform(-30, 30)), math.exp(rng.uniform(math.log(0.6), math.log(1.6)))
    half = np.array(image.size) / 2
    linear = scale * np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    back = np.linalg.inv(linear)
    offset = half - back @ half
    small = image.resize([max(1, round(side * min(1.0, scale))) for side in image.size])  # transform does not filter
    shrink = np.diag([small.width / image.width, small.height / image.height])
    matrix = np.column_stack([shrink @ back, shrink @ offset])
    result = small.transform(
        image.size, Image.Transform.AFFINE, tuple(matrix.ravel()), Image.Resampling.BICUBIC, fillcolor=MEAN_COLOUR
    )
    found = photos.explain(image, result)
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


if __name__ == "__main__":
    main()
