"""Which program and number format embeds on this machine: the fastest one whose vectors agree with float32's.

The order is a table in `runtimes`; whether a row of it may be used is measured once on each machine and remembered.
"""

from __future__ import annotations

import ctypes
import hashlib
import json
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from dinosearch import ahead
from dinosearch.advice import Sentence, run
from dinosearch.embedding.probe import agreement, probe_images
from dinosearch.embedding.recipe import Recipe
from dinosearch.embedding.runtimes.graph_embedder import GraphEmbedder
from dinosearch.embedding.runtimes.graphs import GraphFolder, GraphUnavailableError, graph_folder, graph_for
from dinosearch.embedding.runtimes.processor import processor
from dinosearch.embedding.runtimes.programs import RUNTIMES, UNASKED, Runtime
from dinosearch.errors import SettingError
from dinosearch.home import atomic_path
from dinosearch.records import AGREEMENT

NAMES = ("auto", *RUNTIMES, "torch")
MODEL = "model"
"""Name of the work (`dinosearch.ahead`) that makes an `Early`."""
Early = tuple[GraphFolder, str, str, Runtime]
"""A runtime opened for few images, behind its graph, its name, and its number format."""
FORMATS = ("float32", "bfloat16", "float16", "int8")


@dataclass(frozen=True)
class Wanted:
    """What the user said about where and how the model runs; None where nothing was said.

    Attributes:
        runtime: one of `NAMES`.
        device: as `TorchEmbedder`.
        dtype: `float32`, `bfloat16`, `float16`, `int8`.
        batch: images at a time.
    """

    runtime: str | None = None
    device: str | None = None
    dtype: str | None = None
    batch: int | None = None

    @classmethod
    def of(cls, runtime: str | None, device: str | None, dtype: str | None, batch: int | None) -> Wanted:
        """Fill in the environment (DINOSEARCH_RUNTIME, DINOSEARCH_DEVICE) and read `auto` as nothing said.

        Raises:
            SettingError: no such runtime or number format, or some that do not go together.
        """
        runtime = runtime or os.environ.get("DINOSEARCH_RUNTIME")
        device = device or os.environ.get("DINOSEARCH_DEVICE")
        runtime, device, dtype = (None if name in ("", "auto") else name for name in (runtime, device, dtype))
        if runtime is not None and runtime not in NAMES:
            raise SettingError(f"runtime {runtime!r} is not one of {', '.join(NAMES)}; leave it out to have it chosen")
        if dtype is not None and dtype not in FORMATS:
            raise SettingError(f"dtype {dtype!r} is not one of {', '.join(FORMATS)}; leave it out to have it chosen")
        if device not in (None, "cpu") and (runtime in RUNTIMES or dtype == "int8"):
            raise SettingError(
                f"{runtime or dtype} is for processors, not for {device}; leave out the device, or use: --device cpu"
            )
        if runtime in RUNTIMES and dtype is not None and dtype not in RUNTIMES[runtime][1]:
            offered = ", ".join(RUNTIMES[runtime][1])
            raise SettingError(f"{runtime} has no {dtype}, only {offered}; leave out --dtype or --runtime")
        return cls(runtime, device, dtype, batch)

    @property
    def by_torch(self) -> bool:
        """Whether torch is asked for, or the only one that can."""
        if self.runtime == "torch" or self.dtype == "float16" or self.device not in (None, "cpu"):
            return True
        return self.runtime is None and self.dtype != "int8" and self.device is None and _has_cuda()


def graph_embedder(
    recipe: Recipe, wanted: Wanted, reference: Callable[[], Any], notify: Callable[[str], None] | None = None
) -> GraphEmbedder:
    """The embedder over the best runtime that this machine has.

    Args:
        recipe: what decides the vectors.
        wanted: what was asked for.
        reference: opens the embedder by torch.
        notify: told what is worth knowing, in one line each.

    Raises:
        GraphUnavailableError: none can; every reason is named.
        SettingError: the model does not offer what the recipe asks for.
    """
    early: Early | None = ahead.take(MODEL)
    if early and early[0].path == graph_folder(recipe.checkpoint.name, recipe.digest, str(recipe.pooling)):
        graph = early[0]
    else:
        graph = graph_for(recipe.checkpoint, recipe.weights, recipe.digest, recipe.pooling, notify)
    fingerprint = recipe.fingerprint(graph.patch, graph.width, graph.depth)
    reasons = []
    for name, numbers in candidates(wanted):
        opener = partial(RUNTIMES[name][0], graph, numbers)
        try:
            few = early[-1] if early and early[:-1] == (graph, name, numbers) else opener(False)
            found = _agreement(graph, few, numbers)
        except (ImportError, OSError, RuntimeError, GraphUnavailableError) as error:
            reasons.append(f"{name}: {(str(error) or type(error).__name__).splitlines()[0][:200]}")
            continue
        if found < AGREEMENT and wanted.dtype is None:
            reasons.append(f"{name}: its {numbers} vectors agree with float32 by {found:.6f} only")
            if notify:
                notify(f"not used: {reasons[-1]} on this machine")
            continue
        if found < AGREEMENT and notify:
            notify(
                Sentence(
                    f"{numbers} changes the vectors of {recipe.checkpoint.name}: their mean cosine to float32 is "
                    f"{found:.4f} on fixed pictures; measure what that costs with `",
                    run("benchmark"),
                    "`, or leave out --dtype",
                )
            )
        marked = replace(fingerprint, numbers=numbers, agreement=found)
        return GraphEmbedder(graph, few, opener, marked, recipe.preprocessing, reference=reference, batch=wanted.batch)
    raise GraphUnavailableError("; ".join(reasons))


def candidates(wanted: Wanted) -> Iterator[tuple[str, str]]:
    """Names of runtimes and number formats, what is tried first in front."""
    for numbers in (wanted.dtype,) if wanted.dtype else UNASKED:
        for name, (_, offered) in RUNTIMES.items():
            if numbers in offered and wanted.runtime in (None, name):
                yield name, numbers


def _agreement(graph: GraphFolder, runtime: Runtime, numbers: str) -> float:
    """Mean cosine of the runtime's vectors to float32's; measured once for each version and processor."""
    key = hashlib.sha256(f"{runtime.name} {numbers} {processor()}".encode()).hexdigest()[:16]
    memory = graph.path / f"agreement-{key}.json"
    try:
        return float(json.loads(memory.read_text(encoding="utf-8"))["agreement"])
    except (OSError, ValueError, KeyError, TypeError):
        pass
    images, positions = probe_images(graph.patch), graph.positions()
    side = images.shape[1] // graph.patch
    given = None if positions is None else positions.cells((side, side))
    vectors = runtime.run(images, given, tokens=False)[0]
    found = agreement(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), graph.reference())
    try:
        with atomic_path(memory) as temporary:
            facts = {"runtime": runtime.name, "numbers": numbers, "agreement": found}
            temporary.write_text(json.dumps(facts), encoding="utf-8")
    except OSError:
        pass  # a cache that cannot be written only costs time
    return found


def _has_cuda() -> bool:
    """Whether torch can compute on a CUDA device; the driver is asked first, because loading torch takes seconds."""
    try:
        driver = ctypes.CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")
        count = ctypes.c_int(0)
        if driver.cuInit(0) != 0 or driver.cuDeviceGetCount(ctypes.byref(count)) != 0 or count.value == 0:
            return False
    except (OSError, AttributeError):
        return False
    import torch  # it may be a build without CUDA all the same

    return torch.cuda.is_available()
