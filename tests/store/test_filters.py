"""The filter language: what is parsed, what is refused, and that SQL and plain Python mean the same."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dinosearch.errors import FilterError
from dinosearch.records import FoundFile, ImageInfo, ImageRecord
from dinosearch.store import FIELDS, MetadataStore, matches, parse_filter
from dinosearch.store.filters.fields import FORMATS, KINDS
from dinosearch.store.filters.syntax import Among, And, Comparison, Expression, Glob, Missing, Not, Or, Span
from dinosearch.store.times import from_microseconds, to_microseconds
from tests.store.conftest import digest, put

WORDS = [
    "a",
    "B",
    "2020",
    "caf\u00e9",
    "cafe\u0301",
    "it's",
    'say "x"',
    "%",
    "_",
    "a*b",
    "[x]",
    "\udcff",
    "\U0010ffff",
    "x y",
    "",
]
CAMERAS = ["Canon EOS 80D", "CANON eos 80d", "Stra\u00dfe", "NIKON/Z 9", "a*b", "", 'it\'s "x"', "or", "\ud800"]
MOMENTS = [
    datetime(2019, 12, 31, 23, 59, 59, 999999),
    datetime(2020, 1, 1),
    datetime(2020, 2, 29, 12, 30),
    datetime(2020, 2, 29, 12, 30, 15, 500000),
    datetime(2020, 12, 31, 23, 30),
    datetime(1969, 7, 20, 20, 17, 40),
]
DATES = [
    "2020",
    "2019",
    "2020-02",
    "2020-02-29",
    "2020-02-29T12:30",
    "2020-02-29 12:30:15",
    "2020-02-29T12:30:15.5",
    "9999",
    "0001",
]
ZONES = ["", "Z", "+02:00", "-0130"]


def make_files() -> list[tuple[FoundFile, ImageInfo]]:
    """200 files that often share values with the filters and sit on their edges."""
    chance = random.Random(20)
    files = {}
    for _ in range(200):
        folders = [chance.choice(WORDS) for _ in range(chance.randint(0, 3))]
        path = "/".join(
            ["", *folders, chance.choice(WORDS) + chance.choice(["", ".tar::", ".tar::d/"]) + chance.choice(WORDS)]
        )
        mtime_ns = to_microseconds(chance.choice(MOMENTS)) * 1000 + chance.choice([0, -1, 1, 999, 10**9])
        info = ImageInfo(
            chance.choice([1, 2, 3, 1000, 4000]),
            chance.choice([1, 3, 1000, 3000]),
            chance.choice(FORMATS),
            chance.choice([None, *MOMENTS]),
            chance.choice([None, *CAMERAS]),
        )
        files[path] = FoundFile(path, chance.choice([0, 999, 1000, 1024, 2 * 10**6, 2**40]), mtime_ns), info
    return list(files.values())


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[MetadataStore, list[ImageRecord]]]:
    """A store, and the same files as records that never saw a database."""
    file = tmp_path_factory.mktemp("filters") / "metadata.sqlite"
    expected = []
    with MetadataStore.open(file, create=True) as store:
        with store.transaction() as tx:
            for place, info in make_files():
                image_id = tx.add_image(digest(place.path), info)
                tx.put_location(place, image_id)
                modified = datetime(1970, 1, 1, tzinfo=timezone.utc) + timedelta(microseconds=place.mtime_ns // 1000)
                expected.append(
                    ImageRecord(
                        id=image_id,
                        path=place.path,
                        sha256=digest(place.path),
                        size=place.size,
                        modified=modified,
                        added=datetime.now(timezone.utc),
                        **dataclasses.asdict(info),
                    )
                )
        added = {record.id: record.added for record in store.iter_records()}
        yield store, [dataclasses.replace(record, added=added[record.id]) for record in expected]


def quoted(text: str) -> st.SearchStrategy[str]:
    return st.sampled_from(["'" + text.replace("'", "''") + "'", '"' + text.replace('"', '""') + '"'])


PATHS = [place.path for place, _ in make_files()]
VALUES: dict[str, st.SearchStrategy[str]] = {
    "path": st.sampled_from(PATHS + WORDS + ["/a", "/"]).flatmap(quoted),
    "text": st.sampled_from(CAMERAS + WORDS + ["canon EOS 80d", "STRASSE"]).flatmap(quoted),
    "format": st.sampled_from(["jpeg", "JPG", "Heic", "avif", "tif", "'png'"]),
    "number": st.sampled_from(
        ["0", "1", "-1", "+3", "1000", "4000.0", "0.333", "0.003", "1.5", "12", "999999999999999"]
    ),
    "size": st.sampled_from(["0", "999", "1kB", "1KIB", "2mb", "'1.9531MiB'", "1TiB", "0.0001KB", "1000.5"]),
    "time": st.sampled_from(DATES).flatmap(quoted),
    "moment": st.one_of(
        st.sampled_from(DATES).flatmap(quoted),
        st.tuples(st.sampled_from([date for date in DATES if ":" in date]), st.sampled_from(ZONES))
        .map("".join)
        .flatmap(quoted),
    ),
}
GLOBS = st.one_of(
    st.lists(
        st.sampled_from(["a", "B", "*", "**", "/", "?", "[!a]", "caf\u00e9", "::", ".tar", "\udcff", "%"]), max_size=6
    ).map("".join),
    st.sampled_from(["/a/**", "/**/a", "*canon*", "/", "*.tar::**", "/caf\u00e9/*", "*\u00df*"]),
).flatmap(quoted)


@st.composite
def single_tests(draw: st.DrawFn) -> str:
    field = draw(st.sampled_from(list(FIELDS.values())))
    operator = draw(st.sampled_from([*KINDS[field.kind][0], "is", "not in"]))
    value = VALUES[field.kind]
    if operator == "is":
        return f"{field.name} is {draw(st.sampled_from(['missing', 'known', 'not missing', 'not known']))}"
    if operator == "~":
        return f"{field.name} ~ {draw(GLOBS)}"
    if operator.endswith("in"):
        return f"{field.name} {operator} ({', '.join(draw(st.lists(value, min_size=1, max_size=4)))})"
    return f"{field.name}{draw(st.sampled_from(['', ' ']))}{operator} {draw(value)}"


def joined(parts: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.one_of(
        st.lists(parts, min_size=2, max_size=3).map(lambda texts: f"({' and '.join(texts)})"),
        st.lists(parts, min_size=2, max_size=3).map(lambda texts: f"({' OR '.join(texts)})"),
        parts.map(lambda text: f"not {text}"),
    )


@settings(max_examples=600, deadline=None)
@given(text=st.recursive(single_tests(), joined, max_leaves=6))
def test_sql_means_what_python_means(filled: tuple[MetadataStore, list[ImageRecord]], text: str) -> None:
    store, files = filled
    where = parse_filter(text)
    expected = [record for record in files if matches(where, record)]
    assert list(store.iter_records(where)) == sorted(expected, key=lambda record: record.id)
    assert store.select(where).tolist() == sorted(record.id for record in expected)


def test_the_random_filters_are_worth_it(filled: tuple[MetadataStore, list[ImageRecord]]) -> None:
    """Each of these splits the files into two: the comparison above would not notice two empty answers."""
    store, files = filled
    for text in (
        "path ~ 'a/**'", "name = a", "folder ~ '/a/'", "size > 1kB", "width >= 1000", "megapixels = 3", "aspect < 1",
        "format in (jpg, heic)", "camera ~ '*CANON*'", "camera = 'strasse'", "camera is missing", "taken = 2020-02",
        "taken > 2019", "modified <= 2020-02-29", "modified = 2020-02-29T14:30:15.5+02:00", "id <= 50",
    ):  # fmt: skip
        assert 0 < len(store.select(parse_filter(text))) < len(files), text


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


def test_the_largest_filters_run(store: MetadataStore) -> None:
    put(store, "/a", "a")
    for text in (
        " or ".join(["taken = 2020"] * 249 + ["id = 1"]),
        " and ".join(["not (camera = x)"] * 250),
        "not " * 50 + "id = 1",
        "(" * 50 + "id = 1" + ")" * 50,
        f"id in ({','.join(map(str, range(250)))})",
        f"taken not in ({','.join(['2020'] * 250)})",
    ):
        assert store.select(parse_filter(text)).tolist() == [1], text[:40]


INJECTIONS = [
    "x'; DROP TABLE images; --",
    "x' OR '1'='1",
    "x') OR 1=1 --",
    '" OR ""="',
    "%' OR path LIKE '%",
    "x\0' OR 1=1",
    ":param_1",
    "?1",
    "' || (SELECT sha256 FROM images) || '",
]


@pytest.mark.parametrize("text", INJECTIONS)
@pytest.mark.parametrize(
    "test", ["path = {}", "name != {}", "path ~ {}", "camera in ({})", "folder ~ {}", "camera ~ {}"]
)
def test_values_never_become_sql(filled: tuple[MetadataStore, list[ImageRecord]], test: str, text: str) -> None:
    store, files = filled
    where = parse_filter(test.format("'" + text.replace("'", "''") + "'"))
    assert store.select(where).tolist() == [record.id for record in files if matches(where, record)]
    assert store.counts()["locations"] == len(files)


def test_value_with_every_sign_is_found(tmp_path: Path) -> None:
    with MetadataStore.open(tmp_path / "m.sqlite", create=True) as store:
        for text in INJECTIONS:
            put(store, "/" + text, text)
            where = parse_filter("path = '/" + text.replace("'", "''") + "'")
            assert [record.path for record in store.iter_records(where)] == ["/" + text]


@pytest.mark.parametrize("last", ["a", "\ud7ff", "\U0010ffff", "\udc80", "\udcff", "%"])
def test_pattern_from_the_root_at_the_ends_of_unicode(store: MetadataStore, last: str) -> None:
    """Such a pattern is looked up as a range of paths, whose upper end needs the next character."""
    paths = [f"/{last}", f"/{last}x", f"/{last}\U0010ffff", "/", "/A", "/~", "/\ue000", "/\ud7fe"]
    for path in paths:
        put(store, path, path)
    found = [record.path for record in store.iter_records(parse_filter(f"path ~ '/{last}*'"))]
    assert found == paths[:3]


def test_span_of_the_last_year_ends_after_it() -> None:
    value: Any = parse_filter("taken = 9999").root
    assert from_microseconds(value.value.end - 1) == datetime.max
