"""`dinosearch doctor`: what this machine offers and what is worth a warning; it mends nothing."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import click

from dinosearch.capacity import cores
from dinosearch.cli.options import Settings, verb
from dinosearch.cli.output import emit, notice, size_text, table

if TYPE_CHECKING:
    from subprocess import Popen

LIBRARIES = ("numpy", "sqlalchemy", "pillow", "pillow-heif", "click", "rich", "psycopg", "pymilvus", "ray")

# Each runs in a child, so that an installation that crashes on import is a finding and not the doctor's end.
# It prints one line for each of its findings.
PROBES = {
    ("torch", "gpu"): """
import torch
print(torch.__version__)
cuda = range(torch.cuda.device_count()) if torch.cuda.is_available() else ()
found = [f"{torch.cuda.get_device_name(i)}, {torch.cuda.mem_get_info(i)[1] / 1e9:.0f} GB" for i in cuda]
found += ["Apple GPU (mps)"] * torch.backends.mps.is_available()
print("; ".join(found) or "none: the processor is used")
""",
    ("faiss",): """
import faiss
print(faiss.__version__ + (", with GPU code" if hasattr(faiss, "GpuIndexFlat") else ""))
""",
    ("openvino",): """
import numpy
from importlib.metadata import version
from dinosearch.embedding.runtimes.libraries import load_openvino
from dinosearch.embedding.runtimes.programs import openvino_formats
openvino = load_openvino()
operators = openvino.opset13
given = operators.parameter([1, 8], numpy.float32)
product = operators.matmul(given, numpy.ones((8, 8), numpy.float32), False, False)
core = openvino.Core()
core.compile_model(openvino.Model([product], [given]), "CPU")([numpy.ones((1, 8), numpy.float32)])
print(version("openvino") + ": " + ", ".join(openvino_formats(core)))
""",
    ("onnxruntime",): """
from dinosearch.embedding.runtimes.libraries import load_onnxruntime
from dinosearch.embedding.runtimes.programs import RUNTIMES
print(load_onnxruntime().__version__ + ": " + ", ".join(RUNTIMES["onnxruntime"][1]))
""",
}
PATIENCE = 120  # seconds for a probe; importing torch takes about 3 on a quiet machine, much more on a cold disk


@click.command(short_help="Say what this machine offers.")
@verb
def doctor(settings: Settings) -> None:
    """Say what this machine offers: versions, image formats, GPU, memory, weights; and what is worth a warning.

    dinosearch doctor
    """
    probed = _probe()
    found = {**_program(), **probed, **_embedding(probed), **_libraries(), **_engine(settings), **_machine()}
    found |= _weights()
    warnings = _warnings(probed)
    if settings.json:
        emit("doctor", {**found, "warnings": warnings})
        return
    table(found.items())
    for warning in warnings:
        notice(f"warning: {warning}")


def _program() -> dict[str, str]:
    import platform

    from dinosearch import __version__

    return {
        "dinosearch": __version__,
        "python": f"{platform.python_version()} ({sys.executable})",
        "system": platform.platform(),
    }


def _probe() -> dict[str, str]:
    """Run the probes side by side."""
    import subprocess

    children = [
        subprocess.Popen(
            [sys.executable, "-c", code],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for code in PROBES.values()
    ]
    found: dict[str, str] = {}
    for names, child in zip(PROBES, children, strict=True):
        found.update(_answers(names, child))
    return found


def _answers(names: tuple[str, ...], child: Popen[str]) -> dict[str, str]:
    """One line for each name, or the last words of a child that failed."""
    from subprocess import TimeoutExpired

    try:
        said, complaint = child.communicate(timeout=PATIENCE)
    except TimeoutExpired:
        child.kill()
        child.communicate()
        return {names[0]: f"BROKEN: no answer within {PATIENCE} s"}
    lines = said.splitlines()
    if child.returncode == 0 and len(lines) == len(names):
        return dict(zip(names, lines, strict=True))
    last = complaint.strip().splitlines()[-1:] or [f"ended with {child.returncode}"]
    return {names[0]: f"BROKEN: {last[0]}"}


def _embedding(probed: dict[str, str]) -> dict[str, str]:
    """What embeds here when nothing is said, by the same table that the choice is made by."""
    from dinosearch.embedding import chosen_unasked, graphs_folder, has_bfloat16

    working = {name: answer for name, answer in probed.items() if not answer.startswith("BROKEN")}
    formats = {name: answer.partition(": ")[2].split(", ") for name, answer in working.items()}
    name, numbers = ("torch", "float16") if "GB" in probed.get("gpu", "") else chosen_unasked(formats)
    named = os.environ.get("DINOSEARCH_RUNTIME", "auto")
    folder = graphs_folder()
    return {
        "embeds by": f"{name} in {numbers}"
        + (f"; DINOSEARCH_RUNTIME says {named}" if named not in ("", "auto") else ""),
        "bfloat16": {True: "yes, the processor has it", False: "no", None: "unknown"}[has_bfloat16()],
        "graphs": f"{len(list(folder.glob('*/facts.json')))} prepared models in {folder}",
    }


def _libraries() -> dict[str, str]:
    import sqlite3
    from importlib.metadata import PackageNotFoundError, version

    found = {"sqlite": sqlite3.sqlite_version}
    for name in LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found


def _engine(settings: Settings) -> dict[str, str]:
    """What the server of --home says of itself, where it names one."""
    if "://" not in settings.home:
        return {}
    from dinosearch.collection import Collection
    from dinosearch.errors import DinosearchError

    try:
        with Collection.open(settings.home, metadata=settings.metadata, read_only=True) as collection:
            info = collection.info()
    except DinosearchError as error:
        return {"engine": f"BROKEN: {error}"}
    built = f"{info.built.type}, {info.built.rows:,} vectors" if info.built else "none, every search is exact"
    return {"engine": f"{info.engine}; index: {built}"}


def _machine() -> dict[str, str]:
    found = {"cores": str(cores())}
    if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        found["memory"] = size_text(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    return found


def _weights() -> dict[str, str]:
    from dinosearch.embedding import CHECKPOINTS, locate, offline, weights_folder
    from dinosearch.images import formats

    here = [name for name, checkpoint in CHECKPOINTS.items() if locate(checkpoint)]
    return {
        "formats": ", ".join(formats()),
        "offline": "yes: DINOSEARCH_OFFLINE is set, nothing is fetched" if offline() else "no",
        "weights": f"{', '.join(here) or 'none'} here; others go into {weights_folder()}",
    }


def _warnings(probed: dict[str, str]) -> list[str]:
    import sqlite3

    found = [f"{name} is {answer}" for name, answer in probed.items() if answer.startswith("BROKEN")]
    sqlite = sqlite3.sqlite_version_info
    # The WAL-reset fault: sqlite.org, release notes of 3.51.3 and 3.53.0; 3.52.0 was withdrawn.
    if not ((3, 51, 3) <= sqlite < (3, 52) or sqlite >= (3, 53)):
        found.append(
            f"SQLite {sqlite3.sqlite_version} can damage a database when two connections write at the same moment "
            "(fixed in 3.51.3 and 3.53.0); dinosearch has one writer under a lock, so let no other program write to "
            "metadata.sqlite"
        )
    return found
