"""The CI share of scripts/torture_images.py, and what it found: each mended fault once more, by name."""

from __future__ import annotations

import struct
import sys
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from torture import image_places, image_run, image_runs
from torture.handmade import handmade
from torture.image_killers import killers
from torture.image_run import index, open_home
from torture.pictures import chunk, png, valid, zeros
from torture.verdict import Asked, Verdict

from dinosearch import Collection
from dinosearch.errors import ImageUnreadableError
from dinosearch.images import colour, decode, read_bytes
from tests.images.pictures import encoded, gradient

PARTS = {
    "mutated": image_runs.mutated_files,
    "handmade": image_runs.handmade_files,
    "places": image_places.places,
    "moving": image_places.moving,
    "killers": killers,
}


@pytest.fixture(autouse=True)
def _two_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image_run, "WORKERS", 2)


def asked(runs: int) -> Asked:
    return Asked(seed=20261121, runs=runs, minutes=None, only=None, json=None, short=True, start=0)


@pytest.mark.parametrize("part", PARTS)
def test_each_is_indexed_or_reported_and_hurts_nothing_else(part: str, tmp_path: Path) -> None:
    verdict = Verdict(part, 20261121, f"scripts/torture_images.py --part {part} --short")
    PARTS[part](asked(150), verdict, tmp_path / "files" if part in ("mutated", "handmade") else tmp_path)
    verdict.print()
    assert not verdict.failures
    assert sum(verdict.outcomes.values()) >= 10


@pytest.mark.slow
def test_every_collected_file_is_indexed_or_reported(shared_data: Path, tmp_path: Path) -> None:
    verdict = Verdict("corpus", 0, "scripts/torture_images.py --part corpus")
    image_runs.corpus(asked(0), verdict, tmp_path)
    verdict.print()
    assert not verdict.failures
    assert verdict.outcomes["indexed"] > 1000


def test_a_fault_of_the_product_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The harness fails where a file is neither indexed nor reported."""
    monkeypatch.setattr("dinosearch.collection.indexing.run.IndexRun._fail", lambda *of: None)
    verdict = Verdict("mutated", 20261121, "")
    image_runs.mutated_files(asked(10), verdict, tmp_path / "files")
    assert any("vanished" in failure for failure in verdict.failures)


def test_a_small_jpeg_that_claims_400_megapixels_gets_no_memory() -> None:
    asked_for: list[int] = []
    with pytest.raises(ImageUnreadableError, match="truncated JPEG"):
        decode(handmade(True)["claims-20000x20000-progressive.jpg"], "x", reserve=asked_for.append)
    assert not asked_for


def test_an_image_of_nothing_but_one_colour_is_not_too_short() -> None:
    data = encoded(Image.new("L", (4000, 4000)), "JPEG", progressive=True, optimize=True)
    assert decode(data, "x")[1].width == 4000


@pytest.mark.parametrize("mode", ["1", "L", "P", "LA", "RGB", "RGBA", "CMYK", "I;16", "F"])
def test_bands_make_no_seam(mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    picture = Image.fromarray(gradient(90, 70))
    if mode == "I;16":
        image = Image.fromarray(np.asarray(picture.convert("L")).astype(np.uint16) * 257)
    else:
        image = picture.convert("RGBA").convert(mode) if mode in ("LA", "RGBA") else picture.convert(mode)
    whole = np.asarray(colour.to_rgb(image))
    monkeypatch.setattr(colour, "_BAND", 500)
    np.testing.assert_array_equal(np.asarray(colour.to_rgb(image)), whole)
    means = whole[:70, :90].astype(float).reshape(14, 5, 18, 5, 3).mean(axis=(1, 3))
    assert np.abs(np.asarray(colour.to_rgb(image, 5)).astype(float) - means).max() <= 1


def test_a_giant_is_shrunk_before_it_is_resized(monkeypatch: pytest.MonkeyPatch) -> None:
    picture = gradient(1200, 900)
    monkeypatch.setattr(sys.modules["dinosearch.images.decoding"], "_GIANT", 1_000_000)
    shrunk, info = decode(encoded(Image.fromarray(picture), "PNG"), "x", hint=100)
    assert (info.width, info.height, shrunk.size) == (1200, 900, (600, 450))
    assert np.abs(np.asarray(shrunk).astype(float) - picture.reshape(450, 2, 600, 2, 3).mean(axis=(1, 3))).max() <= 1


def test_a_large_tiff_within_the_limit_is_indexed_by_a_worker(tmp_path: Path) -> None:
    """Pillow's own limit is lower, and some of its plug-ins look at it themselves."""
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "scan.tif").write_bytes(handmade(True)["bomb-1-bit-deflated.tif"])
    with open_home(tmp_path / "home") as collection:
        summary, watch = index(collection, tmp_path / "photos")
    assert (summary.added, summary.failures) == (1, ())
    assert watch.highest < 1 << 30


def test_a_file_that_grows_while_it_is_read_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    path = tmp_path / "photo.png"
    path.write_bytes(valid()["PNG"][0])
    look = os.fstat

    def grown(descriptor: int) -> os.stat_result:
        status = look(descriptor)
        with open(path, "ab") as file:
            file.write(b"more")
        return status

    monkeypatch.setattr(os, "fstat", grown)
    with pytest.raises(ImageUnreadableError, match="changed while it was read"):
        read_bytes(str(path))


def test_a_query_decodes_in_another_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, photo_folder: Path, fake_embedder: object
) -> None:
    with Collection.open(tmp_path / "home", create=True, embedder=fake_embedder) as collection:  # type: ignore[arg-type]
        collection.index(photo_folder)
        monkeypatch.delenv("DINOSEARCH_DECODE")
        for module in ("workers.answer", "resizing"):  # here nothing can be decoded any more
            monkeypatch.setattr(import_module(f"dinosearch.images.{module}"), "decode", None)
        hits = collection.query(photo_folder / "03.png", include_self=True)
        assert Path(hits[0].path).name == "03.png" and hits[0].score > 0.999
        with pytest.raises(ImageUnreadableError, match="not an image"):
            collection.query(b"text")


def test_bombs_in_chunks_are_refused_before_they_unfold() -> None:
    body = chunk(b"IDAT", zeros(1 << 10))
    for name in (b"iCCP", b"zTXt"):
        with pytest.raises(ImageUnreadableError, match="too large"):
            decode(png(4, 4, chunk(name, b"name\0\0" + zeros(64 << 20)), body), "x")
    with pytest.raises(ImageUnreadableError, match="gigapixels"):
        decode(png(50_000, 50_000, chunk(b"IDAT", struct.pack(">I", 0))), "x")
