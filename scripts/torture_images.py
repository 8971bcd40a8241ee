#!/usr/bin/env python
"""Hostile images by the front door: each is indexed, or reported with path and reason, and hurts nothing else.

    scripts/torture_images.py [--part PART] [--runs 2000] [--seed S] [--only N] [--json FILE]

mutated: valid files of every format, damaged at random.
handmade: bombs, loops, extreme fields, polyglots, other formats; each also asked with, by the library and by
`dinosearch query` (that only without --short).
corpus: the files of ../shared/data/hostile (DINOSEARCH_TEST_DATA).
places: FIFOs, devices, sockets, folders, links and forbidden files under image names.
moving: files that grow, shrink, change and vanish while they are read.
killers: images that make their decoder crash, be killed, take all memory, never end, and print.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(_name, "1")
SCRIPTS = Path(__file__).resolve().parent
sys.path[:0] = [str(SCRIPTS), str(SCRIPTS.parent)]

from torture import image_places, image_runs  # noqa: E402
from torture.image_killers import killers  # noqa: E402
from torture.verdict import Asked, Verdict, options  # noqa: E402

PARTS: dict[str, Callable[[Asked, Verdict, Path], None]] = {
    "mutated": image_runs.mutated_files,
    "handmade": image_runs.handmade_files,
    "corpus": image_runs.corpus,
    "places": image_places.places,
    "moving": image_places.moving,
    "killers": killers,
}


def main(arguments: Sequence[str] | None = None) -> int:
    parser = options(__doc__, runs=2000)
    parser.add_argument("--part", choices=PARTS, action="append", help="default: all")
    parser.add_argument("--short", action="store_true", help="without what takes gigabytes or a minute")
    parser.add_argument("--start", type=int, default=0, metavar="N", help="of mutated: the first run")
    asked = parser.parse_args(arguments)
    status = 0
    for part in asked.part or PARTS:
        verdict = Verdict(f"hostile images: {part}", asked.seed, f"scripts/torture_images.py --part {part}")
        with tempfile.TemporaryDirectory(prefix="torture-") as folder:
            PARTS[part](asked, verdict, Path(folder))
        status |= verdict.end(asked.json)
    return status


if __name__ == "__main__":
    sys.exit(main())
