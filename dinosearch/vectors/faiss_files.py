"""Write and read a Faiss index: Faiss itself takes paths only that are valid Unicode, and overlooks failing writes."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def write_index(index: Any, path: Path) -> None:
    """Write the index; OSError where the disk refuses.

    Python writes the file, because what fails while Faiss closes one, such as the last of its writes, is not reported:
    a full disk would leave a part of an index, or nothing, that looks written. Timed with its checksum it is as fast.
    """
    import faiss

    known: Any = faiss
    with open(path, "wb") as file:
        faiss.write_index(index, known.PyCallbackIOWriter(file.write))


def read_index(path: Path) -> Any:
    """Read an index; RuntimeError where it is none."""
    import faiss

    known: Any = faiss
    if _is_unicode(path):
        return faiss.read_index(str(path))
    with open(path, "rb") as file:
        return faiss.read_index(known.PyCallbackIOReader(file.read))


def _is_unicode(path: Path) -> bool:
    try:
        str(path).encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True
