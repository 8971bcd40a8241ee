"""Say of an index that is open what it really is, as Faiss has it."""

from __future__ import annotations

from dinosearch.records import BuiltIndex, IndexInfo
from dinosearch.vectors.vector_index import VectorIndex


def described(index: VectorIndex, info: IndexInfo) -> BuiltIndex:
    """The type and size of an open index, beside what it was asked to be."""
    import faiss

    return BuiltIndex(f"Faiss {faiss.__version__}", info.type, {"nlist": index.nlist}, index.count)
