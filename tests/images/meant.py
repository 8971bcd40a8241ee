"""The picture of the table of odd images, and in NumPy what formats do to it: what a file that stores so means."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from PIL import Image

from tests.images.pictures import encoded


def scene(width: int = 160, height: int = 112) -> np.ndarray:
    """(h, w, 3) uint8: sky, a sun, a hill, a house; no turn and no mirroring leaves it as it is.

    The edges are two pixels soft, so that the losses of a good JPEG stay small.
    """
    y, x = np.mgrid[:height, :width] / np.array([height, width]).reshape(2, 1, 1)
    picture = np.stack([90 + 80 * y, 140 + 60 * y, 225 - 60 * y], axis=-1)

    def paint(depth: np.ndarray, colour: tuple[int, int, int]) -> None:
        share = np.clip(depth * min(width, height) / 2 + 0.5, 0, 1)[..., None]
        picture[:] = picture * (1 - share) + np.array(colour) * share

    paint(0.11 - np.hypot(x - 0.75, y - 0.25), (245, 210, 80))
    paint(y - 0.75 + 0.2 * np.sin(3 * x), (70, 130, 60))
    paint(0.14 - np.maximum(abs(x - 0.3), abs(y - 0.65)), (170, 80, 60))
    paint(0.05 - np.maximum(abs(x - 0.34), abs(y - 0.68)), (40, 40, 50))
    return np.asarray(np.rint(picture), np.uint8)


RGB = scene()
GREY = RGB[..., 1]
PALE = (RGB // 2 + 64).astype(np.uint8)  # within every gamut
OPACITY = np.tile(np.linspace(0, 255, RGB.shape[1]).astype(np.uint8), (RGB.shape[0], 1))


def grey(values: np.ndarray) -> np.ndarray:
    """(h, w) numbers of 0..255 as pixels."""
    return np.stack([np.clip(np.rint(values), 0, 255).astype(np.uint8)] * 3, axis=-1)


def over_white(colours: np.ndarray, opacity: np.ndarray) -> np.ndarray:
    share = (opacity / 255)[..., None]
    return np.rint(colours * share + 255 * (1 - share)).astype(np.uint8)


def with_opacity(colours: np.ndarray, opacity: np.ndarray = OPACITY) -> np.ndarray:
    return np.dstack([colours, opacity])


def deep(values: np.ndarray) -> np.ndarray:
    """8 bits as 16 with something in the low byte, that rounds to the same."""
    return (values.astype(np.uint16) * 257) ^ 0x11


def reduced(values: np.ndarray, bits: int) -> tuple[np.ndarray, np.ndarray]:
    """Samples of so few bits, and the 8-bit values that they mean."""
    few = values >> (8 - bits)
    return few, few * (255 // ((1 << bits) - 1))


def few_colours(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Places in a palette (h, w) and the palette (count, 3)."""
    image = Image.fromarray(RGB).quantize(count, dither=Image.Dither.NONE)
    palette = np.array(image.getpalette(), np.uint8).reshape(-1, 3)[:count]
    return np.asarray(image), np.concatenate([palette, np.zeros((count - len(palette), 3), np.uint8)])


# From ICC profile connection space (D50) to linear sRGB: the inverse of sRGB's D50-adapted primaries as columns.
SRGB_D50 = np.array([[0.43607, 0.38515, 0.14307], [0.22249, 0.71687, 0.06061], [0.01392, 0.09708, 0.71410]])
PRIMARIES = {
    "Adobe RGB": ((0.60974, 0.31111, 0.01947), (0.20528, 0.62567, 0.06087), (0.14919, 0.06322, 0.74457), 563 / 256),
    "Display P3": ((0.51512, 0.24120, -0.00105), (0.29198, 0.69225, 0.04189), (0.15710, 0.06657, 0.78407), 563 / 256),
    "ProPhoto": ((0.79767, 0.28804, 0.0), (0.13519, 0.71188, 0.0), (0.03134, 0.00009, 0.82491), 461 / 256),
}


def srgb_curve(linear: np.ndarray) -> np.ndarray:
    low = np.clip(linear, 0, 1)
    return np.where(low <= 0.0031308, 12.92 * low, 1.055 * low ** (1 / 2.4) - 0.055) * 255


def from_profile(name: str, colours: np.ndarray) -> np.ndarray:
    *primaries, gamma = PRIMARIES[name]
    connection = (colours / 255) ** gamma @ np.array(primaries)
    return np.rint(srgb_curve(connection @ np.linalg.inv(SRGB_D50).T)).astype(np.uint8)


def as_ink(colours: np.ndarray) -> np.ndarray:
    """(h, w, 4) uint8 of ink, black taken out: cyan, magenta, yellow, black."""
    black = 255 - colours.max(axis=2)
    rest = (255 - colours.astype(float) - black[..., None]) / np.maximum(255.0 - black, 1)[..., None] * 255
    return np.dstack([np.rint(rest).astype(np.uint8), black])


def jpeg_of_four(planes: np.ndarray, *, adobe: int | None) -> bytes:
    """A JPEG that stores four planes as they are, with the Adobe marker of that transform or without."""
    image = Image.merge("CMYK", [Image.fromarray(255 - planes[..., i]) for i in range(4)])  # Pillow inverts them
    data = encoded(image, "JPEG", quality=98, subsampling=0)
    at = data.index(b"\xff\xee")
    length = 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    marker = data[at : at + length - 1] + bytes([adobe or 0])
    return data[:at] + (b"" if adobe is None else marker) + data[at + length :]


def ycc(rgb: np.ndarray) -> np.ndarray:
    """JFIF's YCbCr."""
    r, g, b = np.moveaxis(rgb.astype(float), 2, 0)
    y = 0.299 * r + 0.587 * g + 0.114 * b
    planes = np.dstack([y, 128 + (b - y) / 1.772, 128 + (r - y) / 1.402])
    return np.clip(np.rint(planes), 0, 255).astype(np.uint8)


def pillow(image: np.ndarray, format_: str, **options: Any) -> bytes:
    return encoded(Image.fromarray(image), format_, **options)


def heif(image: np.ndarray, mode: str = "RGB") -> bytes:
    import pillow_heif

    buffer = io.BytesIO()
    pillow_heif.from_bytes(mode, image.shape[1::-1], image.tobytes()).save(buffer, quality=95, chroma=444)
    return buffer.getvalue()


def lab_grey(values: np.ndarray) -> np.ndarray:
    """What CIE L* of 0..100 in 8 bits is in sRGB, without colour."""
    light = values / 255 * 100
    linear = np.where(light > 8, ((light + 16) / 116) ** 3, light / 903.3)
    return grey(srgb_curve(linear))


def pillow_gif(places: np.ndarray, palette: np.ndarray) -> bytes:
    image = Image.fromarray(places)
    image.putpalette(palette.tobytes())
    return encoded(image, "GIF", interlace=1)
