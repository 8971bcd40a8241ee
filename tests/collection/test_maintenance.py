"""Remove, compact, verify and repair, export and import: what is left must be exactly what should be."""

from __future__ import annotations

import json
import zlib
from pathlib import Path

import numpy as np
import pytest

from dinosearch import Collection
from dinosearch.errors import DamagedHomeError, ExportError, FingerprintMismatchError, ImageNotFoundError
from tests.conftest import FakeEmbedder, write_photo


@pytest.fixture
def collection(tmp_path: Path, photo_folder: Path, fake_embedder: FakeEmbedder) -> Collection:
    collection = Collection.open(tmp_path / "home", create=True, embedder=fake_embedder)
    collection.index(photo_folder)
    return collection


def state(collection: Collection) -> dict[str, bytes]:
    """Path -> vector of everything that can be found."""
    ids, vectors = collection.vectors()
    by_id = dict(zip(ids.tolist(), vectors, strict=True))
    return {file["path"]: by_id[file["id"]].tobytes() for file in collection.files()}


def test_remove_takes_files_and_folders_out_of_every_answer(collection: Collection, photo_folder: Path) -> None:
    before = state(collection)
    assert collection.remove(photo_folder / "03.png") == 1
    query = photo_folder / "03.png"
    assert str(query) not in [hit.path for hit in collection.query(query, k=50, include_self=True)]
    assert state(collection) == {path: row for path, row in before.items() if path != str(query)}
    image_id = next(file["id"] for file in collection.files())
    assert collection.remove(f"id:{image_id}") == 1
    assert collection.remove(photo_folder) == 10
    assert collection.info().images == 0
    assert collection.search_vectors(np.eye(96, dtype=np.float32)[0]) == [[]]
    with pytest.raises(ImageNotFoundError, match="nothing was removed"):
        collection.remove(photo_folder)


def test_compact_drops_dead_rows_and_keeps_every_answer(collection: Collection, photo_folder: Path) -> None:
    collection.remove(*[photo_folder / f"0{i}.png" for i in range(5)])
    want = state(collection)
    ids = sorted(file["id"] for file in collection.files())
    hits = collection.query(photo_folder / "00.png", k=50)
    report = collection.compact()
    assert (report.rows_before, report.rows_after) == (12, 7)
    assert state(collection) == want
    assert sorted(file["id"] for file in collection.files()) == ids
    assert collection.query(photo_folder / "00.png", k=50) == hits
    assert len(list(collection.home.glob("vectors-*"))) == 1
    assert len(list(collection.home.glob("index-*"))) == 1
    # A removed image that comes back after compaction is new: it must be embedded, under an id that was never used.
    summary = collection.index(photo_folder)
    assert (summary.added, summary.embedded, summary.unchanged) == (5, 5, 7)
    assert min({file["id"] for file in collection.files()} - set(ids)) > 12
    assert collection.verify().ok


def test_a_reader_survives_a_compaction(collection: Collection, photo_folder: Path) -> None:
    with Collection.open(collection.home, embedder=FakeEmbedder(), read_only=True) as reader:
        before = reader.query(photo_folder / "09.png", k=50)
        collection.remove(photo_folder / "00.png")
        collection.compact()
        after = reader.query(photo_folder / "09.png", k=50)
    assert [hit.path for hit in after] == [hit.path for hit in before if not hit.path.endswith("00.png")]


def test_verify_finds_each_flipped_byte_and_repair_restores(collection: Collection, photo_folder: Path) -> None:
    want = state(collection)
    file = sorted(collection.home.glob("vectors-*"))[0]
    data = bytearray(file.read_bytes())
    row = collection.vectors([5])[1].tobytes()
    data[data.index(row) + 17] ^= 0x40
    collection.close()
    file.write_bytes(data)
    with Collection.open(collection.home, embedder=FakeEmbedder()) as again:
        report = again.verify()
        assert not report.ok
        assert [problem.path for problem in report.problems] == ["id:5"]
        assert 5 not in [hit.id for hit in again.query(photo_folder / "00.png", k=50, include_self=True)]
        repaired = again.verify(repair=True)
        assert repaired.ok
        assert repaired.repaired == 1
        assert again.verify().ok
        assert state(again) == want


def test_a_whole_vector_file_of_another_collection_is_no_answer(collection: Collection, tmp_path: Path) -> None:
    """Its rows are sound and have the same ids, but they are of other photos."""
    want = state(collection)
    for seed in range(12):
        write_photo(tmp_path / "others" / f"{seed}.png", seed=100 + seed)
    with Collection.open(tmp_path / "other", create=True, embedder=FakeEmbedder()) as other:
        other.index(tmp_path / "others")
        [foreign] = other.home.glob("vectors-*")
    [own] = collection.home.glob("vectors-*")
    kept = own.read_bytes()
    for strange in (foreign.read_bytes(), _of_generation(7, kept)):
        collection.close()
        own.write_bytes(strange)
        collection = Collection.open(collection.home, embedder=FakeEmbedder())
        with pytest.raises(DamagedHomeError, match="is the vector file of another collection"):
            collection.query("id:1")
        assert not collection.verify().ok
        assert collection.verify(repair=True).lost == ()
        assert state(collection) == want and collection.verify().ok
        [own] = collection.home.glob("vectors-*")


def _of_generation(number: int, data: bytes) -> bytes:
    """The same vector file with another number, as one that lay beside it (docs/vector-format.md)."""
    fields = data[:24] + number.to_bytes(8, "little") + data[32:64]
    return fields + zlib.crc32(fields).to_bytes(4, "little") + data[68:]


def test_repair_says_what_cannot_be_restored(collection: Collection, photo_folder: Path) -> None:
    file = sorted(collection.home.glob("vectors-*"))[0]
    data = bytearray(file.read_bytes())
    row = collection.vectors([5])[1].tobytes()
    data[data.index(row)] ^= 1
    path = next(Path(entry["path"]) for entry in collection.files("id = 5"))
    collection.close()
    file.write_bytes(data)
    path.unlink()
    with Collection.open(collection.home, embedder=FakeEmbedder()) as again:
        report = again.verify(repair=True)
        assert [problem.path for problem in report.lost] == [str(path)]
        assert not report.ok
        assert again.info().images == 11
        assert again.verify().ok


def test_a_damaged_index_is_never_read_and_search_stays_exact(collection: Collection, photo_folder: Path) -> None:
    want = collection.query(photo_folder / "00.png", k=50)
    index = sorted(collection.home.glob("index-*"))[0]
    for damage in (lambda data: data[:-7], lambda data: b"", lambda data: data[:40] + b"\xff" + data[41:]):
        sound = index.read_bytes()
        index.write_bytes(damage(sound))
        with Collection.open(collection.home, embedder=FakeEmbedder()) as again:
            assert again.query(photo_folder / "00.png", k=50) == want
            assert again.info().index_problem
            assert not again.verify().ok
        index.write_bytes(sound)
    index.unlink()
    with Collection.open(collection.home, embedder=FakeEmbedder()) as again:
        assert again.query(photo_folder / "00.png", k=50) == want
        assert again.verify(repair=True).ok
        assert again.info().index_problem is None
        assert again.verify().ok


def test_export_and_import_are_a_round_trip(collection: Collection, photo_folder: Path, tmp_path: Path) -> None:
    (photo_folder / "twin.png").write_bytes((photo_folder / "01.png").read_bytes())
    collection.index(photo_folder)
    assert collection.export(tmp_path / "out") == 13
    embedder = FakeEmbedder()
    with Collection.open(tmp_path / "other", create=True, embedder=embedder) as other:
        summary = other.import_(tmp_path / "out")
        assert (summary.added, embedder.images) == (13, 0)
        assert state(other) == state(collection)
        ask = photo_folder / "05.png"
        assert [(h.path, h.score) for h in other.query(ask)] == [(h.path, h.score) for h in collection.query(ask)]
        assert other.import_(tmp_path / "out").unchanged == 13
        assert other.index(photo_folder).unchanged == 13
    rows = np.load(tmp_path / "out" / "vectors.npy")
    lines = [json.loads(line) for line in (tmp_path / "out" / "images.jsonl").read_text().splitlines()]
    ids = list(dict.fromkeys(line["id"] for line in lines))
    np.testing.assert_array_equal(rows, collection.vectors(ids)[1])


def test_import_refuses_damage_and_another_model(collection: Collection, photo_folder: Path, tmp_path: Path) -> None:
    collection.export(tmp_path / "out")
    with Collection.open(tmp_path / "foreign", create=True, embedder=FakeEmbedder("another")) as foreign:
        foreign.index(photo_folder)
        with pytest.raises(FingerprintMismatchError, match="--home OTHER"):
            foreign.import_(tmp_path / "out")
    with (tmp_path / "out" / "vectors.npy").open("r+b") as file:
        file.seek(200)
        file.write(b"x")
    with (
        Collection.open(tmp_path / "new", create=True, embedder=FakeEmbedder()) as new,
        pytest.raises(ExportError, match=r"vectors\.npy does not match"),
    ):
        new.import_(tmp_path / "out")
    with pytest.raises(ExportError, match="not empty"):
        collection.export(tmp_path / "out")


def test_info_counts(collection: Collection, photo_folder: Path) -> None:
    write_photo(photo_folder / "more.png", seed=99)
    (photo_folder / "bad.png").write_bytes(b"nothing")
    collection.index(photo_folder)
    collection.remove(photo_folder / "00.png")
    info = collection.info()
    assert (info.images, info.files, info.removed, info.failed, info.rows, info.tail) == (12, 12, 1, 1, 13, 0)
    assert info.index is not None
    assert info.index.recall[10] == 1.0
    assert [(root.path, root.online, root.files) for root in info.roots] == [(str(photo_folder), True, 12)]
    json.dumps(info.to_dict())
