"""A search follows what others do: more rows in its file, rows that were taken back, rows added to its index."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dinosearch.vectors import LocalVectorSearch, local
from dinosearch.vectors.vector_index import VectorIndex
from tests.vectors.test_local_search import RUNGS, Bench, D, brute, clustered


def test_committed_rows_are_those_that_answer(tmp_path: Path) -> None:
    rows, ids = clustered(600, D, seed=21), np.arange(1, 601)
    made = Bench(tmp_path)
    made.add(ids[:300], rows[:300])
    before = made.search.generation
    reader = LocalVectorSearch(tmp_path / "vectors", lambda g, s: tmp_path / f"index-{g}-{s[:12]}", before)
    for held in (300, 600, 300):
        if held == 600:
            made.add(ids[300:], rows[300:])
        reader.refresh(before if held == 300 else made.search.generation)
        found, scores = reader.search(rows[::7], 10)
        truth, values = brute(rows[:held], ids[:held], rows[::7], 10)
        assert reader.count() == held and reader.ids().tolist() == ids[:held].tolist()
        np.testing.assert_array_equal(found, truth)
        np.testing.assert_allclose(scores, values, atol=1e-6)
    reader.close()
    made.search.close()


def test_rows_that_another_search_adds_to_the_index_meanwhile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They had been removed when the index was made, and came back; the first row, which they are near, did not."""
    rows, ids = clustered(4000, D, seed=31), np.arange(1, 4001)
    made = Bench(tmp_path, RUNGS["flat"])
    made.add(ids, rows)
    made.search.set_removed(np.sort(np.argsort(-(rows @ rows[0]))[:20]) + 1)
    made.search.update_index(0.98)
    made.search.set_removed(ids[:1])
    truth, _ = brute(rows[1:], ids[1:], rows[:1], 10)
    meant = VectorIndex.candidates

    def interrupted(index: VectorIndex, *arguments: Any) -> np.ndarray:
        monkeypatch.setattr(VectorIndex, "candidates", meant)
        monkeypatch.setattr(local, "TAIL", 0)
        held = index.count
        np.testing.assert_array_equal(made.search.search(rows[:1], 10)[0], truth)
        assert index.count == held + 19
        return meant(index, *arguments)

    monkeypatch.setattr(VectorIndex, "candidates", interrupted)
    np.testing.assert_array_equal(made.search.search(rows[:1], 10)[0], truth)
    made.search.close()
