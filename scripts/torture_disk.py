"""Lets the disk fail under dinosearch and looks at what is left.

    scripts/torture_disk.py [--part calls] [--runs 1] [--every K] [--verb VERB]... [--fault FAULT]... [--share I N]
    scripts/torture_disk.py --part limit|vanish|full|unmount|read-only [--runs 25]

calls: index, remove, compact and verify --repair run by the command line, and strace lets every single call fail that
writes to, syncs, renames or opens a file of the home: with EIO and ENOSPC, once and from then on, and with EINTR once.
limit: no file may grow beyond a random size. vanish: the home is renamed away under the run.
full: a file system of 1 MiB with a random rest of room. unmount: the file system of the home vanishes under the run.
read-only: the home lies on a read-only one. These three need mounts of their own: root, or user name spaces.

The command must succeed, or exit with 2 and a sentence, never with a traceback. Then the disk is well again: the home
must be as before, as after, or, for index, in part, `verify` must find nothing, and the same command must now succeed.
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
from torture.failing_disk import FAULTS, KINDS, MOUNTED, PARTS, failing_calls  # noqa: E402
from torture.mounts import private_mounts  # noqa: E402
from torture.verdict import Verdict, options  # noqa: E402
from torture.workload import Workload  # noqa: E402

NAMES = {
    "calls": "every call on the home fails",
    "limit": "no file may grow",
    "vanish": "home renamed away under the run",
    "full": "full disk",
    "unmount": "drive unmounted under the run",
    "read-only": "read-only home",
}


def main(arguments: Sequence[str] | None = None) -> int:
    parser = options(__doc__, runs=0)
    parser.add_argument("--part", choices=list(NAMES), default="calls")
    parser.add_argument("--every", type=int, default=1, metavar="K", help="of calls: every K-th of those that repeat")
    parser.add_argument("--points", type=int, metavar="N", help="of calls: no more than N of a verb and fault")
    parser.add_argument(
        "--share", type=int, nargs=2, metavar=("I", "N"), default=(1, 1), help="of calls: the I-th of N parts"
    )
    parser.add_argument("--verb", choices=KINDS, action="append", help="of calls; repeatable, default: all")
    parser.add_argument("--fault", choices=list(FAULTS), action="append", help="of calls; repeatable, default: all")
    asked = parser.parse_args(arguments)
    asked.runs = asked.runs or (1 if asked.part == "calls" else 25)
    verdict = Verdict(NAMES[asked.part], asked.seed, f"scripts/torture_disk.py --part {asked.part}")
    reason = private_mounts() if asked.part in MOUNTED else None
    if reason:
        print(f"skipped: {reason}")
        return 0
    preload()
    with tempfile.TemporaryDirectory(prefix="torture-", ignore_cleanup_errors=True) as folder:
        if asked.part == "calls":
            share = slice(asked.share[0] - 1, None, asked.share[1])
            which = (asked.every, asked.verb or KINDS, asked.fault or list(FAULTS), asked.points, share)
            failing_calls(asked, verdict, Path(folder), *which)
        else:
            for number in asked.numbers():
                rng = asked.random(number)
                PARTS[asked.part](verdict, Workload(Path(folder) / f"{number}", rng, small=True), number, rng)
    return verdict.end(asked.json)


if __name__ == "__main__":
    sys.exit(main())
