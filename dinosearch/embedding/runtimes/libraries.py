"""Load OpenVINO and ONNX Runtime so that they do not report their use to their makers, which both do by default.

A user of this program has agreed to nothing of that kind, and may be without a network. Of OpenVINO only what runs a
graph is loaded.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Any

from dinosearch.lazy import later

_CONVERTER = "openvino.tools.ovc"
_LEFT_OUT = ("openvino_telemetry", _CONVERTER)
"""What OpenVINO does without where it is not there; loading both takes 0.1 s."""


def load_openvino() -> Any:
    """The library without `openvino_telemetry`, which would tell Google Analytics of every import.

    The converter of models is loaded when a host program asks for it.
    """
    modules: dict[str, Any] = sys.modules
    without = [] if "openvino" in modules else [name for name in _LEFT_OUT if name not in modules]
    modules.update(dict.fromkeys(without))  # an import of them now fails
    try:
        import openvino
    finally:
        for name in without:
            modules.pop(name, None)
    if without:
        openvino.__getattr__ = later("openvino", {"convert_model": f".{_CONVERTER.partition('.')[2]}"})
    return openvino


def load_onnxruntime() -> Any:
    """The library, told before it loads not to report; from version 1.29 on it would.

    Whoever wants the reports sets ORT_DISABLE_TELEMETRY=0 (microsoft/onnxruntime, pull requests 27379 and 29843).
    """
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    import onnxruntime

    if os.environ["ORT_DISABLE_TELEMETRY"] == "1":
        onnxruntime.disable_telemetry_events()  # Windows does not look at the variable
    return onnxruntime


LIBRARIES: dict[str, Callable[[], Any]] = {"openvino": load_openvino, "onnxruntime": load_onnxruntime}
"""By the name of the runtime."""
