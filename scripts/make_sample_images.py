#!/usr/bin/env python3
"""Make `sample_images/`: rendered photos of landmarks, several views each, and distractors.

    scripts/make_sample_images.py --out sample_images --jobs 4

The same script gives the same pictures: seeds come from the names, and nothing from the clock. The pictures are free of
rights (CC0), since everything in them is computed here.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
from PIL import Image

from render.landmarks import LANDMARKS, VIEWS, seed_of, view
from render.random_scene import distractor

DISTRACTORS = 20
SIDE = 320  # of the longer side; rendered 1.2 times as large and reduced, which smooths edges
CAMERAS = (
    ("Canon", "Canon EOS 80D"),
    ("NIKON CORPORATION", "NIKON D750"),
    ("FUJIFILM", "X-T30"),
    ("Apple", "iPhone 12"),
)


def names() -> list[str]:
    """Paths of all pictures, relative to the folder."""
    landmarks = [f"{name}/{name}_{k}.jpg" for name in LANDMARKS for k in range(1, len(VIEWS) + 1)]
    return landmarks + [f"other/other_{k:02}.jpg" for k in range(1, DISTRACTORS + 1)]


def make(name: str, scale: float = 1.0) -> Image.Image:
    """Render one picture by its name, the longer side SIDE * scale pixels."""
    stem = Path(name).stem
    word, _, number = stem.rpartition("_")
    pixels = distractor(int(number), scale) if word == "other" else view(word, int(number), scale)
    picture = Image.fromarray(pixels)
    ratio = SIDE * scale / max(picture.size)
    return picture.resize((round(picture.width * ratio), round(picture.height * ratio)), Image.Resampling.LANCZOS)


def exif(name: str) -> Image.Exif:
    """A camera and a date between 2019 and 2025, drawn from the name."""
    rng = np.random.default_rng(seed_of(name))
    make_, model = CAMERAS[int(rng.integers(len(CAMERAS)))]
    taken = datetime(2019, 1, 1, 8) + timedelta(days=int(rng.integers(2500)), minutes=int(rng.integers(600)))
    tags = Image.Exif()
    tags[0x010F], tags[0x0110] = make_, model  # Make, Model
    tags.get_ifd(0x8769)[0x9003] = taken.strftime("%Y:%m:%d %H:%M:%S")  # Exif IFD, DateTimeOriginal
    return tags


def write(task: tuple[str, Path, float]) -> str:
    name, out, scale = task
    target = out / name
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_suffix(".tmp")
    make(name, scale).save(partial, "JPEG", quality=87, exif=exif(name))
    os.replace(partial, target)
    return name


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path(__file__).resolve().parents[1] / "sample_images")
    parser.add_argument("--only", default="", help="only pictures whose name contains this")
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    options = parser.parse_args()
    tasks = [(name, options.out, options.scale) for name in names() if options.only in name]
    with multiprocessing.Pool(options.jobs) as pool:
        for done, name in enumerate(pool.imap_unordered(write, tasks), start=1):
            print(f"{done}/{len(tasks)} {name}", flush=True)


if __name__ == "__main__":
    main()
