#!/usr/bin/env python
"""Changes and asks a collection for an hour beside a reader: do memory, descriptors, threads and files stay flat?

scripts/torture_soak.py --minutes 60 --seed 20261121 --load 0.2 --picture soak.png

Every 40 changes the collection is brought to the same size and compacted. Anonymous memory and memory in use of these
like states are judged, from the moment on at which every kind of change was done 10 times, by their slope over the runs
(changes of the writer, asks of the reader) with its standard error. It is flat where it is less than 2 % an hour or not
sure (2 standard errors), and where 5 % an hour and, for memory in use, 10 KiB a run are ruled out: with 2 standard
errors added, the slope is still less. It also fails where descriptors, threads, files or decoders are more in the end
than in the warm-up, but for 2, or mappings of memory, but for a fifth; where an answer is not that of brute force;
where verify() finds damage. --leak 10240 is the proof that such a leak fails.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

from torture.samples import draw_samples, judge
from torture.soak import run
from torture.soak_writer import Plan
from torture.verdict import Verdict, options

import dinosearch


def main(arguments: list[str] | None = None) -> int:
    parser = options(__doc__, runs=1)
    parser.set_defaults(minutes=60.0)
    parser.add_argument("--load", type=float, default=1.0, help="share of the time to work; default: %(default)s")
    parser.add_argument(
        "--least", type=int, default=300, help="files, below which more are added; default: %(default)s"
    )
    parser.add_argument("--most", type=int, default=800, help="files, above which more go; default: %(default)s")
    parser.add_argument("--every", type=float, default=10.0, help="seconds between samples; default: %(default)s")
    parser.add_argument("--leak", type=int, default=0, metavar="BYTES", help="keep so many of every run: has to fail")
    parser.add_argument("--samples", type=Path, metavar="FILE", help="write what is seen, as JSON lines")
    parser.add_argument("--picture", type=Path, metavar="FILE", help="draw it, as PNG")
    asked = parser.parse_args(arguments)
    print(f"soaking {os.path.dirname(dinosearch.__file__)} for {asked.minutes:g} minutes", flush=True)
    verdict = Verdict("long run of changes and queries", asked.seed, "scripts/torture_soak.py")
    plan = Plan(asked.seed, 60 * (asked.minutes or 60), asked.load, asked.least, asked.most, asked.every, asked.leak)
    with tempfile.TemporaryDirectory() as folder, open(asked.samples or os.devnull, "w", encoding="utf-8") as log:
        samples = run(Path(folder), plan, verdict, log)
    judge(samples, verdict)
    if asked.picture and samples:
        draw_samples(samples, asked.picture)
    verdict.figure("load", asked.load)
    return verdict.end(asked.json)


if __name__ == "__main__":
    sys.exit(main())
