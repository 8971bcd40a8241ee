"""Computations recorded once as a CUDA graph and replayed: one launch instead of some hundred.

A replay needs the processor for a moment only, so threads that decode keep their turns, and a single picture is not
held up by its launches. torch.compile is not used: 55 to 115 s for each shape, and it needs a compiler (performance.md,
section A).
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Hashable
from typing import Any

import torch
from torch import Tensor

_logger = logging.getLogger(__name__)
_recording = threading.Lock()  # CUDA records one graph of a process at a time

Compute = Callable[[Tensor], Tensor]
Recorder = Callable[[Compute, Tensor, Any, Any], "tuple[Compute, Any]"]

SECOND = 2
"""A shape is recorded when it comes for the second time: a last part seldom does, a full batch and one query do."""
MOST = 4
"""Recordings that are kept, as each holds its input and output; further shapes are computed as they come."""


class Replays:
    """What has been recorded, by shape; for one thread at a time, which `DeviceQueue` sees to.

    Args:
        record: makes a recording; another one is given by tests that have no GPU.
    """

    def __init__(self, record: Recorder | None = None) -> None:
        self._record = record or record_graph
        self._seen: dict[Hashable, int] = {}
        self._recorded: dict[Hashable, Compute] = {}
        self._pool: Any = None

    def of(self, key: Hashable, batch: Tensor, compute: Compute, stream: Any) -> Compute:
        """The recording for this batch where there is one, else `compute` itself.

        The output of a recording is overwritten by its next replay: it has to be copied in the same stream before.

        Args:
            key: what `compute` depends on beside the pixels.
            batch: the pixels on the device.
            compute: what is to be computed.
            stream: the current stream, in which it is.
        """
        key = (tuple(batch.shape), key)
        if key in self._recorded:
            return self._recorded[key]
        self._seen[key] = self._seen.get(key, 0) + 1
        if self._seen[key] != SECOND or len(self._recorded) >= MOST:
            return compute
        try:
            self._recorded[key], self._pool = self._record(compute, batch, stream, self._pool)
        except torch.cuda.OutOfMemoryError:
            raise
        except RuntimeError as error:
            # Something in it cannot be recorded, such as a copy from ordinary memory; it still can be computed.
            _logger.debug("computing without a recorded graph: %s", error)
            return compute
        return self._recorded[key]


def record_graph(compute: Compute, example: Tensor, stream: Any, pool: Any) -> tuple[Compute, Any]:
    """Record a computation for batches of the shape of `example`.

    Args:
        compute: has run in this stream before, so that its libraries are set up.
        example: a batch on the device.
        stream: in which it is recorded, and will be replayed.
        pool: memory of earlier recordings that are replayed in the same stream; None for the first. Recordings that
            never run at the same time can share what lies between their inputs and outputs.

    Returns:
        The replay, and the pool.

    Raises:
        RuntimeError: it cannot be recorded.
    """
    given = example.clone()
    graph = torch.cuda.CUDAGraph()
    # Other threads may use the device meanwhile; only what this one does is recorded.
    with _recording, torch.cuda.graph(graph, pool=pool, stream=stream, capture_error_mode="thread_local"):
        answer = compute(given)

    def replay(batch: Tensor) -> Tensor:
        given.copy_(batch)
        graph.replay()
        return answer

    return replay, graph.pool()
