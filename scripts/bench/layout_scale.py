"""Clusters, outliers and the map of many vectors: seconds, and memory of a process for each."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from bench.engine_homes import exported
from bench.footprint import peak
from bench.report import table
from bench.vectors import SOURCES
from dinosearch import Collection

SIZE = 100_000
VERBS = (
    ("clusters", "-n", "100", "--json"),
    ("outliers", "--top", "20", "--json"),
    ("map", "-o", "map.png"),
    ("map", "-o", "map.html"),
)


def scale(_: Path) -> str:
    """Each verb in a process of its own, over clustered vectors that have no files."""
    rows = []
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        with Collection.open(folder / "home", create=True) as collection:
            collection.import_(exported(SOURCES["mixture"](SIZE), folder))
        for verb in VERBS:
            given = [str(folder / part) if part.startswith("map.") else part for part in verb]
            found = peak([sys.executable, "-m", "dinosearch", *given, "--home", folder / "home", "--quiet"])
            memory = [f"{value:,.0f}" for value in (found.own, found.file, found.whole)]
            rows.append([f"`{' '.join(verb)}`", f"{found.seconds:.0f}", *memory])
    head = ["", "s", "anonymous MiB", "of files MiB", "together MiB"]
    return f"{SIZE:,} vectors of 384 numbers (`mixture`), without files.\n\n{table(head, rows)}"
