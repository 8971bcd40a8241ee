"""Kills dinosearch and looks at what is left.

    scripts/torture_crash.py [--part black] [--runs 1000] [--only N] [--json FILE]
    scripts/torture_crash.py --part white [--runs 3] [--verb VERB]... [--every K | --each] [--share I N]

black: kill -9 of the process group at random moments of index, add, remove, compact, refine, verify --repair and
migrate, 10 kills a home, the state that must be found kept in this process. The moment is drawn from the seed but meant
in wall-clock time, so that `--only N` replays the same verbs on the same photos (from the first kill of that home on),
not the same instruction.
white: kill at every write point. For each verb the write calls on files of the home are counted by strace (write,
pwrite64, fsync, fdatasync, rename, unlink, ftruncate, open for creation, ...), then the verb is run once for each of
them with strace killing it on entry to exactly that call; `--runs` gives the number of workloads with other photos and
options. Against hooks by name in the product this needs no code in the product, forgets no point (those inside
SQLite's and Faiss' C code count too), and new write points join by themselves.

After every kill a fresh process opens the home and compares it with the state before and after the verb: nothing that
was acknowledged is lost, no path, image or row twice, every vector the one that its photo must have, `verify` finds
nothing, a photo finds itself first.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"  # this process forks, and threads do not survive that
os.environ["DINOSEARCH_DECODE"] = "inline"
SCRIPTS = Path(__file__).resolve().parent
sys.path[:0] = [str(SCRIPTS), str(SCRIPTS.parent)]

from torture.children import preload  # noqa: E402
from torture.every_point import every_point  # noqa: E402
from torture.random_kills import random_kills  # noqa: E402
from torture.verdict import Verdict, options  # noqa: E402
from torture.workload import KINDS  # noqa: E402

RUNS = {"black": 1000, "white": 3}
NAMES = {"black": "kill -9 at random moments", "white": "kill -9 at every write point"}


def main(arguments: Sequence[str] | None = None) -> int:
    parser = options(__doc__, runs=0)
    parser.add_argument("--part", choices=sorted(NAMES), default="black")
    parser.add_argument(
        "--every", type=int, default=1, metavar="K", help="of white: every K-th point, from a random one"
    )
    parser.add_argument("--each", action="store_true", help="of white: each call of a verb on each of its files once")
    parser.add_argument(
        "--share", type=int, nargs=2, metavar=("I", "N"), default=(1, 1), help="of white: the I-th of N"
    )
    parser.add_argument("--verb", choices=KINDS, action="append", help="of white; repeatable, default: all")
    asked = parser.parse_args(arguments)
    asked.runs = asked.runs or RUNS[asked.part]
    verdict = Verdict(NAMES[asked.part], asked.seed, f"scripts/torture_crash.py --part {asked.part}")
    preload()
    with tempfile.TemporaryDirectory(prefix="torture-", ignore_cleanup_errors=True) as folder:
        if asked.part == "black":
            random_kills(asked, verdict, Path(folder))
        else:
            share = slice(asked.share[0] - 1, None, asked.share[1])
            every_point(asked, verdict, Path(folder), asked.every, asked.verb or KINDS, asked.each, share)
    return verdict.end(asked.json)


if __name__ == "__main__":
    sys.exit(main())
