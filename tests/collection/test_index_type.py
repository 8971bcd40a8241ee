"""`Collection.index(index_type=...)`: which index is published, how good it is, what is remembered and when rebuilt."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest

from dinosearch import Collection
from dinosearch.records import IndexInfo
from tests.collection.test_rank import brute_force, embedder_of, same, unit, write_export
from tests.conftest import FakeEmbedder, write_photo

IMAGES, D = 2000, 8
PUBLISHED = {"auto": "IVF1,Flat", "ivf-flat": "IVF51,Flat", "ivf-sq8": "IVF51,SQ8", "ivf-pq": "IVF51,PQ2"}
"""Of 2,000 images: 4 sqrt(n) = 179 lists, but 39 images for each, so 51; a quarter of 8 numbers is 2."""
IDS = np.arange(1, IMAGES + 1)


def clustered(count: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    centres = rng.standard_normal((40, D))
    return unit(centres[rng.integers(0, 40, count)] + 0.6 * rng.standard_normal((count, D)))


@pytest.fixture(scope="module")
def rows() -> np.ndarray:
    return clustered(IMAGES, seed=1)


@pytest.fixture(scope="module")
def queries(rows: np.ndarray) -> np.ndarray:
    rng = np.random.default_rng(2)
    return unit(rows[rng.integers(0, IMAGES, 200)] + 0.05 * rng.standard_normal((200, D)))


@pytest.fixture(scope="module")
def exported(rows: np.ndarray, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_export(tmp_path_factory.mktemp("index_type") / "out", rows, (IDS % 1000 + 1).tolist())


@pytest.fixture
def nothing(tmp_path: Path) -> Path:
    """An empty folder: a run over it embeds nothing and only brings the index up to date."""
    (tmp_path / "nothing").mkdir()
    return tmp_path / "nothing"


@pytest.fixture
def collection(tmp_path: Path) -> Collection:
    return Collection.open(tmp_path / "home", create=True, embedder=embedder_of(D))


def index_of(collection: Collection) -> IndexInfo:
    info = collection.info()
    assert info.index is not None
    assert (info.tail, info.index_problem) == (0, None)
    return info.index


def files_of(collection: Collection) -> list[str]:
    """Names of the index files, which carry their checksum."""
    return sorted(path.name for path in collection.home.rglob("index-*"))


def recall(found: np.ndarray, truth: np.ndarray) -> float:
    return float(np.mean([len(set(a) & set(b)) / len(b) for a, b in zip(found.tolist(), truth.tolist(), strict=True)]))


@pytest.mark.parametrize("name", PUBLISHED)
def test_each_type_is_published_and_reaches_its_recall(
    collection: Collection, exported: Path, nothing: Path, rows: np.ndarray, queries: np.ndarray, name: str
) -> None:
    collection.import_(exported)
    collection.index(nothing, index_type=name)
    index = index_of(collection)
    assert (index.type, index.rows) == (PUBLISHED[name], IMAGES)
    assert index.nlist == (1 if name == "auto" else 51)
    assert index.recall[10] >= 0.98
    truth, scores = brute_force(rows, IDS, queries, 10)
    ids, values = collection.rank(queries, 10)
    # 200 queries with ten answers each: the standard error of a recall of 0.98 is 0.003
    assert recall(ids, truth) >= 0.97
    found = ids == truth
    np.testing.assert_allclose(values[found], scores[found], atol=1e-6)
    same(collection.rank(queries, 10, exact=True), (truth, scores))
    # a choice of few images is searched exactly, whatever the type
    wide = IDS[(IDS % 1000 + 1) > 600]
    chosen = np.random.default_rng(3).choice(IDS, 900, replace=False)
    same(collection.rank(queries, 10, ids=chosen), brute_force(rows[chosen - 1], chosen, queries, 10))
    both = np.intersect1d(wide, chosen)
    same(
        collection.rank(queries, 10, ids=chosen, where="width > 600"),
        brute_force(rows[both - 1], both, queries, 10),
    )


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_type_is_remembered(
    collection: Collection, exported: Path, nothing: Path, tmp_path: Path, name: str
) -> None:
    collection.index(nothing, index_type=name)
    collection.import_(exported)
    assert index_of(collection).type == PUBLISHED[name]
    before = files_of(collection)
    for again in (None, name):
        collection.index(nothing, index_type=again)
        assert files_of(collection) == before, "the same type is not built twice"
    collection.close()
    with Collection.open(collection.home, embedder=embedder_of(D)) as later:
        later.index(nothing)
        assert files_of(later) == before
        # more than doubled, so that the lists, where there are several, are trained anew
        later.import_(write_export(tmp_path / "more", clustered(2500, seed=4), [1] * 2500, first=IMAGES + 1))
        index = index_of(later)
        assert (index.rows, index.trained_on) == (4500, IMAGES if name == "auto" else 4500)
        assert index.type == PUBLISHED[name].replace("51", "115")
        later.remove(*(f"id:{i}" for i in range(1, 11)))
        later.compact()
        assert index_of(later).type.split(",")[1] == PUBLISHED[name].split(",")[1]
        assert (index_of(later).nlist == 1) == (name == "auto")


@pytest.mark.parametrize(("first", "second"), list(itertools.permutations(PUBLISHED, 2)))
def test_another_type_is_built_at_once(
    collection: Collection,
    exported: Path,
    nothing: Path,
    rows: np.ndarray,
    queries: np.ndarray,
    first: str,
    second: str,
) -> None:
    collection.index(nothing, index_type=first)
    collection.import_(exported)
    assert index_of(collection).type == PUBLISHED[first]
    assert collection.rank(queries, 1)[0].shape == (200, 1)  # the search is open while the type changes
    collection.index(nothing, index_type=second)
    assert len(files_of(collection)) == 1
    assert recall(collection.rank(queries, 10)[0], brute_force(rows, IDS, queries, 10)[0]) >= 0.97
    assert index_of(collection).type == PUBLISHED[second]
    with Collection.open(collection.home, read_only=True, embedder=embedder_of(D)) as reader:
        same(reader.rank(queries, 10), collection.rank(queries, 10))


def test_another_open_collection_follows(
    collection: Collection, exported: Path, nothing: Path, queries: np.ndarray
) -> None:
    collection.import_(exported)
    with Collection.open(collection.home, embedder=embedder_of(D)) as reader:
        wanted = reader.rank(queries, 10, exact=True)
        reader.rank(queries, 10)
        collection.index(nothing, index_type="ivf-sq8")
        assert index_of(reader).type == PUBLISHED["ivf-sq8"]
        assert recall(reader.rank(queries, 10)[0], wanted[0]) >= 0.97


@pytest.mark.parametrize("name", ["hnsw", "IVF51,Flat", "", "ivf_pq"])
def test_an_unknown_type_is_refused_and_changes_nothing(
    collection: Collection, exported: Path, nothing: Path, name: str
) -> None:
    collection.index(nothing, index_type="ivf-sq8")
    collection.import_(exported)
    before = files_of(collection)
    with pytest.raises(ValueError, match="is not one of auto, ivf-flat, ivf-sq8, ivf-pq"):
        collection.index(nothing, index_type=name)
    collection.index(nothing)
    assert files_of(collection) == before
    assert index_of(collection).type == PUBLISHED["ivf-sq8"]


@pytest.mark.parametrize("count", [1, 12, 100])
@pytest.mark.parametrize("name", PUBLISHED)
def test_few_images_have_any_type(collection: Collection, tmp_path: Path, nothing: Path, name: str, count: int) -> None:
    few = clustered(count, seed=5)
    collection.index(nothing, index_type=name)
    collection.import_(write_export(tmp_path / "few", few, [1] * count))
    same(collection.rank(few, 1), brute_force(few, np.arange(1, count + 1), few, 1))


def test_a_dimension_that_four_does_not_divide_has_any_type(tmp_path: Path, nothing: Path) -> None:
    odd = unit(np.random.default_rng(6).standard_normal((300, 9)))
    with Collection.open(tmp_path / "odd", create=True, embedder=embedder_of(9)) as collection:
        collection.index(nothing, index_type="ivf-pq")
        collection.import_(write_export(tmp_path / "out", odd, [1] * 300))
        assert (collection.rank(odd, 1)[0][:, 0] == np.arange(1, 301)).all()


def test_photos_come_in_under_a_type(tmp_path: Path) -> None:
    for i in range(5):
        write_photo(tmp_path / "photos" / f"{i}.png", seed=i)
    with Collection.open(tmp_path / "home", create=True, embedder=FakeEmbedder()) as collection:
        assert collection.index(tmp_path / "photos", index_type="ivf-sq8").added == 5
        assert index_of(collection).type == "IVF1,SQ8"
        assert len(collection.query(tmp_path / "photos" / "0.png", k=9)) == 4
