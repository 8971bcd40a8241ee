"""The programs that can run a graph on a processor, each behind one small face; torch is not among them.

OpenVINO is the fastest measured, above all in bfloat16 where the processor has it; ONNX Runtime runs where there is no
OpenVINO, and is the one with 8-bit weights (performance.md, section A).
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Collection, Mapping
from importlib.metadata import version
from typing import Any, Protocol

import numpy as np

from dinosearch.capacity import cores
from dinosearch.embedding.runtimes.binding import unbind_memory
from dinosearch.embedding.runtimes.graphs import GraphFolder, GraphUnavailableError, run_child
from dinosearch.embedding.runtimes.libraries import load_onnxruntime, load_openvino
from dinosearch.embedding.runtimes.processor import has_bfloat16
from dinosearch.embedding.runtimes.sums import drop_unsound, keep_sums
from dinosearch.turns import Turns

Outputs = tuple[np.ndarray, np.ndarray]
"""Vectors (n, D) float32, not of unit length, and tokens (n, t, d) float32; t is 0 where nobody wanted them."""
_NO_TOKENS = np.empty((0, 0, 0), np.float32)


class Runtime(Protocol):
    """One opened graph; `run` may be called by as many threads at once as there are `streams`, and by more.

    Attributes:
        name: the program with its version.
        streams: calls that run side by side.
        part: images that a call does best with.
    """

    name: str
    streams: int
    part: int

    def run(self, images: np.ndarray, cells: np.ndarray | None, *, tokens: bool) -> Outputs:
        """Outputs for (n, h, w, 3) uint8 images and their (1, h / patch, w / patch, d) position embedding."""
        ...


class OpenVino:
    """A graph in OpenVINO. The compiled form is kept beside the graph: opening it again takes 0.1 s instead of 1.

    Args:
        graph: the graph.
        numbers: `bfloat16` or `float32`.
        many: work on many images at a time, one on each core, instead of on one with all cores.
    """

    # The first call of each kind goes alone. OpenVINO's bindings (2026.4) make objects that all calls share then, and
    # let go of Python's lock on the way: a second call waits for them, holding that lock, and both stand for ever.
    _lock = threading.Lock()
    _used = False

    def __init__(self, graph: GraphFolder, numbers: str, many: bool) -> None:
        openvino = load_openvino()
        self.name = f"openvino {version('openvino')}"
        with self._lock:
            self._open(openvino.Core(), graph, numbers, many)

    def _open(self, core: Any, graph: GraphFolder, numbers: str, many: bool) -> None:
        if numbers not in openvino_formats(core):
            raise GraphUnavailableError(f"this processor has no {numbers}")
        self.streams, self.part = (cores(), 1) if many else (1, 8)
        settings = {
            "INFERENCE_PRECISION_HINT": {"bfloat16": "bf16", "float32": "f32"}[numbers],
            "PERFORMANCE_HINT": "THROUGHPUT" if many else "LATENCY",
            "NUM_STREAMS": str(self.streams),
            "INFERENCE_NUM_THREADS": str(cores()),
            # Bound to their cores threads wake up sooner: 16 ms instead of 20 for one image of ViT-S on 4 cores, with
            # a pause before it. With many images decoders work on the same cores, and a bound thread would wait.
            "ENABLE_CPU_PINNING": not many,
        }
        if os.access(graph.path, os.W_OK):  # it refuses a folder that it cannot write
            settings["CACHE_DIR"] = str(graph.path / "openvino")
            drop_unsound(graph.path / "openvino")
        unbind_memory()  # that models opened before have left
        model = core.compile_model(str(graph.model), "CPU", settings)
        if "CACHE_DIR" in settings:
            keep_sums(graph.path / "openvino")
        self._requests: Turns[Any] = Turns(model.create_infer_request() for _ in range(self.streams))

    def run(self, images: np.ndarray, cells: np.ndarray | None, *, tokens: bool) -> Outputs:
        """See `Runtime.run`."""
        if not OpenVino._used:
            with self._lock:
                outputs = self._infer(images, cells, tokens)
                OpenVino._used = True
            return outputs
        return self._infer(images, cells, tokens)

    def _infer(self, images: np.ndarray, cells: np.ndarray | None, tokens: bool) -> Outputs:
        with self._requests.taken() as request:
            given = [images] if cells is None else [images, cells]
            request.infer(given, share_inputs=True, share_outputs=True)  # the tokens of an image are 0.4 MB
            vectors = np.array(request.get_output_tensor(0).data, np.float32)
            return vectors, np.array(request.get_output_tensor(1).data, np.float32) if tokens else _NO_TOKENS


class OnnxRuntime:
    """A graph in ONNX Runtime; arguments as `OpenVino`, with the numbers `float32` or `int8`."""

    def __init__(self, graph: GraphFolder, numbers: str, many: bool) -> None:
        onnxruntime = load_onnxruntime()
        self.name = f"onnxruntime {version('onnxruntime')}"
        self.streams, self.part = 1, 8
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = cores()
        options.log_severity_level = 3
        # Threads that wait by turning in circles take the cores from the decoders.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        path = graph.model if numbers == "float32" else _quantised(graph)
        try:
            self._session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        except Exception as error:  # its exceptions have no common class of their own
            raise GraphUnavailableError(f"ONNX Runtime: {str(error).splitlines()[0][:200]}") from None

    def run(self, images: np.ndarray, cells: np.ndarray | None, *, tokens: bool) -> Outputs:
        """See `Runtime.run`."""
        given = {"images": images} if cells is None else {"images": images, "cells": cells}
        vectors, *others = self._session.run(["vectors", "tokens"] if tokens else ["vectors"], given)
        return vectors, others[0] if tokens else _NO_TOKENS


RUNTIMES: dict[str, tuple[Callable[[GraphFolder, str, bool], Runtime], tuple[str, ...]]] = {
    "openvino": (OpenVino, ("bfloat16", "float32")),
    "onnxruntime": (OnnxRuntime, ("float32", "int8")),
}
"""By name, the best first: how one is opened, and its number formats, the fastest that may be chosen unasked first."""
UNASKED = ("bfloat16", "float32")
"""Formats that may be chosen without being asked for; int8 loses too much for that: cosines down to 0.990 were measured
with random weights, and real ones have larger outliers (performance.md, sections A and B)."""


def openvino_formats(core: Any) -> list[str]:
    """The number formats that are worth having of OpenVINO on this processor, the fastest first."""
    fast = "BF16" in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES") and has_bfloat16() is not False
    return ["bfloat16", "float32"] if fast else ["float32"]


def chosen_unasked(formats: Mapping[str, Collection[str]]) -> tuple[str, str]:
    """The runtime and format that are tried first, of those in `formats` by runtime; torch where there is none."""
    table = [(name, numbers) for numbers in UNASKED for name in RUNTIMES if numbers in formats.get(name, ())]
    return table[0] if table else ("torch", "float32")


def _quantised(graph: GraphFolder) -> Any:
    """The graph with 8-bit matrix products, made by a child process where it is not yet there."""
    path = graph.path / "int8" / "graph.onnx"
    path.parent.mkdir(exist_ok=True)
    drop_unsound(path.parent)
    if not path.is_file():
        run_child("dinosearch.embedding.runtimes.quantise", str(graph.model), str(path))
        keep_sums(path.parent)
    return path
