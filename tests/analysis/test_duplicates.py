"""The groups of the page against a full matrix of cosines and SciPy's connected components."""

from __future__ import annotations

import shutil
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dinosearch import Collection
from dinosearch.analysis import find
from dinosearch.analysis.duplicates import joining, multiplying
from tests.conftest import FakeEmbedder, write_photo


@pytest.fixture
def collection(tmp_path: Path, fake_embedder: FakeEmbedder) -> Collection:
    for seed in range(40):
        write_photo(tmp_path / "photos" / f"{seed:02}.png", seed, size=(64, 48))
    for seed in (3, 4, 5, 3):  # the same picture in other sizes: other contents with almost the same vector
        write_photo(tmp_path / "photos" / f"copy-{seed}.png", seed, size=(80, 60))
    write_photo(tmp_path / "photos" / "third-3.png", 3, size=(96, 72))
    shutil.copy(tmp_path / "photos/07.png", tmp_path / "photos/same-7.png")
    collection = Collection.open(tmp_path / "home", create=True, embedder=fake_embedder)
    collection.index(tmp_path / "photos")
    return collection


def components(collection: Collection, threshold: float) -> set[tuple[int, ...]]:
    from scipy.sparse.csgraph import connected_components

    ids, vectors = collection.vectors()
    _, labels = connected_components(vectors @ vectors.T >= threshold)
    groups = [tuple(sorted(ids[labels == label].tolist())) for label in set(labels)]
    return {group for group in groups if len(group) > 1}


@pytest.mark.parametrize("threshold", [0.3, 0.6, 0.9, 0.99])
@pytest.mark.parametrize(
    "given",
    [
        {(joining, "NEIGHBOURS"): 2, (multiplying, "MOST"): 0},
        {(multiplying, "MOST"): 0},
        {},
        {(multiplying, "_CELLS"): 100},
    ],
    ids=["index, few neighbours", "index", "products", "products, few at a time"],
)
def test_groups_are_connected_components(
    collection: Collection, threshold: float, given: dict[tuple[Any, str], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    for (module, name), value in given.items():
        monkeypatch.setattr(module, name, value)
    found = find(collection, threshold)
    assert {group.ids for group in found if group.kind == "near"} == components(collection, threshold)
    for group in found:
        if group.kind == "near":
            vectors = collection.vectors(group.ids)[1]
            assert group.score == pytest.approx((vectors @ vectors.T).min(), abs=1e-6)


def test_files_of_one_content_are_a_group(collection: Collection) -> None:
    (exact,) = [group for group in find(collection, 0.999999) if group.kind == "exact"]
    paths = {Path(file["path"]).name for file in collection.files() if file["id"] in exact.ids}
    assert paths == {"07.png", "same-7.png"}


def test_a_group_said_to_be_none_is_not_shown(collection: Collection) -> None:
    group = next(group for group in find(collection, 0.9) if group.kind == "near")
    collection.say_not_duplicates(list(combinations(group.ids, 2))[1:])
    assert group in find(collection, 0.9) or len(group.ids) == 2
    collection.say_not_duplicates(combinations(group.ids, 2))
    assert group not in find(collection, 0.9)


def test_progress_and_a_wrong_threshold(collection: Collection) -> None:
    said: list[tuple[str, int, int | None]] = []
    find(collection, 0.9, lambda *state: said.append(state))
    count = len(collection.ids())
    assert said[0] == ("duplicates", 0, count) and said[-1] == ("duplicates", count, count)
    with pytest.raises(ValueError, match="threshold"):
        find(collection, 0.0)


def test_scores_are_of_all_pairs_beyond_a_block(collection: Collection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dinosearch.analysis.duplicates.overview.LARGEST", 3)
    (group,) = [group for group in find(collection, 0.01) if group.kind == "near"]
    vectors = collection.vectors(group.ids)[1]
    assert group.score == pytest.approx(np.min(vectors @ vectors.T), abs=1e-6)
