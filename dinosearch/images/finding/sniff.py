"""Tell an image format by the first bytes of its content; file names play no part, and nothing is decoded here."""

from __future__ import annotations

from typing import Literal

ImageKind = Literal["JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP", "HEIF", "AVIF"]

#: Bytes that `kind` wants to see; fewer are fine for short files.
HEAD = 64

# Signatures at offset 0; the containers (RIFF, BMP, ISO base media) need a second look below.
_SIGNATURES: tuple[tuple[bytes, ImageKind], ...] = (
    (b"\xff\xd8\xff", "JPEG"),
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"GIF87a", "GIF"),
    (b"GIF89a", "GIF"),
    (b"II*\0", "TIFF"),
    (b"MM\0*", "TIFF"),
    (b"II+\0", "TIFF"),  # BigTIFF
    (b"MM\0+", "TIFF"),
)
# "BM" alone also starts text files, so that the length of the second header has to be one that exists.
_BMP_HEADERS = frozenset({12, 16, 40, 52, 56, 64, 108, 124})
_AVIF_BRANDS = frozenset({b"avif", b"avis"})
_HEIF_BRANDS = frozenset(
    {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"mif2", b"msf1"}
)


def kind(head: bytes) -> ImageKind | None:
    """Name the image format of a file that starts with `head`.

    Args:
        head: the first bytes of the content, `HEAD` of them where there are as many.

    Returns:
        The format, or None for anything that dinosearch does not read.
    """
    for signature, name in _SIGNATURES:
        if head.startswith(signature):
            return name
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        return "WEBP"
    if head.startswith(b"BM") and int.from_bytes(head[14:18], "little") in _BMP_HEADERS:
        return "BMP"
    if head[4:8] == b"ftyp":
        return _iso_media(head)
    return None


def _iso_media(head: bytes) -> ImageKind | None:
    """Read the brands of the `ftyp` box: major brand, minor version, then the compatible brands (ISO/IEC 14496-12)."""
    end = min(int.from_bytes(head[:4], "big"), len(head))
    brands = {head[8:12]} | {head[at : at + 4] for at in range(16, end - 3, 4)}
    if brands & _AVIF_BRANDS:
        return "AVIF"
    return "HEIF" if brands & _HEIF_BRANDS else None
