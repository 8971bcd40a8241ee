"""Small copies of images and short copies of their names for display; nothing here is written to disk."""

from __future__ import annotations

from collections.abc import Callable

from PIL import Image

from dinosearch.images.finding.tar import is_member, split_member


def thumbnail(image: Image.Image, side: int) -> Image.Image:
    """A copy whose longer side is at most `side` pixels, aspect kept; never enlarged."""
    scale = min(1.0, side / max(image.size))
    width, height = (max(1, round(length * scale)) for length in image.size)
    return image.resize((width, height), Image.Resampling.LANCZOS)


def display_name(path: str) -> str:
    """The last part of a path or of a tar member, printable: undecodable bytes become replacement characters."""
    name = split_member(path)[1] if is_member(path) else path
    return printable(name.replace("\\", "/").rstrip("/").rsplit("/", 1)[-1])


def printable(text: str) -> str:
    """The text without undecodable bytes and control characters."""
    decoded = text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    return "".join(c if c.isprintable() else " " for c in decoded)


def shorten(text: str, fits: Callable[[str], bool]) -> str:
    """Cut the middle out until the text fits, so that both its start and its suffix stay."""
    if fits(text):
        return text
    for kept in range(len(text) - 1, 1, -1):
        candidate = text[: kept - kept // 2] + "..." + text[len(text) - kept // 2 :]
        if fits(candidate):
            return candidate
    return text[:1]
