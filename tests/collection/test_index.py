"""`Collection.index` against a folder whose changes are known: every count, and nothing embedded twice."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from dinosearch import Collection
from dinosearch.errors import FingerprintMismatchError, HomeLockedError
from tests.conftest import FakeEmbedder, write_photo


@pytest.fixture
def collection(tmp_path: Path, fake_embedder: FakeEmbedder) -> Collection:
    return Collection.open(tmp_path / "home", create=True, embedder=fake_embedder)


def counts(summary) -> dict[str, int]:
    return {name: value for name, value in summary.to_dict().items() if name != "seconds" and value}


def paths(collection: Collection) -> list[str]:
    return sorted(file["path"] for file in collection.files())


def test_first_run_adds_everything_and_the_second_does_nothing(
    collection: Collection, photo_folder: Path, fake_embedder: FakeEmbedder
) -> None:
    assert counts(collection.index(photo_folder)) == {"added": 12, "embedded": 12}
    assert counts(collection.index(photo_folder)) == {"unchanged": 12}
    assert fake_embedder.images == 12
    assert paths(collection) == sorted(str(path) for path in photo_folder.iterdir())


def test_the_model_rests_between_embedding_and_the_build_of_the_index(tmp_path: Path, photo_folder: Path) -> None:
    told: list[str] = []

    class Tired(FakeEmbedder):
        def embed(self, pixels):
            told.append("embed")
            return super().embed(pixels)

        def rest(self) -> None:
            told.append("rest")

    with Collection.open(tmp_path / "home", create=True, embedder=Tired()) as collection:
        collection.index(photo_folder, progress=lambda stage, done, total: told.append(stage))
        assert told.index("rest") > max(place for place, word in enumerate(told) if word == "embed")
        assert told.index("rest") < told.index("build")
        del told[:]
        collection.index(photo_folder)
        assert told == []  # nothing was to embed: who has not worked need not rest


def test_stored_vectors_are_the_embedders(collection: Collection, photo_folder: Path) -> None:
    collection.index(photo_folder)
    ids, vectors = collection.vectors()
    by_id = {file["id"]: file["path"] for file in collection.files()}
    again = collection.embed(*[by_id[i] for i in ids.tolist()])
    np.testing.assert_array_equal(vectors, again)


def test_renamed_changed_deleted_copied_touched(collection: Collection, photo_folder: Path) -> None:
    collection.index(photo_folder)
    (photo_folder / "sub").mkdir()
    (photo_folder / "00.png").rename(photo_folder / "sub" / "moved.png")
    (photo_folder / "01.png").rename(photo_folder / "renamed.png")
    write_photo(photo_folder / "02.png", seed=102)
    (photo_folder / "03.png").unlink()
    shutil.copy(photo_folder / "04.png", photo_folder / "copy.png")
    os.utime(photo_folder / "05.png", ns=(1, 1))
    summary = collection.index(photo_folder)
    assert counts(summary) == {
        "moved": 2, "changed": 1, "removed": 1, "added": 1, "embedded": 1, "unchanged": 8,
    }  # fmt: skip
    assert paths(collection) == sorted(str(path) for path in photo_folder.rglob("*.png"))
    assert counts(collection.index(photo_folder)) == {"unchanged": 12}


def test_identical_files_are_embedded_once(collection: Collection, tmp_path: Path) -> None:
    for name in "abc":
        write_photo(tmp_path / "same" / f"{name}.png", seed=7)
    assert counts(collection.index(tmp_path / "same")) == {"added": 3, "embedded": 1}
    assert collection.info().images == 1


def test_content_that_comes_back_reuses_its_vector(collection: Collection, photo_folder: Path, tmp_path: Path) -> None:
    collection.index(photo_folder)
    before = {file["sha256"]: file["id"] for file in collection.files()}
    aside = tmp_path / "aside.png"
    (photo_folder / "03.png").rename(aside)
    assert collection.index(photo_folder).removed == 1
    aside.rename(photo_folder / "back.png")
    assert counts(collection.index(photo_folder)) == {"added": 1, "unchanged": 11}
    assert {file["sha256"]: file["id"] for file in collection.files()} == before


def test_a_root_that_is_not_there_is_offline_not_deleted(collection: Collection, photo_folder: Path) -> None:
    collection.index(photo_folder)
    hidden = photo_folder.with_name("unplugged")
    photo_folder.rename(hidden)
    assert counts(collection.index(photo_folder)) == {"offline": 12}
    photo_folder.mkdir()  # an empty mount point is an unplugged drive as well
    assert counts(collection.index(photo_folder)) == {"offline": 12}
    photo_folder.rmdir()
    hidden.rename(photo_folder)
    assert counts(collection.index(photo_folder)) == {"unchanged": 12}


def test_runs_over_one_folder_leave_the_others_alone(
    collection: Collection, photo_folder: Path, tmp_path: Path
) -> None:
    other = tmp_path / "photos-2"  # shares the first folder's name as a prefix
    write_photo(other / "x.png", seed=50)
    collection.index(photo_folder, other)
    (photo_folder / "00.png").unlink()
    (other / "x.png").unlink()
    write_photo(other / "y.png", seed=51)
    assert counts(collection.index(photo_folder)) == {"removed": 1, "unchanged": 11}
    assert counts(collection.index(other)) == {"removed": 1, "added": 1, "embedded": 1}


def test_a_single_file_that_is_gone_is_removed(collection: Collection, photo_folder: Path) -> None:
    collection.index(photo_folder)
    (photo_folder / "00.png").unlink()
    assert counts(collection.index(photo_folder / "00.png")) == {"removed": 1}


def test_bad_files_are_named_and_do_not_stop_the_run(collection: Collection, photo_folder: Path) -> None:
    good = (photo_folder / "00.png").read_bytes()
    (photo_folder / "cut.png").write_bytes(good[: len(good) // 2])
    (photo_folder / "text.jpg").write_text("not a photo")
    (photo_folder / "notes.txt").write_text("no image, no failure")
    first = collection.index(photo_folder)
    assert counts(first) == {"added": 12, "embedded": 12, "failed": 2}
    assert sorted(Path(p.path).name for p in first.failures) == ["cut.png", "text.jpg"]
    assert all(p.reason for p in first.failures)
    again = collection.index(photo_folder)
    assert counts(again) == {"unchanged": 12, "failed": 2}
    assert [p.reason for p in again.failures] == [p.reason for p in first.failures]
    (photo_folder / "cut.png").write_bytes(good)
    (photo_folder / "text.jpg").unlink()
    assert counts(collection.index(photo_folder)) == {"added": 1, "unchanged": 12}
    assert collection.info().failed == 0


def test_a_photo_that_becomes_unreadable_leaves(collection: Collection, photo_folder: Path) -> None:
    collection.index(photo_folder)
    (photo_folder / "00.png").write_bytes(b"\x89PNG\r\n\x1a\n and then nothing")
    summary = collection.index(photo_folder)
    assert counts(summary) == {"failed": 1, "unchanged": 11}
    assert str(photo_folder / "00.png") not in paths(collection)


@pytest.mark.skipif(os.geteuid() == 0, reason="root can read every folder")
def test_an_unreadable_folder_keeps_what_was_in_it(collection: Collection, photo_folder: Path) -> None:
    inner = photo_folder / "inner"
    write_photo(inner / "deep.png", seed=60)
    collection.index(photo_folder)
    inner.chmod(0)
    try:
        summary = collection.index(photo_folder)
    finally:
        inner.chmod(0o755)
    assert (summary.offline, summary.removed, summary.failed) == (1, 0, 1)


def test_exclude(collection: Collection, photo_folder: Path) -> None:
    assert collection.index(photo_folder, exclude=["0*.png"]).added == 2


def test_another_model_is_refused_with_the_way_out(collection: Collection, photo_folder: Path) -> None:
    collection.index(photo_folder)
    with pytest.raises(FingerprintMismatchError, match="--home OTHER"):
        Collection.open(collection.home, embedder=FakeEmbedder("another"))


def test_a_second_writer_is_told_who_holds_the_home(collection: Collection, photo_folder: Path) -> None:
    collection.index(photo_folder)
    second = Collection.open(collection.home, embedder=FakeEmbedder())
    with collection._opened.home.writer(), pytest.raises(HomeLockedError, match=f"process {os.getpid()}"):
        second.index(photo_folder)


def test_an_open_reader_sees_new_images_at_once(collection: Collection, photo_folder: Path) -> None:
    collection.index(photo_folder)
    reader = Collection.open(collection.home, embedder=FakeEmbedder(), read_only=True)
    new = write_photo(photo_folder / "new.png", seed=77)
    assert reader.query(new, k=1)[0].score < 0.999
    collection.index(photo_folder)
    assert reader.query(new, k=1, include_self=True)[0].path == str(new)


def test_interrupted_after_some_batches_then_rerun(tmp_path: Path) -> None:
    for i in range(100):
        write_photo(tmp_path / "many" / f"{i:03}.png", seed=i)

    class Interrupted(FakeEmbedder):
        def embed(self, pixels):
            if self.images >= 60:
                raise KeyboardInterrupt
            return super().embed(pixels)

    first = Interrupted()
    collection = Collection.open(tmp_path / "home", create=True, embedder=first)
    with pytest.raises(KeyboardInterrupt):
        collection.index(tmp_path / "many")
    collection.close()
    second = FakeEmbedder()
    again = Collection.open(tmp_path / "home", embedder=second)
    kept = again.info().images
    assert 0 < kept < 100
    summary = again.index(tmp_path / "many")
    assert (summary.unchanged, summary.added, second.images) == (kept, 100 - kept, 100 - kept)
    assert again.verify().ok


def test_a_long_list_of_files_is_looked_up_not_searched(collection: Collection, photo_folder: Path) -> None:
    files = sorted(photo_folder.iterdir())
    assert counts(collection.index(*files)) == {"added": 12, "embedded": 12}
    assert collection.info().roots == ()
    files[3].unlink()
    assert counts(collection.index(*files)) == {"unchanged": 11, "removed": 1}
