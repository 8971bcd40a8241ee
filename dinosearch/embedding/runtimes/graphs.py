"""Runtime graphs of models on this machine: exported once for each weight file and pooling, then opened without torch.

A graph is a folder in the user's cache: made beside its place by a child process, then moved there whole. It can be
deleted at any time and is made again.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from dinosearch.embedding.checkpoints import Checkpoint
from dinosearch.embedding.runtimes.positions import Positions
from dinosearch.embedding.runtimes.sums import quick_sum
from dinosearch.embedding.weights.files import cache_folder, check_unchanged
from dinosearch.records import Pooling

FORMAT = 1
"""Counts up when the exported graph changes; older ones are then left lying and no longer used."""
_PATIENCE = 1200.0  # seconds for an export, which takes about 10 for ViT-S and reads 4.5 GB for ViT-g
_PACKAGE_PARENT = Path(__file__).resolve().parents[3]


class GraphUnavailableError(Exception):
    """There is no graph and none can be made; the text is the reason, a clause. The caller then takes torch."""


@dataclass(frozen=True)
class GraphFolder:
    """One exported model.

    Attributes:
        path: the folder.
        patch: side of a patch in pixels.
        width: length of a token.
        depth: how many of the last blocks the model offers.
        registers: tokens between the class token and the patches.
        interpolation: scheme of the `positions`; None for a model without.
        size: bytes of the weights.
    """

    path: Path
    patch: int
    width: int
    depth: int
    registers: int
    interpolation: str | None
    size: int

    @property
    def model(self) -> Path:
        """The ONNX file; its weights lie beside it."""
        return self.path / "graph.onnx"

    def positions(self) -> Positions | None:
        """How the model knows where a patch lies; None for one that need not be told."""
        return Positions(self.interpolation, np.load(self.path / "positions.npy")) if self.interpolation else None

    def reference(self) -> np.ndarray:
        """(8, dimension) float32 unit vectors of the probe pictures, by torch in float32."""
        return np.asarray(np.load(self.path / "probe.npy"))


def graphs_folder() -> Path:
    """Where graphs are kept: DINOSEARCH_GRAPHS, or the user's cache folder."""
    named = os.environ.get("DINOSEARCH_GRAPHS")
    return Path(named).expanduser() if named else cache_folder() / "graphs"


def graph_folder(checkpoint: str, digest: str, pooling: str) -> Path:
    """Where the graph of a model lies, once it is made; arguments as the fields of `Fingerprint`."""
    return graphs_folder() / f"{checkpoint}-{digest[:16]}-{pooling}-v{FORMAT}"


def graph_for(
    checkpoint: Checkpoint, weights: Path, digest: str, pooling: Pooling, notify: Callable[[str], None] | None = None
) -> GraphFolder:
    """The graph of these weights, made where it is not yet there.

    Args:
        checkpoint: the model.
        weights: its weight file.
        digest: SHA-256 of that file.
        pooling: is part of the graph.
        notify: told in one line that a graph is being made, which takes a while.

    Raises:
        GraphUnavailableError: it cannot be made here, with the reason.
    """
    path = graph_folder(checkpoint.name, digest, str(pooling))
    found = graph_at(path)
    if found is not None:
        return found
    from filelock import FileLock, Timeout  # only who makes one waits for it to load

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{path}.lock", timeout=_PATIENCE):
            found = graph_at(path)  # another process may have made it meanwhile
            if found is None:
                if notify:
                    notify(f"preparing {checkpoint.name} for this processor, once; this takes a moment")
                check_unchanged(weights, digest)
                _make(checkpoint, weights, pooling, path)
                found = graph_at(path)
    except (OSError, Timeout, subprocess.TimeoutExpired) as error:
        raise GraphUnavailableError(str(error)) from None
    if found is None:
        raise GraphUnavailableError("the exported graph is incomplete")
    return found


def _make(checkpoint: Checkpoint, weights: Path, pooling: Pooling, path: Path) -> None:
    # Always the same name, since one process at a time is here: what one that was killed has left is cleared away.
    temporary = path.with_name(f"{path.name}.tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir()
    try:
        run_child(
            "dinosearch.embedding.runtimes.export",
            checkpoint.name,
            str(weights.resolve()),
            str(pooling),
            str(temporary),
        )
        facts = json.loads((temporary / "facts.json").read_text(encoding="utf-8"))
        facts.pop("sum", None)
        files = [file for file in temporary.iterdir() if file.is_file() and file.name != "facts.json"]
        facts["files"] = {file.name: [file.stat().st_size, quick_sum(file)] for file in files}
        facts["sum"] = _sum_of(facts)
        (temporary / "facts.json").write_text(json.dumps(facts), encoding="utf-8")
        shutil.rmtree(path, ignore_errors=True)
        os.replace(temporary, path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def run_child(module: str, *arguments: str) -> None:
    """Run a module of this package as a program of its own.

    Raises:
        GraphUnavailableError: it failed; its last words are the reason.
    """
    if not sys.executable:
        raise GraphUnavailableError("the path of the Python program is unknown")
    done = subprocess.run(
        [sys.executable, "-m", module, *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        # -m looks for modules in the working folder first: let that be where this package lies, not the user's.
        cwd=_PACKAGE_PARENT,
        text=True,
        errors="replace",
        timeout=_PATIENCE,
    )
    if done.returncode:
        last = done.stderr.strip().splitlines()[-1:] or [f"{module} ended with {done.returncode}"]
        raise GraphUnavailableError(last[0][:200])


def graph_at(path: Path) -> GraphFolder | None:
    """The graph in a folder; None where there is none, or a file of it is missing or damaged."""
    try:
        facts = json.loads((path / "facts.json").read_text(encoding="utf-8"))
        if facts.pop("sum") != _sum_of(facts):
            return None
        files = facts.pop("files")
        for name, (size, kept) in files.items():
            if (path / name).stat().st_size != size or quick_sum(path / name) != kept:
                return None
        return GraphFolder(path, **facts, size=sum(size for size, _ in files.values()))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def _sum_of(facts: dict[str, Any]) -> int:
    return zlib.crc32(json.dumps(facts, sort_keys=True).encode())
