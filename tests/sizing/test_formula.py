"""Formulas: what is computed is what Python computes, and nothing but arithmetic is let in."""

from __future__ import annotations

import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dinosearch.sizing import ASSUMPTIONS
from dinosearch.sizing.formula import names, with_numbers, work_out
from dinosearch.sizing.milvus import KINDS
from dinosearch.sizing.quantity import images_of, number_of, plain, shown, size

VALUES = {"a": 3.0, "bb": 7.5, "c_1": 1e9}
TEXTS = st.recursive(
    st.sampled_from(["a", "bb", "c_1", "2", "0.5"]),
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from(["+", "-", "*"]), inner).map(lambda p: f"({p[0]} {p[1]} {p[2]})"),
        st.tuples(inner, inner).map(lambda p: f"max({p[0]}, {p[1]})"),
        inner.map(lambda text: f"ceil({text})"),
    ),
    max_leaves=12,
)


@given(TEXTS)
def test_a_formula_is_worked_out_as_python_does(text):
    expected = eval(text, {"max": max, "ceil": math.ceil}, VALUES)
    assert work_out(text, VALUES) == pytest.approx(expected, rel=1e-12)
    assert set(names(text)) == set(re.findall(r"\w+", text)) & VALUES.keys()


@given(TEXTS)
def test_the_numbers_shown_give_the_same(text):
    shown = with_numbers(text, {name: repr(value) for name, value in VALUES.items()})
    assert work_out(shown, {}) == work_out(text, VALUES)


@pytest.mark.parametrize("text", ["a.b", "__import__('os')", "a if a else 2", "[a]", "a ** 2", "-a", "'a'", "open(a)"])
def test_nothing_else_is_let_in(text):
    with pytest.raises(ValueError, match="may not stand in a formula"):
        work_out(text, VALUES)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        *[(text, 1e9) for text in ("1e9", "1G", "1g", "1000000000", "1_000_000_000", "1,000,000,000")],
        *[
            ("256GB", 256e9),
            ("1 B", 1),
            ("64GiB", 64 * 2**30),
            ("1.5k", 1500),
            ("20M", 20e6),
            ("4T", 4e12),
            (" 2e-3 ", 0.002),
        ],
    ],
)
def test_numbers_are_read_as_people_write_them(text, value):
    assert number_of(text) == value


@pytest.mark.parametrize("text", ["", "many", "-1", "nan", "inf", "1e999", "1GG", "0x10", "1e9 images", "١"])
def test_what_is_no_number_is_refused(text):
    with pytest.raises(ValueError, match="is no number"):
        number_of(text)


@pytest.mark.parametrize("text", ["999", "1e12", "1234.5", "0"])
def test_images_are_whole_and_within_bounds(text):
    with pytest.raises(ValueError, match="from 1e3 to 1e11"):
        images_of(text)
    assert [images_of("1e3"), images_of("1e11")] == [1000, 100_000_000_000]


def test_sizes_and_numbers_are_shown_shortly():
    assert [size(n) for n in (999, 1536, 1.54e12, 100e12, 2e16)] == ["999 B", "1.54 kB", "1.54 TB", "100 TB", "20 PB"]
    hours = [shown(h, "h") for h in (15, 15.04, 0.5, 0.001)]
    assert hours == ["15 h", "15.0 h", "30 min", "3.6 s"]
    assert [plain(n) for n in (384, 1e6, 1e9, 0.71, 123456.789)] == ["384", "1,000,000", "1e9", "0.71", "1.235e5"]


def test_every_assumption_says_where_it_comes_from():
    known = ("measured", "published", "assumed", "computed")
    assert all(assumption.source.startswith(known) for assumption in ASSUMPTIONS.values())
    assert all(kind.source.startswith(known) for kind in KINDS)
    assert len({a.flag for a in ASSUMPTIONS.values() if a.flag}) == sum(bool(a.flag) for a in ASSUMPTIONS.values())
