"""Faiss on a CUDA device: lists are trained there, and a copy of the index answers batches of queries.

The index on the host stays the truth. Whatever the device cannot do is done by the host, and `reason` says why.
"""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

MOST = 2048
"""Neighbours, and lists visited, that a search on the device can have (faiss/gpu/utils/DeviceDefs.cuh)."""
TEMPORARY = 1 << 28  # bytes that Faiss holds for its intermediate results; more than these it takes when it must
_SPARE = 1 << 30  # bytes left to the model that embeds on the same device
_PQ_PARTS = {1, 2, 3, 4, 8, 12, 16, 20, 24, 28, 32, 40, 48, 56, 64, 96}
_PQ_NUMBERS = {1, 2, 3, 4, 6, 8, 10, 12, 16, 20, 24, 28, 32}
_TABLES = 48 << 10  # bytes of shared memory that the tables of a product quantizer have to fit into
_NO_DEVICE = "Faiss sees no CUDA device"


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

    The copy does not follow the index: make another one when the index has changed. It knows no filters.

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
                self.reason = _clause(error)

    def search(self, queries: np.ndarray, k: int, nprobe: int = 1) -> np.ndarray:
        """The k best of the visited lists for each query.

        Args:
            queries: (n, d) float32 of unit length.
            k: neighbours wanted; beyond 2048 the host searches, as for `nprobe`.
            nprobe: lists to visit; of no meaning to an index without lists.

        Returns:
            (n, k) int64 ids, best first; -1 behind the last that was found.
        """
        import faiss

        queries = np.ascontiguousarray(queries, np.float32)
        parameters: Any = None
        if hasattr(self._index, "nlist"):
            nprobe = max(1, min(nprobe, int(self._index.nlist)))
            parameters = faiss.SearchParametersIVF()
            parameters.nprobe = nprobe
        if self._copy is not None and max(k, nprobe) <= MOST:
            try:
                with self._lock:  # searches of one device share their intermediate memory
                    return np.asarray(self._copy.search(queries, k, params=parameters)[1])
            except RuntimeError as error:  # such as no memory left beside the model
                self.reason, self._copy = _clause(error), None
        return np.asarray(self._index.search(queries, k, params=parameters)[1])


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
