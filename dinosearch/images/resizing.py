"""Bring an image to the size that a model takes; it neither normalises values nor reads files."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
from PIL import Image

from dinosearch.images.colour import to_rgb
from dinosearch.images.decoding import Reserve, decode
from dinosearch.images.exif import camera, read_exif, taken, transposition
from dinosearch.records import ImageInfo, PreparedImage, Preprocessing

#: ImageNet's mean colour, (0.485, 0.456, 0.406) in 8 bits: padding that a normalised model sees as zero.
MEAN_COLOUR = (124, 116, 104)
_CROP_RATIO = 256 / 224


def prepare(
    data: bytes, name: str, preprocessing: Preprocessing, patch: int = 14, reserve: Reserve | None = None
) -> PreparedImage:
    """Decode and resize one encoded image.

    Args:
        data: the encoded image.
        name: what to call it in errors, such as its path.
        preprocessing: mode and size of the result.
        patch: sides that `fit` pads become multiples of this.
        reserve: as for `decode`.

    Raises:
        ImageUnreadableError: it cannot be decoded.
    """
    image, info = decode(data, name, hint=_useful_side(preprocessing), reserve=reserve)
    return PreparedImage(resize(image, preprocessing, patch), info, hashlib.sha256(data).hexdigest())


def prepare_pixels(
    image: Image.Image | np.ndarray | Any, preprocessing: Preprocessing, patch: int = 14
) -> PreparedImage:
    """Resize an image that is in memory.

    Args:
        image: a Pillow image (its EXIF orientation and profile are applied), or an array (h, w), (h, w, 3) or (h, w, 4)
            of uint8 or of floats in 0..1.
        preprocessing: mode and size of the result.
        patch: sides that `fit` pads become multiples of this.

    Returns:
        The image with the sha256 of its pixels and their shape, as it has no encoded bytes.

    Raises:
        TypeError: neither a Pillow image nor an array, or an array of another type of number.
        ValueError: an array of another shape, without pixels, or with floats outside 0..1.
    """
    rgb, info = upright(image)
    return PreparedImage(resize(rgb, preprocessing, patch), info, _digest(rgb))


def pixels_sha256(image: Image.Image | np.ndarray | Any) -> str:
    """Hex digest of an image in memory, as `prepare_pixels` gives it; arguments and errors are the same."""
    return _digest(upright(image)[0])


def upright(image: Image.Image | np.ndarray | Any) -> tuple[Image.Image, ImageInfo]:
    """The image as upright RGB; arguments and errors as `prepare_pixels`."""
    if isinstance(image, Image.Image):
        if 0 in image.size:
            raise ValueError(f"an image of {image.width} x {image.height} has no pixels")
        exif = read_exif(image)
        rgb, turn = to_rgb(image), transposition(exif)
        if turn is not None:
            rgb = rgb.transpose(turn)
            rgb.info = {}  # it still says how the original has to be turned
        return rgb, ImageInfo(rgb.width, rgb.height, image.format or "MEMORY", taken(exif), camera(exif))
    if isinstance(image, np.ndarray):
        rgb = to_rgb(_from_array(image))
        return rgb, ImageInfo(rgb.width, rgb.height, "MEMORY")
    raise TypeError(f"an image is a path, bytes, a PIL image or a numpy array, not {type(image).__name__}")


def resize(image: Image.Image, preprocessing: Preprocessing, patch: int = 14) -> np.ndarray:
    """Resize an upright RGB image with Pillow's antialiased bicubic filter.

    Returns:
        (h, w, 3) uint8; size x size for `squash` and `crop`, the longer side at least `size` for `fit`.
    """
    size = preprocessing.size
    if preprocessing.mode == "squash":
        resized = image.resize((size, size), Image.Resampling.BICUBIC)
    elif preprocessing.mode == "crop":
        resized = image.resize((size, size), Image.Resampling.BICUBIC, box=_centre_box(image, size))
    else:
        resized = _fit(image, size, patch)
    return np.array(resized)


def stretch(image: Image.Image, width: int, height: int) -> np.ndarray:
    """(height, width, 3) uint8 of an upright RGB image, resized with the same filter to exactly that size."""
    return np.array(image.resize((width, height), Image.Resampling.BICUBIC))


def _useful_side(preprocessing: Preprocessing) -> int:
    return round(preprocessing.size * _CROP_RATIO) if preprocessing.mode == "crop" else preprocessing.size


def _centre_box(image: Image.Image, size: int) -> tuple[float, float, float, float]:
    """The part of the image that remains when its shorter side is resized to size * 256 / 224 and the centre is cut.

    Resizing the part alone gives the same pixels (Pillow's filter looks beyond the box; 8-bit rounding between its two
    passes may differ) without ever making the whole resized image, huge for a picture of 1 x 30000 pixels.
    """
    short = min(image.size)
    target = round(size * _CROP_RATIO)
    edges: list[tuple[float, float]] = []
    for side in image.size:
        resized = target if side == short else int(target * side / short)
        start = round((resized - size) / 2)
        edges.append((start * side / resized, (start + size) * side / resized))
    (left, right), (top, bottom) = edges
    return left, top, right, bottom


def _fit(image: Image.Image, size: int, patch: int) -> Image.Image:
    scale = size / max(image.size)
    width, height = (max(1, round(side * scale)) for side in image.size)
    canvas = Image.new("RGB", tuple(-(-side // patch) * patch for side in (width, height)), MEAN_COLOUR)  # type: ignore[arg-type]
    resized = image.resize((width, height), Image.Resampling.BICUBIC)
    canvas.paste(resized, ((canvas.width - width) // 2, (canvas.height - height) // 2))
    return canvas


def _from_array(array: np.ndarray) -> Image.Image:
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] not in (3, 4)) or 0 in array.shape:
        raise ValueError(f"an image array has the shape (h, w), (h, w, 3) or (h, w, 4), not {array.shape}")
    if array.dtype.kind == "f":
        if not (np.isfinite(array).all() and array.min() >= 0 and array.max() <= 1):
            raise ValueError("an image array of floats holds values in 0..1; divide by 255, or pass uint8")
        array = np.rint(array * 255).astype(np.uint8)
    if array.dtype != np.uint8:
        raise TypeError(f"an image array holds uint8 or floats in 0..1, not {array.dtype}")
    return Image.fromarray(np.ascontiguousarray(array))


def _digest(rgb: Image.Image) -> str:
    return hashlib.sha256(f"{rgb.width}x{rgb.height}:".encode() + rgb.tobytes()).hexdigest()
