"""Filters by SQL find what plain Python finds, and their values never become SQL."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dinosearch.records import FoundFile, ImageInfo, ImageRecord, Label
from dinosearch.store import FIELDS, MetadataStore, matches, parse_filter
from dinosearch.store.filters.fields import FORMATS, KINDS
from dinosearch.store.times import to_microseconds
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
LABELS = ["cat", "Cat", "Stra\u00dfe", "a*b", 'it\'s "x"', "\udcff", "Canon EOS 80D", "or"]
SHARES = [0.0, 0.333, 0.8, 1 / 3, 1.0]
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


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def filled(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[MetadataStore, list[ImageRecord]]]:
    """A store of each dialect, and the same files as records that never saw a database."""
    place: str | Path = tmp_path_factory.mktemp("filters") / "metadata.sqlite"
    if request.param == "postgresql":
        place = request.getfixturevalue("postgres").collection("filters")
    expected = []
    with MetadataStore.open(place, create=True) as store:
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
        expected = [dataclasses.replace(record, added=added[record.id]) for record in expected]
        called = labelled(expected)
        now = datetime.now(timezone.utc)
        store.put_labels(
            Label(r.id, r.label, r.label_confidence, r.label_given, now)
            for r in called
            if r.label is not None and r.label_confidence is not None and r.label_given is not None
        )
        yield store, called


def labelled(records: list[ImageRecord]) -> list[ImageRecord]:
    """Most of them with a label, whose confidence often stands on the edge of a filter."""
    chance, found = random.Random(21), []
    for record in records:
        label = chance.choice([None, *LABELS])
        share, is_given = chance.choice(SHARES), chance.random() < 0.5
        if label is not None:
            record = dataclasses.replace(record, label=label, label_confidence=share, label_given=is_given)
        found.append(record)
    return found


def quoted(text: str) -> st.SearchStrategy[str]:
    return st.sampled_from(["'" + text.replace("'", "''") + "'", '"' + text.replace('"', '""') + '"'])


PATHS = [place.path for place, _ in make_files()]
VALUES: dict[str, st.SearchStrategy[str]] = {
    "path": st.sampled_from(PATHS + WORDS + ["/a", "/"]).flatmap(quoted),
    "text": st.sampled_from(CAMERAS + WORDS + LABELS + ["canon EOS 80d", "STRASSE"]).flatmap(quoted),
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


COMPARED = {
    "number": ["0", "1", "3", "0.333", "0.8", "1000", "4000"],
    "size": ["0", "999", "1kB", "1KiB", "2MB"],
    "time": [f"'{date}'" for date in DATES],
    "moment": [f"'{date}'" for date in DATES] + ["2020-02-29T14:30:15.5+02:00"],
}


@pytest.mark.parametrize("field", [name for name, field in FIELDS.items() if field.kind in COMPARED])
def test_every_comparison_means_what_python_means(filled: tuple[MetadataStore, list[ImageRecord]], field: str) -> None:
    """Not left to chance: a random filter may hide one comparison behind another."""
    store, files = filled
    for sign in ("=", "!=", "<", "<=", ">", ">="):
        for value in COMPARED[FIELDS[field].kind]:
            where = parse_filter(f"{field} {sign} {value}")
            assert store.select(where).tolist() == [record.id for record in files if matches(where, record)], where


def test_the_random_filters_are_worth_it(filled: tuple[MetadataStore, list[ImageRecord]]) -> None:
    """Each of these splits the files into two: the comparison above would not notice two empty answers."""
    store, files = filled
    for text in (
        "path ~ 'a/**'", "name = a", "folder ~ '/a/'", "size > 1kB", "width >= 1000", "megapixels = 3", "aspect < 1",
        "format in (jpg, heic)", "camera ~ '*CANON*'", "camera = 'strasse'", "camera is missing", "taken = 2020-02",
        "taken > 2019", "label = CAT", "label ~ 'stra*'", "label is missing", "confidence >= 0.8",
        "label = cat and confidence >= 0.8", "modified <= 2020-02-29", "modified = 2020-02-29T14:30:15.5+02:00",
        "id <= 50",
    ):  # fmt: skip
        assert 0 < len(store.select(parse_filter(text))) < len(files), text


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
