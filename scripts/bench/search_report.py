"""The results of the search benchmark as tables and pictures; it measures nothing."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench.charts import Panel, draw, log_axis, recall_axis
from bench.peers import OURS
from bench.report import table
from bench.search_race import verdicts

RECALL_QPS, GROWTH = "search-recall-qps.png", "search-growth.png"


def page(results: Mapping[str, Any]) -> str:
    """Everything that was measured, as Markdown.

    Args:
        results: part -> key, such as `mixture 100000` -> what the part has returned, with `machine` beside it.
    """
    text = []
    for part, render in RENDER.items():
        for key, entry in sorted(results.get(part, {}).items(), key=lambda item: _order(item[0])):
            name, n = key.split()
            text.append(f"**{TITLES[part]}, {name}, {int(n):,} vectors.** {entry['machine']}.\n\n{render(entry)}")
    if results.get("race"):
        text.append(f"![recall and queries a second of each system]({RECALL_QPS})")
    if results.get("growth"):
        text.append(growth_table(results["growth"]))
        text.append(f"![figures from the smallest to the largest collection]({GROWTH})")
    return "\n\n".join(text)


def race_text(result: dict[str, Any]) -> str:
    """The curves, what each system takes, the verdicts, and who is missing."""
    systems = {name: system for name, system in result["systems"].items() if "reason" not in system}
    speed = [
        [
            name if not number else "",
            f"{row['setting']:g}",
            f"{row['recall']:.4f}",
            f"{row['p50']:.3f}",
            f"{row['p99']:.3f}",
            f"{row['qps1']:,.0f}",
            f"{row['qps']:,.0f}",
        ]
        for name, system in systems.items()
        for number, row in enumerate(system["settings"])
    ]
    head = ["system", "setting", "recall@10", "p50 ms", "p99 ms", "QPS 1 thread", f"QPS {result['threads']} threads"]
    costs = [
        [
            name,
            system["build"]["type"],
            f"{system['build']['seconds']:.1f}",
            f"{system['build']['peak'] / 2**20:,.0f}",
            f"{system['memory']['seconds']:.2f}",
            *(f"{size / result['n']:,.0f}" for size in _bytes(system)),
        ]
        for name, system in systems.items()
    ]
    cost_head = ["system", "index", "build s", "peak MiB", "open s", "disk B/vector", "resident", "mapped"]
    missing = [f"- {name}: {system['reason']}" for name, system in result["systems"].items() if "reason" in system]
    said = verdicts(result)
    if OURS in systems:
        _, resident, mapped = (size / result["n"] for size in _bytes(systems[OURS]))
        said.append(f"memory: {OURS} holds {resident:,.0f} bytes a vector, and {mapped:,.0f} that the kernel may drop")
    parts = [table(head, speed), table(cost_head, costs), "\n".join(f"- {line}" for line in said)]
    return "\n\n".join([*parts, "Not measured:\n" + "\n".join(missing)] if missing else parts)


def landing_text(entry: dict[str, Any]) -> str:
    """Asked, own measurement, held-out queries of each kind."""
    kinds = [kind for kind in entry["rows"][0] if kind not in ("asked", "own")]
    rows = [
        [f"{row['asked']:g}", *(f"{row[kind]:.4f} ({row[kind] - row['asked']:+.4f})" for kind in ("own", *kinds))]
        for row in entry["rows"]
    ]
    return table(["recall asked", "index's own sample", *kinds], rows)


def filter_text(entry: dict[str, Any]) -> str:
    """Recall and time against brute force."""
    rows = [
        [
            f"{100 * row['share']:g} %, {row['kind']}",
            f"{row['rows']:,}",
            f"{row['recall']:.4f}",
            f"{row['ours']:,.0f}",
            f"{row['brute']:,.0f}",
            f"{row['gather']:,.0f}",
            f"{row['ours'] / row['brute']:.2f}",
            f"{row['ours'] / (row['brute'] + row['gather']):.2f}",
            f"{row['ours batch'] / row['brute batch']:.2f}",
        ]
        for row in entry["rows"]
    ]
    head = ["filter", "rows", "recall@10", "us a query", "brute us", "gather us", "ratio", "with gathering", "batches"]
    note = (
        "One thread and one query at a time, then batches of 100 with several threads. Brute force: a product with the "
        "rows that the filter leaves, gathered beforehand; gathering them is a column of its own."
    )
    return table(head, rows) + "\n\n" + note


def churn_text(entry: dict[str, Any]) -> str:
    """The steps in order."""
    rows = [
        [
            row["step"],
            f"{row['seconds']:.3f}",
            f"{row['recall']:.4f}" if "recall" in row else "",
            f"{row['trained']:,}" if "trained" in row else "",
        ]
        for row in entry["rows"]
    ]
    return table(["step", "seconds", "recall@10", "lists trained on"], rows)


def growth_table(entries: Mapping[str, Any]) -> str:
    """A row for each size."""
    rows = []
    for key, entry in sorted(entries.items(), key=lambda item: _order(item[0])):
        system = entry["systems"][OURS]
        if "reason" in system:
            rows.append([key, system["reason"], *[""] * 9])
            continue
        row = system["settings"][0]
        rows.append(
            [
                f"{entry['n']:,}",
                system["build"]["type"],
                f"{system['build']['seconds']:.1f}",
                f"{system['build']['peak'] / 2**20:,.0f}",
                f"{system['memory']['seconds']:.2f}",
                f"{row['p50']:.3f}",
                f"{row['p99']:.3f}",
                f"{row['recall']:.4f}",
                *(f"{size / entry['n']:,.0f}" for size in _bytes(system)),
            ]
        )
    head = ["vectors", "index", "build s", "peak MiB", "open s", "p50 ms", "p99 ms", "recall@10", "disk B/vector"]
    machine = next(iter(entries.values()))["machine"]
    return f"**Growth, {OURS} alone.** {machine}.\n\n" + table([*head, "resident", "mapped"], rows)


def pictures(results: Mapping[str, Any], folder: Path) -> list[Path]:
    """Draw what there is into the folder; the files written."""
    written = []
    if races := results.get("race"):
        draw(folder / RECALL_QPS, [_race_panel(key, races[key]) for key in sorted(races, key=_order)])
        written.append(folder / RECALL_QPS)
    grown = [entry for _, entry in sorted(results.get("growth", {}).items(), key=lambda item: _order(item[0]))]
    grown = [entry for entry in grown if "reason" not in entry["systems"][OURS]]
    if len(grown) > 1:
        draw(folder / GROWTH, _growth_panels(grown), columns=2, size=(460, 300))
        written.append(folder / GROWTH)
    return written


def _race_panel(key: str, result: dict[str, Any]) -> Panel:
    name, n = key.split()
    across = recall_axis()
    lines = {
        system: [(row["recall"], row["qps"]) for row in rows["settings"] if row["recall"] >= across.low]
        for system, rows in result["systems"].items()
        if "reason" not in rows
    }
    lines = {system: points for system, points in lines.items() if points}
    rates = [rate for points in lines.values() for _, rate in points] or [1.0]
    title = f"queries a second, {result['threads']} threads"
    return Panel(f"{int(n):,} vectors, {name}", across, log_axis(title, rates), lines)


def _growth_panels(entries: list[dict[str, Any]]) -> list[Panel]:
    sizes = [entry["n"] for entry in entries]
    across = log_axis("vectors", sizes)
    ours = [entry["systems"][OURS] for entry in entries]
    figures = {
        "build, seconds": [system["build"]["seconds"] for system in ours],
        "peak memory of the build, MiB": [system["build"]["peak"] / 2**20 for system in ours],
        "one query, p50 ms": [system["settings"][0]["p50"] for system in ours],
        "resident bytes a vector": [max(1.0, _bytes(s)[1] / n) for s, n in zip(ours, sizes, strict=True)],
    }
    return [
        Panel(title, across, log_axis("", values), {OURS: list(zip(sizes, values, strict=True))})
        for title, values in figures.items()
    ]


def _bytes(system: dict[str, Any]) -> tuple[float, float, float]:
    return system["build"]["disk"], system["memory"]["anonymous"], system["memory"]["file"]


def _order(key: str) -> tuple[str, int]:
    name, n = key.split()
    return name, int(n)


RENDER = {"race": race_text, "recall": landing_text, "filter": filter_text, "churn": churn_text}
TITLES = {"race": "Search", "recall": "Recall asked for", "filter": "Filters", "churn": "Churn"}
