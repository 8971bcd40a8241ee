"""Images of concurrent questions embedded side by side, where that makes better use of the cores than one large pass.

On a processor a pass of several images ends with the last of them, and who comes meanwhile waits for all; streams of a
core each take the next image as soon as they are free. A question that comes alone has all cores, and so have a few,
one after the other, where that is faster (`ways`).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from dinosearch.server.work.ways import Ways

OnPass = Callable[[int, float], None]
"""Told about every pass: its images, and the seconds it took."""

_CROWDED = 0.25
"""Seconds after two questions met for which the next ones go side by side, so that the ways of working do not mix."""


class SideBySideEmbedder:
    """Put around an embedder with `embed_beside`: fulfils `dinosearch.protocols.Embedder`, and hands on all else.

    Args:
        inner: what computes; for many threads.
        on_pass: told about every pass.
    """

    def __init__(self, inner: Any, on_pass: OnPass | None = None) -> None:
        self._inner, self._on_pass = inner, on_pass
        self.fingerprint, self.preprocessing = inner.fingerprint, inner.preprocessing
        self.patch_size, self.batch_size = inner.patch_size, inner.batch_size
        self._ways, self._met = Ways(), -_CROWDED
        self._lock = threading.Lock()

    def __getattr__(self, name: str) -> Any:
        if name == "_inner":  # half made, as by `copy`
            raise AttributeError(name)
        return getattr(self._inner, name)

    @property
    def waiting(self) -> int:
        """Questions that are being embedded or wait for it."""
        return self._ways.inside

    def embed(self, pixels: Sequence[np.ndarray]) -> np.ndarray:
        """Embed prepared images; see `dinosearch.protocols.Embedder.embed`."""
        with self._lock:
            began, entered = time.monotonic(), self._ways.enter()
            if self._ways.inside > 1:
                self._met = began
            beside = self._ways.together and began - self._met < _CROWDED
        finished = 0
        try:
            vectors: np.ndarray = (self._inner.embed_beside if beside else self._inner.embed)(pixels)
            finished = 1  # a call: those of a job have many images, which say nothing of questions
        finally:
            with self._lock:
                self._ways.leave([entered], finished)
        if self._on_pass is not None and len(pixels):
            self._on_pass(len(pixels), time.monotonic() - began)
        return vectors
