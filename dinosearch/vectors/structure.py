"""Read an index file that may be crafted: Faiss believes what such a file says about itself, and reads past its ends.

So what was read is held against an empty index made by the same factory string, and every list against the file, before
anything is searched. A checksum says that a file is the one that was published, not who published it.
"""

from __future__ import annotations

import mmap
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dinosearch.vectors.faiss_files import read_index

_LIMITS = ("vector_byte_limit", "loop_limit")
_lock = threading.Lock()
_BLOCKS = b"ilbl"
"""What begins inverted lists of FastScan in a file, whose codes Faiss does not show to Python."""


def read_checked(path: Path, factory: str, dimension: int, rows: int) -> Any:
    """The faiss index in a file.

    Args:
        path: the file.
        factory: the factory string by which the index was made.
        dimension: of the vectors.
        rows: slots are below.

    Raises:
        ValueError: it is no such index; the text says why.
    """
    import faiss

    expected: Any = faiss.index_factory(dimension, factory, faiss.METRIC_INNER_PRODUCT)
    with _lock, _limited(path.stat().st_size + _table_bytes(expected)):
        try:
            index: Any = read_index(path)
        except RuntimeError as error:
            raise ValueError(str(error).splitlines()[0][:80]) from None
    for found, wanted in zip(_facts(index, True), _facts(expected, False), strict=True):
        if found != wanted:
            raise ValueError(f"its {wanted[0]} is not that of {factory}")
    _check_lists(index, path, rows)
    return index


@contextmanager
def _limited(size: int) -> Iterator[None]:
    """No vector in memory may have more bytes, and no loop more turns, than the file has bytes."""
    import faiss

    known: Any = faiss
    before = [getattr(known, f"get_deserialization_{name}")() for name in _LIMITS]
    try:
        for name in _LIMITS:
            getattr(known, f"set_deserialization_{name}")(size)
        yield
    finally:
        for name, value in zip(_LIMITS, before, strict=True):
            getattr(known, f"set_deserialization_{name}")(value)


def _table_bytes(index: Any) -> int:
    """What Faiss allows for when it reads a product quantizer: products of all its parts with all centres, float32."""
    import faiss

    ivf: Any = faiss.downcast_index(faiss.extract_index_ivf(index))
    return int(ivf.nlist * ivf.pq.M * ivf.pq.ksub * 4) if hasattr(ivf, "pq") else 0


def _facts(index: Any, is_trained: bool) -> Iterator[tuple[object, ...]]:
    """What is the same for all indexes of one factory string; sizes of trained parts as they must become."""
    import faiss

    index = faiss.downcast_index(index)
    turned = type(index).__name__ == "IndexPreTransform"
    yield "type", type(index).__name__, index.d, index.metric_type
    turn: Any = faiss.downcast_VectorTransform(index.chain.at(0)) if turned and index.chain.size() == 1 else None
    yield "rotation", turned, type(turn).__name__
    if turn is not None:
        size = turn.A.size() if is_trained else turn.d_in * turn.d_out
        yield "rotation", turn.d_in, turn.d_out, turn.have_bias, size, turn.b.size() if is_trained else 0
    ivf: Any = faiss.downcast_index(faiss.extract_index_ivf(index)) if turned else index
    yield "lists", type(ivf).__name__, ivf.d, ivf.metric_type, ivf.nlist, ivf.code_size, ivf.by_residual
    lists: Any = faiss.downcast_InvertedLists(ivf.invlists)
    yield "lists", type(lists).__name__, lists.nlist, lists.code_size, ivf.direct_map.type
    fast = ("M", "M2", "nbits", "ksub", "bbs") if hasattr(ivf, "bbs") else ()
    yield "codes", *(getattr(ivf, name) for name in fast)
    yield "codes", *((lists.n_per_block, lists.block_size) if hasattr(lists, "n_per_block") else ())
    if hasattr(ivf, "pq"):
        pq = ivf.pq
        yield "quantizer", pq.d, pq.M, pq.nbits, pq.dsub, pq.ksub, pq.code_size, pq.centroids.size()
    if hasattr(ivf, "sq"):
        sq = ivf.sq
        yield "quantizer", sq.d, sq.qtype, sq.bits, sq.code_size, sq.trained.size() if is_trained else 2 * sq.d
    centres: Any = faiss.downcast_index(ivf.quantizer)
    count = (centres.ntotal, centres.codes.size()) if is_trained else (ivf.nlist, ivf.nlist * ivf.d * 4)
    yield "centres", isinstance(centres, faiss.IndexFlat), centres.d, centres.metric_type, centres.code_size, *count
    yield "training", ivf.is_trained if is_trained else True, centres.is_trained if is_trained else True


def _check_lists(index: Any, path: Path, rows: int) -> None:
    import faiss

    ivf: Any = faiss.downcast_index(faiss.extract_index_ivf(index))
    lists: Any = faiss.downcast_InvertedLists(ivf.invlists)
    sizes = [lists.list_size(number) for number in range(ivf.nlist)]
    if sum(sizes) != ivf.ntotal or ivf.ntotal != index.ntotal or ivf.ntotal > rows:
        raise ValueError("its lists do not hold as many vectors as it says")
    if hasattr(lists, "n_per_block") and not _blocks_fit(path, lists, sizes):
        raise ValueError("its lists are shorter than they say")
    for number, size in enumerate(sizes):
        if size:
            slots = faiss.rev_swig_ptr(lists.get_ids(number), size)
            if slots.min() < 0 or slots.max() >= rows:
                raise ValueError("it names rows that are not there")


def _blocks_fit(path: Path, lists: Any, sizes: list[int]) -> bool:
    """Whether somewhere in the file begin lists of these sizes that end where it ends."""
    wanted = [(size, -(-size // lists.n_per_block) * lists.block_size) for size in sizes]
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        place = content.find(_BLOCKS)
        while place >= 0:
            if _walked(content, place + len(_BLOCKS) + 32, wanted) == len(content):
                return True
            place = content.find(_BLOCKS, place + 1)
    return False


def _walked(content: mmap.mmap, place: int, wanted: list[tuple[int, int]]) -> int:
    """Where the lists end that begin at `place`: ids and codes of each, behind their number; -1 where others stand."""
    for ids, codes in wanted:
        for count, width in ((ids, 8), (codes, 1)):
            if place + 8 > len(content) or struct.unpack_from("<Q", content, place)[0] != count:
                return -1
            place += 8 + count * width
    return place
