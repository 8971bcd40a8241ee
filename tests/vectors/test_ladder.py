"""Index types by the table of docs/vector-format.md, which Faiss understands."""

from __future__ import annotations

import faiss
import pytest

from dinosearch.vectors.ladder import LADDERS, WINDOW_LADDER, rung_for, suits

TWICE_ROOT = {50_001: 447, 1_000_000: 2000, 4_000_000: 4000}
FOUR_ROOTS = {0: 1, 77: 1, 78: 2, 1000: 25, 24_300: 623, 24_400: 625, 100_000: 1265, 4_000_000: 8000}


@pytest.mark.parametrize(("dimension", "turned", "parts"), [(384, 384, 192), (33, 34, 17), (1, 2, 1)])
@pytest.mark.parametrize(("name", "lists_hold"), [("images", "Flat"), ("windows", "SQ8")])
def test_exact_up_to_50_000_then_four_bits_for_two_numbers(
    name: str, lists_hold: str, dimension: int, turned: int, parts: int
) -> None:
    ladder = {"images": LADDERS["auto"], "windows": WINDOW_LADDER}[name]
    wanted = dict.fromkeys((0, 1, 1000, 50_000), f"IVF1,{lists_hold}")
    wanted |= {rows: f"RR{turned},IVF{lists},PQ{parts}x4fsr" for rows, lists in TWICE_ROOT.items()}
    for rows, factory in wanted.items():
        rung = rung_for(rows, ladder)
        assert rung.factory(rows, dimension) == factory
        assert suits(rung, rows, factory)
        faiss.index_factory(dimension, factory, faiss.METRIC_INNER_PRODUCT)
    assert not suits(rung_for(50_001, ladder), 50_001, wanted[50_000])
    assert not suits(rung_for(50_000, ladder), 50_000, wanted[50_001])


@pytest.mark.parametrize(
    ("name", "dimension", "lists_hold"),
    [("ivf-flat", 384, "Flat"), ("ivf-sq8", 384, "SQ8"), ("ivf-pq", 384, "PQ96"), ("ivf-pq", 33, "PQ3")],
)
def test_one_storage_for_any_number(name: str, dimension: int, lists_hold: str) -> None:
    for rows, lists in FOUR_ROOTS.items():
        held = "Flat" if rows < 256 and name == "ivf-pq" else lists_hold  # too few to train on
        factory = rung_for(rows, LADDERS[name]).factory(rows, dimension)
        assert factory == f"IVF{lists},{held}"
        faiss.index_factory(dimension, factory, faiss.METRIC_INNER_PRODUCT)
