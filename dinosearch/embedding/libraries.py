"""Load OpenVINO and ONNX Runtime so that they do not report their use to their makers, which both do by default.

A user of this program has agreed to nothing of that kind, and may be without a network.
"""

from __future__ import annotations

import os
import sys
from typing import Any


def load_openvino() -> Any:
    """The library without `openvino_telemetry`, which would tell Google Analytics of every import.

    It has a stand-in of its own for where that package is not installed, and loads 0.1 s faster with it.
    """
    modules: dict[str, Any] = sys.modules
    if "openvino" not in modules:
        modules.setdefault("openvino_telemetry", None)  # an import of it now fails
    try:
        import openvino
    finally:
        if modules.get("openvino_telemetry", modules) is None:
            del modules["openvino_telemetry"]
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
