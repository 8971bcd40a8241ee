"""Build a small landmark data set in the layout of Revisited Oxford/Paris from `sample_images/`.

    scripts/make_revisited_samples.py FOLDER [--name roxford5k]

It writes FOLDER/NAME/{jpg/*.jpg, gnd_NAME.pkl}: one query for each landmark with a box around its middle, easy, hard
and junk images, and every other picture as a negative. It lets the benchmark run end to end where the real images are
not to be had; its figures say nothing about Oxford or Paris.
"""

from __future__ import annotations

import argparse
import pickle
import shutil
from pathlib import Path

from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
VIEWS = {"easy": (2, 3), "hard": (4, 5), "junk": (6,)}
"""What each numbered view of a landmark is; view 1 is the query."""
BOX = (0.15, 0.1, 0.85, 0.95)
"""Left, top, right, bottom as shares of the query's size; one query has no easy image, as two of Oxford's."""


def build(samples: Path, folder: Path, name: str) -> Path:
    """Write the data set; returns its folder."""
    target = folder / name
    (target / "jpg").mkdir(parents=True, exist_ok=True)
    pictures = {path.stem: path for path in sorted(samples.glob("*/*.jpg"))}
    landmarks = sorted({stem.rpartition("_")[0] for stem in pictures if f"{stem.rpartition('_')[0]}_6" in pictures})
    landmarks = [word for word in landmarks if pictures[f"{word}_1"].parent.name != "other"]
    queries = [f"{word}_1" for word in landmarks]
    images = [stem for stem in pictures if stem not in queries]
    for stem, path in pictures.items():
        shutil.copyfile(path, target / "jpg" / f"{stem}.jpg")
    gnd = []
    for number, word in enumerate(landmarks):
        rows = {kind: [images.index(f"{word}_{view}") for view in views] for kind, views in VIEWS.items()}
        if number == 0:
            rows["hard"], rows["easy"] = rows["easy"] + rows["hard"], []
        with Image.open(pictures[f"{word}_1"]) as picture:
            box = [share * side for share, side in zip(BOX, picture.size * 2, strict=True)]
        gnd.append({"bbx": box, **rows})
    truth = {"gnd": gnd, "imlist": images, "qimlist": queries}
    (target / f"gnd_{name}.pkl").write_bytes(pickle.dumps(truth, protocol=3))
    return target


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--name", default="roxford5k", help="the benchmark's name of the data set")
    options = parser.parse_args()
    print(build(ROOT / "sample_images", options.folder, options.name))


if __name__ == "__main__":
    main()
