"""One contract for every place that a collection can live in: what holds in a folder holds in an engine.

A file for each kind of place, `test_contract_*.py`, takes all of it over, so that several run at once.
Answers are compared with brute force over the vectors that went in, filters with plain Python, files with the disk.
"""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from torture.postgres_server import missing

from dinosearch import Collection
from dinosearch.collection.keeping.transfer import write_vectors
from dinosearch.errors import (
    CollectionMismatchError,
    CollectionNotFoundError,
    HomeLockedError,
    ImageNotFoundError,
    SettingError,
)
from dinosearch.protocols import VectorSearch
from dinosearch.records import Fingerprint
from dinosearch.store import matches, parse_filter
from tests.conftest import FakeEmbedder, write_photo
from tests.store.conftest import digest
from tests.store.test_filters import make_files

DIMENSION = 24
PRINT = Fingerprint("made up", "ab" * 32, "squash-224", "cls", DIMENSION)


@dataclass
class Where:
    """Where a collection lives; `options` are what `Collection.open` takes."""

    kind: str
    home: str
    options: dict[str, str]

    def open(self, **more: object) -> Collection:
        return Collection.open(self.home, **self.options, **more)

    @property
    def is_local(self) -> bool:
        return self.kind == "local"


@pytest.fixture(scope="module")
def new(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Where]:
    """Gives an empty place of one kind, KIND of the module, with every call."""
    kind: str = request.module.KIND

    def make() -> Where:
        folder = tmp_path_factory.mktemp("place")
        if kind == "local":
            return Where(kind, str(folder / "home"), {})
        if kind == "pgvector":
            return Where(kind, request.getfixturevalue("postgres").collection(f"c_{folder.name}"), {})
        address = request.getfixturevalue("milvus_address")(kind)
        metadata = f"sqlite:///{folder}/metadata.sqlite"
        if kind == "milvus-server" and missing() is None:
            metadata = request.getfixturevalue("postgres").collection(f"m_{folder.name}")
        return Where(kind, address, {"metadata": metadata})

    return make


@pytest.fixture
def where(new: Callable[[], Where]) -> Where:
    return new()


def unit(count: int, seed: int = 0, dimension: int = DIMENSION) -> np.ndarray:
    rows = np.random.default_rng(seed).standard_normal((count, dimension)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def filled(where: Where, folder: Path, rows: np.ndarray) -> Collection:
    """A collection with these vectors, the n-th of /p/n.jpg with id n + 1."""
    write_vectors(folder / "rows", PRINT, [f"/p/{number:05}.jpg" for number in range(len(rows))], rows)
    collection = where.open(create=True)
    collection.import_(folder / "rows")
    return collection


def nearest(rows: np.ndarray, ids: np.ndarray, query: np.ndarray, k: int) -> list[int]:
    """Brute force: ids by falling product, equal ones by id."""
    scores = (rows.astype(np.float64) @ query.astype(np.float64)).round(6)
    return ids[np.lexsort((ids, -scores))][:k].tolist()


def same_order(found: np.ndarray, scores: np.ndarray, rows: np.ndarray, ids: np.ndarray, query: np.ndarray) -> None:
    """The answer is brute force's: the same scores rank by rank, and each the product of its own row."""
    products = dict(zip(ids.tolist(), (rows @ query).tolist(), strict=True))
    wanted = sorted(products.values(), reverse=True)[: len(found)]
    assert np.allclose(scores[: len(wanted)], wanted, atol=2e-6)
    assert np.allclose([products[i] for i in found[: len(wanted)].tolist()], scores[: len(wanted)], atol=2e-6)
    assert len(set(found[: len(wanted)].tolist())) == len(wanted)
    assert (found[len(wanted) :] == -1).all() and (scores[len(wanted) :] == -np.inf).all()


def paths(collection: Collection) -> list[str]:
    return sorted(str(file["path"]) for file in collection.files())


def assert_like_disk(collection: Collection, folder: Path, embedder: FakeEmbedder, bad: set[str]) -> None:
    """Every readable file once, its vector in place, and each found by itself, as brute force finds it."""
    readable = sorted(os.fspath(path) for path in folder.iterdir() if path.name not in bad)
    assert paths(collection) == readable
    ids, rows = collection.vectors()
    assert len(ids) == len({digest(Path(path).read_bytes().hex()) for path in readable}) == collection.info().images
    fresh = np.concatenate([collection.embed(path) for path in readable])
    id_of = {str(file["path"]): int(file["id"]) for file in collection.files()}
    for path, vector in zip(readable, fresh, strict=True):
        assert np.allclose(rows[ids.tolist().index(id_of[path])], vector, atol=1e-6)
    found, scores = collection.rank(fresh, 5)
    exact, exact_scores = collection.rank(fresh, 5, exact=True)
    for place, vector in enumerate(fresh):
        same_order(found[place], scores[place], rows, ids, vector)
        same_order(exact[place], exact_scores[place], rows, ids, vector)


def test_the_life_of_a_collection(where: Where, tmp_path: Path, fake_embedder: FakeEmbedder) -> None:
    """Indexed, added to, moved, copied, changed, removed and taken back, with bad images and odd names among them."""
    photos = tmp_path / "photos"
    for seed in range(24):
        write_photo(photos / f"{seed:02}.png", seed)
    shutil.copy(photos / "03.png", photos / "copy.png")
    (photos / "bad.png").write_bytes(b"no image")
    odd = Path(os.fsdecode(os.fsencode(photos) + b"/caf\xe9 \xff.png"))
    shutil.copy(photos / "04.png", odd)
    with where.open(create=True, embedder=fake_embedder) as collection:
        summary = collection.index(photos)
        assert (summary.added, summary.embedded, summary.failed) == (26, 24, 1)
        assert summary.failures[0].path == str(photos / "bad.png")
        assert_like_disk(collection, photos, fake_embedder, {"bad.png"})
        before = fake_embedder.images
        assert collection.index(photos).unchanged == 26 and fake_embedder.images == before

        write_photo(photos / "new.png", 100)  # added
        write_photo(photos / "05.png", 101)  # changed
        (photos / "06.png").rename(photos / "moved.png")
        (photos / "07.png").unlink()
        (photos / "03.png").unlink()  # its copy stays
        summary = collection.index(photos)
        told = (summary.added, summary.changed, summary.moved, summary.removed, summary.embedded)
        assert told == (1, 1, 1, 2, 2)
        assert_like_disk(collection, photos, fake_embedder, {"bad.png"})

        write_photo(photos / "07.png", 7)  # taken back
        assert collection.index(photos).added == 1
        assert collection.remove(photos / "08.png", odd) == 2
        assert str(photos / "08.png") not in paths(collection) and str(odd) not in paths(collection)
        hits = collection.query(photos / "08.png", k=30)
        assert hits and str(photos / "08.png") not in [hit.path for hit in hits]
        assert collection.index(photos).added == 2
        assert_like_disk(collection, photos, fake_embedder, {"bad.png"})
        assert collection.verify().problems == ()

        learned = collection.calibrate(sample=20)
        assert learned.positives and collection.calibration is not None
        collection.confirm(photos / "10.png", photos / "11.png", photos / "12.png")
        assert all(hit.confidence is not None for hit in collection.query(photos / "10.png", k=3))
        said = collection.verdicts(photos / "10.png")
        assert [one.query_id for one in said] == 2 * collection.ids_under(str(photos / "10.png"))
        assert {one.image_id for one in said} == {
            *collection.ids_of([str(photos / f"{n}.png") for n in (11, 12)]).values()
        }
        assert collection.forget_verdicts(results=[said[0].image_id]) == 1
        assert collection.verdicts() == said[1:] and collection.calibration.confirmed == 1

    with where.open(embedder=fake_embedder, read_only=True) as again:  # what was written is there
        assert_like_disk(again, photos, fake_embedder, {"bad.png"})
        assert again.calibration is not None
        hits = again.query(odd, k=3, include_self=True)
        assert hits[0].score == pytest.approx(1, abs=1e-6) and str(odd) in [hit.path for hit in hits[:2]]
        with pytest.raises(ImageNotFoundError):
            again.query("id:999")


def test_answers_are_brute_forces(where: Where, tmp_path: Path) -> None:
    """With equal vectors, more wanted than there are, chosen ids, and filters that leave nothing."""
    rows = unit(300)
    rows[10:20] = rows[10]  # ten images of one vector
    ids = np.arange(1, 301)
    with filled(where, tmp_path, rows) as collection:
        queries = np.concatenate([unit(5, 1), rows[10:11]])
        for exact in (False, True):
            found, scores = collection.rank(queries, 12, exact=exact)
            for place, query in enumerate(queries):
                same_order(found[place], scores[place], rows, ids, query)
            assert found[5][:10].tolist() == list(range(11, 21)), "equal scores by id"
            found, scores = collection.rank(queries[:1], 310, exact=exact)
            same_order(found[0], scores[0], rows, ids, queries[0])
            chosen = np.array([5, 7, 250, 299, 4000])
            found, scores = collection.rank(queries[:1], 5, ids=chosen, exact=exact)
            assert found[0].tolist() == [*nearest(rows[chosen[:4] - 1], chosen[:4], queries[0], 5), -1]
            found, _ = collection.rank(queries[:1], 3, where="path ~ '/p/0001?.jpg'", exact=exact)
            assert found[0].tolist() == nearest(rows[10:20], ids[10:20], queries[0], 3)
            found, scores = collection.rank(queries[:1], 3, where="width > 7", exact=exact)
            assert (found == -1).all() and (scores == -np.inf).all()
        hits = collection.search_vectors(queries[0], k=4, where="id > 290")[0]
        assert [hit.id for hit in hits] == nearest(rows[290:], ids[290:], queries[0], 4)


FILTERS = (
    "path ~ 'a/**'", "name = a", "folder ~ '/a/'", "size > 1kB", "width >= 1000", "megapixels = 3", "aspect < 1",
    "format in (jpg, heic)", "camera ~ '*CANON*'", "camera = 'strasse'", "camera is missing", "taken = 2020-02",
    "taken > 2019", "modified <= 2020-02-29", "modified = 2020-02-29T14:30:15.5+02:00", "id <= 50", "added > 2020",
    "not (width > 3 and path ~ '*a*')", "not camera ~ '*80d*' or name ~ '?'", "width > 3 and (taken is known)",
    "name ~ '*\udcff*'", "camera != 'or' and not id in (3, 4, 5)", "folder ~ 'a/**' or height < 2", "width = 0.5",
    "path ~ '/**/a' and format != jpeg", "id = 999999999999999", "camera ~ '[!n]*'", "not not (aspect >= 1)",
)  # fmt: skip


def test_filters_mean_what_python_means(where: Where) -> None:
    rows, queries, files = unit(200, 2), unit(2, 3), make_files()
    with where.open(create=True) as collection:
        opened = collection._opened
        opened.begin(PRINT)
        with opened.store.transaction() as tx:
            ids = np.array([tx.add_image(digest(file.path), info) for file, info in files])
            opened.append(tx, ids, rows[: len(ids)])
            for image_id, (file, _) in zip(ids.tolist(), files, strict=True):
                tx.put_location(file, image_id)
        records = list(opened.store.iter_records())
        assert len(records) == len(files)
        for text in FILTERS:
            matching = np.array([record.id for record in records if matches(parse_filter(text), record)], np.int64)
            found, _ = collection.rank(queries, 10, where=text)
            for place, query in enumerate(queries):
                wanted = nearest(rows[matching - 1], matching, query, 10)
                assert [i for i in found[place].tolist() if i >= 0] == wanted, text


def test_what_would_spoil_a_search_is_refused(where: Where, tmp_path: Path) -> None:
    rows = unit(20)
    with filled(where, tmp_path, rows) as collection:
        search = collection._opened.search()
        assert isinstance(search, VectorSearch)
        for spoiled in (np.nan, np.inf, 2.0, 0.0):
            bad = unit(3, 9)
            bad[1] = spoiled if spoiled != 2.0 else 2 * bad[1]
            with pytest.raises(ValueError):
                search.upsert(np.array([101, 102, 103]), bad)
        with pytest.raises(ValueError):
            search.upsert(np.array([101]), unit(1, 1, DIMENSION + 1))
        assert collection.rank(unit(1, 4), 30)[0].max() == 20, "nothing of it was kept"
        assert search.missing(np.array([3, 101, 21, 5])).tolist() == [21, 101]
        with pytest.raises(KeyError):
            search.vectors(np.array([3, 101]))
        with pytest.raises(ValueError):
            collection.rank(np.full((1, DIMENSION), np.nan), 3)


def test_rows_are_superseded_and_deleted(where: Where, tmp_path: Path) -> None:
    rows, other = unit(20), unit(1, 5)
    with filled(where, tmp_path, rows) as collection:
        opened = collection._opened
        with opened.store.transaction() as tx:
            opened.append(tx, np.array([7]), other)
        assert np.array_equal(collection.vectors([7])[1], other)
        found, scores = collection.rank(other, 20)
        assert found[0][0] == 7 and sorted(found[0].tolist()) == list(range(1, 21)), "there once"
        assert scores[0][0] == pytest.approx(1, abs=1e-6)
        search = opened.search()
        search.delete(np.array([9, 4000]))
        search.delete(np.array([9]))
        assert 9 not in search.search(rows[8:9], 20)[0]


def test_one_place_to_another_and_back(where: Where, tmp_path: Path) -> None:
    rows = unit(60)
    with filled(where, tmp_path, rows) as collection:
        assert collection.export(tmp_path / "out") == 60
    with Collection.open(tmp_path / "copy", create=True) as copy:
        copy.import_(tmp_path / "out")
        assert np.array_equal(copy.vectors()[1], rows)
        copy.export(tmp_path / "again")
    assert (tmp_path / "again" / "vectors.npy").read_bytes() == (tmp_path / "out" / "vectors.npy").read_bytes()
    with where.open() as collection:
        summary = collection.import_(tmp_path / "again")
        assert (summary.added, summary.unchanged) == (0, 60) and collection.info().rows == 60


def test_what_is_wrong_is_named_and_mended(where: Where, tmp_path: Path, fake_embedder: FakeEmbedder) -> None:
    photos = tmp_path / "photos"
    for seed in range(6):
        write_photo(photos / f"{seed}.png", seed)
    with where.open(create=True, embedder=fake_embedder) as collection:
        collection.index(photos)
        opened, before = collection._opened, collection.vectors()
        stranger = collection.embed(photos / "0.png")
        if where.is_local:
            with opened.store.transaction() as tx:
                opened.append(tx, np.array([500]), stranger)
        else:  # as a crash leaves it between the write to the engine and the commit
            opened.search().upsert(np.array([500]), stranger)
        hits = collection.query(photos / "0.png", k=6, include_self=True)
        assert len(hits) == (5 if where.is_local else 6) and hits[0].id == 1
        assert "of no known image" in str(collection.verify().problems)
        if not where.is_local:
            opened.search().delete(np.array([2, 3]))
            assert len(collection.query(photos / "0.png", k=6, include_self=True)) == 4
            assert [problem.path for problem in collection.verify().problems[:2]] == ["id:2", "id:3"]
        report = collection.verify(repair=True)
        assert report.ok and report.problems and not report.lost
        assert collection.verify().problems == ()
        assert np.allclose(collection.vectors()[1], before[1], atol=1e-6)
        (photos / "5.png").unlink()
        collection.index(photos)
        assert collection.compact().rows_after == 5 and collection.info().rows == 5
        assert len(collection.query(photos / "0.png", k=9, include_self=True)) == 5


def test_one_writes_at_a_time(where: Where, tmp_path: Path) -> None:
    with filled(where, tmp_path, unit(5)) as collection, where.open() as other:
        with collection._opened.place.writer():
            named = f"process {os.getpid()} on {socket.gethostname()[:20]}"
            with pytest.raises(HomeLockedError, match=named):
                other.remove("id:1")
        assert other.remove("id:1") == 1, "and then it may"
        found, _ = collection.rank(unit(1, 3), 5)
        assert sorted(found[0].tolist()) == [-1, 2, 3, 4, 5], "who has it open sees the commit at once"
        collection.remove("id:2")
        assert other.info().images == 3 and other.vectors()[0].tolist() == [3, 4, 5]


def test_the_index_is_what_the_engine_says(where: Where, tmp_path: Path) -> None:
    """Read back from what holds it, as large as it must be, and as good as it was measured to be."""
    rows = unit(6000)
    with filled(where, tmp_path, rows) as collection:
        info = collection.info()
        built = collection._opened.search().index_info()
        assert built is not None and info.index is not None and any(map(str.isdigit, built.engine))
        assert built.rows in (6000, -1) and info.rows == 6000 and info.tail == 0
        assert info.built == (None if where.is_local else built)
        assert (info.engine is None) == where.is_local
        measured = info.index.recall[10]
        queries, ids = unit(50, 7), np.arange(1, 6001)
        found, _ = collection.rank(queries, 10)
        same = [len(set(found[n].tolist()) & set(nearest(rows, ids, query, 10))) for n, query in enumerate(queries)]
        assert np.mean(same) / 10 >= min(0.9, measured - 0.1)
        exact, scores = collection.rank(queries[:9], 10, exact=True)
        for place, query in enumerate(queries[:9]):
            same_order(exact[place], scores[place], rows, ids, query)


def test_what_an_engine_cannot_is_said(where: Where, tmp_path: Path) -> None:
    if where.is_local:
        pytest.skip("a folder can all of it")
    with pytest.raises(CollectionNotFoundError):
        where.open()
    with filled(where, tmp_path, unit(20)) as collection:
        for verb in (
            lambda: collection.diffuse(),
            lambda: collection.query(1, rerank="diffusion"),
        ):
            with pytest.raises(SettingError, match="only a folder can hold so far"):
                verb()
        with pytest.raises(SettingError, match="--index-type"):
            collection.import_(tmp_path / "rows", index_type="ivf-pq")
        assert collection.info().images == 20


def test_vectors_of_another_collection_are_left_alone(where: Where, tmp_path: Path) -> None:
    if "metadata" not in where.options:
        pytest.skip("metadata and vectors are one here")
    filled(where, tmp_path, unit(20)).close()
    stranger = Where(where.kind, where.home, {"metadata": f"sqlite:///{tmp_path}/other.sqlite"})
    with pytest.raises(CollectionMismatchError, match="knows nothing of"):
        filled(stranger, tmp_path / "other", unit(20))
    with where.open() as collection:
        assert collection.info().rows == 20
