"""Vectors in Milvus and milvus-lite, held against brute force; and what either of them would let pass."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from dinosearch.engines import parse_address
from dinosearch.engines.milvus import MilvusEngine
from dinosearch.engines.milvus_indexes import KINDS, wanted_index
from dinosearch.engines.milvus_rows import WINDOW
from dinosearch.engines.milvus_schema import make_schema
from dinosearch.engines.milvus_search import FETCHED, MilvusSearch
from dinosearch.errors import CollectionMismatchError, DinosearchError, HomeLockedError, SettingError

DIMENSION, ROWS = 16, 6000
Engines = Callable[..., MilvusEngine]


@pytest.fixture(params=["milvus-lite", "milvus-server"])
def engines(request: pytest.FixtureRequest, milvus_address: Callable[[str], str]) -> Iterator[Engines]:
    """Opens engines on one empty place, with options of the address."""
    address, opened = milvus_address(request.param), []

    def open_one(options: str = "") -> MilvusEngine:
        opened.append(MilvusEngine(parse_address(address + options)))
        return opened[-1]

    yield open_one
    for number in opened[0].numbers() if opened else []:
        opened[0].drop(number)
    for engine in opened:
        engine.close()


@pytest.fixture
def lite(milvus_address: Callable[[str], str]) -> str:
    return milvus_address("milvus-lite")


def unit(count: int, seed: int = 0, dimension: int = DIMENSION) -> np.ndarray:
    rows = np.random.default_rng(seed).standard_normal((count, dimension)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def brute(rows: np.ndarray, ids: np.ndarray, queries: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Every product in float64, equal ones by id."""
    scores = (queries.astype(np.float64) @ rows.astype(np.float64).T).astype(np.float32)
    order = np.lexsort((np.broadcast_to(ids, scores.shape), -scores), axis=1)[:, :k]
    return ids[order], np.take_along_axis(scores, order, 1)


def made(engine: MilvusEngine, rows: np.ndarray, ids: np.ndarray | None = None) -> MilvusSearch:
    search = engine.open(1, rows.shape[1], None)
    search.ensure()
    search.upsert(np.arange(1, len(rows) + 1) if ids is None else ids, rows)
    return search


def test_answers_are_those_of_brute_force(engines: Engines) -> None:
    """Also right after the write, where Milvus 2.3 searches what grows by an index of its own that finds an eighth."""
    rows, ids = unit(ROWS), np.arange(1, ROWS + 1) * 3
    rows[100:140] = rows[100]  # forty rows that look the same
    search = made(engines(), rows, ids)
    queries = rows[95:105]
    for prepare in (lambda: None, search.flush):
        prepare()
        for k in (1, 10, 50, ROWS + 7):
            found, scores = search.search(queries, k, exact=True)
            wanted, products = brute(rows, ids, queries, k)
            assert np.array_equal(found[:, : len(ids)], wanted) and np.array_equal(scores[:, : len(ids)], products)
            assert (found[:, len(ids) :] == -1).all() and (scores[:, len(ids) :] == -np.inf).all()
        assert np.array_equal(search.search(queries, 10)[0], brute(rows, ids, queries, 10)[0])
    few, many = ids[5::7], ids[: FETCHED + 500]
    for allowed in (few, many, np.concatenate([few, [1, 2, 10**9]])):
        left = np.isin(ids, allowed)
        assert np.array_equal(
            search.search(queries, 10, allowed=allowed)[0], brute(rows[left], ids[left], queries, 10)[0]
        )
    assert (search.search(queries, 3, allowed=np.array([1, 2]))[0] == -1).all()


def test_rows_are_written_once_and_forgotten_for_good(engines: Engines) -> None:
    rows = unit(500)
    search = made(engines(), rows)
    again = unit(100, 1)
    assert search.upsert(np.arange(51, 151), again) == 100
    rows[50:150] = again
    assert search.count() == len(search.ids()) == 500
    assert np.array_equal(search.vectors(np.array([60, 1, 500, 60])), rows[[59, 0, 499, 59]])
    search.delete(np.array([1, 2, 777]))
    search.delete(np.array([2]))
    assert search.missing(np.array([777, 3, 2, 1])).tolist() == [1, 2, 777]
    assert search.count() == 498 and search.ids()[0] == 3
    with pytest.raises(KeyError, match="2"):
        search.vectors(np.array([3, 2]))
    search.upsert(np.array([2]), rows[1:2])
    assert search.search(rows[1:2], 1)[0].tolist() == [[2]]


def test_what_would_spoil_searches_is_refused_before_the_wire(engines: Engines) -> None:
    search = made(engines(), unit(3))
    for spoilt in (np.nan, np.inf, 0.0, 1.01):
        rows = unit(4, 1)
        rows[2] *= spoilt
        with pytest.raises(ValueError, match="7"):
            search.upsert(np.array([5, 6, 7, 8]), rows)
    with pytest.raises(ValueError, match="distinct"):
        search.upsert(np.array([5, 5]), unit(2))
    assert search.ids().tolist() == [1, 2, 3]


@pytest.mark.parametrize("name", [name for name, kind in KINDS.items() if kind.lite])
def test_each_trusted_type_is_built_and_finds_what_was_asked(engines: Engines, name: str) -> None:
    if name == "HNSW_SQ" and not engines().version().startswith("milvus-lite"):
        pytest.skip("Milvus 2.3 has no HNSW_SQ")
    rows = unit(ROWS)
    search = made(engines(f"?index={name}"), rows)
    published = search.update_index(0.9)
    assert published is not None and published.index.type == name and published.index.recall[10] >= 0.9
    assert search.update_index(0.9) is None
    built = search.index_info()
    assert built is not None and built.type == name and "problem" not in built.parameters
    queries = unit(100, 5)
    found, wanted = search.search(queries, 10)[0], brute(rows, np.arange(1, ROWS + 1), queries, 10)[0]
    assert np.mean([len(np.intersect1d(a, b)) for a, b in zip(found, wanted, strict=True)]) >= 8.5
    few = np.arange(1, ROWS, 997)
    assert set(search.search(queries[:1], 10, allowed=few)[0][0].tolist()) == {*few.tolist(), -1}


@pytest.mark.parametrize("name", [name for name, kind in KINDS.items() if not kind.lite])
def test_types_that_milvus_lite_only_pretends_to_build_are_refused_and_would_be_seen(lite: str, name: str) -> None:
    engine = MilvusEngine(parse_address(lite))
    try:
        search = engine.open(1, DIMENSION, None)
        client = search.connection.client()
        params = client.prepare_index_params()
        params.add_index("vector", index_type=name, metric_type="IP")
        client.create_collection(search.name, schema=make_schema(client, DIMENSION), index_params=params)
        search.upsert(np.arange(1, 401), unit(400))
        search.flush()
        with pytest.raises(SettingError, match=f"{name}.*never built.*IVF_FLAT"):
            MilvusEngine(parse_address(f"{lite}?index={name}")).open(1, DIMENSION, None).update_index(0.9)
        built = search.index_info()
        assert built is not None and built.type == "FLAT" and built.parameters["problem"] == f"{name} was asked for"
    finally:
        engine.close()


def test_more_than_a_search_may_ask_for_is_read_row_by_row(lite: str) -> None:
    rows = unit(WINDOW + 50, dimension=4)
    engine = MilvusEngine(parse_address(lite))
    try:
        search = made(engine, rows)
        ids = np.arange(1, len(rows) + 1)
        found, _ = search.search(rows[:2], WINDOW + 20)
        assert np.array_equal(found, brute(rows, ids, rows[:2], WINDOW + 20)[0])
        assert np.array_equal(search.ids(), ids) and search.missing(ids + 7).tolist() == [
            *range(WINDOW + 51, WINDOW + 58)
        ]
    finally:
        engine.close()


def test_generations_lie_side_by_side(engines: Engines) -> None:
    engine = engines()
    for number, dimension in ((1, 4), (12, 8)):
        search = engine.open(number, dimension, None)
        search.ensure()
        search.ensure()
        search.upsert(np.array([number]), np.eye(1, dimension, dtype=np.float32))
    with pytest.raises(CollectionMismatchError, match="holds vectors of 4 numbers"):
        engine.open(1, 8, None).ensure()
    assert engine.numbers() == [1, 12]
    engine.drop(1)
    engine.drop(1)
    assert engine.numbers() == [12] and engine.open(12, 8, None).ids().tolist() == [12]
    engine.drop(12)


def test_a_file_serves_one_process_until_it_is_closed(lite: str) -> None:
    engine = MilvusEngine(parse_address(lite))
    made(engine, unit(10))
    reads = (
        "import sys; from dinosearch.engines import parse_address; from dinosearch.engines.milvus import MilvusEngine\n"
        "try: print(MilvusEngine(parse_address(sys.argv[1])).open(1, 16, None).count())\n"
        "except Exception as error: print(type(error).__name__, error)"
    )

    def other() -> str:
        return subprocess.run([sys.executable, "-c", reads, lite], capture_output=True, text=True).stdout

    assert other().startswith(HomeLockedError.__name__) and "another process has it open" in other()
    engine.close()
    engine.close()
    assert other() == "10\n"


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("milvus://me:hunter2@127.0.0.1:9/c?timeout=2", "does not answer"),
        ("milvus://127.0.0.1/c?colour=red", "no option colour; the options are"),
        ("milvus://127.0.0.1/c?consistency=perhaps", "consistency is one of strong"),
        ("milvus://127.0.0.1/c?timeout=soon", "timeout is a number above 0"),
        ("milvus:///folder/file.txt", "ends in .db"),
    ],
)
def test_what_is_wrong_is_one_sentence_without_the_password(address: str, words: str) -> None:
    with pytest.raises(DinosearchError) as failure:
        MilvusEngine(parse_address(address)).numbers()
    assert words in str(failure.value) and "hunter2" not in str(failure.value) and "\n" not in str(failure.value)
    assert failure.value.__cause__ is None


def test_the_size_and_the_recall_choose_the_index() -> None:
    def chosen(rows: int, recall: float = 0.95, options: dict[str, str] | None = None) -> tuple[str, int | None]:
        wanted = wanted_index(rows, 384, recall, lite=False, options=options or {})
        return wanted.type, wanted.parameters.get("nlist")

    assert chosen(50_000) == ("FLAT", None) and chosen(10**6, 1.0) == ("FLAT", None)
    assert chosen(100_000) == ("IVF_FLAT", 1265)  # 4 sqrt(n)
    assert chosen(10**6) == ("IVF_FLAT", 2365)  # of a segment of 512 MiB
    assert chosen(10**7)[0] == "IVF_SQ8"
    assert chosen(100, options={"index": "ivf_flat", "nlist": "7"}) == ("IVF_FLAT", 7)
    for options in ({"index": "BEST"}, {"index": "IVF_FLAT", "nlist": "0"}, {"index": "IVF_FLAT", "nlist": "many"}):
        with pytest.raises(SettingError):
            chosen(100, options=options)


def test_a_missing_library_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import importlib.util

    real = importlib.util.find_spec
    for gone, command in (("pymilvus", "dinosearch\\[milvus\\]"), ("milvus_lite", "milvus-lite")):
        monkeypatch.setattr(importlib.util, "find_spec", lambda name, gone=gone: None if name == gone else real(name))
        with pytest.raises(SettingError, match=f"pip install .*{command}"):
            MilvusEngine(parse_address(f"milvus://{tmp_path}/v.db"))
