"""Write docs/cli.md from the texts of `--help`; with --check only say whether it is current."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import click

from dinosearch.cli import cli

TARGET = Path(__file__).parents[1] / "docs" / "cli.md"
WIDTH = 100  # columns, so that the reference does not depend on the terminal it was made in

# Verb, type, fields.
OBJECTS = (
    ("index, import", "failure", "path, reason"),
    ("", "summary", "added, unchanged, moved, changed, removed, failed, offline, embedded, seconds"),
    ("embed", "progress", "rows, total, shards, all_shards, failed, rate, seconds_left"),
    ("", "shard", "file, rows, failed"),
    ("", "failure", "path, reason"),
    ("", "job", "images, failed, shards, kept, embedded, seconds"),
    (
        "query, recommend",
        "hit",
        "rank, score, id, path, width, height, format, size, taken, camera, box, confidence, label, label_confidence",
    ),
    ("explain", "explanation", "score, without, inliers, bound, matched, box"),
    ("dense pca", "components", "path, grid, foreground"),
    ("dense attention", "attention", "path, grid, on_patches"),
    ("dense match", "pair", "number, first, second, cosine, saliency"),
    ("dense cosegment, parts", "segments", "path, width, height, shares, mask"),
    ("duplicates", "group", "number, tier, smallest, mean, files"),
    ("", "duplicates", "groups, thresholds, going, size, hidden, checked, unchecked, unread"),
    ("duplicates --trash", "stayed", "path, reason"),
    ("", "trashed", "files, size, log"),
    ("duplicates --not-duplicates", "verdicts", "not_duplicates, or forgotten"),
    (
        "curate",
        "curation",
        "images, kept, reasons, groups, largest_group, references, seeds, clusters, clusters_sampled, threshold, "
        "against_threshold, failed, manifest_sha256, put",
    ),
    ("clusters", "cluster", "cluster, size, cohesion, central, method"),
    ("", "image", "id, path, cluster, distance"),
    ("outliers", "outlier", "rank, score, id, path, nearest, cosine"),
    ("map", "place", "id, path, x, y, method"),
    ("classify", "classification", "classes, train, tested, folds, shared, missing, results, recipe"),
    ("label", "label", "label, given, voted, confidence"),
    ("label --vote", "vote", "examples, labels, voted, unsure, dry_run"),
    ("label --clear", "labels cleared", "labels, dry_run"),
    ("calibrate", "calibration", "thresholds, positives, negatives, unreadable, confirmed, rejected"),
    ("confirm, reject", "verdicts", "same, results, calibration"),
    ("verdicts", "verdict", "query, query_sha256, id, path, same, score, made, counts"),
    ("verdicts --forget", "verdicts forgotten", "verdicts, calibration"),
    ("refine", "refine", "made"),
    ("benchmark", "run", "label, dataset, recipe, queries, scores, loss, cost, worst, published"),
    ("remove", "removed", "removed"),
    (
        "info",
        "info",
        "home, format_version, fingerprint, images, files, removed, failed, rows, tail, index, "
        "index_problem, bytes, roots, derived, models, waiting, engine, built",
    ),
    ("verify", "problem", "path, reason"),
    ("", "lost", "path, reason"),
    ("", "verify", "rows, problems, repaired, lost, ok"),
    ("compact", "compact", "rows_before, rows_after, bytes_before, bytes_after"),
    ("migrate", "left", "path, reason"),
    ("", "migrate", "outcome, model, images, embedded, left, made, dropped, seconds, ok"),
    ("migrate --dry-run", "estimate", "model, images, bytes, seconds, sample, unreadable"),
    ("migrate --forget", "forgotten", "bytes"),
    (
        "export -",
        "file",
        "id, path, sha256, width, height, format, size, modified, added, taken, camera, label, label_confidence, "
        "label_given",
    ),
    ("export FOLDER", "export", "files, folder"),
    ("serve", "serve", "address"),
    ("plan", "plan", "images, model, dimension, recall, forms, embedding, costs, places, others, assumptions"),
    (
        "models",
        "model",
        "name, family, architecture, dimension, patch, parameters, bytes, licence, mean, deviation, path, url, page, "
        "file, sha256, aliases",
    ),
    ("doctor", "doctor", "one field for each finding; warnings"),
)

INTRODUCTION = """\
# Command line

This page is made from the help texts by `scripts/make_cli_reference.py`; edit those, not this.

## Output

Results go to stdout; progress, notices and errors go to stderr. `--quiet` leaves only results and errors. Colour
appears on a terminal only, and never when `NO_COLOR` is set.

With `--json` stdout carries JSON Lines. Every object has `"schema": 1`, a `"type"`, and these fields:

| verb | type | fields |
|---|---|---|
{table}

A path whose bytes are no UTF-8 has escaped surrogates in JSON (`\\udce9` for the byte e9), which Python's `os.fsencode`
turns back; `--paths` and `-0` write its very bytes.

## Exit codes

| code | meaning |
|---|---|
| 0 | done, or found |
| 1 | `query` found nothing, `explain` nothing in common, `dense` no places or no common subject |
| 2 | error, named in one sentence on stderr |
| 3 | done, but some images failed (`index`, `import`, `benchmark`), problems remain (`verify`), some wait (`migrate`) |
| 130 | interrupted; what was finished is kept |

## Shell completion

`_DINOSEARCH_COMPLETE=bash_source dinosearch` prints a script for bash; `zsh_source` and `fish_source` likewise.
"""


def reference() -> str:
    """The whole page."""
    table = "\n".join(f"| {verb} | {kind} | {fields} |" for verb, kind, fields in OBJECTS)
    parts = [INTRODUCTION.format(table=table)]
    context = _context("dinosearch", cli)
    parts.append(_section("dinosearch", cli, context))
    for name in cli.list_commands(context):
        command = cli.commands[name]
        inside = _context(name, command, context)
        parts.append(_section(f"dinosearch {name}", command, inside))
        if isinstance(command, click.Group):
            for verb in command.list_commands(inside):
                below = command.commands[verb]
                parts.append(_section(f"dinosearch {name} {verb}", below, _context(verb, below, inside)))
    return "\n".join(parts)


def main() -> int:
    """Write or check; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing, exit with 1 when the page is out of date")
    wanted = reference()
    if parser.parse_args().check:
        current = TARGET.read_text(encoding="utf-8") if TARGET.exists() else ""
        if current != wanted:
            print("docs/cli.md is out of date; run: scripts/make_cli_reference.py", file=sys.stderr)
            return 1
        return 0
    TARGET.parent.mkdir(exist_ok=True)
    TARGET.write_text(wanted, encoding="utf-8")
    return 0


def _context(name: str, command: click.Command, parent: click.Context | None = None) -> click.Context:
    return command.make_context(name, [], parent, resilient_parsing=True, terminal_width=WIDTH, max_content_width=WIDTH)


def _section(title: str, command: click.Command, context: click.Context) -> str:
    return f"## {title}\n\n```text\n{command.get_help(context).rstrip()}\n```\n"


if __name__ == "__main__":
    sys.exit(main())
