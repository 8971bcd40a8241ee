"""Filters for Milvus: the engine finds what the filter means, or more where only the store can tell."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dinosearch.engines import parse_address
from dinosearch.engines.milvus import MilvusEngine
from dinosearch.engines.milvus_client import MilvusConnection
from dinosearch.engines.milvus_filters import STORE_FIELDS, compile_condition
from dinosearch.engines.milvus_search import MilvusSearch
from dinosearch.records import ImageFacts, ImageInfo, ImageRecord
from dinosearch.store import FIELDS, matches, parse_filter
from dinosearch.store.filters.syntax import Among, And, Comparison, Expression, Glob, Missing, Not, Or
from dinosearch.store.times import from_microseconds
from tests.store.test_filters import COMPARED, INJECTIONS, MOMENTS, joined, make_files, single_tests

DIMENSION = 8
Filled = tuple[MilvusSearch, MilvusEngine, list[ImageRecord]]


def made_records() -> list[ImageRecord]:
    """The files of the store's tests, each of an image of its own, added at moments that filters name."""
    chance, records = random.Random(8), []
    for number, (place, info) in enumerate(make_files(), start=1):
        added = chance.choice(MOMENTS).replace(tzinfo=timezone.utc) + timedelta(microseconds=chance.choice([0, 1, -1]))
        modified = from_microseconds(place.mtime_ns // 1000).replace(tzinfo=timezone.utc)
        told = dataclasses.asdict(info)
        records.append(
            ImageRecord(
                id=number,
                path=place.path,
                sha256=f"{number:064x}",
                size=place.size,
                modified=modified,
                added=added,
                **told,
            )
        )
    return records


@pytest.fixture(scope="module", params=["milvus-lite", "milvus-server"])
def filled(request: pytest.FixtureRequest, milvus_address: Callable[[str], str]) -> Iterator[Filled]:
    """An engine with a vector for each of the records."""
    # Only this test reads here, and waits for its rows once: thousands of filters then take 3 ms each, not 200.
    engine = MilvusEngine(parse_address(milvus_address(request.param) + "?consistency=eventually"))
    records = made_records()
    search = engine.open(1, DIMENSION, None)
    search.ensure()
    rows = np.random.default_rng(0).standard_normal((len(records), DIMENSION)).astype(np.float32)
    facts = [ImageFacts(r.id, _info(r), r.added) for r in records]
    search.upsert(np.arange(1, len(records) + 1), rows / np.linalg.norm(rows, axis=1, keepdims=True), facts)
    while search.count() < len(records):
        pass
    yield search, engine, records
    engine.drop(1)
    engine.close()


def _info(record: ImageRecord) -> ImageInfo:
    return ImageInfo(record.width, record.height, record.format, record.taken, record.camera)


def found_ids(search: MilvusSearch, text: str) -> set[int]:
    """Every id that the engine holds the compiled filter for."""
    ids, _ = search.search(np.eye(1, DIMENSION, dtype=np.float32), 1000, where=parse_filter(text), exact=True)
    return set(ids[ids >= 0].tolist())


def decided_here(expression: Expression) -> bool:
    """Whether the image alone decides: an independent reading of the tree."""
    if isinstance(expression, Not):
        return decided_here(expression.part)
    if isinstance(expression, And | Or):
        return all(map(decided_here, expression.parts))
    assert isinstance(expression, Comparison | Among | Glob | Missing)
    return expression.field not in STORE_FIELDS and not isinstance(expression, Glob)


def hold(filled: Filled, text: str) -> None:
    """Assert that the engine's answer is the oracle's, or holds it."""
    search, engine, records = filled
    where = parse_filter(text)
    wanted = {record.id for record in records if matches(where, record)}
    found = found_ids(search, text)
    assert found >= wanted, f"{text}: {sorted(wanted - found)[:5]} are lost"
    if decided_here(where.root):
        assert found == wanted, f"{text}: {sorted(found - wanted)[:5]} do not match"
        assert engine.filters(where)
    if engine.filters(where):
        assert found == wanted


@settings(max_examples=500, deadline=None, suppress_health_check=list(HealthCheck), database=None)
@given(text=st.recursive(single_tests(), joined, max_leaves=6))
def test_the_engine_finds_what_matches(filled: Filled, text: str) -> None:
    hold(filled, text)


@pytest.mark.parametrize("field", [name for name, field in FIELDS.items() if field.kind in COMPARED])
def test_every_comparison_and_its_opposite(filled: Filled, field: str) -> None:
    """Not left to chance: a random filter may hide one comparison behind another."""
    for sign in ("=", "!=", "<", "<=", ">", ">="):
        for value in COMPARED[FIELDS[field].kind]:
            hold(filled, f"{field} {sign} {value}")
            hold(filled, f"not ({field} {sign} {value})")


@pytest.mark.parametrize("field", ["camera", "taken"])
def test_what_is_missing_is_false_and_its_opposite_true(filled: Filled, field: str) -> None:
    value = {"camera": "'Canon EOS 80D'", "taken": "2020"}[field]
    for test in ("is missing", "is known", f"= {value}", f"!= {value}", f"in ({value})", f"not in ({value})"):
        hold(filled, f"{field} {test}")
        hold(filled, f"not ({field} {test})")


def test_the_filters_are_worth_it(filled: Filled) -> None:
    """Each splits the rows in two: the comparisons above would not notice two empty answers."""
    search, _, records = filled
    for text in ("width >= 1000", "megapixels = 3", "aspect < 1", "format in (jpg, heic)", "camera = 'strasse'",
                 "camera is missing", "taken = 2020-02", "taken > 2019", "added < 2020", "id <= 50"):  # fmt: skip
        assert 0 < len(found_ids(search, text)) < len(records), text


@pytest.mark.parametrize("text", INJECTIONS)
@pytest.mark.parametrize("test", ["path = {}", "camera = {}", "camera in ({})", "camera ~ {}", "not (camera != {})"])
def test_text_never_becomes_part_of_an_expression(filled: Filled, test: str, text: str) -> None:
    whole = test.format("'" + text.replace("'", "''") + "'")
    condition = compile_condition(parse_filter(whole))
    assert text not in condition.text + condition.written()
    assert all(type(n) in (int, float) for v in condition.values.values() for n in (v if isinstance(v, list) else [v]))
    hold(filled, whole)


def test_the_largest_filters_run(filled: Filled) -> None:
    for text in (
        " or ".join(["taken = 2020"] * 249 + ["id = 1"]),
        " and ".join(["not (camera = x)"] * 250),
        "not " * 50 + "id = 1",
        "(" * 50 + "id = 1" + ")" * 50,
        "not (id = 1 and (width = 1 or " * 16 + "height = 3" + "))" * 16,
        f"id in ({','.join(map(str, range(250)))})",
        f"taken not in ({','.join(['2020'] * 250)})",
    ):
        hold(filled, text)


def test_rows_that_nobody_described_fulfil_any_filter(filled: Filled) -> None:
    search, _, records = filled
    number = len(records) + 1
    search.upsert(np.array([number]), np.eye(1, DIMENSION, dtype=np.float32))
    while search.count() < number:
        pass
    try:
        for text in ("width > 5000", "camera = nobody", "taken is known", "not (width > 0)", "id < 0"):
            assert number in found_ids(search, text), text
    finally:
        search.delete(np.array([number]))
        while search.count() == number:
            pass


@pytest.mark.parametrize(("version", "binds"), [((2, 3), False), ((2, 5), True), ((3, 0), True)])
def test_versions_that_bind_values_are_given_places_and_numbers(
    monkeypatch: pytest.MonkeyPatch, version: tuple[int, int], binds: bool
) -> None:
    """No such server is at hand: what pymilvus would send is looked at instead."""
    prepare = pytest.importorskip("pymilvus.client.prepare").Prepare
    condition = compile_condition(parse_filter("width >= 1920 and aspect < 1.5")).and_among([3, 4])
    connection = MilvusConnection(parse_address("milvus://127.0.0.1/c"))
    sent: dict[str, Any] = {}
    monkeypatch.setattr(connection, "server_version", lambda: version)
    monkeypatch.setattr(connection, "call", lambda name, collection, **named: sent.update(named))
    connection.read("query", "c_1", condition)
    request = prepare.query_request("c_1", sent["filter"], ["id"], [], expr_params=sent.get("filter_params", {}))
    values = {name: str(value) for name, value in request.expr_template_values.items()}
    if binds:
        assert "1920" not in request.expr and all(f"{{{name}}}" in request.expr for name in values)
        assert len(values) == 3 and any("1920" in text for text in values.values())
    else:
        assert not values and "width >= 1920" in request.expr and "id in [3, 4]" in request.expr


def test_microseconds_of_a_moment_are_kept(filled: Filled) -> None:
    search, _, records = filled
    moment = datetime(2020, 2, 29, 12, 30, 15, 500000)
    wanted = {r.id for r in records if r.taken == moment}
    assert wanted and found_ids(search, f"taken = '{moment.isoformat()}'") == wanted
