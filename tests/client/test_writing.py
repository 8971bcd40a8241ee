"""The contract of the verbs that change a collection, over one on this machine and one on a writable server."""

from __future__ import annotations

import os
import time
from pathlib import Path

import numpy as np
import pytest

from dinosearch import Collection
from dinosearch.client import Client
from dinosearch.errors import DinosearchError, HomeLockedError, ImageNotFoundError, ServerError, SettingError
from tests.client.conftest import COUNT, Writable
from tests.conftest import FakeEmbedder, write_photo
from tests.serving import served


def test_index_and_remove(photos: Writable):
    """New, changed, gone, copied and broken files are counted alike, and found or not found afterwards."""
    write_photo(photos.folder / "more" / "new.png", 100)
    write_photo(photos.folder / "03.png", 101)
    (photos.folder / "04.png").unlink()
    (photos.folder / "copy.png").write_bytes((photos.folder / "05.png").read_bytes())
    (photos.folder / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n and nothing else")
    summary = photos.either.index(photos.folder, exclude=["*.txt"], recall=0.9, workers=1)
    assert (summary.added, summary.changed, summary.removed, summary.failed) == (2, 1, 1, 1)
    assert (summary.unchanged, summary.embedded) == (COUNT - 2, 2)
    assert [(Path(one.path).name, bool(one.reason)) for one in summary.failures] == [("broken.png", True)]
    hits = photos.either.query((photos.folder / "more" / "new.png").read_bytes(), k=1)
    assert [hit.path for hit in hits] == [str(photos.folder / "more" / "new.png")]
    number = hits[0].id
    before = photos.names()
    assert photos.either.remove(photos.folder / "copy.png", f"id:{number}") == 2
    assert set(before) - set(photos.names()) == {"copy.png", os.path.join("more", "new.png")}
    assert number not in photos.either.vectors()[0]
    with pytest.raises(ImageNotFoundError):
        photos.either.remove(f"id:{number}")
    with pytest.raises(ImageNotFoundError):
        photos.either.remove(photos.folder / "never.png")
    assert photos.either.info() == photos.known.info()


def test_verify_and_compact(photos: Writable):
    photos.either.remove(*(photos.folder / f"{number:02}.png" for number in range(10)))
    report = photos.either.verify()
    assert (report.ok, report.problems) == (True, ())
    stages: list[tuple[str, int, int | None]] = []
    shrunk = photos.either.compact(progress=lambda *state: stages.append(state))
    assert (shrunk.rows_before, shrunk.rows_after) == (COUNT, COUNT - 10)
    assert shrunk.bytes_after <= shrunk.bytes_before
    assert photos.either.verify(repair=True).ok
    assert len(photos.either.query((photos.folder / "20.png").read_bytes(), k=100)) == COUNT - 10


def test_verify_names_damage(photos: Writable):
    """A byte of the vectors turned over is found, named and mended."""
    file = sorted(photos.known.home.glob("vectors-*"))[0]
    data = file.read_bytes()
    place = data.index(photos.known.vectors([5])[1].tobytes()) + 17
    with file.open("r+b") as opened:
        opened.seek(place)
        opened.write(bytes([data[place] ^ 0xFF]))
    found = photos.either.verify()
    assert not found.ok and len(found.problems) == 1 and found.problems[0].reason
    mended = photos.either.verify(repair=True)
    assert (mended.ok, mended.repaired, mended.lost) == (True, 1, ())
    assert photos.either.verify().ok


def test_refine_diffuse_and_unrefine(photos: Writable):
    made = photos.either.refine(dimensions=2, power=0.5)
    assert (made.kind, made.recipe["dimensions"], made.rows) == ("refined", 2, COUNT)
    walked = photos.either.diffuse(edges=5, truncation=10)
    assert (walked.kind, walked.rows) == ("diffusion", COUNT)
    assert {one.kind for one in photos.either.info().derived} == {"refined", "diffusion"}
    assert len(photos.either.query(1, k=5, rerank="diffusion")) == 5
    assert photos.either.unrefine() is None
    assert photos.either.info().derived == ()
    with pytest.raises(SettingError):
        photos.either.refine(dimensions=90)


def test_calibrate_confirm_and_reject(photos: Writable):
    ids = {Path(file["path"]).name: file["id"] for file in photos.known.files()}
    first = photos.either.confirm(ids["00.png"], f"id:{ids['01.png']}")
    assert first is None  # kept until there is something to correct
    stages = []
    learned = photos.either.calibrate(sample=25, progress=lambda *state: stages.append(state))
    assert (learned.positives, learned.confirmed, learned.rejected) == (50, 1, 0)
    assert learned == photos.known.calibration
    assert stages[-1] == ("calibrate", 25, 25)
    hits = photos.either.query(ids["02.png"], k=5)
    assert [hit.confidence for hit in hits] == [pytest.approx(learned.confidence(hit.score)) for hit in hits]
    bent = photos.either.reject(ids["02.png"], *(f"id:{hit.id}" for hit in hits[:2]))
    assert bent is not None and (bent.confirmed, bent.rejected) == (1, 2)
    assert bent == photos.known.calibration
    assert photos.either.query(ids["02.png"], k=5, precision=0.5) == photos.known.query(
        ids["02.png"], k=5, precision=0.5
    )
    with pytest.raises(ImageNotFoundError):
        photos.either.confirm(ids["00.png"], "id:999999")
    with pytest.raises(ValueError):
        photos.either.calibrate(sample=3)


def test_progress_is_told(photos: Writable):
    for number in range(40):
        write_photo(photos.folder / "new" / f"{number}.png", 200 + number)
    seen: list[tuple[str, int, int | None]] = []
    summary = photos.either.index(photos.folder, progress=lambda *state: seen.append(state))
    assert summary.added == 40
    assert {"scan", "index"} <= {stage for stage, _, _ in seen}
    assert any(stage == "index" and done == total == 40 for stage, done, total in seen)


def test_an_error_of_the_listener_ends_the_work(photos: Writable):
    """What `progress` raises comes out, and another writer may write at once."""

    class StopError(Exception):
        pass

    def stop(stage: str, done: int, total: int | None) -> None:
        raise StopError

    write_photo(photos.folder / "late.png", 300)
    with pytest.raises(StopError):
        photos.either.index(photos.folder, progress=stop)
    deadline = time.monotonic() + 20
    while True:
        try:
            assert photos.either.index(photos.folder).failed == 0
            break
        except HomeLockedError:
            assert time.monotonic() < deadline
            time.sleep(0.05)
    assert "late.png" in photos.names()


def test_another_writer_is_named(photos: Writable):
    with photos.known._opened.home.writer(), pytest.raises(HomeLockedError):
        photos.either.index(photos.folder)


class SlowEmbedder(FakeEmbedder):
    """Waits before each batch, until it is let go."""

    def __init__(self) -> None:
        super().__init__(batch_size=1)
        self.pause = 0.0

    def embed(self, pixels) -> np.ndarray:
        time.sleep(self.pause)
        return super().embed(pixels)


def test_ctrl_c_cancels_the_job(tmp_path: Path):
    """The one who waits is interrupted, and the work on the server ends soon, long before it would have."""
    embedder = SlowEmbedder()
    for number in range(200):
        write_photo(tmp_path / "photos" / f"{number}.png", number)
    with Collection.open(tmp_path / "home", create=True, embedder=embedder) as collection:
        collection.index(write_photo(tmp_path / "first.png", 500))
        embedder.pause = 0.1
        with served({"photos": collection}, writable=True, roots=(str(tmp_path),)) as url, Client(url) as client:

            def interrupted(stage: str, done: int, total: int | None) -> None:
                if stage == "index":  # raised where Ctrl-C would be; a true one may hit the test runner instead
                    raise KeyboardInterrupt

            with pytest.raises(KeyboardInterrupt):
                client.index(tmp_path / "photos", progress=interrupted)
            (job,) = client._transport.get("/v1/jobs")["jobs"]
            begun = time.monotonic()
            while client._transport.get(f"/v1/jobs/{job['id']}")["status"] == "running":
                assert time.monotonic() - begun < 12
                time.sleep(0.05)
            assert client._transport.get(f"/v1/jobs/{job['id']}")["status"] == "cancelled"
            embedder.pause = 0.0
            assert client.index(tmp_path / "photos").failed == 0


def test_only_known_folders_and_writable_servers(photos: Writable, tmp_path: Path):
    if isinstance(photos.either, Collection):
        pytest.skip("of servers only")
    write_photo(tmp_path / "elsewhere" / "a.png", 1)
    with pytest.raises(ServerError, match="folders"):
        photos.either.index(tmp_path / "elsewhere")
    with served({"photos": photos.known}) as url, Client(url) as client:
        for verb in (lambda: client.index(photos.folder), client.compact, lambda: client.confirm(1, 2)):
            with pytest.raises(ServerError, match="--writable"):
                verb()


def test_a_calibration_of_too_few_is_refused_alike(tmp_path: Path):
    """An error inside of a job has the class it had in the library."""
    for number in range(5):
        write_photo(tmp_path / "photos" / f"{number}.png", number)
    with Collection.open(tmp_path / "home", create=True, embedder=FakeEmbedder()) as collection:
        collection.index(tmp_path / "photos")
        with pytest.raises(DinosearchError) as here:
            collection.calibrate()
        with served({"photos": collection}, writable=True) as url, Client(url) as client:
            with pytest.raises(DinosearchError) as there:
                client.calibrate()
    assert type(here.value) is type(there.value)
    assert str(tmp_path) not in str(there.value)
