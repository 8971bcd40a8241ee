"""Write a CSV of path,label for the groups of ../shared/data/photos, so that `benchmark folder` can run on them.

    scripts/make_photo_labels.py FOLDER    # FOLDER/photos.csv, and FOLDER/photos, a link to the photos

Groups are those of `scripts/bench_mini.py`; a photo of no group has a label of its own: a distractor that asks nothing.
"""

from __future__ import annotations

import argparse
import csv
import os
from pathlib import Path

import bench_mini


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    default = os.environ.get("DINOSEARCH_TEST_DATA") or bench_mini.ROOT.parent / "shared" / "data"
    parser.add_argument("--data", type=Path, default=Path(default), help="the folder that holds photos/")
    options = parser.parse_args()
    photos = (options.data / "photos").resolve()
    gallery = bench_mini.photo_gallery(photos)
    options.folder.mkdir(parents=True, exist_ok=True)
    link = options.folder / "photos"
    if not link.is_symlink():
        link.symlink_to(photos)
    with open(options.folder / "photos.csv", "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("path", "label"))
        for number, (path, group) in enumerate(zip(gallery.files, gallery.groups, strict=True)):
            name = Path("photos") / path.resolve().relative_to(photos)
            writer.writerow((name.as_posix(), group or f"distractor {number}"))
    print(options.folder / "photos.csv")


if __name__ == "__main__":
    main()
