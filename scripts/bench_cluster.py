"""A real cluster: load vectors into a remote engine and measure it through dinosearch, as a program would use it.

    python scripts/bench_cluster.py --uri milvus://USER:PASSWORD@HOST:19530/bench --metadata postgresql+psycopg://...
    python scripts/bench_cluster.py --uri postgresql+psycopg://USER:PASSWORD@HOST/DATABASE?collection=bench

It measures the rate of upserts (import of --vectors made by `bench/vectors.py`), the time of the index, recall@10
against brute force, p50 and p99 of single queries, queries a second by --threads callers, and the same with a filter
that keeps 5 %. The collection must be a new one, or one that this script has filled: it refuses any other. It is not
deleted afterwards. Run it from a machine beside the cluster: the way there and back is part of every figure.

What was measured for docs/scale.md is one machine; this is for what was not: several query nodes and real networks.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from bench.engine_homes import asked, check_ids, compared, described, exported, loaded, opened, rate, timed
from bench.report import machine, table
from bench.vectors import SOURCES
from dinosearch.engines import parse_address
from dinosearch.engines.address import is_url


def main(arguments: list[str] | None = None) -> dict[str, Any]:
    """Load, measure, print; returns the figures."""
    options = parser().parse_args(arguments)
    source = SOURCES[options.data](options.vectors)
    shown = parse_address(options.uri).shown if is_url(options.uri) else options.uri
    print(f"{shown}, {source.n:,} vectors of {source.dimension} numbers ({source.name}), asked from {machine()}")
    with tempfile.TemporaryDirectory() as temporary:
        cache = Path(options.cache or temporary)
        cache.mkdir(parents=True, exist_ok=True)
        if not options.loaded:
            figures = loaded(options.uri, options.metadata, exported(source, cache), source.n, options.recall)
            print(f"loaded {figures['added']:,} in {figures['load']:.1f} s ({figures['rate']:,.0f} a second)")
            print(f"index: {figures['index']:.1f} s, {figures['built']}; {figures['bytes']:,} bytes", flush=True)
        else:
            figures = {}
        given = asked(source, options.queries, cache)
        with opened(options.uri, options.metadata) as collection:
            check_ids(collection, source.n)
            figures["built"] = described(collection.info())
            figures |= compared(collection, given)
            times = timed(collection, given.queries, options.seconds)
            within = timed(collection, given.queries, options.seconds, given.where)
            figures["p50"], figures["p99"] = (float(np.percentile(times, p)) for p in (50, 99))
            figures["filtered p50"] = float(np.median(within))
            figures["qps"] = {
                threads: rate(collection, given.queries, options.seconds, threads)
                for threads in map(int, options.threads.split(","))
            }
    print(f"recall@10 {figures['recall']:.4f}; exact search equals brute force: {figures['exact'] == 1}")
    print(f"p50 {figures['p50']:.2f} ms, p99 {figures['p99']:.2f} ms")
    print(f"with {given.where}: recall@10 {figures['filtered']:.4f}, p50 {figures['filtered p50']:.2f} ms")
    print(table(("callers", "queries a second"), ((n, f"{qps:,.0f}") for n, qps in figures["qps"].items())))
    if options.json:
        Path(options.json).write_text(json.dumps(figures, indent=1), encoding="utf-8")
    return figures


def parser() -> argparse.ArgumentParser:
    """What may be asked for."""
    made = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--uri", required=True, help="address of the collection, as --home takes it")
    made.add_argument("--metadata", help="where Milvus's metadata lie: postgresql+psycopg://... or sqlite:///FILE")
    made.add_argument("--vectors", type=int, default=1_000_000)
    made.add_argument("--data", choices=sorted(SOURCES), default="mixture")
    made.add_argument("--recall", type=float, default=0.98, help="that the index shall reach")
    made.add_argument("--queries", type=int, default=500)
    made.add_argument("--seconds", type=float, default=20.0, help="of each measurement")
    made.add_argument("--threads", default="1,4,16,64", help="callers at once, one measurement each")
    made.add_argument("--loaded", action="store_true", help="load nothing: it was done by an earlier run")
    made.add_argument("--cache", help="folder for the vectors and exact answers, used again by the next run")
    made.add_argument("--json", metavar="FILE", help="write the figures there")
    return made


if __name__ == "__main__":
    main()
