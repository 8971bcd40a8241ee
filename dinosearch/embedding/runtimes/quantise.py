"""Make the 8-bit form of an exported graph: weights of matrix products as int8, activations quantised as they come.

python -m dinosearch.embedding.runtimes.quantise GRAPH TARGET
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from dinosearch.embedding.runtimes.libraries import load_onnxruntime


def quantise(graph: Path, target: Path) -> None:
    """Write `target`, one file, atomically."""
    load_onnxruntime()
    from onnxruntime.quantization import QuantType, quantize_dynamic

    temporary = target.with_name(f"{target.name}.{os.getpid()}.tmp")
    try:
        quantize_dynamic(
            graph,
            temporary,
            op_types_to_quantize=["MatMul", "Gemm"],
            per_channel=True,
            weight_type=QuantType.QInt8,
        )
        os.replace(temporary, target)
    finally:
        temporary.unlink(missing_ok=True)


if __name__ == "__main__":
    quantise(*map(Path, sys.argv[1:]))
