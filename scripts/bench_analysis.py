"""Measures verbs of `dinosearch.analysis` on real vectors; prints Markdown.

    scripts/bench_analysis.py [--part clusters|scale]... [--data FOLDER] [--write]

clusters  real DINOv2 ViT-S/14 vectors of 50 classes: how pure the clusters are, beside scikit-learn's own
scale     100,000 synthetic vectors: seconds and memory of clusters, outliers and map

--data is `../shared/data` (its README says what lies there).
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

from bench.clusters import clusters
from bench.layout_scale import scale
from bench.report import machine, write_section

CHECKOUT = Path(__file__).resolve().parents[1]
PARTS: dict[str, Callable[[Path], str]] = {"clusters": clusters, "scale": scale}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--part", choices=list(PARTS), action="append")
    parser.add_argument("--data", type=Path, default=CHECKOUT.parent / "shared" / "data")
    parser.add_argument("--write", action="store_true", help="put it into docs/benchmarks.md")
    options = parser.parse_args()
    head = machine("numpy", "scikit-learn", "openTSNE")
    print(head, flush=True)
    if not options.data.is_dir():
        print(f"skipped, there is no {options.data}; name it with --data")
        return
    for part in options.part or PARTS:
        text = PARTS[part](options.data)
        print(f"\n{text}", flush=True)
        if options.write:
            write_section(f"bench_analysis {part}", f"{head}\n\n{text}")


if __name__ == "__main__":
    main()
