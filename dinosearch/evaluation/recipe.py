"""The full recipe of a figure: versions, device, model, index, checksums; everything that could change it."""

from __future__ import annotations

import hashlib
import os
import platform
import subprocess
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dinosearch import __version__
from dinosearch.collection import Collection
from dinosearch.evaluation.dataset import Dataset

if TYPE_CHECKING:
    from dinosearch.collection.reports import CollectionInfo
    from dinosearch.evaluation.measuring import Options

PACKAGES = ("torch", "faiss-gpu", "faiss-cpu", "pillow", "numpy", "sqlalchemy")


def recipe(collection: Collection, info: CollectionInfo, options: Options) -> dict[str, Any]:
    """JSON-ready facts of a run through a collection; the model is named without loading it."""
    fingerprint = info.fingerprint
    return {
        **surroundings(),
        "device": collection.device or "not loaded: every vector was there",
        "fingerprint": fingerprint.to_dict() if fingerprint else None,
        "model": fingerprint.checkpoint if fingerprint else None,
        "preprocessing": fingerprint.preprocessing if fingerprint else None,
        "pooling": fingerprint.pooling if fingerprint else None,
        "scales": fingerprint.scales if fingerprint else None,
        "query_crop": "bbx" if options.query_crop else "none",
        "search": "exact" if options.exact else "index",
        "rerank": options.rerank,
        "refine": options.refine,
        "index": info.index.to_dict() if info.index else None,
        "average_precision": "rectangular" if options.rectangular else "as the protocol has it",
        "seed": options.seed,
    }


def surroundings() -> dict[str, Any]:
    """What the figures were made with: program, libraries, machine."""
    return {
        "version": __version__,
        "commit": commit(),
        "python": platform.python_version(),
        "packages": {name: version for name in PACKAGES if (version := _version(name))},
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
    }


def commit() -> str | None:
    """The commit of the checkout that the package lies in, with `-dirty` where files differ; None outside of one."""
    here = Path(__file__).parents[1]
    name, changed = (_git(here, *command) for command in (("rev-parse", "HEAD"), ("status", "--porcelain", ".")))
    return None if name is None else f"{name}{'-dirty' if changed else ''}"


def truth_sha256(dataset: Dataset) -> str | None:
    """Checksum over the data set's ground-truth files, hexadecimal; None where folders are the ground truth."""
    return _digest([dataset.root / path for path in dataset.truth_files])


def _digest(paths: Sequence[Path]) -> str | None:
    if not paths:
        return None
    digest = hashlib.sha256()
    for path in paths:
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return hashlib.sha256(paths[0].read_bytes()).hexdigest() if len(paths) == 1 else digest.hexdigest()


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _git(folder: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(["git", "-C", str(folder), *arguments], capture_output=True, text=True, timeout=10)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
