"""Index files that are read back: what Faiss is told about them, and that it is left as it was."""

from __future__ import annotations

import errno
from pathlib import Path

import faiss
import numpy as np
import pytest

from dinosearch.errors import DamagedHomeError
from dinosearch.vectors import vector_index
from dinosearch.vectors.vector_index import VectorIndex, place
from tests.vectors.test_local_search import D, clustered


def limits() -> list[int]:
    return [getattr(faiss, f"get_deserialization_{name}")() for name in ("vector_byte_limit", "loop_limit")]


@pytest.mark.parametrize("storage", ["Flat", "SQ8", "PQ12", "PQ24x4fsr"])
def test_an_index_of_few_rows_in_many_lists_is_read(tmp_path: Path, storage: str) -> None:
    rows = clustered(1000, D, seed=80)
    index = VectorIndex.train(f"IVF100,{storage}", rows)
    index.add([(np.arange(3), rows[:3])], 3)
    temporary, sha256 = index.publish(tmp_path / "index")
    place(temporary, tmp_path / "index")
    before = limits()
    again = VectorIndex.load(tmp_path / "index", sha256, f"IVF100,{storage}", D, 3)
    assert (again.count, again.covers, again.nlist) == (3, 3, 100)
    np.testing.assert_array_equal(again.candidates(rows[:3], 1, 100)[:, 0], [0, 1, 2])
    assert limits() == before  # they hold for the whole process
    with pytest.raises(DamagedHomeError, match="its lists do not hold as many vectors"):
        VectorIndex.load(tmp_path / "index", sha256, f"IVF100,{storage}", D, 2)
    assert limits() == before


@pytest.mark.parametrize("began", [False, True])
def test_an_index_that_cannot_be_written_says_why_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, began: bool
) -> None:
    def full(index: object, path: Path) -> None:
        if began:
            path.write_bytes(b"half of it")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(vector_index, "write_index", full)
    index = VectorIndex.train("IVF1,Flat", clustered(100, D, seed=81))
    with pytest.raises(OSError, match="No space left"):
        index.publish(tmp_path / "index")
    assert list(tmp_path.iterdir()) == []
