"""Rows that do not match their checksum are never answered, whoever finds them first."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dinosearch.vectors import LocalVectorSearch, local
from tests.vectors.test_local_search import Bench, D, brute, clustered

N, DAMAGED = 600, 100


@pytest.fixture
def rows() -> np.ndarray:
    return clustered(N, D, seed=13)


@pytest.fixture
def spoilt(tmp_path: Path, rows: np.ndarray) -> Iterator[LocalVectorSearch]:
    """The vectors of ids 1 to N, that of DAMAGED with one bit turned."""
    made = Bench(tmp_path)
    made.add(np.arange(1, N + 1), rows)
    made.search.close()
    data = bytearray((tmp_path / "vectors").read_bytes())
    data[data.index(rows[DAMAGED - 1].tobytes()) + 2] ^= 0x10
    (tmp_path / "vectors").write_bytes(data)
    search = LocalVectorSearch(
        tmp_path / "vectors", lambda g, s: tmp_path / f"index-{g}-{s[:12]}", made.search.generation
    )
    yield search
    search.close()


def test_a_search_that_began_before_the_damage_was_known(
    spoilt: LocalVectorSearch, rows: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another thread's whole search is done in the midst of this one: it has looked at the row, but not for both."""
    query, ids = rows[DAMAGED - 1 : DAMAGED], np.delete(np.arange(1, N + 1), DAMAGED - 1)
    truth, _ = brute(rows[ids - 1], ids, query, 10)
    meant, others = local.nearest, []

    def interrupted(*arguments: Any) -> Any:
        monkeypatch.setattr(local, "nearest", meant)
        others.append(spoilt.search(query, 10)[0])
        return meant(*arguments)

    monkeypatch.setattr(local, "nearest", interrupted)
    found = spoilt.search(query, 10)[0]
    np.testing.assert_array_equal(others, [truth])
    np.testing.assert_array_equal(found, truth)
    assert spoilt.damaged_rows == 1
