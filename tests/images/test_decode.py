"""Orientation, metadata, reduced scale and errors of the decoder."""

from __future__ import annotations

import io
import threading
import warnings
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageOps

from dinosearch.errors import ImageNotFoundError, ImageUnreadableError
from dinosearch.images import DecodePool, decode, kind, read_bytes
from dinosearch.records import FoundFile, Preprocessing, Problem
from tests.images.pictures import corners, encoded, gradient

# What the camera stored so that undoing the orientation gives the upright picture: CIPA DC-008, by the position of the
# picture's top row and left column ("6: row 0 is the right side, column 0 is the top").
STORED = {
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.transpose(1, 0, 2),
    6: lambda a: np.rot90(a, 1),
    7: lambda a: a.transpose(1, 0, 2)[::-1, ::-1],
    8: lambda a: np.rot90(a, -1),
}


def with_exif(image: Image.Image, format_: str, exif: dict[int, Any], **options: Any) -> bytes:
    tags = Image.Exif()
    tags.update(exif)
    return encoded(image, format_, exif=tags, **options)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("format_", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
def test_orientation_gives_the_upright_picture(format_: str, orientation: int) -> None:
    upright = corners(64)
    stored = Image.fromarray(np.ascontiguousarray(STORED[orientation](upright)))
    options = {"WEBP": {"lossless": True}, "JPEG": {"quality": 95}, "AVIF": {"quality": 95}}.get(format_, {})
    image, info = decode(with_exif(stored, format_, {0x0112: orientation}, **options), "test")
    assert (info.width, info.height) == image.size == (128, 64)
    assert np.abs(np.asarray(image).astype(int) - upright).mean() < 4


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_of_heif_is_applied_once(orientation: int) -> None:
    import pillow_heif

    upright = corners(64)
    stored = Image.fromarray(np.ascontiguousarray(STORED[orientation](upright)))
    tags = Image.Exif()
    tags[0x0112] = orientation
    file = pillow_heif.from_pillow(stored)
    buffer = io.BytesIO()
    file.save(buffer, quality=95, exif=tags.tobytes())
    image, info = decode(buffer.getvalue(), "test")
    assert (info.width, info.height) == image.size == (128, 64)
    assert np.abs(np.asarray(image).astype(int) - upright).mean() < 4


@pytest.mark.parametrize("value", [0, 9, 65535])
def test_orientation_without_a_meaning_is_ignored(value: int) -> None:
    image, _ = decode(with_exif(Image.fromarray(corners()), "PNG", {0x0112: value}), "test")
    np.testing.assert_array_equal(np.asarray(image), corners())


@pytest.mark.parametrize("view", ["Landscape", "Portrait"])
def test_published_orientation_examples_agree_with_their_twin(shared_data: Path, view: str) -> None:
    folder = shared_data / "hostile" / "exif_orientation"
    twin, _ = decode(read_bytes(str(folder / f"{view}_1.jpg")), "twin", hint=224)
    for orientation in range(2, 9):
        image, info = decode(read_bytes(str(folder / f"{view}_{orientation}.jpg")), "test", hint=224)
        assert (info.width > info.height) == (view == "Landscape")
        small = [np.asarray(each.resize((64, 64))).astype(int) for each in (image, twin)]
        assert np.abs(small[0] - small[1]).mean() < 4, orientation


def test_time_and_camera() -> None:
    exif = {0x010F: "Canon\0", 0x0110: "Canon EOS 80D", 0x0132: "2021:02:03 04:05:06"}
    _, info = decode(with_exif(Image.new("RGB", (4, 4)), "JPEG", exif), "test")
    assert (info.camera, info.taken) == ("Canon EOS 80D", datetime(2021, 2, 3, 4, 5, 6))
    tags = Image.Exif()
    tags.update({0x010F: "Apple", 0x0110: "iPhone 6", 0x0132: "2021:02:03 04:05:06"})
    tags.get_ifd(0x8769)[0x9003] = "2020:01:02 03:04:05"
    _, info = decode(encoded(Image.new("RGB", (4, 4)), "JPEG", exif=tags), "test")
    assert (info.camera, info.taken) == ("Apple iPhone 6", datetime(2020, 1, 2, 3, 4, 5))


@pytest.mark.parametrize("text", ["0000:00:00 00:00:00", "2021:13:01 00:00:00", "1021:01:01 00:00:00", "", "yesterday"])
def test_absurd_time_is_absent(text: str) -> None:
    _, info = decode(with_exif(Image.new("RGB", (4, 4)), "JPEG", {0x0132: text}), "test")
    assert info.taken is None


def test_damaged_exif_costs_only_itself() -> None:
    data = encoded(Image.fromarray(corners()), "PNG", exif=b"Exif\0\0II*\0\xff\xff\xff\xff garbage")
    image, info = decode(data, "test")
    np.testing.assert_array_equal(np.asarray(image), corners())
    assert info.taken is None and info.camera is None


def test_hint_reduces_the_scale_but_not_the_stated_size() -> None:
    data = encoded(Image.fromarray(gradient(1600, 1200)), "JPEG", quality=95)
    full, full_info = decode(data, "test")
    small, small_info = decode(data, "test", hint=224)
    assert full.size == (full_info.width, full_info.height) == (1600, 1200)
    assert (small_info.width, small_info.height) == (1600, 1200)
    assert small.size == (800, 600), "the smallest scale with both sides of at least 448"
    difference = np.asarray(full.resize((100, 75))).astype(int) - np.asarray(small.resize((100, 75)))
    assert np.abs(difference).mean() < 2


def test_kind_is_told_by_content() -> None:
    picture = Image.new("RGB", (4, 4))
    for format_ in ("JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP", "AVIF"):
        assert kind(encoded(picture, format_)[:64]) == format_
    for head in (
        b"",
        b"BM is how this text starts, which is no bitmap",
        b"%PDF-1.7",
        b"<svg>",
        b"\0\0\0\x18ftypmp42",
        b"RIFF\0\0\0\0WAVE",
    ):
        assert kind(head) is None
    assert kind(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic") == "HEIF"
    assert kind(b"\0\0\0\x1cftypmif1\0\0\0\0mif1avifmiaf") == "AVIF"


def reason(data: bytes, **options: Any) -> str:
    with pytest.raises(ImageUnreadableError) as caught:
        decode(data, "x.jpg", **options)
    assert caught.value.path == "x.jpg"
    return caught.value.reason


def test_reasons() -> None:
    assert reason(b"") == "an empty file"
    assert reason(b"hello") == "not an image"
    assert reason(encoded(Image.new("RGB", (4, 4)), "PPM")) == "not an image", "a format off the list"
    assert "JPEG" in reason(b"\xff\xd8\xff")
    assert (
        reason(encoded(Image.new("RGB", (40, 50)), "PNG"), max_pixels=1999) == "0 megapixels, the limit is 0 megapixels"
    )


@pytest.mark.parametrize("format_", ["JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF", "AVIF"])
def test_every_truncation_is_an_error_or_the_whole_picture(format_: str) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (48, 48, 3), np.uint8)
    data = encoded(Image.fromarray(picture), format_)
    whole = np.asarray(decode(data, "whole")[0])
    failed = 0
    for length in range(0, len(data), max(1, len(data) // 60)):
        try:
            image, _ = decode(data[:length], "cut")
        except ImageUnreadableError:
            failed += 1
        else:
            np.testing.assert_array_equal(np.asarray(image), whole)
    assert failed >= 50


def test_bomb_is_refused_before_it_is_decoded() -> None:
    # 50,000 x 50,000 pixels declared in the header of a PNG of 70 bytes.
    import struct
    import zlib

    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    data = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 50_000, 50_000, 8, 2, 0, 0, 0))
    data += chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")
    assert reason(data) == "2.5 gigapixels, the limit is 400 megapixels"


def test_image_between_the_limits_of_pillow_warns_nobody() -> None:
    data = encoded(Image.new("L", (10_000, 9_500)), "PNG")  # Pillow's own limit starts to warn at 89 megapixels
    before = list(warnings.filters)
    _, info = decode(data, "test")
    assert (info.width, info.height) == (10_000, 9_500)
    assert warnings.filters == before


def test_warning_filters_survive_overlapping_threads() -> None:
    data = encoded(Image.fromarray(gradient(256, 256)), "PNG")
    before = list(warnings.filters)
    threads = [threading.Thread(target=lambda: [decode(data, "x") for _ in range(20)]) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert warnings.filters == before


def test_read_bytes_refuses_what_is_no_file(tmp_path: Path) -> None:
    import os

    with pytest.raises(ImageNotFoundError, match="no such file"):
        read_bytes(str(tmp_path / "missing.jpg"))
    with pytest.raises(ImageNotFoundError):
        read_bytes("a\0b")
    with pytest.raises(ImageUnreadableError, match="folder"):
        read_bytes(str(tmp_path))
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "fifo.jpg")
        with pytest.raises(ImageUnreadableError, match="regular"):
            read_bytes(str(tmp_path / "fifo.jpg"))
    (tmp_path / "a.jpg").write_bytes(b"content")
    assert read_bytes(str(tmp_path / "a.jpg")) == b"content"


def test_mutated_images_are_decoded_or_reported() -> None:
    random = np.random.default_rng(1)
    for format_ in ("JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF", "AVIF"):
        data = encoded(Image.fromarray(gradient(40, 40)), format_)
        for _ in range(40):
            mutated = bytearray(data)
            for at in random.integers(0, len(data), 6):
                mutated[at] = random.integers(0, 256)
            try:
                image, _ = decode(bytes(mutated), "x", max_pixels=10_000_000)
            except ImageUnreadableError as error:
                assert error.reason and "\n" not in error.reason
            else:
                assert image.mode == "RGB"


@pytest.mark.slow
def test_every_hostile_file_is_decoded_or_reported(shared_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The outcome agrees with what Pillow does with each file on its own, wherever the format is on our list."""
    monkeypatch.delenv("DINOSEARCH_DECODE", raising=False)
    root = shared_data / "hostile"
    lines = (root / "pillow_outcomes.tsv").read_text(encoding="utf-8").splitlines()[1:]
    outcomes = {line.split("\t")[0]: line.split("\t")[1] for line in lines}
    paths = sorted(path for path in root.rglob("*") if path.is_file())
    files = [FoundFile(str(path), path.stat().st_size, 0) for path in paths]
    disagree, crashed = [], []
    with DecodePool(Preprocessing(), workers=2) as pool:
        answers = list(pool.prepare_all(files))
    assert [file for file, _ in answers] == files
    for file, answer in answers:
        name = Path(file.path).relative_to(root).as_posix()
        failed = isinstance(answer, Problem)
        if isinstance(answer, Problem):
            assert answer.reason
            if "crashed" in answer.reason or "longer" in answer.reason:
                crashed.append((name, answer.reason))
        else:
            assert answer.pixels.shape == (224, 224, 3)
        with open(file.path, "rb") as stream:
            listed = kind(stream.read(64)) is not None
        if listed and name in outcomes and failed == (outcomes[name] == "ok"):
            disagree.append((name, answer.reason if isinstance(answer, Problem) else "decoded", outcomes[name]))
    assert not crashed
    # HEIF, which Pillow alone does not read, palette PNGs without a palette, JPEGs of less than a bit a block.
    unexplained = [
        entry
        for entry in disagree
        if not entry[0].endswith((".heif", ".heic"))
        and entry[1] != "damaged PNG"
        and not (entry[1] == "truncated JPEG" and _bits_a_block(root / entry[0]) < 1)
    ]
    assert not unexplained


def _bits_a_block(path: Path) -> float:
    with Image.open(path) as image:
        return 8 * path.stat().st_size / (image.width // 8 * (image.height // 8))


def test_transposition_agrees_with_pillows_own() -> None:
    for orientation in range(1, 9):
        data = with_exif(Image.fromarray(gradient(30, 20)), "PNG", {0x0112: orientation})
        with Image.open(io.BytesIO(data)) as image:
            expected = ImageOps.exif_transpose(image)
        np.testing.assert_array_equal(np.asarray(decode(data, "x")[0]), np.asarray(expected))
