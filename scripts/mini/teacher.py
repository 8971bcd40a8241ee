"""Runs the teacher, a quantised MobileNet v1, and reads its last feature map and its embedding.

It does not choose what the student learns from them (see targets).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

FEATURE_MAP, EMBEDDING = 81, 82
"""Tensor numbers in `mobilenet_v1_1.0_224_quant_embedding_extractor.tflite`: map before pooling, vector after."""

SCALE = 0.023528477177023888


class MobileNet:
    """The teacher at one square input size, on one thread.

    Args:
        path: the `.tflite` file.
        side: input side in pixels, a multiple of 32. At 160 the held-out class mAP was the same as at 224 on
            photos of 128 px (.633 and .619, centred), at twice the speed.
    """

    def __init__(self, path: Path, side: int) -> None:
        from ai_edge_litert.interpreter import Interpreter

        self._net = Interpreter(str(path), num_threads=1)
        self._net.resize_tensor_input(0, (1, side, side, 3))
        self._net.allocate_tensors()

    def feature_map(self, image: np.ndarray) -> np.ndarray:
        """Features of one image: uint8 (side, side, 3) sRGB in, float32 (side/32 squared, 1024) out, row by row."""
        self._net.set_tensor(0, image[None])
        self._net.invoke()
        found: np.ndarray = self._net.get_tensor(FEATURE_MAP)[0]
        return (found.reshape(-1, found.shape[-1]).astype(np.float32)) * SCALE
