"""The search benchmark: its vectors, its exact answers, and every part of it on tiny sizes."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import bench_search
import numpy as np
import pytest
from PIL import Image

from bench.peers import OURS, PEERS, YARDSTICK
from bench.peers.worker import Child, FailedError
from bench.report import PAGE
from bench.search_race import verdicts
from bench.search_report import page, pictures
from bench.vectors import DIMENSION, SOURCES, Mixture, Source, nearest, recall, truth

ROWS = 9000


@pytest.fixture(params=SOURCES)
def source(request: pytest.FixtureRequest) -> Source:
    try:
        return SOURCES[request.param](ROWS)
    except FileNotFoundError as error:
        pytest.skip(str(error))


def everything(source: Source, size: int) -> np.ndarray:
    return np.concatenate([rows for _, rows in source.chunks(size)])


def test_chunks_of_any_size_hold_the_same_rows(source: Source) -> None:
    rows = everything(source, ROWS)
    assert rows.shape == (ROWS, DIMENSION)
    assert rows.dtype == np.float32
    assert np.array_equal(rows, everything(source, 3001))
    assert np.array_equal(rows[4000:8500], source.rows(4000, 8500))
    again, other = type(source)(ROWS), type(source)(ROWS, seed=1)
    assert np.array_equal(rows[:100], again.rows(0, 100))
    assert np.array_equal(source.queries(20), again.queries(20))
    assert not np.allclose(rows[:100], other.rows(0, 100))
    assert np.allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-5)
    assert len(np.unique(rows[:, 0])) > ROWS * 0.99


def test_queries_are_what_they_are_said_to_be(source: Source) -> None:
    rows = everything(source, ROWS)
    closest = {kind: (source.queries(50, kind) @ rows.T).max(axis=1) for kind in ("perturbed", "held-out")}
    assert closest["perturbed"].min() > 0.8
    assert closest["perturbed"].max() < 0.98
    assert closest["held-out"].mean() < closest["perturbed"].mean()
    groups = source.groups()
    inside = [rows[groups == group] for group in np.unique(groups)[:20]]
    near = np.mean([float((part @ part.T).mean()) for part in inside])
    assert near > 0.2 + float((rows[:500] @ rows[500:1000].T).mean())


def test_exact_answers_are_those_of_brute_force(tmp_path: Path) -> None:
    source = Mixture(ROWS)
    rows, queries = everything(source, ROWS), source.queries(30)
    expected = np.argsort(-(queries.astype(np.float64) @ rows.T.astype(np.float64)), axis=1)[:, :10]
    for _ in range(2):  # made, then read from the cache
        asked, ids, scores = truth(source, 30, cache=tmp_path)
        assert np.array_equal(asked, queries)
        assert recall(expected, ids, scores) == 1
        assert np.array_equal(ids[:, :10], expected)
    assert len(list(tmp_path.iterdir())) == 1


def test_exact_answers_with_ties_and_few_rows() -> None:
    rows = np.eye(4, dtype=np.float32)[[0, 1, 1, 2]]
    ids, scores = nearest([(np.array([7, 5]), rows[:2]), (np.array([3, 9]), rows[2:])], rows[1:2], depth=6)
    assert ids.tolist() == [[3, 5, 7, 9, -1, -1]]
    assert scores[0, :4].tolist() == [1, 1, 0, 0]
    assert recall(np.array([[5]]), ids, scores, k=1) == 1  # as near as the first
    assert recall(np.array([[9, 3]]), ids, scores, k=2) == 0.5
    assert recall(np.array([[5, 5]]), ids, scores, k=2) == 0.5  # the same answer twice
    assert recall(np.array([[-1, -1]]), ids, scores, k=2) == 0


def run(tmp_path: Path, *arguments: str) -> dict:
    return bench_search.main(["--quick", "--data", "mixture", "--cache", str(tmp_path), *arguments])


def test_race(tmp_path: Path) -> None:
    systems = [OURS, YARDSTICK, "faiss Flat", "hnswlib"]
    result = run(tmp_path, "--part", "race", "--systems", ",".join(systems))["race"]["mixture 3000"]
    assert list(result["systems"]) == systems
    if importlib.util.find_spec("hnswlib") is None:
        assert "pip install hnswlib" in result["systems"]["hnswlib"]["reason"]
    ours, yardstick, flat = (result["systems"][name] for name in systems[:3])
    assert [row["recall"] for row in flat["settings"]] == [1.0]
    assert [row["setting"] for row in ours["settings"]] == list(PEERS[OURS].settings)
    assert min(row["recall"] for row in ours["settings"]) >= 0.9
    rising = [row["recall"] for row in yardstick["settings"]]
    assert rising == sorted(rising)
    assert rising[-1] > 0.95
    for system in (ours, yardstick, flat):
        assert all(0 < row["p50"] <= row["p99"] for row in system["settings"])
        assert all(row["qps"] > 0 and row["qps1"] > 0 for row in system["settings"])
        assert system["build"]["disk"] >= 3000 * DIMENSION * 4 * 0.25
    assert flat["memory"]["anonymous"] == pytest.approx(3000 * DIMENSION * 4, rel=0.5)
    assert json.loads((tmp_path / "results.json").read_text())["race"]["mixture 3000"] == result
    assert (tmp_path / "search-recall-qps.png").stat().st_size > 1000


def test_parts_of_ours_alone(tmp_path: Path) -> None:
    results = run(tmp_path, "--part", "recall,filter,churn,growth")
    rows = {part: results[part]["mixture 3000"]["rows"] for part in ("recall", "filter", "churn")}
    assert [row["asked"] for row in rows["recall"]] == [0.9, 0.98, 0.999]
    assert all(row[kind] >= row["asked"] - 0.01 for row in rows["recall"] for kind in ("held-out", "perturbed"))
    assert {(row["kind"], row["share"]) for row in rows["filter"]} >= {("random", 0.5), ("queries outside", 0.0005)}
    assert all(row["recall"] >= 0.98 for row in rows["filter"])
    assert all(row["rows"] == max(10, int(row["share"] * 3000)) for row in rows["filter"])
    measured = [row for row in rows["churn"] if "recall" in row]
    assert [row["step"] for row in measured][-1] == "compacted"
    assert all(row["recall"] >= 0.97 for row in measured)
    grown = results["growth"]["mixture 3000"]["systems"]
    assert list(grown) == [OURS]
    assert grown[OURS]["settings"][0]["recall"] >= 0.97
    text = page(results)
    assert "Filters, mixture, 3,000 vectors" in text
    assert "| compacted |" in text


def test_verdicts_take_the_fastest_setting_that_reaches_the_recall() -> None:
    def system(*rows: tuple[float, float]) -> dict:
        return {"settings": [{"recall": recall, "qps": qps} for recall, qps in rows]}

    systems = {OURS: system((0.97, 9000.0), (0.981, 6000.0), (0.996, 3000.0)), "missing": {"reason": "not installed"}}
    systems[YARDSTICK] = system((0.979, 5000.0), (0.985, 2000.0), (0.997, 1000.0))
    systems["hnswlib"] = system((0.99, 4000.0))
    first, second = verdicts({"systems": systems})
    assert "6,000 QPS" in first
    assert f"{YARDSTICK} 2,000 at 0.9850: 3.00 times" in first
    assert "hnswlib, 4,000 at 0.9900: 1.50 times" in first
    assert f"the best peer, {YARDSTICK}, 1,000 at 0.9970: 3.00 times" in second


def test_pictures_show_every_system_and_size(tmp_path: Path) -> None:
    row = {"setting": 1, "recall": 0.97, "qps": 900.0, "qps1": 300.0, "p50": 1.0, "p99": 2.0}
    system = {
        "build": {"seconds": 2.0, "peak": 1e8, "disk": 1e7, "type": "IVF"},
        "memory": {"seconds": 0.1, "anonymous": 1e6, "file": 1e6},
        "settings": [row, row | {"recall": 1.0, "qps": 90.0}],
    }
    few, more = ({"n": n, "threads": 4, "machine": "", "systems": {OURS: system}} for n in (1000, 100_000))
    two = few | {"systems": {OURS: system, "hnswlib": system | {"settings": [row | {"qps": 5.0}]}}}
    pictures({"race": {"mixture 1000": few}}, tmp_path / "one")
    written = pictures({"race": {"mixture 1000": two}, "growth": {"m 1000": few, "m 100000": more}}, tmp_path)
    assert [path.name for path in written] == ["search-recall-qps.png", "search-growth.png"]
    one, both, grown = (Image.open(path).convert("RGB") for path in (tmp_path / "one" / written[0].name, *written))
    assert both.size == one.size
    assert one.tobytes() != both.tobytes()
    assert len(grown.getcolors(1 << 20)) > 50


def test_a_system_that_takes_too_long_is_ended_with_a_reason(tmp_path: Path) -> None:
    with Child("faiss Flat", limit=30) as child:
        child.call("prepare")
        with pytest.raises(FailedError, match="build took more than 0 s"):
            child.call("build", "mixture", 400_000, 0, tmp_path / "built", limit=0.2)
        with pytest.raises(FailedError):
            child.call("prepare")


def test_page_has_the_sections() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert "<!-- bench_search begin -->" in text
    assert "<!-- bench_search end -->" in text
