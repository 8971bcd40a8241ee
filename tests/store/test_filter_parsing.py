"""What is read as a filter, and what is refused: where and with which sentence."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dinosearch.errors import FilterError
from dinosearch.store import parse_filter
from dinosearch.store.filters.syntax import Among, And, Comparison, Expression, Glob, Missing, Not, Or, Span
from dinosearch.store.times import from_microseconds, to_microseconds


def seconds(*parts: int) -> int:
    return to_microseconds(datetime(*parts))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("width=1920", Comparison("width", "=", 1920)),
        ("Width >= 0.5", Comparison("width", ">=", 0.5)),
        ("size < 1.5MiB", Comparison("size", "<", 1572864)),
        ("size != 2kB", Comparison("size", "!=", 2000)),
        ("format in (jpg, 'PNG')", Among("format", ("JPEG", "PNG"))),
        ("name = 'it''s'", Comparison("name", "=", "it's")),
        ('name = "C:\\x"', Comparison("name", "=", "C:\\x")),
        ('name = "and"', Comparison("name", "=", "and")),
        ("name = and.jpg", Comparison("name", "=", "and.jpg")),
        ("path ~ */2020/**", Glob("path", "*/2020/**")),
        ("camera IS Missing", Missing("camera")),
        ("camera is known", Not(Missing("camera"))),
        ("camera is not known", Missing("camera")),
        ("id not in (1,2)", Not(Among("id", (1, 2)))),
        ("taken = 2020", Comparison("taken", "=", Span(seconds(2020, 1, 1), seconds(2021, 1, 1)))),
        ("taken = 2020-12", Comparison("taken", "=", Span(seconds(2020, 12, 1), seconds(2021, 1, 1)))),
        ("taken = 2020-02-29", Comparison("taken", "=", Span(seconds(2020, 2, 29), seconds(2020, 3, 1)))),
        (
            "taken = '2020-02-29 18:30'",
            Comparison("taken", "=", Span(seconds(2020, 2, 29, 18, 30), seconds(2020, 2, 29, 18, 31))),
        ),
        (
            "added = 2020-03-01T00:30:10.25+02:00",
            Comparison(
                "added",
                "=",
                Span(seconds(2020, 2, 29, 22, 30, 10) + 250_000, seconds(2020, 2, 29, 22, 30, 10) + 260_000),
            ),
        ),
        (
            "id=1 or id=2 and not id=3 or id=4",
            Or(
                (
                    Comparison("id", "=", 1),
                    And((Comparison("id", "=", 2), Not(Comparison("id", "=", 3)))),
                    Comparison("id", "=", 4),
                )
            ),
        ),
        ("not (id=1 or id=2)", Not(Or((Comparison("id", "=", 1), Comparison("id", "=", 2))))),
    ],
)
def test_trees(text: str, tree: Expression) -> None:
    where = parse_filter(text)
    assert where.root == tree
    assert str(where) == text


@pytest.mark.parametrize("zone", ["+00:00", "+05:45", "-03:30", "-09:05", "+1245", "-0101", "Z"])
def test_zones_are_those_of_iso_8601(zone: str) -> None:
    wanted = datetime.strptime(f"2020-03-01T00:30{zone}", "%Y-%m-%dT%H:%M%z").astimezone(timezone.utc)
    start = to_microseconds(wanted.replace(tzinfo=None))
    span = Span(start, start + 60_000_000)
    assert parse_filter(f"added = 2020-03-01T00:30{zone}").root == Comparison("added", "=", span)


@pytest.mark.parametrize(
    ("unit", "bytes_each"),
    [
        *(("", 1), ("B", 1)),
        *((f"{prefix}B", 1000**power) for power, prefix in enumerate("kMGT", 1)),
        *((f"{prefix}iB", 1024**power) for power, prefix in enumerate("kMGT", 1)),
    ],
)
def test_units_of_sizes(unit: str, bytes_each: int) -> None:
    for written in (unit, unit.lower(), unit.upper()):
        assert parse_filter(f"size = 3{written}").root == Comparison("size", "=", 3 * bytes_each)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "at its end: a field is wanted"),
        ("width", "at its end: width needs an operator"),
        ("width >", "at its end: a value is wanted here; a number"),
        ("wdth > 1", "character 1: a field is wanted here; did you mean width?"),
        ("width > 1 height > 2", "character 11: the filter could end here"),
        ("width > big", "'big' is not a number"),
        ("width > 2MB", "'2MB' is not a number"),
        ("size > 2XB", "'2XB' is not a size"),
        ("size > 1000000000000000", "too large"),
        ("path > a", "path cannot be compared by >; use one of = != in ~"),
        ("width ~ 1*", "width cannot be compared by ~"),
        ("format = jpgg", "the formats are JPEG"),
        ("taken = 2020-13", "is not a date"),
        ("taken = 2021-02-29", "is not a date"),
        ("taken = 0000", "is not a date"),
        ("taken = \u0662\u0660\u0662\u0660", "is not a date"),
        ("width = \u0661", "is not a number"),
        ("taken = 2020-01-01T10:00Z", "cameras note none"),
        ("name = 'abc", "this quote is never closed"),
        ("name ! abc", "! has no meaning alone"),
        ("name == abc", "a value is wanted"),
        ("name = or", 'put it in quotes if you mean the word: "or"'),
        ("name in a", r"a ( is wanted here; write name in (A, B)"),
        ("name in ()", "a value is wanted"),
        ("name in (a b)", "a ) is wanted"),
        ("camera is gone", "missing or known is wanted"),
        ("(id = 1", "a ) is wanted here; close the parenthesis"),
        ("id = 1)", "could end here"),
        ("id = 1; DROP TABLE images", "is not a number"),
        ("path ~ [a", "never closed"),
        ("not", "a field is wanted"),
        ("(" * 51 + "id=1" + ")" * 51, "more than 50 levels"),
        ("not " * 51 + "id=1", "more than 50 levels"),
        (" or ".join(["id=1"] * 251), "more than 250 values"),
        ("x" * 10_001, "at character 10001: it has 10001 characters"),
        ("id 'in' (1, 2)", "character 4: id needs an operator here"),
        ("id and (1, 2)", "character 4: id needs an operator here"),
    ],
)
def test_refusals_say_where_and_what(text: str, says: str) -> None:
    with pytest.raises(FilterError) as caught:
        parse_filter(text)
    assert says in str(caught.value)


def test_the_place_is_marked() -> None:
    with pytest.raises(FilterError) as caught:
        parse_filter("width > 1 and\nhight > 2")
    assert str(caught.value).splitlines()[1:] == ["  width > 1 and hight > 2", "                ^"]


@settings(max_examples=500, deadline=None)
@given(
    st.text(max_size=60)
    | st.lists(st.sampled_from("id name = ~ ( ) , and or not in is 'a' \" 1 2020 -- ; *".split()), max_size=12).map(
        " ".join
    )
)
def test_any_text_is_a_filter_or_a_filter_error(text: str) -> None:
    try:
        parse_filter(text)
    except FilterError as error:
        assert "\n" in str(error)


def test_not_a_text() -> None:
    with pytest.raises(TypeError, match="not int"):
        parse_filter(7)  # type: ignore[arg-type]


def test_span_of_the_last_year_ends_after_it() -> None:
    value: Any = parse_filter("taken = 9999").root
    assert from_microseconds(value.value.end - 1) == datetime.max
