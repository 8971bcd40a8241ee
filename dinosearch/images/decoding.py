"""Decode the bytes of one image into upright sRGB pixels; it neither reads files nor resizes.

Formats are told by content and each is given to its own Pillow plugin, so that none of Pillow's other decoders is ever
reached; this also leaves Pillow's global pixel limit to the host program. The limit here is an argument.
"""

from __future__ import annotations

import contextlib
import io
import threading
import warnings
from collections.abc import Callable, Iterator

from PIL import Image, UnidentifiedImageError
from PIL.AvifImagePlugin import AvifImageFile
from PIL.BmpImagePlugin import BmpImageFile
from PIL.GifImagePlugin import GifImageFile
from PIL.ImageFile import ImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.TiffImagePlugin import TiffImageFile
from PIL.WebPImagePlugin import WebPImageFile
from pillow_heif import HeifImageFile

from dinosearch.errors import ImageUnreadableError
from dinosearch.images.colour import to_rgb
from dinosearch.images.exif import camera, is_sideways, read_exif, taken, transposition
from dinosearch.images.finding.sniff import HEAD, ImageKind, kind
from dinosearch.images.limits import MAX_PIXELS, RESERVED
from dinosearch.records import ImageInfo

Reserve = Callable[[int], None]
"""Asked before an image is decoded that takes more than `RESERVED` bytes, with their number; it may wait."""
# Bytes a pixel beside the encoded ones, somewhat above the most that was measured over modes of 16 and 100 megapixels,
# turned by EXIF: WebP with opacity 21.4, AVIF 17.8, HEIF 14.0, PNG with opacity 12.2, float TIFF 11.0, CMYK JPEG 8.6.
# A progressive JPEG is besides kept as 2 bytes for each of its coefficients, as many as it has samples, whatever
# scale is asked for.
_BYTES_A_PIXEL: dict[ImageKind, int] = {"JPEG": 12, "WEBP": 26, "AVIF": 22, "HEIF": 22}
_OTHERS_BYTES_A_PIXEL, _BYTES_OF_COEFFICIENTS = 16, 6
_GIANT = 64_000_000  # pixels from which an image is shrunk while its colours are converted, not after
_ARITHMETIC = (b"\xff\xc9", b"\xff\xca")  # markers of JPEG frames (ITU-T T.81, table B.1)

# The allow-list of decoders. Multi-picture JPEG (MPO) is read as the plain JPEG that it starts with.
_DECODERS: dict[ImageKind, Callable[[io.BytesIO], ImageFile]] = {
    "JPEG": JpegImageFile,
    "PNG": PngImageFile,
    "WEBP": WebPImageFile,
    "GIF": GifImageFile,
    "TIFF": TiffImageFile,
    "BMP": BmpImageFile,
    "HEIF": HeifImageFile,
    "AVIF": AvifImageFile,
}


def decode(
    data: bytes,
    name: str,
    *,
    max_pixels: int = MAX_PIXELS,
    hint: int | None = None,
    reserve: Reserve | None = None,
) -> tuple[Image.Image, ImageInfo]:
    """Decode the first frame of an image.

    EXIF orientation is applied, an embedded ICC profile is converted to sRGB, transparency lies over white, and more
    than 8 bits are scaled down instead of clipped.

    Args:
        data: the encoded image.
        name: what to call it in errors, such as its path.
        max_pixels: larger images are refused before they are decoded.
        hint: the shortest side in pixels that is of use; JPEG may then be decoded at a reduced scale whose shorter side
            is at least twice that (2.9 times faster at 12 megapixels, PSNR of the 224-pixel result 52 dB and more:
            measured with libjpeg-turbo 3.2), and anything from 64 megapixels on shrunk to at least four times that.
        reserve: asked for the memory of a large image before it is decoded.

    Returns:
        image: upright, mode RGB.
        info: of the original, its size before any reduced scale.

    Raises:
        ImageUnreadableError: no image, a damaged one, or one over the limit; `reason` says which.
    """
    format_ = kind(data[:HEAD])
    if format_ is None:
        raise ImageUnreadableError(name, _not_an_image(data))
    try:
        with quiet():
            return _decode(data, name, format_, max_pixels, hint, reserve)
    except ImageUnreadableError:
        raise
    except MemoryError:
        raise ImageUnreadableError(name, "not enough memory to decode it") from None
    except Exception as error:
        raise ImageUnreadableError(name, _clause(error, format_)) from error


def formats() -> tuple[str, ...]:
    """Names of the formats that this installation decodes."""
    return tuple(_DECODERS)


def _decode(
    data: bytes, name: str, format_: ImageKind, max_pixels: int, hint: int | None, reserve: Reserve | None
) -> tuple[Image.Image, ImageInfo]:
    with _DECODERS[format_](io.BytesIO(data)) as image:
        width, height = image.size
        if width < 1 or height < 1:
            raise ImageUnreadableError(name, f"an image of {width} x {height} pixels")
        if width * height > max_pixels:
            reason = f"{_pixels(width * height)}, the limit is {_pixels(max_pixels)}"
            raise ImageUnreadableError(name, reason)
        if format_ == "JPEG" and is_too_short(data, width, height):
            raise ImageUnreadableError(name, "truncated JPEG")
        if format_ == "JPEG" and hint is not None:
            image.draft(None, (2 * hint, 2 * hint))
        needed = _bytes_needed(image, format_, width * height)
        if reserve is not None and needed > RESERVED:
            reserve(needed)
        image.load()
        # After loading: PNG may carry EXIF behind the pixels; the TIFF and HEIF plugins turn the picture themselves.
        exif = read_exif(image)
        rgb = to_rgb(image, _shrinking(image, hint))
        turn = transposition(exif)
        if turn is not None:
            rgb = rgb.transpose(turn)
            rgb.info = {}  # it still says how the file has to be turned
        # Some plugins turn the picture themselves; a reduced scale says nothing, as nearly equal sides may be equal.
        turned = is_sideways(exif) != (format_ != "JPEG" and image.size != (width, height))
        if turned:
            width, height = height, width
        return rgb, ImageInfo(width, height, format_, taken(exif), camera(exif))


def is_too_short(data: bytes, width: int, height: int) -> bool:
    """Whether a JPEG has less than a bit for each block of its first scan, which Huffman codes cannot do.

    A kilobyte may claim 400 megapixels, and would get gigabytes of coefficients before its end is met.
    """
    return 8 * len(data) < (width // 8) * (height // 8) and not any(marker in data for marker in _ARITHMETIC)


def _shrinking(image: ImageFile, hint: int | None) -> int:
    """By what a giant may be divided each way: its shorter side stays at least four times what is of use."""
    if hint is None or image.width * image.height < _GIANT:
        return 1
    return max(1, min(image.size) // (4 * hint))


def _bytes_needed(image: ImageFile, format_: ImageKind, pixels: int) -> int:
    """Memory at the peak of decoding, about; the image may be set to a reduced scale of its `pixels`."""
    loaded = image.width * image.height * _BYTES_A_PIXEL.get(format_, _OTHERS_BYTES_A_PIXEL)
    return loaded + pixels * _BYTES_OF_COEFFICIENTS * (format_ == "JPEG" and "progressive" in image.info)


def _not_an_image(data: bytes) -> str:
    return "not an image" if data else "an empty file"


def _pixels(count: int) -> str:
    return f"{count / 1e9:.1f} gigapixels" if count >= 1e9 else f"{count / 1e6:.0f} megapixels"


def _clause(error: Exception, format_: str) -> str:
    """One short clause for what a plugin complained about."""
    text = " ".join(str(error).split())
    if isinstance(error, Image.DecompressionBombError):
        return f"over the limit of pixels ({text[:120]})"
    if "truncated" in text.lower() or isinstance(error, EOFError):
        return f"truncated {format_}"
    if not text or isinstance(error, (UnidentifiedImageError, RecursionError, KeyError, IndexError, AttributeError)):
        return f"damaged {format_}"
    return f"damaged {format_} ({text[:120]})"


_quiet_lock = threading.Lock()
_quiet_users = 0
_quiet_scope: contextlib.ExitStack | None = None


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Silence the plugins' warnings: a file is decoded or reported, never half of both.

    `warnings.catch_warnings` alone would leave its filter behind for ever when threads overlap: the first thread in
    puts the filter up and the last one out takes it down.
    """
    global _quiet_users, _quiet_scope
    with _quiet_lock:
        if _quiet_users == 0:
            _quiet_scope = contextlib.ExitStack()
            _quiet_scope.enter_context(warnings.catch_warnings())
            warnings.filterwarnings("ignore", module=r"(PIL|pillow_heif|dinosearch\.images)\b")
        _quiet_users += 1
    try:
        yield
    finally:
        with _quiet_lock:
            _quiet_users -= 1
            if _quiet_users == 0 and _quiet_scope is not None:
                _quiet_scope.close()
                _quiet_scope = None
