"""Ids of images in any order and far apart, as imports and long lives of collections leave them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from dinosearch.errors import DamagedHomeError
from tests.vectors.test_local_search import Bench, D, brute, clustered


@pytest.mark.parametrize("step", [1, 1_000_000_007], ids=["beside each other", "far apart"])
def test_any_ids_are_found(tmp_path: Path, step: int) -> None:
    rows = clustered(300, D, seed=60)
    ids = (np.random.default_rng(61).permutation(300) + 1) * step
    bench = Bench(tmp_path)
    bench.add(ids, rows)
    known, absent = ids[10:20], np.array([0, 301 * step - (step > 1), 301 * step, 302 * step])
    np.testing.assert_array_equal(bench.search.vectors(known), rows[10:20])
    np.testing.assert_array_equal(bench.search.missing(np.concatenate([absent, known])), np.unique(absent))
    for number in absent.tolist():
        with pytest.raises(DamagedHomeError, match=f"^id:{number} has no sound vector"):
            bench.search.vectors(np.array([known[0], number, 5 * 10**12]))
    bench.search.set_removed(ids[:5])
    for allowed in (None, np.concatenate([absent, ids[:100]])):
        alive = np.sort(ids[5:] if allowed is None else ids[5:100])
        places = np.array([int(np.flatnonzero(ids == number)[0]) for number in alive])
        truth, values = brute(rows[places], alive, rows[:20], 10)
        found, scores = bench.search.search(rows[:20], 10, allowed=allowed)
        np.testing.assert_array_equal(found, truth)
        np.testing.assert_allclose(scores, values, atol=1e-6)
    bench.search.close()


def test_a_collection_without_rows_knows_no_id(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    assert bench.search.missing(np.array([1, 2])).tolist() == [1, 2]
    with pytest.raises(KeyError):
        bench.search.vectors(np.array([1]))
    assert bench.search.search(np.eye(1, D, dtype=np.float32), 3, allowed=np.array([1]))[0].tolist() == [[-1, -1, -1]]
    bench.search.close()
