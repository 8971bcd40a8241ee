"""Products of queries with rows of a vector file where they lie in memory, without a copy of the rows.

Faiss multiplies each query with rows of a matrix that are named by number, in one call that leaves Python's lock. The
rows of a vector file are not quite a matrix: in front of the 256 rows of each block lie their ids and checksums, 3,072
bytes or as much as 768 numbers. But where the dimension divides 768 these take the room of whole rows (of two rows of
384 numbers, of one of 768), so that every row is at a whole number of rows from the first, and only the numbers change.
Where it does not, blocks that are far enough apart still are: with 1,024 numbers every fourth, with 1,536 every
second. The rows are then multiplied in as many calls, each with the blocks of one remainder.
"""

from __future__ import annotations

from math import gcd
from typing import Any

import numpy as np

from dinosearch.vectors.header import BLOCK_ROWS
from dinosearch.vectors.threads import one_faiss_thread

MOST_CALLS = 16
"""Where more calls were needed the rows had better be copied."""
_SIZE = 4  # bytes of a number


def calls_needed(stack: np.ndarray) -> int:
    """Calls that the layout of `stack`, see `products_in_place`, takes; 0 where it is no layout for this."""
    _, rows, dimension = stack.shape
    block, row, number = stack.strides
    if stack.dtype != np.float32 or rows != BLOCK_ROWS or (row, number) != (_SIZE * dimension, _SIZE) or block % _SIZE:
        return 0
    calls = dimension // gcd(block // _SIZE, dimension)
    return calls if calls <= MOST_CALLS else 0


def products_in_place(stack: np.ndarray, queries: np.ndarray, slots: np.ndarray) -> np.ndarray:
    """Products of each query with slots of its own, in one thread.

    Args:
        stack: (blocks, 256, dimension) float32, a view of whole blocks from slot 0 on, for which `calls_needed` is not
            0; it keeps the memory mapped while this runs.
        queries: (n, dimension) float32.
        slots: (n, m) int64, below 256 * blocks; negative for none.

    Returns:
        (n, m) float32; -inf where the slot is negative, and for not-a-number, which only a damaged row gives.

    Raises:
        IndexError: a slot lies behind the last block.
    """
    import faiss

    library: Any = faiss  # this function is in no list of its names
    blocks, _, dimension = stack.shape
    if slots.size and slots.max() >= blocks * BLOCK_ROWS:
        raise IndexError(f"slot {slots.max()} is not among {blocks} blocks of {BLOCK_ROWS} rows")
    queries, calls = np.ascontiguousarray(queries, np.float32), calls_needed(stack)
    block = slots // BLOCK_ROWS
    group = block // calls
    rows_apart = calls * stack.strides[0] // (_SIZE * dimension)
    rows = slots - block * BLOCK_ROWS + group * rows_apart
    call_of = np.where(slots < 0, -1, block - group * calls)
    found = np.full(slots.shape, -np.inf, np.float32)
    values = np.empty_like(found)
    for call in range(calls):
        wanted = np.where(call_of == call, rows, -1)
        with one_faiss_thread():
            library.fvec_inner_products_by_idx(
                faiss.swig_ptr(values),
                faiss.swig_ptr(queries),
                faiss.cast_integer_to_float_ptr(stack.ctypes.data + call * stack.strides[0]),
                faiss.swig_ptr(wanted),
                dimension,
                *slots.shape,
            )
        np.fmax(found, values, out=found)
    return found
