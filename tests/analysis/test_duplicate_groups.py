"""The self-join and the groups against brute force: all pairs, and complete linkage step by step."""

from __future__ import annotations

import tracemalloc
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from dinosearch import Collection
from dinosearch.analysis.duplicates import Scope, find_duplicates, joining, multiplying
from dinosearch.errors import FilterError, SettingError
from tests.analysis.duplicate_homes import clustered, of_vectors

THRESHOLD = 0.9
FOLDERS = ("a", "a/deep", "b", "c")


@pytest.fixture(scope="module")
def collection(tmp_path_factory: pytest.TempPathFactory) -> Collection:
    vectors = clustered(150, 12, 0.27)
    paths = [f"/nowhere/{FOLDERS[number * 7 % 4]}/{number}.jpg" for number in range(len(vectors))]
    return of_vectors(tmp_path_factory.mktemp("vectors"), vectors, paths)


def cosines_of(collection: Collection) -> tuple[np.ndarray, np.ndarray]:
    ids, vectors = collection.vectors()
    return ids, (vectors.astype(np.float64) @ vectors.T.astype(np.float64)).astype(np.float32)


def step_by_step(cosines: np.ndarray, compared: np.ndarray, threshold: float) -> set[tuple[int, ...]]:
    """Complete linkage as it is defined: merge the two groups whose farthest compared pair is nearest, and again."""
    groups = [[place] for place in range(len(cosines))]
    while True:
        best, merged = threshold, None
        for one, other in combinations(range(len(groups)), 2):
            between = [cosines[a, b] for a in groups[one] for b in groups[other] if compared[a, b]]
            if between and min(between) >= best:
                best, merged = min(between), (one, other)
        if merged is None:
            return {tuple(group) for group in map(sorted, groups) if len(group) > 1}
        groups[merged[0]] += groups.pop(merged[1])


def naive(collection: Collection, compared: np.ndarray) -> set[tuple[int, ...]]:
    ids, cosines = cosines_of(collection)
    return {tuple(ids[list(group)].tolist()) for group in step_by_step(cosines, compared, THRESHOLD)}


def folders(collection: Collection) -> np.ndarray:
    return np.array([file["path"].rpartition("/")[0] for file in collection.files()])


def found(collection: Collection, **asked: object) -> set[tuple[int, ...]]:
    groups = find_duplicates(
        collection, tiers=["same-instance"], thresholds={"same-instance": THRESHOLD}, **asked
    ).groups
    return {group.ids for group in groups}


def test_complete_link_is_scipys(collection: Collection) -> None:
    from scipy.cluster.hierarchy import fcluster, linkage
    from scipy.spatial.distance import squareform

    ids, cosines = cosines_of(collection)
    apart = 1 - cosines.astype(np.float64)
    np.fill_diagonal(apart, 0)
    labels = fcluster(linkage(squareform(apart, checks=False), "complete"), 1 - THRESHOLD, "distance")
    wanted = {tuple(ids[labels == label].tolist()) for label in set(labels.tolist())}
    assert found(collection) == {group for group in wanted if len(group) > 1}


def test_all_pairs_of_a_group_are_near_and_the_smallest_is_told(collection: Collection) -> None:
    groups = find_duplicates(collection, tiers=["same-instance"], thresholds={"same-instance": THRESHOLD}).groups
    assert len(groups) > 10 and any(len(group.members) > 4 for group in groups)
    for group in groups:
        vectors = collection.vectors(group.ids)[1]
        pairs = (vectors @ vectors.T)[np.triu_indices(len(vectors), 1)]
        assert group.smallest == pytest.approx(pairs.min(), abs=1e-6) and group.smallest >= THRESHOLD
        assert group.mean == pytest.approx(pairs.mean(), abs=1e-6)
        kept = vectors[group.ids.index(group.kept.id)]
        by_id = dict(zip(group.ids, vectors @ kept, strict=True))
        assert [member.score for member in group.members] == pytest.approx(
            [by_id[m.id] for m in group.members], abs=1e-6
        )
        assert len(group.going) == len(group.members) - 1


def test_single_link_is_scipys_components_and_only_pairs_with_the_kept_one_go(collection: Collection) -> None:
    from scipy.sparse.csgraph import connected_components

    ids, cosines = cosines_of(collection)
    _, labels = connected_components(cosines >= THRESHOLD)
    wanted = {tuple(ids[labels == label].tolist()) for label in set(labels.tolist())}
    answer = find_duplicates(
        collection, tiers=["same-instance"], thresholds={"same-instance": THRESHOLD}, link="single"
    )
    assert {group.ids for group in answer.groups} == {group for group in wanted if len(group) > 1}
    assert any(group.smallest < THRESHOLD for group in answer.groups)  # the chains that complete link has not
    for group in answer.groups:
        assert all(member.goes == (member.score >= THRESHOLD) for member in group.members[1:])


def test_within_folders(collection: Collection) -> None:
    places = folders(collection)
    # Pairs of other folders are no pairs, so that a group has one folder: those of each folder alone.
    alone = set()
    ids, cosines = cosines_of(collection)
    for place in set(places.tolist()):
        here = np.flatnonzero(places == place)
        groups = step_by_step(cosines[np.ix_(here, here)], np.ones((len(here), len(here)), bool), THRESHOLD)
        alone |= {tuple(ids[here[list(group)]].tolist()) for group in groups}
    assert found(collection, scope=Scope(within_folder=True)) == alone
    assert alone and alone != naive(collection, np.ones_like(cosines, bool))


def test_between_two_folders(collection: Collection) -> None:
    places = folders(collection)
    side = np.where(np.char.startswith(places, "/nowhere/a"), 1, np.where(places == "/nowhere/b", 2, 0))
    across = (side[:, None] + side[None, :] == 3) & (side[:, None] > 0) & (side[None, :] > 0)
    answer = find_duplicates(
        collection,
        tiers=["same-instance"],
        thresholds={"same-instance": THRESHOLD},
        scope=Scope(between=("/nowhere/a", "/nowhere/b/")),
    )
    assert {group.ids for group in answer.groups} == naive(collection, across)
    for group in answer.groups:
        kept = group.kept.path.startswith("/nowhere/a/")
        # Two files of one side were never compared: only what lies on the other side than the kept one may go.
        assert all(m.goes == (m.path.startswith("/nowhere/a/") != kept) for m in group.members[1:])


def test_where(collection: Collection) -> None:
    ids, cosines = cosines_of(collection)
    inside = ids % 2 == 0
    listed = f"id in ({', '.join(map(str, ids[inside].tolist()))})"
    assert found(collection, scope=Scope(where=listed)) == naive(collection, inside[:, None] & inside[None, :])


@pytest.fixture(params=["index", "products"])
def join(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both ways to find what is near."""
    if request.param == "index":
        monkeypatch.setattr(multiplying, "MOST", 0)


@pytest.mark.parametrize("largest", [4, 10])
def test_a_large_component_is_cut_and_its_groups_hold(
    collection: Collection, largest: int, join: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(joining.components, "__kwdefaults__", {**joining.components.__kwdefaults__, "largest": largest})
    whole = {number for group in found(collection) for number in group}
    answer = find_duplicates(collection, tiers=["same-instance"], thresholds={"same-instance": THRESHOLD})
    assert all(len(group.members) <= largest and group.smallest >= THRESHOLD for group in answer.groups)
    assert whole


def test_equal_vectors_in_a_crowd(tmp_path: Path, join: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(joining, "NEIGHBOURS", 4)
    monkeypatch.setattr(joining, "DEEPEST", 16)
    vectors = np.concatenate([np.tile(clustered(1, 1, 0), (60, 1)), clustered(40, 40, 1, seed=3)])
    collection = of_vectors(tmp_path, vectors, [f"/nowhere/{number}.jpg" for number in range(100)])
    answer = find_duplicates(collection, tiers=["same-instance"], thresholds={"same-instance": 1.0})
    assert [len(group.members) for group in answer.groups] == [60] and answer.groups[0].smallest == 1


def test_ten_thousand_vectors_in_little_memory(tmp_path: Path, join: None) -> None:
    vectors = np.concatenate([clustered(9_000, 9_000, 1), clustered(1_000, 300, 0.02, seed=1)])
    collection = of_vectors(tmp_path, vectors, [f"/nowhere/{number}.jpg" for number in range(len(vectors))])
    tracemalloc.start()
    try:
        answer = find_duplicates(collection, tiers=["same-instance"], thresholds={"same-instance": 0.98})
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert sum(len(group.members) for group in answer.groups) > 800
    assert peak < 100e6  # all cosines at once would be 400 MB


def test_what_makes_no_sense(collection: Collection) -> None:
    for scope, asked in (
        ({"between": ("/nowhere/a", "/nowhere/a/deep")}, {}),
        ({"between": ("/a", "/b"), "within_folder": True}, {}),
        ({}, {"tiers": ["similar"]}),
        ({}, {"link": "average"}),
        ({}, {"thresholds": {"near-copy": 1.5}}),
    ):
        with pytest.raises(SettingError):
            find_duplicates(collection, scope=Scope(**scope), **asked)
    with pytest.raises(FilterError):
        find_duplicates(collection, scope=Scope(where="colour = red"))
