"""Search: dinosearch and its peers over the same vectors, side by side. For docs/benchmarks.md.

    python scripts/bench_search.py [--part race,recall,filter,churn,growth] [--data mixture,real] [--sizes 100000,...]

Peers that are not installed are left out with a reason. All of them:

    pip install hnswlib usearch lancedb autofaiss milvus-lite pymilvus

autofaiss wants NumPy 1 and brings faiss-cpu, but runs with NumPy 2 and any Faiss: install it with --no-deps, and fire,
embedding-reader and tqdm for it, where those shall stay.

- `race`: every system is built in a process of its own, opened again in a fresh one, and asked in turns while the
  others wait. Recall@10 against brute force; medians over rounds. `QPS` is of batches, with threads of the library's
  own where it has them, else with so many callers, the process kept to so many cores. `resident` is the anonymous
  memory of the process after 200 queries less that before opening, `mapped` the file pages that the kernel may drop.
- `recall`: what is asked, what the index measured itself, and what queries get that its tuning has not seen.
- `filter`: filtered search against brute force over the rows that the filter leaves.
- `churn`: adding, removing, opening, and 30 % of the rows exchanged for others, run by run and all at once.
- `growth`: ours alone, from the first of --sizes to the last.

`bench/vectors.py` says how the vectors are made. Exact answers and the peers' builds are kept in --cache, and so are
all results, so that parts may be run one by one, and the builds of a race before it by --systems with a peer each;
`--write` puts all that was measured into docs/benchmarks.md. A full race of 1,000,000 takes about 20 minutes of one
machine, most of it in the builds of the graphs; what is not built within --limit is said to be so.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from bench.peers import OURS, PEERS
from bench.peers.ours import TARGETS, USUAL
from bench.report import PAGE, machine, write_section
from bench.search_churn import churn
from bench.search_parts import filters, landing
from bench.search_race import Options, race
from bench.search_report import page, pictures
from bench.vectors import SOURCES, Source

PARTS = ("race", "recall", "filter", "churn", "growth")
SIZES = dict.fromkeys(PARTS, "100000,1000000") | {"growth": "10000,100000,1000000,10000000"}
QUICK = {"sizes": "3000", "queries": 40, "rounds": 1, "seconds": 0.01}
LANDING = (0.9, 0.98, 0.999)
GROWTH_LIMIT = 3600.0


def main(arguments: list[str] | None = None) -> dict[str, Any]:
    """Run what is asked for; returns all results, those of earlier runs included."""
    options = parser().parse_args(arguments)
    if options.quick:
        vars(options).update(QUICK | ({"sizes": options.sizes} if options.sizes else {}))
    with tempfile.TemporaryDirectory() as temporary:
        cache = Path(options.cache or temporary)
        cache.mkdir(parents=True, exist_ok=True)
        file = cache / "results.json"
        results = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
        for part in options.part.split(","):
            for n in map(int, (options.sizes or SIZES[part]).split(",")):
                for name in ("mixture",) if part == "growth" else options.data.split(","):
                    try:
                        source = SOURCES[name](n)
                    except FileNotFoundError as error:
                        print(f"{name}: skipped: {error}")
                        continue
                    print(f"\n== {part}, {name}, {n:,} vectors", flush=True)
                    entry = run(part, source, options, cache) | {"machine": _machine(options, part)}
                    results.setdefault(part, {})[f"{name} {n}"] = entry
                    file.write_text(json.dumps(results, indent=1), encoding="utf-8")
                    print(page({part: {f"{name} {n}": entry}}), flush=True)
    for path in pictures(results, PAGE.parent if options.write else Path(options.pictures or cache)):
        print(f"drawn: {path}")
    if options.write:
        write_section("bench_search", page(results))
    return results


def parser() -> argparse.ArgumentParser:
    """What may be asked for."""
    made = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--part", default=",".join(PARTS))
    made.add_argument("--data", default=",".join(SOURCES))
    made.add_argument("--sizes", help="numbers of vectors; 100000,1000000 and for growth up to 10000000 by default")
    made.add_argument("--systems", default=",".join(PEERS), help="of the race")
    made.add_argument("--queries", type=int, default=1000)
    made.add_argument("--rounds", type=int, default=3)
    made.add_argument("--seconds", type=float, default=0.4, help="of each measurement in a round")
    made.add_argument("--threads", type=int, default=4)
    made.add_argument("--limit", type=float, default=240, help="seconds that the build of a peer may take")
    made.add_argument("--cache", help="folder for exact answers, builds of the peers and results")
    made.add_argument("--pictures", help="folder for the pictures where --write is not given")
    made.add_argument("--quick", action="store_true", help="tiny sizes, to see that everything runs")
    made.add_argument("--write", action="store_true", help="put the results into docs/benchmarks.md")
    return made


def run(part: str, source: Source, options: argparse.Namespace, cache: Path) -> dict[str, Any]:
    """One part on one source."""
    systems = tuple(options.systems.split(","))
    plan = Options(
        systems, TARGETS, options.queries, options.rounds, options.seconds, options.threads, options.limit, cache
    )
    if part == "race":
        return race(source, plan)
    if part == "growth":
        few = replace(plan, systems=(OURS,), targets=(USUAL,), limit=GROWTH_LIMIT, queries=min(500, plan.queries))
        return race(source, few)
    with tempfile.TemporaryDirectory(dir=cache) as folder:
        home = Path(folder) / "home"
        if part == "recall":
            return {"rows": landing(source, home, LANDING, options.queries, cache)}
        if part == "filter":
            return {"rows": filters(source, home, min(200, options.queries), options.threads)}
        return {"rows": churn(source, home, min(500, options.queries), cache)}


def _machine(options: argparse.Namespace, part: str) -> str:
    wanted = ["faiss-gpu", "faiss-cpu"]
    if part == "race":
        wanted += [package for name in options.systems.split(",") for package in PEERS[name].needs]
    rounds = f"; {options.queries} queries, medians of {options.rounds} rounds" if part in ("race", "growth") else ""
    return machine(*(package for package in dict.fromkeys(wanted) if _installed(package))) + rounds


def _installed(package: str) -> bool:
    try:
        version(package)
    except PackageNotFoundError:
        return False
    return True


if __name__ == "__main__":
    main()
