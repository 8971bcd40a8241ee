"""When an index is written anew, and when its lists are trained anew: the rules of `build`, at their borders."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from dinosearch.records import IndexInfo
from dinosearch.vectors import LocalVectorSearch
from dinosearch.vectors.build import is_due, must_train
from dinosearch.vectors.ladder import LADDER, LADDERS
from tests.vectors.test_local_search import Bench, D, brute, clustered

FLAT = LADDERS["ivf-flat"]
INFO = IndexInfo("IVF566,Flat", 20_000, 20_000, 566, {10: 20}, 0.98, {10: 0.98}, 500, {}, 20_000, 20_000)
ONE_LIST = replace(INFO, type="IVF1,Flat", nlist=1)


@pytest.mark.parametrize(
    ("info", "rows", "live", "due"),
    [
        (None, 0, 0, False),
        (None, 1, 1, True),
        (INFO, 20_000, 20_000, False),
        (INFO, 20_200, 20_200, False),  # a hundredth is searched row by row or added in memory
        (INFO, 20_201, 20_201, True),
        (INFO, 20_000, 15_000, False),  # removed rows wait for `compact`
        (replace(INFO, held=15_000), 20_000, 15_200, False),
        (replace(INFO, held=15_000), 20_000, 15_201, True),  # removed rows that came back
        (replace(INFO, held=-1), 20_000, 20_000, False),  # an older version did not note it
        (replace(INFO, recall_target=0.9), 20_000, 20_000, True),
        (replace(INFO, rows=9_999, trained_on=9_999, trained_live=9_999, held=9_999), 10_000, 10_000, True),
        (replace(INFO, rows=10_000, trained_on=10_000, trained_live=10_000, held=10_000), 10_001, 10_001, False),
    ],
)
def test_a_new_index_is_due(info: IndexInfo | None, rows: int, live: int, due: bool) -> None:
    assert is_due(info, rows, live, 0.98, FLAT) == due


@pytest.mark.parametrize(
    ("rows", "live", "trains"),
    [
        (39_999, 39_999, False),
        (40_000, 40_000, True),  # doubled
        (20_000, 10_001, False),
        (20_000, 10_000, True),  # halved
        (22_000, 20_001, False),
        (21_999, 19_999, False),
        (22_000, 20_000, True),  # a tenth came and a tenth went
    ],
)
def test_lists_are_trained_anew(rows: int, live: int, trains: bool) -> None:
    assert must_train(INFO, rows, live, FLAT) == trains
    assert must_train(replace(INFO, trained_live=-1), rows, live, FLAT) == trains
    assert is_due(INFO, rows, live, 0.98, FLAT) == (trains or rows > 20_200)


def test_another_rung_of_the_ladder_trains_anew() -> None:
    assert not must_train(ONE_LIST, 50_000, 50_000, LADDER)  # one list has nothing to be trained
    assert must_train(ONE_LIST, 50_001, 50_001, LADDER)
    assert must_train(INFO, 20_000, 20_000, LADDER)


def test_an_index_that_is_lost_is_made_again(tmp_path: Path) -> None:
    rows = clustered(500, D, seed=70)
    made = Bench(tmp_path)
    made.add(np.arange(1, 501), rows)
    first = made.search.update_index(0.98)
    made.search.close()
    assert first is not None
    (tmp_path / f"index-1-{first.sha256[:12]}").unlink()
    again = LocalVectorSearch(
        tmp_path / "vectors", lambda g, s: tmp_path / f"index-{g}-{s[:12]}", made.search.generation
    )
    assert again.check_index() is not None
    second = again.update_index(0.98)
    assert second is not None and second.sha256 == first.sha256
    assert again.check_index() is None and again.update_index(0.98) is None
    np.testing.assert_array_equal(again.search(rows[:20], 5)[0], brute(rows, np.arange(1, 501), rows[:20], 5)[0])
    again.close()
