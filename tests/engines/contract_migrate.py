"""The contract of `contract.py` for a change of the model: it is one verb, wherever the collection lives.

What only a folder does, such as damaged files and failing disks, is in `tests/collection/test_migrate.py`.
"""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest

from dinosearch import Collection
from dinosearch.errors import CollectionMismatchError, DamagedHomeError, SettingError
from tests.collection.test_migrate import OtherEmbedder, check_answers, states
from tests.conftest import FakeEmbedder, write_photo
from tests.engines.contract import Where, paths

OPENERS = {"fake": FakeEmbedder, "other": OtherEmbedder}


@pytest.fixture(autouse=True)
def by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fake models by their names, as another process would load what the collection says; small batches."""
    monkeypatch.setattr("dinosearch.embedding.open_embedder", lambda model="auto", **_: OPENERS[model]())
    monkeypatch.setattr("dinosearch.collection.indexing.run._BATCH", 4)


def numbers(collection: Collection) -> set[int]:
    """The generations that the store knows, which must be those that lie in the place."""
    known = {generation.number for generation in collection._opened.store.generations().values()}
    if collection._opened.place.home is None:
        assert set(collection._opened.place.engine.numbers()) == known
    return known


def test_a_model_is_changed_beside_the_one_that_answers(where: Where, photo_folder: Path) -> None:
    """Interrupted, resumed, swapped, added to, gone back from, forgotten; who has it open follows without an error."""
    first, second = FakeEmbedder(), OtherEmbedder()
    with where.open(create=True, embedder=first) as collection, where.open(create=True) as reader:
        collection.index(photo_folder)
        query = photo_folder / "04.png"
        assert len(reader.query(query, k=50)) == 11
        found = collection.estimate_migration(embedder=second)
        assert (found.images, found.unreadable) == (12, 0) and found.bytes >= 12 * 75 * 4
        assert len(numbers(collection)) == len(collection.info().models) == 1, "an estimate writes nothing"

        with pytest.raises(KeyboardInterrupt):
            collection.migrate(embedder=OtherEmbedder(fail_after=8))
        assert states(collection)[1][:2] == ("being made", "other")
        assert 4 / 12 <= collection.info().models[1].share <= 8 / 12
        write_photo(photo_folder / "new.png", 77)
        (photo_folder / "00.png").unlink()
        assert collection.index(photo_folder).embedded == 1
        check_answers(collection, first, photo_folder)
        with pytest.raises(SettingError, match="half done.*--restart"):
            collection.migrate(embedder=OtherEmbedder("third"))
        report = collection.migrate(embedder=second)
        assert (report.outcome, report.images, report.left) == ("answering", 12, ())
        assert report.embedded < 12, "nothing is embedded twice"
        assert [one[:2] for one in states(collection)] == [("answering", "other"), ("kept for going back", "fake")]
        if not where.is_local:  # which keeps the vectors of what was removed until `compact`
            assert [rows for _, _, rows in states(collection)] == [12, 12]
        check_answers(collection, second, photo_folder)
        hits = reader.query(query, k=50, rerank="fast")
        assert [hit.id for hit in hits] == [hit.id for hit in collection.query(query, k=50, rerank="fast")]
        assert reader.embedder.fingerprint.checkpoint == "other"

        (photo_folder / "03.png").unlink()
        write_photo(photo_folder / "newer.png", 78)
        assert collection.index(photo_folder).embedded == 1
        collection.compact()
        assert states(collection) == [("answering", "other", 12), ("kept for going back", "fake", 11)]
        embedded = first.images
        assert collection.migrate_back().embedded == 1 == first.images - embedded
        check_answers(collection, first, photo_folder)
        assert reader.query(query, k=50, rerank="fast")[0].score == collection.query(query, rerank="fast")[0].score
        assert collection.migrate_back().embedded == 0
        assert len(numbers(collection)) == 2
        collection.forget_kept()
        assert len(numbers(collection)) == 1 and states(collection) == [("answering", "other", 12)]
        check_answers(collection, second, photo_folder)
        assert len(reader.query(query, k=50)) == 11


def test_what_cannot_be_read_is_left_behind_only_when_told(where: Where, photo_folder: Path) -> None:
    if where.kind == "milvus-server":
        pytest.skip("half a minute for what milvus-lite tells in two seconds")
    first, second = FakeEmbedder(), OtherEmbedder()
    with where.open(create=True, embedder=first) as collection:
        collection.index(photo_folder)
        gone = photo_folder / "05.png"
        data = gone.read_bytes()
        gone.unlink()
        report = collection.migrate(embedder=second)
        assert (report.outcome, report.embedded, len(report.left)) == ("incomplete", 11, 1)
        assert len(collection.query(photo_folder / "04.png", k=50)) == 11
        report = collection.migrate(embedder=second, leave_behind=True)
        assert (report.outcome, report.embedded, report.images) == ("answering", 0, 11)
        assert (collection.info().images, collection.info().waiting) == (11, 1)
        assert len(collection.query(photo_folder / "04.png", k=50)) == 10
        assert collection.verify().ok
        assert collection.compact().rows_after == 11
        assert collection.migrate_back().embedded == 0, "the old model has a vector of it"
        assert collection.info().waiting == 0 and len(paths(collection)) == 12
        assert collection.migrate_back(leave_behind=True).images == 11
        gone.write_bytes(data)
        assert collection.index(photo_folder).embedded == 1 and collection.info().waiting == 0
        check_answers(collection, second, photo_folder)


def test_questions_are_answered_all_the_time(where: Where, photo_folder: Path) -> None:
    """Two threads ask another opened collection: each answer is wholly of the one model or wholly of the other."""
    query, seen, failed = photo_folder / "04.png", set[tuple[int, ...]](), list[str]()
    with where.open(create=True, embedder=FakeEmbedder()) as collection, where.open(create=True) as reader:
        collection.index(photo_folder)

        def answer(of: Collection) -> tuple[int, ...]:
            return tuple(hit.id for hit in of.query(query, k=50, rerank="fast"))

        def ask() -> None:
            while not stop.is_set():
                try:
                    seen.add(answer(reader))
                except Exception as error:
                    failed.append(repr(error))

        stop, both = threading.Event(), [answer(collection)]
        threads = [threading.Thread(target=ask) for _ in range(2)]
        for thread in threads:
            thread.start()
        try:
            collection.migrate(embedder=OtherEmbedder())
            both.append(answer(collection))
            collection.migrate_back()
            collection.forget_kept()
            collection.migrate(embedder=OtherEmbedder())
            stop.wait(0.2)
        finally:
            stop.set()
            for thread in threads:
                thread.join()
    assert failed == []
    assert seen == set(both) and len(seen) == 2


def test_damage_beside_what_answers_is_named_and_mended(where: Where, photo_folder: Path) -> None:
    if where.is_local:
        pytest.skip("its files are damaged in tests/collection/test_migrate.py")
    first = FakeEmbedder()
    with where.open(create=True, embedder=first) as collection:
        collection.index(photo_folder)
        collection.migrate(embedder=OtherEmbedder())
        engine = collection._opened.place.engine
        engine.drop(min(engine.numbers()))
        with pytest.raises(DamagedHomeError, match="verify --repair"):
            collection.migrate_back()
        assert [problem.path for problem in collection.verify().problems] == ["kept-images"]
        assert collection.verify(repair=True).ok
        assert states(collection) == [("answering", "other", 12)]
        collection.migrate(embedder=first)
        check_answers(collection, first, photo_folder)


def test_vectors_of_another_collection_survive_a_change(where: Where, tmp_path: Path, photo_folder: Path) -> None:
    """After a change the first number is free: another collection of that name must not begin there."""
    if where.kind != "milvus-lite":
        pytest.skip("metadata and vectors are one here, or what holds the vectors works as in milvus-lite")
    with where.open(create=True, embedder=FakeEmbedder()) as collection:
        collection.index(photo_folder)
        collection.migrate(embedder=OtherEmbedder())
        collection.forget_kept()
        assert min(numbers(collection)) > 1
    stranger = Where(where.kind, where.home, {"metadata": f"sqlite:///{tmp_path}/other.sqlite"})
    with stranger.open(create=True, embedder=FakeEmbedder()) as other:
        with pytest.raises(CollectionMismatchError, match="knows nothing of"):
            other.index(photo_folder)
    with where.open() as collection:
        assert len(collection.query(np.zeros((9, 9, 3), np.uint8), k=50)) == 12
