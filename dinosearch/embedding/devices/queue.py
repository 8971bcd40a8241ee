"""Batches on their way through a GPU: one is uploaded while the one before is computed and its results come down.

It moves pixels and launches what it is given; what is computed is the embedder's business.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np
import torch
from torch import Tensor

from dinosearch.embedding.devices.replay import Compute, Replays

SLOTS = 2
"""Buffers that pixels leave from: one is filled while the other is read by the device."""


class DeviceQueue:
    """Two lanes of one device: uploads, and everything else; many threads may submit.

    A submission is staged in page-locked memory, from which a copy needs no processor, and returns once its work is
    launched; the caller submits the next batch before it asks for the result of this one. Results come down in the lane
    of the computation: a vector has a hundredth of the bytes of its image, which is not worth a third lane.

    Args:
        device: a CUDA device. On any other the same steps run one after the other, which is how they are tested.
        replays: batches that are computed by replaying what was recorded of one; None records none.
    """

    def __init__(self, device: torch.device, replays: Replays | None = None) -> None:
        self._device = device
        self._lanes: _Lanes | _OneLane = _Lanes(device) if device.type == "cuda" else _OneLane()
        self._slots = [_Slot(pinned=device.type == "cuda") for _ in range(SLOTS)]
        self._turn = 0
        self._replays = replays
        self._lock = threading.Lock()

    def submit(self, images: Sequence[np.ndarray], key: Hashable, compute: Compute) -> Callable[[], np.ndarray]:
        """Launch one batch of images that lie on the host.

        Args:
            images: (h, w, 3) uint8 arrays of one shape; they may be changed once this has returned.
            key: what `compute` depends on beside the pixels.
            compute: takes the images as (n, h, w, 3) uint8 on the device, returns (n, d) there.

        Returns:
            A function that waits for the result and returns it as an array; it may be called from any thread.

        Raises:
            torch.cuda.OutOfMemoryError: nothing of this batch is left behind.
        """
        with self._lock, torch.inference_mode():
            slot = self._slots[self._turn]
            self._turn = (self._turn + 1) % SLOTS
            host = slot.filled(images)
            with self._lanes.uploading():
                batch = host.to(self._device, non_blocking=True)
                slot.sent = self._lanes.mark()
            self._lanes.compute_after(slot.sent, batch)
            return self._launched(batch, key, compute)

    def submit_there(self, batch: Tensor, key: Hashable, compute: Compute) -> Callable[[], np.ndarray]:
        """As `submit`, for (n, h, w, 3) uint8 that the calling thread's stream has made on the device."""
        with self._lock, torch.inference_mode():
            self._lanes.compute_after(self._lanes.mark(), batch)
            return self._launched(batch, key, compute)

    def forget(self) -> None:
        """Give back the memory of what was recorded, and record nothing more."""
        with self._lock:
            self._replays = None

    def _launched(self, batch: Tensor, key: Hashable, compute: Compute) -> Callable[[], np.ndarray]:
        with self._lanes.computing() as stream:
            run = compute if self._replays is None else self._replays.of(key, batch, compute, stream)
            result = run(batch).to("cpu", non_blocking=True)  # into page-locked memory, so it does not wait
            ready = self._lanes.mark()

        def wait() -> np.ndarray:
            ready.synchronize()
            return result.numpy().copy()  # page-locked memory is not for keeping

        return wait


def one_behind(
    launched: Iterable[tuple[list[int], Callable[[], np.ndarray]]],
) -> Iterator[tuple[list[int], np.ndarray]]:
    """Rows with their vectors, each waited for when the one after it has been launched."""
    before: tuple[list[int], Callable[[], np.ndarray]] | None = None
    for rows, wait in launched:
        if before is not None:
            yield before[0], before[1]()
        before = rows, wait
    if before is not None:
        yield before[0], before[1]()


class _Slot:
    """A buffer on the host that grows to the largest batch.

    Attributes:
        sent: passed when the device has read what was filled in last.
    """

    def __init__(self, pinned: bool) -> None:
        self._pinned = pinned
        self._room = torch.empty(0, dtype=torch.uint8)
        self.sent: Any = _NOTHING

    def filled(self, images: Sequence[np.ndarray]) -> Tensor:
        """(n, h, w, 3) uint8 of the images."""
        self.sent.synchronize()
        shape = (len(images), *images[0].shape)
        size = int(np.prod(shape))
        if len(self._room) < size:
            self._room = torch.empty(size, dtype=torch.uint8, pin_memory=self._pinned)
        held = self._room[:size].view(shape)
        np.stack(images, out=held.numpy())
        return held


class _Lanes:
    """Two streams of a CUDA device."""

    def __init__(self, device: torch.device) -> None:
        cuda: Any = torch.cuda
        self._upload, self._compute = cuda.Stream(device), cuda.Stream(device)

    def uploading(self) -> AbstractContextManager[Any]:
        return torch.cuda.stream(self._upload)

    def computing(self) -> AbstractContextManager[Any]:
        return _Entered(self._compute)

    def mark(self) -> Any:
        """An event behind what the current stream has been given so far."""
        event: Any = torch.cuda.Event()  # type: ignore[no-untyped-call]
        event.record(torch.cuda.current_stream(self._compute.device))
        return event

    def compute_after(self, event: Any, batch: Tensor) -> None:
        self._compute.wait_event(event)
        batch.record_stream(self._compute)  # the allocator must not hand its memory out again before


class _Entered(AbstractContextManager[Any]):
    """Makes a stream the current one, and says which it is."""

    def __init__(self, stream: torch.cuda.Stream) -> None:
        self._stream = stream
        self._inside: Any = torch.cuda.stream(stream)

    def __enter__(self) -> torch.cuda.Stream:
        self._inside.__enter__()
        return self._stream

    def __exit__(self, *error: Any) -> None:
        self._inside.__exit__(*error)


class _Nothing:
    def synchronize(self) -> None:
        pass


_NOTHING = _Nothing()


class _OneLane:
    """A device that does one thing after the other."""

    def uploading(self) -> AbstractContextManager[Any]:
        return nullcontext()

    def computing(self) -> AbstractContextManager[Any]:
        return nullcontext()

    def mark(self) -> Any:
        return _NOTHING

    def compute_after(self, event: Any, batch: Tensor) -> None:
        pass
