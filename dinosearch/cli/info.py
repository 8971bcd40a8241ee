"""`dinosearch info`: what a collection holds, how it was made, and how well its index finds."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from dinosearch.advice import Sentence, run
from dinosearch.cli.advice import told
from dinosearch.cli.options import Settings, opened, verb
from dinosearch.cli.output import counted, emit, shown, size_text, table

if TYPE_CHECKING:
    from dinosearch.collection import CollectionInfo
    from dinosearch.records import IndexInfo

ROOTS = 20  # named in plain text; --json names all


@click.command(short_help="Say what the collection holds.")
@verb
def info(settings: Settings) -> None:
    """Say what the collection holds, how it was made, and what recall its index was measured to have.

    dinosearch info
    """
    with opened(settings, read_only=True) as (collection, _):
        found = collection.info()
    if settings.json:
        emit("info", found.to_dict())
    else:
        table((name, told(line)) for name, line in _described(found))


def _described(found: CollectionInfo) -> Iterator[tuple[str, str]]:
    yield "home", f"{shown(found.home)}  ({size_text(found.bytes)}, format {found.format_version})"
    if found.engine:
        yield "engine", found.engine
    yield "images", f"{found.images:,} in {counted(found.files, 'file')}"
    if found.failed:
        yield "", Sentence(f"{found.failed:,} unreadable; name them with: ", run("index", "PATH", "--json"))
    if found.waiting:
        yield (
            "",
            Sentence(
                f"{found.waiting:,} not found, as they wait for a vector of the new model: ", run("index", "PATH")
            ),
        )
    if found.removed:
        yield "", Sentence(f"{found.removed:,} removed, kept until: ", run("compact"))
    if found.fingerprint is None:
        yield "model", "none yet: nothing has been indexed"
        return
    model = found.fingerprint
    scales = "" if model.scales == "1" else f", scales {model.scales}"
    made = f"{model.checkpoint}, {model.preprocessing}{scales}, {model.pooling}"
    agrees = "" if model.numbers == "float32" else f" (cosine to float32: {model.agreement:.6f})"
    yield "model", f"{made}, {model.dimension} numbers a vector, {model.numbers}{agrees}"
    yield "", f"weights {model.weights_sha256}"
    tail = "" if found.engine else f": {found.rows - found.tail:,} in the index, {found.tail:,} in the exact tail"
    yield "vectors", f"{found.rows:,} rows{tail}"
    if found.engine:
        yield from _built_lines(found)
    elif found.index is None:
        yield "index", "none yet: every search is exact"
    else:
        yield from _index_lines(found.index)
    if found.index_problem:
        yield "warning", Sentence(found.index_problem, "; every search is exact until: ", run("verify", "--repair"))
    yield from _others(found)
    for number, derived in enumerate(found.derived):
        yield "" if number else "derived", f"{derived.kind}: {derived.rows:,} rows, {size_text(derived.bytes)}"
    for number, root in enumerate(found.roots[:ROOTS]):
        mark = "" if root.online else "  OFFLINE: not there now, its images are kept"
        yield "" if number else "roots", f"{shown(root.path)}  ({counted(root.files, 'file')}){mark}"
    if len(found.roots) > ROOTS:
        yield "", f"and {len(found.roots) - ROOTS:,} more; see all with --json"


def _others(found: CollectionInfo) -> Iterator[tuple[str, str]]:
    """The models that do not answer, each with its state."""
    for number, model in enumerate(found.models[1:]):
        state, advice = model.state, Sentence("back with: ", run("migrate", "--back"))
        if model.share < 1 or model.state == "being made":
            state = f"{model.state}, {int(100 * model.share)} %"
            advice = Sentence("go on with: ", run("migrate"))
        line = f"{model.fingerprint.settings}: {state}; {model.rows:,} rows, {size_text(model.bytes)}; "
        yield "" if number else "others", Sentence(line, advice)


def _built_lines(found: CollectionInfo) -> Iterator[tuple[str, str]]:
    """What the engine says of its index, and what was measured of it."""
    if found.built is None:
        yield "index", "none yet: every search is exact"
        return
    told = ", ".join(f"{name} {value}" for name, value in found.built.parameters.items())
    rows = f", {found.built.rows:,} vectors inside" if found.built.rows >= 0 else ""
    yield "index", f"{found.built.type}{rows}{f'; {told}' if told else ''}; as the engine says"
    if found.index is not None and found.index.sample:
        for k, recall in sorted(found.index.recall.items()):
            measured = f"(measured with {found.index.sample:,} stored vectors, target {found.index.recall_target:g})"
            yield "recall", f"{recall:.4f} at {k}  {measured}"


def _index_lines(index: IndexInfo) -> Iterator[tuple[str, str]]:
    lists = f"{index.nlist:,} lists" if index.nlist > 1 else "one list, so it is exact"
    yield "index", f"{index.type}, {lists}; trained on {index.trained_on:,} vectors"
    for number, k in enumerate(sorted(index.recall)):
        visited = f", {index.nprobe[k]:,} lists visited" if index.nlist > 1 else ""
        line = f"{index.recall[k]:.4f} at {k}{visited}"
        if not number:
            line += f"  (measured with {index.sample:,} held-out queries, target {index.recall_target:g})"
        yield "" if number else "recall", line
