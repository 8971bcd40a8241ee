"""Vectors on one machine: the append-only vector file, the Faiss index over it, and the search of both.

It is the only package that imports Faiss, when an index is first used, and it knows nothing of images and metadata.
"""

from dinosearch.records import Published
from dinosearch.vectors.compacting import compacted
from dinosearch.vectors.header import new_mark, tag_of, without_mark
from dinosearch.vectors.ladder import LADDER, LADDERS, WINDOW_LADDER, Rung
from dinosearch.vectors.local import LocalVectorSearch
from dinosearch.vectors.vector_file import VectorFile
from dinosearch.vectors.vector_index import VectorIndex

__all__ = [
    "LADDER",
    "LADDERS",
    "WINDOW_LADDER",
    "LocalVectorSearch",
    "Published",
    "Rung",
    "VectorFile",
    "VectorIndex",
    "compacted",
    "new_mark",
    "tag_of",
    "without_mark",
]
