"""Plans of stages, by themselves and through a collection: the same hits, in the order that the stages say."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dinosearch import Collection
from dinosearch.errors import SettingError
from dinosearch.retrieval import PRESETS, Rerank, rerank
from dinosearch.retrieval.expansion import expand
from dinosearch.retrieval.rerank import GEOMETRY, MAXSIM
from dinosearch.retrieval.stages import STAGES
from dinosearch.retrieval.transform import Transform
from dinosearch.retrieval.verification import Match
from tests.conftest import FakeEmbedder, write_photo

PLANS = ["fast", "balanced", *STAGES, "expansion", "superglobal,expansion,k-reciprocal"]
"""Those that need vectors only; pictures are compared in tests/collection/test_comparing.py."""


class Rows:
    """A brute-force search over rows whose ids are 10, 11, 12 ...; counts what is asked of it."""

    def __init__(self, vectors: np.ndarray) -> None:
        self.rows = vectors
        self.asked: list[np.ndarray] = []

    def search(self, queries: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        self.asked.append(queries)
        ids, scores = np.full((len(queries), k), -1, np.int64), np.full((len(queries), k), -np.inf, np.float32)
        for row, query in enumerate(queries):
            cosines = (self.rows @ query).astype(np.float32)
            order = np.argsort(-cosines, kind="stable")[:k]
            ids[row, : len(order)], scores[row, : len(order)] = order + 10, cosines[order]
        return ids, scores

    def vectors(self, ids: np.ndarray) -> np.ndarray:
        assert (ids >= 10).all()
        return self.rows[ids - 10]


class Shown:
    """Pictures of which the test says how they match and how alike they are."""

    def __init__(self, matches: dict[int, Match] | None = None, likeness: dict[int, float] | None = None) -> None:
        self._matches, self._likeness = matches or {}, likeness or {}
        self.asked: list[tuple[int, list[int]]] = []

    def matches(self, number: int, ids: np.ndarray) -> list[Match | None]:
        self.asked.append((number, ids.tolist()))
        return [self._matches.get(image_id) for image_id in ids.tolist()]

    def likeness(self, number: int, ids: np.ndarray) -> np.ndarray:
        self.asked.append((number, ids.tolist()))
        return np.array([self._likeness.get(image_id, np.nan) for image_id in ids.tolist()], np.float32)


def unit(rows: np.ndarray) -> np.ndarray:
    return (rows / np.linalg.norm(rows, axis=-1, keepdims=True)).astype(np.float32)


@pytest.mark.parametrize("text", PLANS)
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_hits_are_neither_lost_nor_doubled(text: str, data: st.DataObject) -> None:
    count, k, top = (data.draw(st.integers(0, 30)), data.draw(st.integers(1, 40)), data.draw(st.integers(1, 30)))
    rng = np.random.default_rng(data.draw(st.integers(0, 1000)))
    copies = data.draw(st.booleans())
    rows = Rows(unit(np.repeat(rng.normal(size=(1, 6)), count, 0) if copies else rng.normal(size=(count, 6))))
    queries = unit(rng.normal(size=(data.draw(st.integers(1, 3)), 6)))
    plan = Rerank(Rerank.parse(text).stages, top)
    ids, cosines = rerank(plan, queries, k, rows.search, rows.vectors)
    assert ids.shape == cosines.shape == (len(queries), k)
    for query, row, values in zip(queries, ids, cosines, strict=True):
        found = row[row >= 0]
        assert len(found) == len(set(found.tolist())) == min(k, count)
        assert (row[len(found) :] == -1).all()
        assert np.isneginf(values[len(found) :]).all()
        # whatever the order, the score is the cosine to the query as given
        assert np.allclose(values[: len(found)], rows.vectors(found) @ query, atol=1e-6)


def test_the_first_ranks_are_ordered_by_the_stage_and_the_others_stay() -> None:
    rng = np.random.default_rng(3)
    rows, query = Rows(unit(rng.normal(size=(40, 8)))), unit(rng.normal(size=(1, 8)))
    before = rows.search(query, 40)
    for name, stage in STAGES.items():
        ids, _ = rerank(Rerank((name,), top=15), query, 40, rows.search, rows.vectors)
        assert ids[0, 15:].tolist() == before[0][0, 15:].tolist()
        scores = stage(query[0], rows.vectors(before[0][0, :15]), before[1][0, :15])
        expected = sorted(range(15), key=lambda i: (-float(scores[i]), int(before[0][0, i])))
        assert ids[0, :15].tolist() == before[0][0, expected].tolist()


def test_expansion_asks_again_with_the_expanded_query() -> None:
    rng = np.random.default_rng(4)
    rows, query = Rows(unit(rng.normal(size=(40, 8)))), unit(rng.normal(size=(1, 8)))
    ids, cosines = rows.search(query, 10)
    wanted = expand(query[0], rows.vectors(ids[0]), cosines[0])
    found, _ = rerank(Rerank.parse("expansion"), query, 40, rows.search, rows.vectors)
    assert len(rows.asked) == 3
    assert np.array_equal(rows.asked[2][0], wanted)
    assert found[0].tolist() == rows.search(wanted[None], 40)[0][0].tolist()


def test_fast_is_the_first_ranking_and_asks_once() -> None:
    rng = np.random.default_rng(5)
    rows, queries = Rows(unit(rng.normal(size=(20, 8)))), unit(rng.normal(size=(3, 8)))
    ids, _ = rerank(Rerank.parse("fast"), queries, 5, rows.search, rows.vectors)
    assert len(rows.asked) == 1
    assert ids.shape == (3, 5)


def test_geometry_lifts_what_matches_and_keeps_the_order_of_the_others() -> None:
    rng = np.random.default_rng(6)
    rows, query = Rows(unit(rng.normal(size=(40, 8)))), unit(rng.normal(size=(1, 8)))
    first = rows.search(query, 40)[0][0]
    lifted = int(first[12])
    box = (0.0, 0.0, 1.0, 1.0)
    shift = Transform(np.eye(2, 3), np.ones(9, bool))
    match = Match(shift, 0, np.zeros((9, 2), np.int64), np.ones(9, bool), count=90, bound=9, box=box)
    shown = Shown(matches={lifted: match})
    ids, _ = rerank(Rerank((GEOMETRY,)), query, 40, rows.search, rows.vectors, shown)
    others = [image_id for image_id in first[:20].tolist() if image_id != lifted]
    found = ids[0].tolist()
    assert shown.asked == [(0, first[:20].tolist())]
    assert found.index(lifted) < 12
    assert [image_id for image_id in found[:20] if image_id != lifted] == others
    assert found[20:] == first[20:].tolist()


def test_maxsim_counts_as_much_as_the_cosine() -> None:
    rng = np.random.default_rng(7)
    rows, query = Rows(unit(rng.normal(size=(130, 8)))), unit(rng.normal(size=(1, 8)))
    first, cosines = (part[0] for part in rows.search(query, 130))
    alike = dict(zip(first.tolist(), rng.uniform(0, 1, 130), strict=True))
    shown = Shown(likeness=alike)
    ids, scores = rerank(Rerank((MAXSIM,)), query, 130, rows.search, rows.vectors, shown)
    fused = {i: float(c) + alike[i] for i, c in zip(first[:100].tolist(), cosines, strict=False)}
    assert ids[0, :100].tolist() == sorted(fused, key=lambda i: -fused[i])
    assert ids[0, 100:].tolist() == first[100:].tolist()
    np.testing.assert_allclose(scores[0], [(rows.vectors(np.array([i])) @ query[0])[0] for i in ids[0]], atol=1e-6)


def test_what_maxsim_cannot_read_keeps_its_place_among_the_usual() -> None:
    rng = np.random.default_rng(8)
    rows, query = Rows(unit(rng.normal(size=(30, 8)))), unit(rng.normal(size=(1, 8)))
    first, cosines = (part[0] for part in rows.search(query, 30))
    alike = {i: float(c) / 2 + 0.3 for i, c in zip(first.tolist(), cosines, strict=True)}  # in the same order
    for unread in ({int(first[0])}, {int(first[29])}, set(first.tolist())):
        shown = Shown(likeness={i: s for i, s in alike.items() if i not in unread})
        ids, _ = rerank(Rerank((MAXSIM,)), query, 30, rows.search, rows.vectors, shown)
        assert [i for i in ids[0] if i not in unread] == [i for i in first if i not in unread]
        assert set(ids[0].tolist()) == set(first.tolist())


def test_geometry_needs_pictures() -> None:
    rows = Rows(unit(np.ones((2, 4))))
    with pytest.raises(ValueError, match="geometry compares pictures"):
        rerank(PRESETS["thorough"], unit(np.ones((1, 4))), 2, rows.search, rows.vectors)


@pytest.mark.parametrize("text", ["", "best", "fast,superglobal", "superglobal,", "SuperGlobal"])
def test_unknown_names_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is neither a preset .fast, balanced, thorough. nor a stage"):
        Rerank.parse(text)


@pytest.fixture
def collection(tmp_path: Path) -> Collection:
    """Thirty photos: five each of six patterns, and one pattern twice byte by byte."""
    for number in range(30):
        path = write_photo(tmp_path / "photos" / f"{number:02}.png", seed=number // 5)
        path.write_bytes(path.read_bytes() + (b"" if number in (0, 1) else bytes([number])))
    opened = Collection.open(tmp_path / "index", create=True, embedder=FakeEmbedder())
    opened.index(tmp_path / "photos")
    return opened


@pytest.mark.parametrize("text", PLANS)
def test_a_collection_answers_the_same_hits_in_another_order(collection: Collection, tmp_path: Path, text: str) -> None:
    query = tmp_path / "photos" / "07.png"
    every = collection.query(query, k=100, rerank=text)
    fast = collection.query(query, k=100)
    assert {(hit.path, hit.id) for hit in every} == {(hit.path, hit.id) for hit in fast}
    assert [hit.rank for hit in every] == list(range(1, 30))
    scores = {hit.path: hit.score for hit in fast}
    assert all(hit.score == pytest.approx(scores[hit.path], abs=1e-6) for hit in every)
    assert collection.query(query, k=100, rerank=text, threshold=2.0) == []
    near = collection.query(query, k=100, rerank=text, threshold=0.9)
    assert {hit.path for hit in near} == {path for path, score in scores.items() if score >= 0.9}
    some = collection.query(query, k=100, rerank=text, where="path ~ '**/0*.png'")
    assert {Path(hit.path).name for hit in some} == {f"{number:02}.png" for number in range(10)} - {"07.png"}
    assert query.as_posix() not in {hit.path for hit in every}


@pytest.mark.parametrize("text", PLANS)
def test_small_collections(tmp_path: Path, text: str) -> None:
    photo = write_photo(tmp_path / "one" / "0.png", seed=1)
    with Collection.open(tmp_path / "index", create=True, embedder=FakeEmbedder()) as collection:
        collection.index(tmp_path / "one")
        assert [hit.path for hit in collection.query(photo, include_self=True, rerank=text)] == [str(photo)]
        assert collection.query(photo, rerank=text) == []
        ids, scores = collection.rank(collection.embed(photo), 3, rerank=text)
        assert ids.tolist() == [[1, -1, -1]]
        assert scores[0, 0] == pytest.approx(1, abs=1e-6)


def test_an_unknown_plan_is_refused_by_a_collection(collection: Collection) -> None:
    with pytest.raises(SettingError, match="'best' is neither a preset"):
        collection.query("id:1", rerank="best")
