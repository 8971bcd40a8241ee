"""Index runs whose JPEG files the embedder decodes: the same collection as by the decode pool, and the pool's help."""

from __future__ import annotations

import io
import shutil
import tarfile
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from dinosearch import Collection
from dinosearch.collection.indexing import encoded, trial
from dinosearch.collection.opened import OpenedHome
from dinosearch.embedding.devices.jpeg_header import plain
from dinosearch.embedding.load import open_embedder
from dinosearch.images import DecodePool, decode, describe, kind, prepare, probe_files
from dinosearch.images.workers.child import Child
from dinosearch.protocols import EncodedEmbedder
from tests.conftest import FakeEmbedder, write_photo

gpu = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")]
_CAMERA = {0x010F: "Canon", 0x0110: "Canon EOS 80D", 0x0132: "2019:05:04 03:02:01"}


class DeviceFake(FakeEmbedder):
    """Decodes upright JPEG files by itself, to the pixels of the decode pool.

    Attributes:
        given: every file of a collection that it was given.
        error: raised when it is given files of a collection.
        shift: added to its vectors of files: another decoder.
    """

    call_size = 8

    def __init__(self, error: Exception | None = None, shift: float = 0.0) -> None:
        super().__init__()
        self.given: list[bytes] = []
        self.error, self.shift = error, shift
        self._trial: set[bytes] = set()

    def embed_encoded(self, data: Sequence[bytes]) -> list[np.ndarray | None]:
        self._trial = self._trial or set(data)  # each run begins with the same files
        if not self._trial & set(data):
            if self.error is not None:
                raise self.error
            self.given += data
        return [self._vector(one) for one in data]

    def _vector(self, data: bytes) -> np.ndarray | None:
        header = plain(data)
        if header is None or header.turn != 1:
            return None
        try:
            vector = self.embed([prepare(data, "file", self.preprocessing).pixels])[0] + self.shift
        except Exception:
            return None
        return vector / np.linalg.norm(vector)


@pytest.fixture(autouse=True)
def _on_the_device(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ask for it, with a pool that decodes in this process and parts of a few files."""
    monkeypatch.setenv("DINOSEARCH_DECODE", "gpu")
    monkeypatch.setattr(DecodePool, "_take_worker", lambda self: None)
    monkeypatch.setattr(encoded, "_LEAST", 8)
    monkeypatch.setattr(trial, "probe_files", lambda pictures, side: probe_files(pictures, side // 2))


def jpeg(seed: int, size: tuple[int, int] = (96, 64), exif: dict[int, Any] | None = None, **settings: Any) -> bytes:
    rng = np.random.default_rng(seed)
    mode = settings.pop("mode", "RGB")
    coarse = Image.fromarray(rng.integers(0, 256, (5, 6, 3), dtype=np.uint8)).resize(size, Image.Resampling.BICUBIC)
    tags = Image.Exif()
    tags.update(exif or {})
    sink = io.BytesIO()
    coarse.convert(mode).save(sink, "JPEG", **{"quality": 90, "exif": tags, **settings})
    return sink.getvalue()


@pytest.fixture
def mixed(tmp_path: Path) -> Path:
    """60 files of all sorts in an order that puts copies into other parts than what they are copies of."""
    folder = tmp_path / "mixed"
    folder.mkdir()
    files: dict[str, bytes] = {f"{i:02}.jpg": jpeg(i, (40 + i, 90 - i)) for i in range(30)}
    files |= {f"turned-{i}.jpg": jpeg(40 + i, exif={0x0112: i, **_CAMERA}) for i in range(1, 9)}
    files |= {"grey.jpg": jpeg(50, mode="L"), "cmyk.jpg": jpeg(51, mode="CMYK"), "slow.jpg": jpeg(52, progressive=True)}
    files |= {"facts.jpg": jpeg(53, exif=_CAMERA), "no-suffix": jpeg(54), "large.jpg": jpeg(55, (1400, 1000))}
    cut = jpeg(60)[:-300]
    files |= {"05-cut.jpg": cut, "20-cut.jpg": cut, "z-cut.jpg": cut, "25-header.jpg": jpeg(61)[:30]}
    files |= {"26-text.jpg": b"not a photo", "27-nothing.jpg": b"", "28-end.jpg": jpeg(62)[:-300] + b"\xff\xd9"}
    files |= {"03-copy.jpg": files["03.jpg"], "z-copy.jpg": files["04.jpg"], "z-turned.jpg": files["turned-6.jpg"]}
    for name, data in files.items():
        (folder / name).write_bytes(data)
    for i in range(4):
        write_photo(folder / f"{i}-photo.png", seed=i)
    shutil.copy(folder / "2-photo.png", folder / "z-photo.png")
    with tarfile.open(folder / "shard.tar", "w") as tar:
        for name in ("00.jpg", "turned-3.jpg", "1-photo.png", "05-cut.jpg"):
            tar.add(folder / name, arcname=f"in/{name}")
        sink = jpeg(70)
        member = tarfile.TarInfo("in/new.jpg")
        member.size = len(sink)
        tar.addfile(member, io.BytesIO(sink))
    return folder


def contents(collection: Collection) -> tuple[list[dict[str, Any]], list[int], np.ndarray]:
    files = [{k: v for k, v in file.items() if k != "added"} for file in collection.files()]
    ids, vectors = collection.vectors()
    return sorted(files, key=lambda file: file["path"]), ids.tolist(), vectors


def decoding() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "dinosearch-decode"]


def made(
    home: Path, embedder: FakeEmbedder, *sources: Path
) -> tuple[Collection, dict[str, Any], list[tuple[str, str]]]:
    collection = Collection.open(home, create=True, embedder=embedder)
    summary = collection.index(*sources)
    counts = {key: value for key, value in summary.to_dict().items() if key not in ("seconds", "failures")}
    return collection, counts, [(problem.path, problem.reason) for problem in summary.failures]


def test_the_collection_is_that_of_the_decode_pool(
    tmp_path: Path, mixed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sources = (mixed, mixed / "shard.tar")
    device = DeviceFake()
    assert isinstance(device, EncodedEmbedder)
    ours, counts, failures = made(tmp_path / "device", device, *sources)
    monkeypatch.setenv("DINOSEARCH_DECODE", "inline")
    usual, expected, reasons = made(tmp_path / "usual", FakeEmbedder(), *sources)
    assert counts == expected and failures == reasons
    assert counts["failed"] >= 6 and counts["embedded"] < counts["added"]
    (files, ids, vectors), (wanted, wanted_ids, wanted_vectors) = contents(ours), contents(usual)
    assert files == wanted and ids == wanted_ids
    np.testing.assert_allclose(vectors, wanted_vectors, atol=1e-6)
    assert {"Canon EOS 80D"} <= {file["camera"] for file in files}
    sound = [data for data in device.given if plain(data) is not None]  # a damaged one may be tried again
    assert len(sound) == len(set(sound)) >= 30, "no content is handed over twice"
    monkeypatch.setenv("DINOSEARCH_DECODE", "gpu")
    before = len(device.given)
    again = ours.index(*sources)
    assert (again.embedded, again.failed) == (0, counts["failed"]) and len(device.given) == before


def test_contents_that_are_stored_are_not_handed_over(tmp_path: Path, mixed: Path) -> None:
    device = DeviceFake()
    collection, _, _ = made(tmp_path / "home", device, mixed)
    before, images = len(device.given), collection.info().images
    copies = tmp_path / "copies"
    copies.mkdir()
    with tarfile.open(copies / "again.tar", "w") as tar:  # members are not recognised by their size
        for name in ("00.jpg", "01.jpg", "turned-6.jpg"):
            tar.add(mixed / name, arcname=name)
    summary = collection.index(copies / "again.tar")
    assert (summary.added, summary.embedded, summary.failed) == (3, 0, 0)
    assert len(device.given) == before and collection.info().images == images


def test_a_run_that_fails_loses_no_commit_and_leaves_no_thread(tmp_path: Path, mixed: Path) -> None:
    with pytest.raises(RuntimeError, match="the device is gone"):
        made(tmp_path / "home", DeviceFake(error=RuntimeError("the device is gone")), mixed)
    assert not decoding()
    _, counts, _ = made(tmp_path / "home", DeviceFake(), mixed)
    _, expected, _ = made(tmp_path / "other", DeviceFake(), mixed)
    assert counts == expected
    assert not decoding()


def test_a_failed_commit_ends_the_run(tmp_path: Path, mixed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*arguments: Any) -> None:
        raise OSError("no space left on the disk")

    with monkeypatch.context() as patch:
        patch.setattr(OpenedHome, "append", full)
        with pytest.raises(OSError, match="no space left") as told:
            made(tmp_path / "home", DeviceFake(), mixed)
        assert not decoding(), told  # though the error, and with it the run, is still held here
    assert made(tmp_path / "home", DeviceFake(), mixed)[1]["embedded"] > 30


@pytest.mark.parametrize(
    ("embedder", "reason"),
    [
        (lambda: FakeEmbedder(), "the model does not run by torch"),
        (lambda: DeviceFake(shift=0.01), "agree with Pillow's by 0.9"),
        (lambda: type("Blind", (DeviceFake,), {"_vector": lambda self, data: None})(), "nothing decodes JPEG there"),
    ],
)
def test_what_cannot_be_decoded_there_is_decoded_as_usual(
    tmp_path: Path, mixed: Path, embedder: Callable[[], Any], reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    found = embedder()
    assert made(tmp_path / "home", found, mixed)[1]["embedded"] > 30
    (line,) = [record.getMessage() for record in caplog.records if "DINOSEARCH_DECODE=gpu" in record.getMessage()]
    assert reason in line
    assert not getattr(found, "given", [])


def test_it_is_not_done_unasked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DINOSEARCH_DECODE")
    assert trial.chosen(DeviceFake()) is None


@pytest.mark.parametrize("place", ["cpu", pytest.param("cuda", marks=gpu)])
def test_a_model_of_torch_gives_the_vectors_of_the_usual_way(
    tmp_path: Path, place: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    samples = sorted((Path(__file__).parents[2] / "sample_images").rglob("*.jpg"))[::10]
    monkeypatch.setattr(trial, "probe_files", lambda pictures, side: [one.read_bytes() for one in samples[:3]])
    calls: list[int] = []
    embedder = open_embedder("mini", device=place, dtype="float32")
    embed_encoded = embedder.embed_encoded  # type: ignore[union-attr]
    monkeypatch.setattr(embedder, "embed_encoded", lambda data: calls.append(len(data)) or embed_encoded(data))
    _, counts, failures = made(tmp_path / "device", embedder, *samples)  # type: ignore[arg-type]
    assert not caplog.records and not failures
    assert calls[0] == 3 and sum(calls[1:]) == len(samples) == counts["embedded"]
    monkeypatch.setenv("DINOSEARCH_DECODE", "inline")
    usual, _, _ = made(tmp_path / "usual", embedder, *samples)  # type: ignore[arg-type]
    (_, ids, vectors), (_, wanted_ids, wanted) = contents(Collection.open(tmp_path / "device")), contents(usual)
    assert ids == wanted_ids
    assert (vectors * wanted).sum(axis=1).min() >= 0.999


def same_facts(paths: Sequence[Path]) -> int:
    """How many files are described; each as the decoder does it."""
    count = 0
    for path in paths:
        data = path.read_bytes()
        found = describe(data)
        if kind(data[:64]) != "JPEG":
            assert found is None
            continue
        try:
            _, info = decode(data, str(path), hint=56)
        except Exception:
            continue  # whatever a damaged file says of itself
        assert found == info, path
        count += 1
    return count


def test_files_are_described_as_the_decoder_does(mixed: Path) -> None:
    for number, size in enumerate([(901, 900), (900, 901), (900, 900)]):  # equal sides at a reduced scale
        for turn in (1, 6):
            (mixed / f"near-{number}-{turn}.jpg").write_bytes(jpeg(number, size, exif={0x0112: turn}))
    assert same_facts([path for path in sorted(mixed.iterdir()) if path.is_file()]) >= 50


def test_real_photos_are_described_as_the_decoder_does(shared_data: Path) -> None:
    paths = sorted(path for path in (shared_data / "photos").rglob("*") if path.suffix.lower() in (".jpg", ".jpeg"))
    hostile = sorted(path for path in (shared_data / "hostile").rglob("*.jp*g") if path.is_file())
    assert same_facts([*paths[::9], *hostile[::5]]) >= 20


def test_workers_are_started_for_what_is_left(tmp_path: Path, mixed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With real child processes, which answer what the device cannot."""
    monkeypatch.undo()
    monkeypatch.setenv("DINOSEARCH_DECODE", "gpu")
    started: list[Child] = []
    monkeypatch.setattr(Child, "end", lambda self, end=Child.end: started.append(self) or end(self))
    collection = Collection.open(tmp_path / "home", create=True, embedder=DeviceFake())
    summary = collection.index(mixed, workers=1)
    assert started and summary.failed >= 6 and summary.embedded > 40
    assert not any(child.is_alive() for child in started)
