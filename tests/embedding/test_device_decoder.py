"""JPEG decoded and resized where the model runs, against Pillow's way; on the processor, and on a GPU where one is."""

from __future__ import annotations

import io
import struct
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageCms, ImageOps

from dinosearch.embedding.devices import decoder as device_decoder
from dinosearch.embedding.devices.decoder import DeviceDecoder
from dinosearch.embedding.devices.jpeg_header import Plain, plain
from dinosearch.embedding.load import open_embedder
from dinosearch.images.resizing import prepare, resize
from dinosearch.records import Preprocessing

gpu = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")]
places = pytest.mark.parametrize("place", ["cpu", pytest.param("cuda", marks=gpu)])


def picture(width: int = 301, height: int = 203, seed: int = 0) -> Image.Image:
    rng = np.random.default_rng(seed)
    coarse = Image.fromarray(rng.integers(0, 256, (8, 8, 3), dtype=np.uint8))
    return coarse.resize((width, height), Image.Resampling.BICUBIC)


def jpeg(image: Image.Image | None = None, **settings: object) -> bytes:
    sink = io.BytesIO()
    (image or picture()).save(sink, "JPEG", **{"quality": 92, **settings})  # type: ignore[arg-type]
    return sink.getvalue()


def turned_tags(value: int) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = value
    return exif.tobytes()


def turned(value: int) -> bytes:
    return jpeg(exif=turned_tags(value))


def with_segment(marker: int, body: bytes, data: bytes) -> bytes:
    """The file with one more segment in front."""
    return data[:2] + struct.pack(">BBH", 0xFF, marker, len(body) + 2) + body + data[2:]


def swapped(data: bytes) -> bytes:
    """The same file with its one EXIF tag in the other byte order."""
    start = data.index(b"Exif\0\0") + 6
    tiff = data[start : start + 26]
    assert tiff[:8] == b"MM\0*\0\0\0\x08" and tiff[8:10] == b"\0\x01"
    tag, kind, count, value = struct.unpack(">HHIH", tiff[10:20])
    other = struct.pack("<2sHIHHHIHHI", b"II", 42, 8, 1, tag, kind, count, value, 0, 0)
    return data[:start] + other + data[start + 26 :]


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    return float(10 * np.log10(255**2 / max(np.mean((a.astype(float) - b) ** 2), 1e-9)))


PLAIN = {
    "baseline": lambda: jpeg(),
    "progressive": lambda: jpeg(progressive=True),
    "full chroma": lambda: jpeg(subsampling=0),
    **{f"turned by {turn}": lambda turn=turn: turned(turn) for turn in range(2, 9)},
    "turned by EXIF of the other byte order": lambda: swapped(turned(6)),
    "upright by EXIF": lambda: turned(1),
    "sRGB by its profile": lambda: jpeg(icc_profile=ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()),
    "a comment": lambda: jpeg(comment="text"),
    "APP2 for something else": lambda: with_segment(0xE2, b"FPXR\0" + bytes(9), jpeg()),
    "tall": lambda: jpeg(picture(60, 700)),
    "tiny": lambda: jpeg(picture(5, 3)),
}

LEFT = {
    "grey": lambda: jpeg(picture().convert("L")),
    "turned by nonsense": lambda: turned(9),
    "turned by XMP": lambda: jpeg(xmp=b'<x tiff:Orientation="6"/>'),
    "another profile": lambda: jpeg(icc_profile=ImageCms.ImageCmsProfile(ImageCms.createProfile("XYZ")).tobytes()),
    "a profile in parts": lambda: jpeg(icc_profile=bytes(70_000)),
    "a profile that does not say what it is": lambda: jpeg(icc_profile=bytes(200)),
    "two EXIF blocks": lambda: with_segment(0xE1, turned_tags(6), turned(1)),
    "coded by arithmetic": lambda: jpeg().replace(b"\xff\xc0", b"\xff\xc9", 1),
    "two frames": lambda: with_segment(0xC0, struct.pack(">BHHB", 8, 203, 301, 3) + bytes(9), jpeg()),
    "four colours": lambda: jpeg(picture().convert("CMYK")),
    "RGB without transform": lambda: jpeg(keep_rgb=True),
    "truncated": lambda: jpeg()[:-200],
    "cut in its header": lambda: jpeg()[:40],
    "PNG": lambda: _png(),
    "nothing": lambda: b"",
    "noise": lambda: bytes(range(256)) * 4,
    "only a start": lambda: b"\xff\xd8\xff\xd9",
}


def _png() -> bytes:
    sink = io.BytesIO()
    picture().save(sink, "PNG")
    return sink.getvalue()


@places
@pytest.mark.parametrize("preprocessing", [Preprocessing("squash", 224), Preprocessing("crop", 98)], ids=str)
@pytest.mark.parametrize("kind", PLAIN)
def test_plain_files_are_prepared_as_pillow_does(kind: str, preprocessing: Preprocessing, place: str) -> None:
    data = PLAIN[kind]()
    (found,) = DeviceDecoder(preprocessing, torch.device(place)).prepare([data])
    assert found is not None and found.device.type == place
    upright = ImageOps.exif_transpose(Image.open(io.BytesIO(data)))
    expected = resize(upright.convert("RGB"), preprocessing)
    assert found.dtype == torch.uint8 and tuple(found.shape) == expected.shape
    difference = np.abs(found.cpu().numpy().astype(int) - expected)
    if place == "cpu":  # the same decoder; Pillow's weights are fixed-point numbers
        assert difference.max() <= 2
        assert difference.mean() <= 0.2
    else:  # another decoder, which may spread chroma in its own way
        assert psnr(found.cpu().numpy(), expected) >= 35


@places
@pytest.mark.parametrize("kind", LEFT)
def test_all_else_is_left_to_the_host(kind: str, place: str) -> None:
    data = [jpeg(), LEFT[kind](), jpeg(picture(seed=1))]
    assert plain(data[1]) is None
    decoder = DeviceDecoder(Preprocessing("squash", 56), torch.device(place))
    found = decoder.prepare(data)
    assert [image is None for image in found] == [False, True, False]


@places
def test_a_file_that_fails_spoils_no_other(place: str) -> None:
    sound = jpeg()
    start = sound.index(b"\xff\xc4")
    damaged = sound[:start] + b"\xff\xc4\x00\x03\x55" + sound[start:]  # a table of no known class
    assert plain(damaged) == Plain(203, 301)
    found = DeviceDecoder(Preprocessing("squash", 56), torch.device(place)).prepare([sound, damaged, sound])
    assert [image is None for image in found] == [False, True, False]


def test_damage_anywhere_harms_nobody() -> None:
    """Whatever bytes a file has, it is prepared or left; what is prepared has the size that the header says."""
    sound = jpeg(picture(40, 30), exif=turned_tags(1))
    header = sound.index(b"\xff\xda")
    decoder = DeviceDecoder(Preprocessing("squash", 28), torch.device("cpu"))
    rng = np.random.default_rng(0)
    outcomes = set()
    for _ in range(300):
        data = bytearray(sound)
        for place in rng.integers(2, header, rng.integers(1, 4)):
            data[place] = rng.integers(0, 256)
        (found,) = decoder.prepare([bytes(data)])
        assert found is None or tuple(found.shape) == (28, 28, 3)
        outcomes.add(found is None)
    assert outcomes == {True, False}


def test_large_pictures_are_decoded_in_groups_or_left(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = [(60, 40), (61, 40), (300, 200), (62, 40), (63, 40)]
    data = [jpeg(picture(*size, seed=number)) for number, size in enumerate(sizes)]
    expected = DeviceDecoder(Preprocessing("squash", 56), torch.device("cpu")).prepare(data)
    monkeypatch.setattr(device_decoder, "TOGETHER", 5000)
    monkeypatch.setattr(device_decoder, "MAX_PIXELS", 50_000)
    found = DeviceDecoder(Preprocessing("squash", 56), torch.device("cpu")).prepare(data)
    assert [image is None for image in found] == [False, False, True, False, False]
    for mine, theirs in zip(found, expected, strict=True):
        if mine is not None:
            np.testing.assert_array_equal(mine.numpy(), theirs.numpy())  # type: ignore[union-attr]


def test_padded_pictures_are_left_to_the_host() -> None:
    assert DeviceDecoder(Preprocessing("fit", 56), torch.device("cpu")).prepare([jpeg()]) == [None]


@places
def test_photos_get_the_vectors_of_the_usual_way(shared_data: Path, place: str) -> None:
    paths = sorted(path for path in (shared_data / "photos").rglob("*") if path.suffix.lower() in (".jpg", ".jpeg"))
    # Copies that somebody sharpened alias at the reduced scale at which Pillow decodes them.
    paths = [path for path in paths if "mods" not in path.parent.name]
    data = [path.read_bytes() for path in paths[:: max(1, len(paths) // 24)]]
    embedder = open_embedder("mini", device=place, dtype="float32")
    found = embedder.embed_encoded([*data, b"no image"])
    taken = [row for row, vector in enumerate(found) if vector is not None]
    assert len(taken) >= 0.9 * len(data) and len(data) not in taken
    usual = [prepare(data[row], "photo", embedder.preprocessing).pixels for row in taken]
    prepared = DeviceDecoder(embedder.preprocessing, torch.device(place)).prepare([data[row] for row in taken])
    quality = [psnr(image.cpu().numpy(), other) for image, other in zip(prepared, usual, strict=True)]  # type: ignore[union-attr]
    assert np.median(quality) >= (50 if place == "cpu" else 40)
    assert min(quality) >= (45 if place == "cpu" else 32)
    cosines = (np.stack([found[row] for row in taken]) * embedder.embed(usual)).sum(axis=1)  # type: ignore[misc]
    assert cosines.min() >= 0.999
