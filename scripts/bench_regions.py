"""Measures finding parts of pictures (`index --regions`, `query --regions`) with the bundled model; prints Markdown.

    python scripts/bench_regions.py [--half choose]    # photos: ../shared/data or DINOSEARCH_TEST_DATA

Collages: 200 canvases of 12 to 27 pictures with one object pasted over 3 to 10 % of the area; the query is the object's
picture again, cut by up to 15 % a side, brighter or darker, and compressed. Crops: a part of 10 to 30 % of the area of
each plain photo, likewise changed. Collages and plain photos are one collection. Objects and photos are pictures that
`mini` was not trained on; the tiles around the objects are others, partly from its training photos. No picture of the
half `choose`, on which the recipe was chosen, is in the half `report`, whose figures are for publishing. The rendered
landmarks and BoofCV's scenes are split by picture, so both halves show other views of the same ones.
"""

from __future__ import annotations

import argparse
import io
import os
import sys
import tempfile
import time
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageEnhance, ImageOps

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from dinosearch import Collection  # noqa: E402
from mini.photos import HELD_OUT_CLASSES  # noqa: E402

HALVES = ("choose", "report")
CANVASES = ((960, 720), (720, 960), (840, 840), (1080, 720))
OVERLAP, TOP = 0.3, 5  # a box is right from this IoU on; an image is found among this many
Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class Pools:
    """Files of one half; no file is in two of the first three, nor in both halves."""

    objects: list[Path]
    tiles: list[Path]
    plain: list[Path]


@dataclass(frozen=True)
class Question:
    """A picture, the file that should answer, and where in it the picture is (fractions of its sides)."""

    image: Image.Image
    answer: str
    box: Box


@dataclass(frozen=True)
class Scores:
    """Shares of the questions, milliseconds of a query; `boxed` is of those found among the first five."""

    first: float
    found: float
    boxed: float
    milliseconds: float


def main() -> None:
    options = _arguments()
    pools = read_pools(options.data, options.half)
    rng = np.random.default_rng(HALVES.index(options.half))
    with tempfile.TemporaryDirectory() as folder:
        photos, home = Path(folder, "photos").resolve(), Path(folder, "home")
        photos.mkdir()
        objects, parts = make_collages(pools, photos, rng), make_parts(pools, photos, rng)
        with Collection.open(home, create=True, model="mini") as collection:
            plain = timed_index(collection, photos, home, regions=False)
            windowed = timed_index(collection, photos, home, regions=True)
            images = len(list(photos.iterdir()))
            print(f"{images} images: {len(objects)} collages and {len(parts)} plain photos, half `{options.half}`.\n")
            print(f"| questions | search | recall@1 | recall@{TOP} | of those IoU >= {OVERLAP} | ms a query |")
            print("|---|---|---|---|---|---|")
            for name, questions in (("collages", objects), ("crops of 10-30 %", parts)):
                for search, regions in (("global vector", False), ("regions", True)):
                    s = score(questions, *answers(collection, questions, regions))
                    boxed = f"{s.boxed:.3f}" if regions else "-"
                    print(f"| {name} | {search} | {s.first:.3f} | {s.found:.3f} | {boxed} | {s.milliseconds:.0f} |")
            grown = (windowed[0] - plain[0]) / images
            print(f"\nRegions take {grown:.0f} bytes an image with their index and database rows,", end=" ")
            print(f"and {windowed[1] / images * 1e3:.0f} ms an image to make ({plain[1] / images * 1e3:.0f} without).")


def answers(
    collection: Collection, questions: Sequence[Question], regions: bool
) -> tuple[list[list[tuple[str, Box | None]]], float]:
    """The first hits of each question (file name and box), and the mean milliseconds of a query after the first."""
    collection.query(questions[0].image, k=TOP, regions=regions, rerank="fast")  # loads model and index
    started, hits = time.perf_counter(), []
    for question in questions:
        found = collection.query(question.image, k=TOP, regions=regions, rerank="fast")
        hits.append([(Path(hit.path).name, hit.box) for hit in found])
    return hits, (time.perf_counter() - started) / len(questions) * 1e3


def score(
    questions: Sequence[Question], hits: Sequence[Sequence[tuple[str, Box | None]]], milliseconds: float
) -> Scores:
    """Judge the hits of each question."""
    ranks, boxed = [], []
    for question, row in zip(questions, hits, strict=True):
        names = [name for name, _ in row]
        ranks.append(names.index(question.answer) if question.answer in names else TOP)
        if ranks[-1] < TOP:
            box = row[ranks[-1]][1]
            boxed.append(box is not None and overlap(box, question.box) >= OVERLAP)
    where = np.array(ranks)
    share = float(np.mean(boxed)) if boxed else float("nan")
    return Scores(float(np.mean(where == 0)), float(np.mean(where < TOP)), share, milliseconds)


def overlap(a: Box, b: Box) -> float:
    """Intersection over union."""
    width, height = (max(0.0, min(a[2 + i], b[2 + i]) - max(a[i], b[i])) for i in (0, 1))
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (a, b)]
    return width * height / (sum(areas) - width * height)


def timed_index(collection: Collection, photos: Path, home: Path, regions: bool) -> tuple[int, float]:
    """Bytes of the home after an index run, and its seconds."""
    started = time.perf_counter()
    collection.index(photos, regions=regions)
    seconds = time.perf_counter() - started
    return sum(path.stat().st_size for path in home.rglob("*") if path.is_file()), seconds


def read_pools(data: Path, half: str) -> Pools:
    """The pictures of one half.

    Raises:
        SystemExit: the photos are not here.
    """
    number = HALVES.index(half)

    def mine(files: list[Path]) -> list[Path]:
        return shuffled(
            [path for path in files if zlib.crc32(f"{path.parent.name}/{path.name}".encode()) % 2 == number]
        )

    def shuffled(files: list[Path]) -> list[Path]:
        return [files[i] for i in np.random.default_rng(10 + number).permutation(len(files))]

    caltech, photos = data / "training/caltech101", data / "photos"
    if not caltech.is_dir() or not photos.is_dir():
        raise SystemExit(f"no photos in {data}; name the folder that has training/ and photos/ with: --data FOLDER")
    classes = HELD_OUT_CLASSES[number::2]
    things = shuffled([path for name in classes for path in sorted((caltech / name).glob("*.jpg"))])
    flowers = mine(sorted((data / "training/flower_photos").glob("*/*.jpg"))[::20])
    varied = mine([path for name in ("cid22", "kodak") for path in sorted((photos / name).rglob("*.jpg"))])
    scenes = mine(sorted((photos / "boofcv/recognition").rglob("*.jpg")))
    rendered = mine(sorted((ROOT / "sample_images").glob("*/*.jpg")))
    trained = mine([path for path in sorted(caltech.glob("*/*.jpg")) if path.parent.name not in HELD_OUT_CLASSES])
    return Pools(
        objects=things[:110] + varied[:40] + rendered[:25] + flowers[:25],
        tiles=things[110:] + varied[40:70] + rendered[25:] + flowers[25:] + trained[:300],
        plain=varied[70:] + scenes[:100],
    )


def make_collages(pools: Pools, folder: Path, rng: np.random.Generator) -> list[Question]:
    """Write a collage for each object and return the questions."""
    questions = []
    for i, path in enumerate(pools.objects):
        thing, (width, height) = _read(path), CANVASES[rng.integers(len(CANVASES))]
        canvas = Image.new("RGB", (width, height))
        tiles = _tiling((0, 0, width, height), int(rng.integers(12, 28)), rng)
        for tile, which in zip(tiles, rng.choice(len(pools.tiles), len(tiles), replace=False), strict=True):
            canvas.paste(ImageOps.fit(_read(pools.tiles[which]), (tile[2] - tile[0], tile[3] - tile[1])), tile[:2])
        area, aspect = rng.uniform(0.03, 0.10) * width * height, np.clip(thing.width / thing.height, 0.6, 1.7)
        w, h = round((area * aspect) ** 0.5), round((area / aspect) ** 0.5)
        x, y = int(rng.integers(0, width - w)), int(rng.integers(0, height - h))
        canvas.paste(ImageOps.fit(thing, (w, h)), (x, y))
        name = f"collage-{i}.jpg"
        canvas.save(folder / name, quality=90)
        box = (x / width, y / height, (x + w) / width, (y + h) / height)
        left, top = rng.uniform(0.0, 0.15, 2)
        cut = (left / 2, top / 2, 1 - left / 2, 1 - top / 2)
        questions.append(Question(_changed(_part(thing, cut), rng), name, box))
    return questions


def make_parts(pools: Pools, folder: Path, rng: np.random.Generator) -> list[Question]:
    """Write the plain photos and return a question about a part of each."""
    questions = []
    for i, path in enumerate(pools.plain):
        image, name = _read(path, 1024), f"plain-{i}.jpg"
        image.save(folder / name, quality=90)
        area, aspect = rng.uniform(0.1, 0.3), np.exp(rng.uniform(-0.4, 0.4))
        w, h = (area * aspect) ** 0.5, (area / aspect) ** 0.5
        x, y = rng.uniform(0, 1 - w), rng.uniform(0, 1 - h)
        box = (x, y, x + w, y + h)
        questions.append(Question(_changed(_part(image, box), rng), name, box))
    return questions


def _tiling(canvas: tuple[int, int, int, int], count: int, rng: np.random.Generator) -> list[tuple[int, int, int, int]]:
    """Cut a canvas into rectangles of different sizes."""
    tiles = [canvas]
    while len(tiles) < count:
        x0, y0, x1, y1 = tiles.pop(int(np.argmax([(t[2] - t[0]) * (t[3] - t[1]) * rng.uniform(0.3, 1) for t in tiles])))
        share = rng.uniform(0.33, 0.67)
        if x1 - x0 > y1 - y0:
            middle = int(x0 + share * (x1 - x0))
            tiles += [(x0, y0, middle, y1), (middle, y0, x1, y1)]
        else:
            middle = int(y0 + share * (y1 - y0))
            tiles += [(x0, y0, x1, middle), (x0, middle, x1, y1)]
    return tiles


def _part(image: Image.Image, box: Box) -> Image.Image:
    x0, y0, x1, y1 = (round(edge * side) for edge, side in zip(box, image.size * 2, strict=True))
    return image.crop((x0, y0, x1, y1))


def _changed(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    buffer = io.BytesIO()
    brighter = ImageEnhance.Brightness(image).enhance(rng.uniform(0.8, 1.2))
    brighter.save(buffer, "JPEG", quality=int(rng.integers(60, 85)))
    with Image.open(buffer) as opened:
        return opened.convert("RGB")


def _read(path: Path, side: int = 640) -> Image.Image:
    with Image.open(path) as opened:
        image = ImageOps.exif_transpose(opened).convert("RGB")
    image.thumbnail((side, side))
    return image


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    here = Path(os.environ.get("DINOSEARCH_TEST_DATA", ROOT.parent / "shared" / "data"))
    parser.add_argument("--data", type=Path, default=here, help="folder with photos/ and training/")
    parser.add_argument("--half", choices=HALVES, default="report")
    return parser.parse_args()


if __name__ == "__main__":
    main()
