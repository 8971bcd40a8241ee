"""A search follows what others commit to its file: more rows, and rows that were taken back."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from dinosearch.vectors import LocalVectorSearch
from tests.vectors.test_local_search import Bench, D, brute, clustered


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
