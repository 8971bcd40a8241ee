"""Change the model of a collection: what is found before, meanwhile and afterwards, against brute force."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dinosearch import Collection
from dinosearch.collection import MigrationReport
from dinosearch.errors import DinosearchError, FingerprintMismatchError, SettingError
from dinosearch.protocols import Embedder
from dinosearch.records import Fingerprint, Preprocessing
from tests.conftest import FakeEmbedder, write_photo


class OtherEmbedder:
    """Another model: the means of 5 x 5 cells only, 75 numbers, of pictures of another size.

    Attributes:
        images: how many images went through `embed`.
        fail_after: raises KeyboardInterrupt once so many images are embedded.
    """

    def __init__(self, name: str = "other", fail_after: int | None = None) -> None:
        self.fingerprint = Fingerprint(name, hashlib.sha256(name.encode()).hexdigest(), "squash-140", "mean", 75)
        self.preprocessing = Preprocessing("squash", 140)
        self.batch_size = self.patch_size = 4
        self.images, self.fail_after = 0, fail_after

    def embed(self, pixels: Sequence[np.ndarray]) -> np.ndarray:
        if self.fail_after is not None and self.images >= self.fail_after:
            raise KeyboardInterrupt
        self.images += len(pixels)
        cells = [one.astype(np.float32).reshape(5, 28, 5, 28, 3).mean(axis=(1, 3)).ravel() - 100 for one in pixels]
        rows = np.stack(cells)
        return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)


@pytest.fixture
def collection(tmp_path: Path, photo_folder: Path, fake_embedder: FakeEmbedder) -> Collection:
    collection = Collection.open(tmp_path / "home", create=True, embedder=fake_embedder)
    collection.index(photo_folder)
    return collection


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dinosearch.collection.indexing.run._BATCH", 4)


def by_brute_force(embedder: Embedder, folder: Path, query: Path) -> list[tuple[str, float]]:
    """Every photo under the folder but the query, nearest first, with its cosine, by numpy alone."""
    with Collection.open(folder.parent / "oracle", create=True, embedder=embedder) as fresh:
        paths = sorted(folder.rglob("*.png"))
        rows = fresh.embed(*paths)
        scores = rows @ fresh.embed(query)[0]
    found = [(str(path), float(score)) for path, score in zip(paths, scores, strict=True) if path != query]
    return sorted(found, key=lambda each: -each[1])


def check_answers(collection: Collection, embedder: Embedder, folder: Path) -> None:
    """The answers are those of brute force over the embedder's vectors, and the home is whole."""
    for query in sorted(folder.rglob("*.png"))[:3]:
        want = by_brute_force(embedder, folder, query)
        hits = collection.query(query, k=50, rerank="fast")
        assert [hit.path for hit in hits] == [path for path, _ in want]
        assert np.allclose([hit.score for hit in hits], [score for _, score in want], atol=1e-5)
    report = collection.verify()
    assert report.ok, report.problems


def states(collection: Collection) -> list[tuple[str, str, int]]:
    return [(one.state, one.fingerprint.checkpoint, one.rows) for one in collection.info().models]


def test_the_other_model_answers_and_back_again(collection: Collection, photo_folder: Path) -> None:
    first, second = collection.embedder, OtherEmbedder()
    ids = {file["path"]: file["id"] for file in collection.files()}
    told: list[tuple[str, int, int | None]] = []
    report = collection.migrate(embedder=second, progress=lambda *state: told.append(state))
    assert (report.outcome, report.images, report.embedded, report.left) == ("answering", 12, 12, ())
    assert [state for state in told if state[0] == "migrate"][-1] == ("migrate", 12, 12)
    assert collection.embedder is second
    assert {file["path"]: file["id"] for file in collection.files()} == ids
    assert collection.info().fingerprint == second.fingerprint
    assert states(collection) == [("answering", "other", 12), ("kept for going back", "fake", 12)]
    check_answers(collection, second, photo_folder)
    assert collection.migrate(embedder=second).outcome == "already"
    with pytest.raises(SettingError, match="are still kept .* --back"):
        collection.migrate(embedder=first)

    write_photo(photo_folder / "new.png", seed=99)
    (photo_folder / "03.png").unlink()
    assert collection.index(photo_folder).added == 1
    collection.compact()
    check_answers(collection, second, photo_folder)
    embedded = first.images  # type: ignore[attr-defined]
    report = collection.migrate_back()
    assert (report.outcome, report.embedded, report.images) == ("answering", 1, 12)
    assert first.images == embedded + 1  # type: ignore[attr-defined]
    assert collection.embedder is first
    check_answers(collection, first, photo_folder)
    assert collection.migrate_back().embedded == 0
    check_answers(collection, second, photo_folder)
    assert collection.forget_kept() > 12 * 75 * 4
    assert states(collection) == [("answering", "other", 12)]
    assert len(list(collection.home.glob("vectors-*"))) == 1
    with pytest.raises(SettingError, match="no other model is kept"):
        collection.migrate_back()
    check_answers(collection, second, photo_folder)


def test_an_interrupted_change_goes_on(collection: Collection, photo_folder: Path) -> None:
    first = collection.embedder
    with pytest.raises(KeyboardInterrupt):
        collection.migrate(embedder=OtherEmbedder(fail_after=8))
    assert states(collection)[1][:2] == ("being made", "other")
    share = collection.info().models[1].share
    assert 4 / 12 <= share <= 8 / 12
    check_answers(collection, first, photo_folder)
    # Another run adds and removes meanwhile, to the answering side only.
    write_photo(photo_folder / "sub" / "new.png", seed=77)
    (photo_folder / "00.png").unlink()
    assert collection.index(photo_folder).embedded == 1
    check_answers(collection, first, photo_folder)
    with pytest.raises(SettingError, match="half done.*--restart"):
        collection.migrate(embedder=OtherEmbedder("third"))
    second = OtherEmbedder()
    report = collection.migrate(embedder=second)
    assert report.outcome == "answering"
    assert report.embedded == second.images < 12
    check_answers(collection, second, photo_folder)


def test_a_way_back_that_was_interrupted_refines_what_it_embedded(
    collection: Collection, photo_folder: Path, fake_embedder: FakeEmbedder
) -> None:
    collection.refine(augment=1)
    collection.migrate(embedder=OtherEmbedder())
    write_photo(photo_folder / "late.png", 77)
    collection.index(photo_folder)

    def stop(stage: str, done: int, total: int | None) -> None:
        if stage == "refine":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):  # when the late photo has its vector, which the next run finds
        collection.migrate_back(embedder=fake_embedder, progress=stop)
    collection.migrate_back(embedder=fake_embedder)
    assert collection.is_refined and not collection.verify().problems
    hits = collection.query(str(photo_folder / "late.png"), k=50, rerank="fast")
    assert len({hit.id for hit in hits}) == collection.info().images - 1


def test_an_interrupted_migration_leaves_no_decoder(collection: Collection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dinosearch.images.workers.pool._AHEAD", 1)  # it still waits for room when the model fails
    with pytest.raises(KeyboardInterrupt) as told:
        collection.migrate(embedder=OtherEmbedder(fail_after=4))
    assert "dinosearch-decode" not in {thread.name for thread in threading.enumerate()}, told


def test_restart_deletes_what_was_made(collection: Collection, photo_folder: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        collection.migrate(embedder=OtherEmbedder(fail_after=8))
    third = OtherEmbedder("third")
    assert collection.migrate(embedder=third, restart=True).embedded == 12
    check_answers(collection, third, photo_folder)
    assert len(list(collection.home.glob("vectors-*"))) == 2


def test_nothing_is_swapped_while_images_cannot_be_read(collection: Collection, photo_folder: Path) -> None:
    first, second = collection.embedder, OtherEmbedder()
    away = photo_folder.with_name("unplugged")
    (photo_folder / "02.png").write_bytes(b"no image at all")
    changed = photo_folder / "05.png"
    original = changed.read_bytes()
    write_photo(changed, seed=500)
    copy = photo_folder / "copy.png"
    copy.write_bytes((photo_folder / "07.png").read_bytes())
    collection.index(copy)
    (photo_folder / "07.png").write_bytes(b"")  # its copy is still there
    report = collection.migrate(embedder=second)
    assert (report.outcome, report.embedded) == ("incomplete", 10)
    reasons = {Path(problem.path).name: problem.reason for problem in report.left}
    assert reasons == {
        "02.png": reasons["02.png"],
        "05.png": "its content has changed since it was indexed",
    }
    assert collection.info().fingerprint == first.fingerprint
    photo_folder.rename(away)
    report = collection.migrate(embedder=second)
    assert (report.outcome, report.embedded, len(report.left)) == ("incomplete", 0, 2)
    assert all(problem.reason == f"offline: {photo_folder} is not there now" for problem in report.left)

    report = collection.migrate(embedder=second, leave_behind=True)
    assert (report.outcome, report.images, len(report.left)) == ("answering", 10, 2)
    info = collection.info()
    assert (info.images, info.waiting, info.removed) == (10, 2, 0)
    assert collection.verify().ok
    waiting = next(file["id"] for file in collection.files() if file["path"].endswith("05.png"))
    with pytest.raises(DinosearchError, match="waits for a vector"):
        collection.query(f"id:{waiting}")
    collection.compact()
    assert collection.info().waiting == 2
    # Offline roots keep what they have; what can be read again is embedded, under the id it had.
    assert collection.index(photo_folder).offline == 13
    away.rename(photo_folder)
    changed.write_bytes(original)
    summary = collection.index(photo_folder)
    assert (summary.embedded, summary.failed) == (1, 2)
    assert next(file["id"] for file in collection.files() if file["path"] == str(changed)) == waiting
    assert collection.info().waiting == 0
    for name in ("02.png", "07.png"):
        (photo_folder / name).unlink()
    check_answers(collection, second, photo_folder)


def test_a_waiting_image_that_is_moved_or_touched_gets_its_vector(collection: Collection, photo_folder: Path) -> None:
    second = OtherEmbedder()
    data = {name: (photo_folder / name).read_bytes() for name in ("01.png", "04.png", "06.png")}
    for name in data:
        (photo_folder / name).unlink()
    assert collection.migrate(embedder=second, leave_behind=True).images == 9
    assert collection.info().waiting == 3
    (photo_folder / "01.png").write_bytes(data["01.png"])  # touched
    (photo_folder / "moved.png").write_bytes(data["04.png"])
    collection.remove(photo_folder / "06.png")
    assert collection.info().waiting == 2
    summary = collection.index(photo_folder)
    assert (summary.embedded, summary.moved, summary.unchanged) == (2, 1, 10)
    check_answers(collection, second, photo_folder)
    # Going back finds all that the first model has a vector of.
    assert collection.migrate_back().outcome == "answering"
    check_answers(collection, FakeEmbedder(), photo_folder)


def test_an_export_fills_what_waits(collection: Collection, photo_folder: Path, tmp_path: Path) -> None:
    second = OtherEmbedder()
    collection.export(tmp_path / "before")
    with pytest.raises(FingerprintMismatchError):
        with Collection.open(tmp_path / "else", create=True, embedder=second) as other:
            other.index(photo_folder)
            other.export(tmp_path / "after")
            other.import_(tmp_path / "before")
    photo_folder.rename(tmp_path / "away")
    assert collection.migrate(embedder=second, leave_behind=True).images == 0
    assert collection.query(np.zeros((9, 9, 3), np.uint8)) == []
    collection.import_(tmp_path / "after")
    (tmp_path / "away").rename(photo_folder)
    assert collection.info().waiting == 0
    check_answers(collection, second, photo_folder)


def test_removed_images_are_not_revived_without_a_vector(collection: Collection, photo_folder: Path) -> None:
    gone = photo_folder / "08.png"
    data = gone.read_bytes()
    gone.unlink()
    collection.index(photo_folder)
    second = OtherEmbedder()
    assert collection.migrate(embedder=second).images == 11
    gone.write_bytes(data)
    assert collection.index(photo_folder).embedded == 1
    check_answers(collection, second, photo_folder)
    collection.migrate_back()
    check_answers(collection, FakeEmbedder(), photo_folder)


def test_damage_beside_is_found_mended_and_made_again(collection: Collection, photo_folder: Path) -> None:
    second = OtherEmbedder()
    collection.migrate(embedder=second)
    kept = min(collection.home.glob("vectors-*"))
    data = bytearray(kept.read_bytes())
    row = FakeEmbedder().embed([_pixels(photo_folder / "05.png")])[0].tobytes()
    data[data.index(row) + 5] ^= 1
    collection.close()
    kept.write_bytes(data)
    with Collection.open(collection.home, embedder=second) as again:
        assert [problem.path for problem in again.verify().problems] == ["kept-images"]
        check = again.verify(repair=True)
        assert (check.ok, check.lost) == (True, ())
        assert again.verify().problems == ()
        assert states(again) == [("answering", "other", 12), ("kept for going back", "fake", 11)]
        first = FakeEmbedder()
        assert again.migrate_back(embedder=first).embedded == 1
        check_answers(again, first, photo_folder)
        for path in again.home.glob("vectors-*"):
            if path.name != f"vectors-{again._opened.generation.number}.f32":
                path.write_bytes(b"")
    with Collection.open(collection.home, embedder=first) as again:
        assert not again.verify().ok
        assert again.verify(repair=True).ok
        assert states(again) == [("answering", "fake", 12)]
        check_answers(again, first, photo_folder)


def _pixels(path: Path) -> np.ndarray:
    from dinosearch.images import prepare, read_bytes

    return prepare(read_bytes(str(path)), str(path), Preprocessing(), 14).pixels


def test_what_was_derived_goes_along(tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    for seed in range(40):
        write_photo(folder / f"{seed:02}.png", seed)
    first, second = FakeEmbedder(), OtherEmbedder()
    with Collection.open(tmp_path / "home", create=True, embedder=first) as collection:
        collection.index(folder)
        collection.refine(dimensions=4)
        collection.diffuse(edges=5)
        collection.calibrate(sample=40)
        before = collection.query(folder / "03.png", k=5, rerank="diffusion")
        assert before[0].confidence is not None
        report = collection.migrate(embedder=second)
        assert report.made == ("refined", "diffusion")
        assert [problem.path for problem in report.dropped] == ["calibration"]
        with Collection.open(tmp_path / "fresh", create=True, embedder=OtherEmbedder()) as fresh:
            fresh.index(folder)
            fresh.refine(dimensions=4)
            fresh.diffuse(edges=5)
            for rerank in ("fast", "diffusion"):
                asked = [one.query(folder / "03.png", rerank=rerank) for one in (collection, fresh)]
                assert [hit.path for hit in asked[0]] == [hit.path for hit in asked[1]]
        with pytest.raises(SettingError, match="calibrate"):
            collection.query(folder / "03.png", precision=0.5)
        assert collection.verify().ok
        collection.calibrate(sample=40)
        collection.compact()
        assert collection.migrate_back().made == ()
        assert collection.query(folder / "03.png", k=5, rerank="diffusion") == before
        write_photo(folder / "new.png", 1234)
        collection.index(folder)
        assert collection.migrate_back().made == ("refined", "diffusion")
        assert collection.query(folder / "new.png", k=1, include_self=True)[0].path == str(folder / "new.png")
        assert collection.verify().ok


def test_queries_are_answered_all_the_time(collection: Collection, photo_folder: Path) -> None:
    """Threads of the same process: every answer is wholly of the one model or wholly of the other."""
    first, second = collection.embedder, OtherEmbedder()
    query = photo_folder / "04.png"
    want = [by_brute_force(embedder, photo_folder, query) for embedder in (first, second)]
    assert want[0] != want[1]
    seen: list[int] = []
    failed: list[str] = []
    stop = threading.Event()

    def ask() -> None:
        while not stop.is_set():
            try:
                hits = collection.query(query, k=50, rerank="fast")
                found = [(hit.path, hit.score) for hit in hits]
                fits = [
                    [path for path, _ in found] == [path for path, _ in one]
                    and np.allclose([score for _, score in found], [score for _, score in one], atol=1e-5)
                    for one in want
                ]
                seen.append(fits.index(True))
            except Exception as error:
                failed.append(repr(error))

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(2):
            collection.migrate(embedder=second)
            collection.migrate_back(embedder=first)
            collection.forget_kept()
        collection.migrate(embedder=second)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert failed == []
    assert {0, 1} <= set(seen)
    check_answers(collection, second, photo_folder)


def test_a_reader_with_its_own_embedder_says_what_happened(collection: Collection, photo_folder: Path) -> None:
    with Collection.open(collection.home, embedder=FakeEmbedder(), read_only=True) as reader:
        assert reader.query(photo_folder / "00.png", k=1)
        collection.migrate(embedder=OtherEmbedder())
        with pytest.raises(FingerprintMismatchError, match="was changed and is now other .* brought fake"):
            reader.query(photo_folder / "00.png", k=1)
        collection.migrate_back()
        assert reader.query(photo_folder / "00.png", k=1)


def test_an_estimate_writes_nothing(collection: Collection) -> None:
    before = {path.name: path.stat().st_mtime_ns for path in collection.home.iterdir() if path.suffix == ".f32"}
    found = collection.estimate_migration(embedder=OtherEmbedder())
    assert (found.images, found.bytes, found.sample, found.unreadable) == (12, 12 * (75 * 4 + 12), 12, 0)
    assert found.seconds > 0
    after = {path.name: path.stat().st_mtime_ns for path in collection.home.iterdir() if path.suffix == ".f32"}
    assert before == after
    assert len(collection.info().models) == 1


def test_without_a_name_or_a_collection(collection: Collection, tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="no model is named"):
        collection.migrate()
    with Collection.open(tmp_path / "empty", create=True, embedder=FakeEmbedder()) as empty:
        with pytest.raises(DinosearchError, match="nothing has been indexed"):
            empty.migrate(embedder=OtherEmbedder())


def test_a_report_can_be_written_as_json(collection: Collection) -> None:
    report: MigrationReport = collection.migrate(embedder=OtherEmbedder())
    data: dict[str, Any] = report.to_dict()
    assert (data["ok"], data["outcome"], data["model"]["checkpoint"]) == (True, "answering", "other")


@pytest.mark.parametrize("verb", ["migrate", "back"])
def test_a_failure_at_any_sync_or_commit_loses_nothing(
    tmp_path: Path, verb: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The n-th sync of a file, folder or the n-th transaction fails, for every n until a run ends by itself."""
    from dinosearch.store import MetadataStore

    folder, first, second = tmp_path / "photos", FakeEmbedder(), OtherEmbedder()
    for seed in range(6):
        write_photo(folder / f"{seed}.png", seed)
    with Collection.open(tmp_path / "home", create=True, embedder=first) as collection:
        collection.index(folder)
        if verb == "back":
            collection.migrate(embedder=second)
            write_photo(folder / "new.png", 70)
            collection.index(folder)
    wanted, other = (second, first) if verb == "migrate" else (first, second)
    want = {embedder: by_brute_force(embedder, folder, folder / "3.png") for embedder in (first, second)}
    usual_sync, usual_transaction = os.fsync, MetadataStore.transaction
    left = 0

    def count() -> None:
        nonlocal left
        left -= 1
        if left == 0:
            raise OSError(errno.EIO, "Input/output error")

    def sync(descriptor: int) -> None:
        count()
        usual_sync(descriptor)

    @contextmanager
    def transaction(self: MetadataStore) -> Iterator[Any]:
        with usual_transaction(self) as tx:
            yield tx
            tx.flush()
            count()

    failures = 0
    for turn in range(1, 200):
        home = tmp_path / f"turn-{turn}"
        shutil.copytree(tmp_path / "home", home)
        with monkeypatch.context() as patch, Collection.open(home, embedder=other) as collection:
            collection._models.add(wanted)
            patch.setattr(os, "fsync", sync)
            patch.setattr(MetadataStore, "transaction", transaction)
            left = turn
            try:
                _do(collection, verb, wanted)
                ended = True
            except OSError:
                ended = False
                failures += 1
        with Collection.open(home) as seen:
            answering = other if seen.info().fingerprint == other.fingerprint else wanted
        with Collection.open(home, embedder=answering) as collection:
            hits = collection.query(folder / "3.png", k=50, rerank="fast")
            assert [hit.path for hit in hits] == [path for path, _ in want[answering]]
            if answering is other:
                _do(collection, verb, wanted)
        with Collection.open(home, embedder=wanted) as reader:
            hits = reader.query(folder / "3.png", k=50, rerank="fast")
            assert [hit.path for hit in hits] == [path for path, _ in want[wanted]]
            assert reader.verify().ok
            numbers = {generation.number for generation in reader._opened.store.generations().values()}
            files = {int(path.name.split("-")[1].split(".")[0]) for path in home.glob("vectors-*")}
            assert numbers <= files
        shutil.rmtree(home)
        if ended:
            break
    assert failures > 4


def _do(collection: Collection, verb: str, wanted: Any) -> None:
    report = collection.migrate(embedder=wanted) if verb == "migrate" else collection.migrate_back(embedder=wanted)
    assert report.outcome in ("answering", "already")
