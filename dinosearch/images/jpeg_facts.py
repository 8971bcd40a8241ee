"""What the header of a JPEG file says, for those who leave its pixels to another decoder; it decodes nothing."""

from __future__ import annotations

import io

from PIL.JpegImagePlugin import JpegImageFile

from dinosearch.images.decoding import is_too_short, quiet
from dinosearch.images.exif import camera, is_sideways, read_exif, taken
from dinosearch.images.finding.sniff import HEAD, kind
from dinosearch.records import ImageInfo


def describe(data: bytes) -> ImageInfo | None:
    """The same facts that `decode` gives with the pixels.

    Args:
        data: the encoded image, of any kind.

    Returns:
        Size, time and camera; None for every other format, where they may stand behind the pixels, and for a damaged
        header, of which `decode` says what is wrong.
    """
    if kind(data[:HEAD]) != "JPEG":
        return None
    try:
        with quiet(), JpegImageFile(io.BytesIO(data)) as image:
            if is_too_short(data, *image.size):
                return None
            exif = read_exif(image)
            width, height = image.size[::-1] if is_sideways(exif) else image.size
    except Exception:  # a plugin fed with a damaged file may raise anything
        return None
    return ImageInfo(width, height, "JPEG", taken(exif), camera(exif))
