#!/usr/bin/env python
"""One writer and 16 readers of one home (8 processes, 8 threads): is every answer that of one committed state?

scripts/torture_readers.py --minutes 10
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(name, "1")  # 17 at once have no use for more

from torture.readers import run  # noqa: E402
from torture.verdict import Verdict, options  # noqa: E402


def main(arguments: list[str] | None = None) -> int:
    parser = options(__doc__, runs=1)
    parser.set_defaults(minutes=10.0)
    parser.add_argument("--readers", type=int, default=8, help="processes, and as many threads; default: %(default)s")
    asked = parser.parse_args(arguments)
    verdict = Verdict("many at once", asked.seed, "scripts/torture_readers.py")
    with tempfile.TemporaryDirectory() as folder:
        seconds = 60 * (asked.minutes or 10)
        run(Path(folder), asked.seed, seconds, verdict, processes=asked.readers, threads=asked.readers)
    return verdict.end(asked.json)


if __name__ == "__main__":
    sys.exit(main())
