"""`Collection.rank` on imported vectors against NumPy brute force, and against `search_vectors`."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest

from dinosearch import Collection
from dinosearch.errors import FilterError
from tests.conftest import FakeEmbedder

IMAGES, D = 400, 32


def embedder_of(dimension: int) -> FakeEmbedder:
    """One whose fingerprint has this dimension; these tests never embed."""
    embedder = FakeEmbedder()
    embedder.fingerprint = dataclasses.replace(embedder.fingerprint, dimension=dimension)
    return embedder


def unit(rows: np.ndarray) -> np.ndarray:
    return (rows / np.linalg.norm(rows, axis=-1, keepdims=True)).astype(np.float32)


def write_export(
    folder: Path, rows: np.ndarray, widths: Sequence[int], copies: Sequence[int] = (), first: int = 1
) -> Path:
    """What `Collection.export` writes (its formats are documented in transfer.py), without images behind it.

    Args:
        folder: made here.
        rows: (n, d) float32 unit vectors; they become the images `first`, `first` + 1 ...
        widths: (n,) width of each image, to filter by.
        copies: ids that also lie below /nowhere/copies.
        first: id of the first, one more than a collection has that they are imported into.
    """
    folder.mkdir()
    np.save(folder / "vectors.npy", rows)
    with open(folder / "images.jsonl", "w", encoding="utf-8") as lines:
        for i, (row, width) in enumerate(zip(rows, widths, strict=True), start=first):
            record = {
                "id": i,
                "sha256": hashlib.sha256(f"{i}".encode() + row.tobytes()).hexdigest(),
                "size": 1000 + i,
                "width": int(width),
                "height": 100,
                "format": "JPEG",
                "modified": "2020-01-01T00:00:00+00:00",
                "added": "2020-01-01T00:00:00+00:00",
                "taken": None,
                "camera": None,
            }
            for place in ("", "copies/")[: 1 + (i in copies)]:
                lines.write(json.dumps({**record, "path": f"/nowhere/{place}{i:05}.jpg"}) + "\n")
    manifest = {
        "schema": "dinosearch-export-1",
        "images": len(rows),
        "files": len(rows) + len(copies),
        "fingerprint": embedder_of(rows.shape[1]).fingerprint.to_dict(),
        "sha256": {
            name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in ("images.jsonl", "vectors.npy")
        },
    }
    (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    return folder


def brute_force(rows: np.ndarray, ids: np.ndarray, queries: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Ids and float32 cosines of the k best, ties by smaller id, filled up with -1 and -inf."""
    scores = (unit(queries).astype(np.float64) @ rows.astype(np.float64).T).astype(np.float32)
    found, values = np.full((len(queries), k), -1), np.full((len(queries), k), -np.inf, np.float32)
    for i, row in enumerate(scores):
        order = np.lexsort((ids, -row))[:k]
        found[i, : len(order)], values[i, : len(order)] = ids[order], row[order]
    return found, values


def same(found: tuple[np.ndarray, np.ndarray], expected: tuple[np.ndarray, np.ndarray]) -> None:
    assert found[0].dtype == np.int64
    assert found[1].dtype == np.float32
    np.testing.assert_array_equal(found[0], expected[0])
    np.testing.assert_allclose(found[1], expected[1], atol=1e-6)


WIDTHS = np.random.default_rng(1).integers(1, 1000, IMAGES)
COPIES = (3, 50, 51, 399)
IDS = np.arange(1, IMAGES + 1)


@pytest.fixture(scope="module")
def rows() -> np.ndarray:
    return unit(np.random.default_rng(2).standard_normal((IMAGES, D)))


@pytest.fixture(scope="module")
def collection(rows: np.ndarray, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Collection]:
    folder = tmp_path_factory.mktemp("rank")
    with Collection.open(folder / "home", create=True, embedder=embedder_of(D)) as made:
        assert made.import_(write_export(folder / "out", rows, WIDTHS.tolist(), COPIES)).added == IMAGES + len(COPIES)
        np.testing.assert_array_equal(made.vectors(IDS)[1], rows)
        yield made


@pytest.fixture(scope="module")
def queries() -> np.ndarray:
    """Of other lengths than 1."""
    lengths = np.geomspace(0.001, 1000, 20)[:, None]
    return (lengths * unit(np.random.default_rng(3).standard_normal((20, D)))).astype(np.float32)


@pytest.mark.parametrize("exact", [True, False])
@pytest.mark.parametrize("k", [1, 7, 50])
def test_ids_and_scores_equal_brute_force(
    collection: Collection, rows: np.ndarray, queries: np.ndarray, k: int, exact: bool
) -> None:
    same(collection.rank(queries, k, exact=exact), brute_force(rows, IDS, queries, k))


@pytest.mark.parametrize("exact", [True, False])
def test_more_ranks_than_images_are_filled_up(
    collection: Collection, rows: np.ndarray, queries: np.ndarray, exact: bool
) -> None:
    ids, scores = collection.rank(queries, IMAGES + 30, exact=exact)
    assert ids.shape == scores.shape == (len(queries), IMAGES + 30)
    assert (np.sort(ids[:, :IMAGES], axis=1) == IDS).all()
    assert (ids[:, IMAGES:] == -1).all()
    assert np.isneginf(scores[:, IMAGES:]).all()
    np.testing.assert_allclose(scores, brute_force(rows, IDS, queries, IMAGES + 30)[1], atol=1e-6)


@pytest.mark.parametrize("exact", [True, False])
def test_only_the_ids_given_are_answered(
    collection: Collection, rows: np.ndarray, queries: np.ndarray, exact: bool
) -> None:
    chosen = np.random.default_rng(4).choice(IDS, 40, replace=False)
    expected = brute_force(rows[chosen - 1], chosen, queries, 60)
    # in any order, twice, and with ids that are not in the collection
    asked = np.concatenate([chosen, chosen[:5], [IMAGES + 1, 99_999]])
    same(collection.rank(queries, 60, ids=asked, exact=exact), expected)
    ids, scores = collection.rank(queries, 3, ids=np.empty(0, np.int64), exact=exact)
    assert (ids == -1).all()
    assert np.isneginf(scores).all()


@pytest.mark.parametrize("exact", [True, False])
def test_where_leaves_what_the_filter_says(
    collection: Collection, rows: np.ndarray, queries: np.ndarray, exact: bool
) -> None:
    wide = IDS[WIDTHS > 700]
    assert 50 < len(wide) < 200
    same(
        collection.rank(queries, 200, where="width > 700", exact=exact),
        brute_force(rows[wide - 1], wide, queries, 200),
    )
    copies = np.array(COPIES)
    same(
        collection.rank(queries, 10, where="path ~ '*/copies/*'", exact=exact),
        brute_force(rows[copies - 1], copies, queries, 10),
    )
    assert (collection.rank(queries, 2, where="width > 5000", exact=exact)[0] == -1).all()


@pytest.mark.parametrize("exact", [True, False])
def test_ids_and_where_hold_together(
    collection: Collection, rows: np.ndarray, queries: np.ndarray, exact: bool
) -> None:
    both = IDS[(IDS % 2 == 0) & (WIDTHS > 700)]
    found = collection.rank(queries, 20, ids=IDS[IDS % 2 == 0], where="width > 700", exact=exact)
    same(found, brute_force(rows[both - 1], both, queries, 20))


@pytest.mark.parametrize("where", [None, "width > 500"])
@pytest.mark.parametrize("exact", [True, False])
def test_agrees_with_search_vectors(
    collection: Collection, queries: np.ndarray, where: str | None, exact: bool
) -> None:
    ids, scores = collection.rank(queries, 15, where=where, exact=exact)
    hits = collection.search_vectors(queries, 15, where=where, exact=exact, unique=True)
    assert [[hit.id for hit in found] for found in hits] == ids.tolist()
    assert [[hit.score for hit in found] for found in hits] == scores.tolist()


def test_identical_files_share_one_rank(collection: Collection, rows: np.ndarray) -> None:
    ids, _ = collection.rank(rows[49], 3)
    assert ids[0, 0] == 50
    assert (ids == 50).sum() == 1
    assert [hit.id for hit in collection.search_vectors(rows[49], 3)[0]][:2] == [50, 50]


def test_one_vector_is_one_row(collection: Collection, queries: np.ndarray) -> None:
    alone = collection.rank(queries[3], 5)
    assert alone[0].shape == (1, 5)
    same(alone, tuple(part[3:4] for part in collection.rank(queries, 5)))  # type: ignore[arg-type]
    none = collection.rank(np.empty((0, D), np.float32), 5)
    assert none[0].shape == none[1].shape == (0, 5)


def test_lists_and_other_numbers_are_taken(collection: Collection, queries: np.ndarray) -> None:
    same(collection.rank(queries.astype(np.float64).tolist(), 4), collection.rank(queries, 4))  # type: ignore[arg-type]
    listed = collection.rank(queries, 4, ids=[5, 6, 7])  # type: ignore[arg-type]
    same(listed, collection.rank(queries, 4, ids=np.array([5, 6, 7])))


def test_what_has_no_direction_is_refused(collection: Collection) -> None:
    for wrong in (np.ones((2, D + 1)), np.ones((1, 1, D)), np.zeros(D), np.full(D, np.nan), np.full(D, np.inf)):
        with pytest.raises(ValueError, match="vector"):
            collection.rank(wrong)
    with pytest.raises(ValueError, match="at least 1, not 0"):
        collection.rank(np.ones(D), 0)
    with pytest.raises(FilterError):
        collection.rank(np.ones(D), where="width >")


def test_removed_images_are_not_ranked(rows: np.ndarray, queries: np.ndarray, tmp_path: Path) -> None:
    with Collection.open(tmp_path / "home", create=True, embedder=embedder_of(D)) as small:
        small.import_(write_export(tmp_path / "out", rows[:60], WIDTHS[:60].tolist()))
        small.remove("id:11", "id:20", "/nowhere/00001.jpg")
        left = np.setdiff1d(np.arange(1, 61), [1, 11, 20])
        for exact in (True, False):
            same(small.rank(queries, 60, exact=exact), brute_force(rows[left - 1], left, queries, 60))
            found = small.rank(queries, 4, ids=np.array([1, 11, 12]), exact=exact)
            same(found, brute_force(rows[11:12], np.array([12]), queries, 4))


def twins(rows: np.ndarray, folder: Path) -> Collection:
    """Sixty images, of which 11, 41 and 42 have one vector."""
    sixty = rows[:60].copy()
    sixty[40] = sixty[41] = sixty[10]
    small = Collection.open(folder / "home", create=True, embedder=embedder_of(D))
    small.import_(write_export(folder / "out", sixty, WIDTHS[:60].tolist()))
    return small


@pytest.mark.parametrize("exact", [True, False])
def test_ties_go_by_smaller_id(rows: np.ndarray, queries: np.ndarray, tmp_path: Path, exact: bool) -> None:
    with twins(rows, tmp_path) as small:
        for query in queries:
            ids = small.rank(query, 60, exact=exact)[0][0].tolist()
            first = ids.index(11)
            assert ids[first : first + 3] == [11, 41, 42]


@pytest.mark.parametrize("exact", [True, False])
def test_ties_go_by_smaller_id_where_the_last_rank_cuts_them(
    rows: np.ndarray, queries: np.ndarray, tmp_path: Path, exact: bool
) -> None:
    with twins(rows, tmp_path) as small:
        for query in queries:
            ids = small.rank(query, 60, exact=True)[0][0].tolist()
            first = ids.index(11)
            for k in (first + 1, first + 2):
                assert small.rank(query, k, exact=exact)[0][0].tolist() == ids[:k]
