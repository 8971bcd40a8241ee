"""Load mutated Faiss files whose checksum matches, as someone could plant who can write to a home.

    scripts/torture_index_files.py [--runs 400] [--seed S] [--only N] [--json FILE]

A child loads, searches and extends each; it must refuse it with a sentence or answer rows that exist, and never die.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"  # this process forks, and threads do not survive that
SCRIPTS = Path(__file__).resolve().parent
sys.path[:0] = [str(SCRIPTS), str(SCRIPTS.parent)]

from torture.index_files import Crafted  # noqa: E402
from torture.verdict import Verdict, options, try_all  # noqa: E402


def main(arguments: Sequence[str] | None = None) -> int:
    asked = options(__doc__, runs=400).parse_args(arguments)
    verdict = Verdict("crafted index files", asked.seed, "scripts/torture_index_files.py")
    with tempfile.TemporaryDirectory(prefix="torture-") as folder:
        return try_all(asked, verdict, Crafted(Path(folder)).trial)


if __name__ == "__main__":
    raise SystemExit(main())
