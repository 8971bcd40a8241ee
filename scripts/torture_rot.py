"""Flip, zero, swap and cut bytes of every kind of stored file, and see that it is noticed and mended.

    scripts/torture_rot.py [--runs 2000] [--seed S] [--only N] [--minutes M] [--json FILE]

Each run damages one file of a home that has everything (database with a full -wal, refined, region and patch vectors,
index, basis, diffusion, calibration, verdicts), then a child process queries, verifies, repairs, verifies and queries.
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

from torture.rot import Rot  # noqa: E402
from torture.verdict import Verdict, options, try_all  # noqa: E402


def main(arguments: Sequence[str] | None = None) -> int:
    asked = options(__doc__, runs=2000).parse_args(arguments)
    verdict = Verdict("bit rot", asked.seed, "scripts/torture_rot.py")
    with tempfile.TemporaryDirectory(prefix="torture-", ignore_cleanup_errors=True) as folder:
        return try_all(asked, verdict, Rot(Path(folder)).trial)


if __name__ == "__main__":
    raise SystemExit(main())
