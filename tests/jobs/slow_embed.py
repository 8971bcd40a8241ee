"""`dinosearch embed` as a process that is slow enough to be killed in the middle: each part takes 50 ms."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence

import numpy as np

import dinosearch.embedding
from dinosearch.records import Fingerprint, Preprocessing


class SlowEmbedder:
    """The mean colour of 16 places."""

    fingerprint = Fingerprint("slow", "0" * 64, "squash-224", "cls", 48)
    preprocessing, patch_size, batch_size = Preprocessing(), 14, 8

    def embed(self, pixels: Sequence[np.ndarray]) -> np.ndarray:
        time.sleep(0.05)
        found = np.stack([image[28::56, 28::56].reshape(-1) for image in pixels]).astype(np.float32) + 1
        return found / np.linalg.norm(found, axis=1, keepdims=True)


if __name__ == "__main__":
    dinosearch.embedding.open_embedder = lambda *_, **__: SlowEmbedder()
    from dinosearch.__main__ import main

    sys.argv.insert(1, "embed")
    main()
