"""Faiss on a CUDA device: lists are trained there, and a copy of the index answers batches of queries.

The index on the host stays the truth. Whatever the device cannot do is done by the host, and `reason` says why.
"""

from __future__ import annotations

import ctypes
import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import numpy as np

_logger = logging.getLogger(__name__)

MANY = 256
"""Queries from which on the device is asked: few do not fill it, and the host answers one in less than a launch and two
copies take. A guess, as no device was at hand; `scripts/bench_gpu.py` measures 10,000."""
MOST = 2048
"""Neighbours, and lists visited, that a search on the device can have (faiss/gpu/utils/DeviceDefs.cuh)."""
TEMPORARY = 1 << 28  # bytes that Faiss holds for its intermediate results; more than these it takes when it must
_SPARE = 1 << 30  # bytes left to the model that embeds on the same device
_PQ_PARTS = {1, 2, 3, 4, 8, 12, 16, 20, 24, 28, 32, 40, 48, 56, 64, 96}
_PQ_NUMBERS = {1, 2, 3, 4, 6, 8, 10, 12, 16, 20, 24, 28, 32}
_TABLES = 48 << 10  # bytes of shared memory that the tables of a product quantizer have to fit into
_NO_DEVICE = "Faiss sees no CUDA device"


@cache
def available() -> bool:
    """Whether Faiss was built for CUDA and sees a device."""
    import faiss

    return bool(getattr(faiss, "get_num_gpus", int)() > 0)


@contextmanager
def training(ivf: Any) -> Iterator[str | None]:
    """Let the k-means of an index's lists run on the device while inside.

    Args:
        ivf: a faiss.IndexIVF for inner products, about to be trained, or inside of an index that is.

    Yields:
        Why the host trains; None where the device does. The lists are those of the host up to rounding.
    """
    import faiss

    reason = None if available() else _NO_DEVICE
    lent = None
    if reason is None:
        try:
            lent = faiss.index_cpu_to_gpu(_resources(), 0, faiss.IndexFlatIP(ivf.d))
            ivf.clustering_index = lent
        except RuntimeError as error:
            reason = _clause(error)
    try:
        yield reason
    finally:
        if lent is not None:
            ivf.clustering_index = None  # it ends with this call


class BatchSearch:
    """Many queries at a time over one index, by a copy on the device where that can be; any thread may ask.

    The copy does not follow the index: make another one when the index has changed (`DeviceCopy`). It knows no filters.

    Args:
        index: a faiss.IndexFlat or faiss.IndexIVF for inner products.

    Attributes:
        reason: why the host searches; None where the device does.
    """

    def __init__(self, index: Any) -> None:
        import faiss

        self._owner = index  # the next line's object lives as long as this one does
        self._index = faiss.downcast_index(index)
        self._copy: Any = None
        self._lock = threading.Lock()
        self.reason = refusal(self._index, _free_bytes()) if available() else _NO_DEVICE
        if self.reason is None:
            try:
                self._resources = _resources()
                options: Any = faiss.GpuClonerOptions()
                # The tables of many parts fit in half precision only; vectors that are kept whole stay as they are.
                options.useFloat16 = hasattr(self._index, "pq") and _table_bytes(self._index.pq) > _TABLES
                self._copy = faiss.index_cpu_to_gpu(self._resources, 0, self._index, options)
            except RuntimeError as error:
                self._fail(error)

    def search(self, queries: np.ndarray, k: int, nprobe: int = 1) -> np.ndarray:
        """The k best of the visited lists for each query.

        Args:
            queries: (n, d) float32 of unit length.
            k: neighbours wanted; beyond 2048 the host searches, as for `nprobe`.
            nprobe: lists to visit; of no meaning to an index without lists.

        Returns:
            (n, k) int64 ids, best first; -1 behind the last that was found.
        """
        queries = np.ascontiguousarray(queries, np.float32)
        found = self.on_device(queries, k, nprobe)
        if found is None:
            found = np.asarray(self._index.search(queries, k, params=self._parameters(nprobe))[1])
        return found

    def on_device(self, queries: np.ndarray, k: int, nprobe: int = 1) -> np.ndarray | None:
        """As `search`; None where the host has to."""
        copy = self._copy
        if copy is None or max(k, nprobe) > MOST:
            return None
        try:
            with self._lock:  # searches of one device share their intermediate memory
                return np.asarray(copy.search(queries, k, params=self._parameters(nprobe))[1])
        except RuntimeError as error:  # such as no memory left beside the model
            self._fail(error)
            return None

    def _parameters(self, nprobe: int) -> Any:
        import faiss

        if not hasattr(self._index, "nlist"):
            return None
        parameters: Any = faiss.SearchParametersIVF()
        parameters.nprobe = max(1, min(nprobe, int(self._index.nlist)))
        return parameters

    def _fail(self, error: Exception) -> None:
        self.reason, self._copy = _clause(error), None
        _logger.warning("searching on the processor, as Faiss cannot on the GPU: %s", self.reason)


class DeviceCopy:
    """The copy of an index that may change: made when many queries come, and again after `forget`.

    Args:
        index: as for `BatchSearch`, or of a type that the device has not, which is then left to the host in silence.
    """

    def __init__(self, index: Any) -> None:
        self._index = index
        self._search: BatchSearch | None = None
        self._lock = threading.Lock()

    def forget(self) -> None:
        """The index changes, so that the copy is of no use; nobody searches meanwhile."""
        self._search = None

    def candidates(
        self, queries: np.ndarray, count: int, nprobe: int, live: np.ndarray | None = None
    ) -> np.ndarray | None:
        """The best of the visited lists for each query, to be ranked exactly by the caller.

        Args:
            queries: (n, d) float32.
            count: candidates wanted for each query.
            nprobe: lists to visit.
            live: (rows,) bool, what may be found; so many more are looked at as others are in the way.

        Returns:
            (n, m) int64 ids, best first, with -1 in between; None where the host has to: too few queries, no device, an
            index or numbers that it has not, or an error, which is logged once.
        """
        if len(queries) < MANY or not available():
            return None
        with self._lock:
            search = self._search = self._search or BatchSearch(self._index)
        if live is not None:
            count = -(-count * len(live) // max(1, int(np.count_nonzero(live))))
        found = search.on_device(np.ascontiguousarray(queries, np.float32), count, nprobe)
        if found is not None and live is not None:
            inside = found < len(live)
            found = np.where(inside & live[np.where(inside, found, 0)], found, -1)
        return found


def refusal(index: Any, free: int | None) -> str | None:
    """Why an index cannot be copied to a device; None where it can.

    Args:
        index: of any type.
        free: bytes free on the device; None where that is unknown.
    """
    import faiss

    index = faiss.downcast_index(index)
    kind = type(index).__name__
    size = int(getattr(index, "code_size", 4 * index.d))
    if kind == "IndexIVFPQ":
        pq = index.pq
        if pq.nbits != 8 or pq.M not in _PQ_PARTS or pq.dsub not in _PQ_NUMBERS or _table_bytes(pq) > 2 * _TABLES:
            return f"Faiss has no PQ{pq.M}x{pq.nbits} of {pq.dsub} numbers each for CUDA"
    elif kind == "IndexIVFScalarQuantizer":
        quantizers = faiss.ScalarQuantizer
        if index.sq.qtype not in (quantizers.QT_8bit, quantizers.QT_8bit_uniform, quantizers.QT_fp16):
            return "Faiss has no such scalar quantizer for CUDA"
    elif kind not in ("IndexFlat", "IndexFlatIP", "IndexIVFFlat"):
        return f"Faiss has no {kind} for CUDA"
    needed = index.ntotal * (size + 8) + getattr(index, "nlist", 0) * index.d * 4 + TEMPORARY + _SPARE
    if free is not None and needed > free:
        return f"the copy needs {needed / 2**30:.1f} GiB and {free / 2**30:.1f} GiB are free on the device"
    return None


def _table_bytes(pq: Any) -> int:
    """What the tables of one query take in single precision."""
    return int(pq.M * pq.ksub * 4)


def _resources() -> Any:
    import faiss

    resources: Any = faiss.StandardGpuResources()
    resources.setTempMemory(TEMPORARY)
    return resources


def _free_bytes() -> int | None:
    """Bytes free on the current device, asked of the CUDA runtime that Faiss has loaded."""
    free, total = ctypes.c_size_t(), ctypes.c_size_t()
    for name in ("libcudart.so.12", "libcudart.so.13", "libcudart.so"):
        try:
            runtime = ctypes.CDLL(name)
        except OSError:
            continue
        if runtime.cudaMemGetInfo(ctypes.byref(free), ctypes.byref(total)) == 0:
            return free.value
    return None


def _clause(error: Exception) -> str:
    return (str(error) or type(error).__name__).splitlines()[0][:200]
