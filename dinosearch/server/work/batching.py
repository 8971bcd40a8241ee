"""Images of concurrent questions embedded in one forward pass.

No thread of its own: the first caller runs a pass, who comes meanwhile waits, and one of those who wait runs the next
pass for all of them. So a single question waits for nobody, and the busier the server is, the larger are its passes,
where that is faster than one after the other (`ways`), as it is on a GPU and need not be on a processor.
"""

from __future__ import annotations

import os
import threading
import time
import weakref
from collections import deque
from collections.abc import Sequence
from typing import Any

import numpy as np

from dinosearch.protocols import Embedder, EncodedEmbedder
from dinosearch.server.work.side_by_side import OnPass, SideBySideEmbedder
from dinosearch.server.work.ways import Ways

_TURN = 0.1
"""Seconds that questions wait for a piece of a large call, such as those of an index job."""
_QUIET = 1.0
"""Seconds without a question after which large calls go through whole."""
_here: weakref.WeakSet[BatchingEmbedder] = weakref.WeakSet()


class BatchingEmbedder:
    """Put around an embedder: fulfils `dinosearch.protocols.Embedder`, and hands everything else on; for many threads.

    Calls of fewer images than a pass takes are gathered. Larger ones go through in pieces, each of them after a pass
    for those who ask, so that neither starves the other. It has nothing to close. `batching` gives the right class.

    Args:
        inner: what computes; for many threads, though passes that are shared run one at a time.
        wait: seconds that a pass waits for more images where the one before it had several.
        on_pass: told about every pass.
    """

    def __init__(self, inner: Embedder, wait: float = 0.0, on_pass: OnPass | None = None) -> None:
        self._inner, self._wait, self._on_pass = inner, wait, on_pass
        self.fingerprint, self.preprocessing = inner.fingerprint, inner.preprocessing
        self.patch_size, self.batch_size = inner.patch_size, inner.batch_size
        self._piece, self._asked, self._gathered = self.batch_size, -_QUIET, 0
        self._begin()
        _here.add(self)

    def _begin(self) -> None:
        self._lock = threading.Lock()
        self._small: deque[_Call] = deque()
        self._large: deque[_Call] = deque()
        self._running = False
        self._ways = Ways()

    def __getattr__(self, name: str) -> Any:
        if name == "_inner":  # half made, as by `copy`
            raise AttributeError(name)
        return getattr(self._inner, name)

    def embed(self, pixels: Sequence[np.ndarray]) -> np.ndarray:
        """Embed prepared images, together with those of other threads; see `dinosearch.protocols.Embedder.embed`.

        An error reaches those callers whose images it comes from.
        """
        if not len(pixels):
            return self._inner.embed(pixels)
        if len(pixels) < self.batch_size:
            self._asked = time.monotonic()
            with self._lock:
                entered, together = self._ways.enter(), self._ways.together
            return self._take_part(_Call(pixels, entered)) if together else self._embed_alone(pixels, entered)
        parts, low = [], 0
        while low < len(pixels):
            most = self._piece if time.monotonic() - self._asked < _QUIET else self.batch_size
            parts.append(self._take_part(_Call(pixels[low : low + most])))
            low += most
        return np.concatenate(parts)

    def _embed_alone(self, pixels: Sequence[np.ndarray], entered: int) -> np.ndarray:
        """Embed them at once, whoever else does: as without this class."""
        began, finished = time.perf_counter(), 0
        try:
            vectors = self._inner.embed(pixels)
            finished = len(pixels)
        finally:
            with self._lock:
                self._ways.leave([entered], finished)
        if self._on_pass is not None:
            self._on_pass(len(pixels), time.perf_counter() - began)
        return vectors

    def rest(self) -> None:
        """Give back memory, where the embedder can."""
        getattr(self._inner, "rest", lambda: None)()

    @property
    def waiting(self) -> int:
        """Images that wait for a pass."""
        with self._lock:
            return sum(len(call.pixels) for call in (*self._small, *self._large))

    def _take_part(self, call: _Call) -> np.ndarray:
        with self._lock:
            if self._running:
                (self._large if call.alone else self._small).append(call)
            else:
                self._running = call.leads = True
        if not call.leads:
            try:
                call.turn.acquire()
            except BaseException:  # Ctrl-C in a main thread that embeds
                self._leave(call)
                raise
        if call.leads:
            self._lead(call)
        if call.error is not None:
            raise call.error
        assert call.vectors is not None
        return call.vectors

    def _lead(self, first: _Call) -> None:
        """Run a pass for this call and for those that wait, and let another thread run the next."""
        calls = [first]
        try:
            if first.alone:
                self._pass(calls)
                self._set_piece(len(first.pixels), first.seconds)
            else:
                self._gather(calls)
                self._pass(calls)
        finally:
            self._hand_on(first, calls[1:])

    def _gather(self, calls: list[_Call]) -> None:
        if self._wait and self._gathered > 1:
            time.sleep(self._wait)
        room = self.batch_size - len(calls[0].pixels)
        with self._lock:
            while self._small and len(self._small[0].pixels) <= room:
                room -= len(self._small[0].pixels)
                calls.append(self._small.popleft())
        self._gathered = len(calls)

    def _pass(self, calls: Sequence[_Call]) -> None:
        pixels = [image for call in calls for image in call.pixels]
        began = time.perf_counter()
        try:
            vectors = self._inner.embed(pixels)
        except Exception as error:
            if len(calls) == 1:
                calls[0].error = error
            else:
                for call in calls:
                    self._pass([call])
            return
        seconds, low = time.perf_counter() - began, 0
        for call in calls:
            call.vectors, call.seconds = vectors[low : low + len(call.pixels)], seconds
            low += len(call.pixels)
        if self._on_pass is not None:
            self._on_pass(len(pixels), seconds)

    def _hand_on(self, first: _Call, others: Sequence[_Call]) -> None:
        """Give the calls of a pass their answers, the model first to who runs the next one."""
        answered = [call for call in others if call.vectors is not None or call.error is not None]
        with self._lock:
            self._note((first, *answered))
            # Those without an answer, because this thread was interrupted, take part in the next pass.
            self._small.extendleft(reversed([call for call in others if call not in answered]))
            queues = (self._small, self._large) if first.alone else (self._large, self._small)
            heir = next((queue.popleft() for queue in queues if queue), None)
            self._running = heir is not None
            if heir is not None:
                heir.leads = True
        for call in (heir, *answered):
            if call is not None:
                call.turn.release()

    def _leave(self, call: _Call) -> None:
        """Forget a call whose thread was interrupted; where it was to run the next pass, another one does."""
        with self._lock:
            for queue in (self._small, self._large):
                if call in queue:
                    queue.remove(call)
            if not call.leads:
                self._note((call,))
        if call.leads:
            self._hand_on(call, ())

    def _note(self, calls: Sequence[_Call]) -> None:
        """Count questions that are over; the lock is held."""
        asked = [call for call in calls if call.entered is not None]
        finished = sum(len(call.pixels) for call in asked if call.vectors is not None)
        self._ways.leave([call.entered for call in asked if call.entered is not None], finished)

    def _set_piece(self, images: int, seconds: float) -> None:
        if seconds:
            self._piece = max(1, min(self.batch_size, int(images * _TURN / seconds)))


class BatchingEncodedEmbedder(BatchingEmbedder):
    """The same around a `dinosearch.protocols.EncodedEmbedder`, which gathers files by itself."""

    @property
    def call_size(self) -> int:
        """See the protocol."""
        return int(self._inner.call_size)  # type: ignore[attr-defined]

    def embed_encoded(self, data: Sequence[bytes]) -> Sequence[np.ndarray | None]:
        """See the protocol."""
        found: Sequence[np.ndarray | None] = self._inner.embed_encoded(data)  # type: ignore[attr-defined]
        return found


class _Call:
    """Images of one caller: its turn comes when they have vectors or an error, or when it leads the next pass.

    Args:
        pixels: the images.
        entered: what the count of ways gave; None for a piece of a large call, which has a pass of its own.
    """

    def __init__(self, pixels: Sequence[np.ndarray], entered: int | None = None) -> None:
        self.pixels, self.entered, self.alone, self.leads = pixels, entered, entered is None, False
        self.vectors: np.ndarray | None = None
        self.error: Exception | None = None
        self.seconds = 0.0
        self.turn = threading.Lock()
        self.turn.acquire()


def batching(
    inner: Embedder, wait: float = 0.0, on_pass: OnPass | None = None
) -> BatchingEmbedder | SideBySideEmbedder:
    """What gathers questions around an embedder, of the class that offers what it does."""
    if getattr(inner, "side_by_side", 1) > 1:
        return SideBySideEmbedder(inner, on_pass)
    kind = BatchingEncodedEmbedder if isinstance(inner, EncodedEmbedder) else BatchingEmbedder
    return kind(inner, wait, on_pass)


def _after_fork() -> None:
    """The threads that ran and waited do not exist in a fork, and a lock may be held by one of them."""
    for one in list(_here):
        one._begin()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
