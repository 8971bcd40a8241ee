"""Read orientation, time and camera from EXIF; whatever is broken or absurd counts as absent."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from PIL import Image

_ORIENTATION, _MAKE, _MODEL, _DATE_TIME = 0x0112, 0x010F, 0x0110, 0x0132
_EXIF_IFD, _DATE_TIME_ORIGINAL = 0x8769, 0x9003
_FIRST_YEAR, _LAST_YEAR = 1900, 2099  # outside of them a clock was wrong

# What makes the stored picture upright, by the value of the orientation tag (CIPA DC-008 (EXIF), section 4.6.4).
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def read_exif(image: Image.Image) -> dict[int, Any]:
    """All tags of the main and the EXIF directory in one dictionary; empty where there are none or they are damaged."""
    tags: dict[int, Any] = {}
    try:
        exif = image.getexif()
        tags.update(exif)
        tags.update(exif.get_ifd(_EXIF_IFD))
    except Exception:
        pass
    return tags


def transposition(exif: Mapping[int, Any]) -> Image.Transpose | None:
    """The transposition that makes the picture upright; None when it is upright or the tag makes no sense."""
    value = exif.get(_ORIENTATION)
    return _UPRIGHT.get(value) if isinstance(value, int) else None


def is_sideways(exif: Mapping[int, Any]) -> bool:
    """Whether making the picture upright exchanges width and height."""
    value = exif.get(_ORIENTATION)
    return isinstance(value, int) and 5 <= value <= 8


def taken(exif: Mapping[int, Any]) -> datetime | None:
    """When the photograph was taken, in the camera's local time without zone."""
    for tag in (_DATE_TIME_ORIGINAL, _DATE_TIME):
        text = _text(exif.get(tag))
        try:
            time = datetime.strptime(text[:19], "%Y:%m:%d %H:%M:%S")
        except ValueError:
            continue
        if _FIRST_YEAR <= time.year <= _LAST_YEAR:
            return time
    return None


def camera(exif: Mapping[int, Any]) -> str | None:
    """Make and model, such as `Canon EOS 80D`; the make is not said twice."""
    make, model = _text(exif.get(_MAKE)), _text(exif.get(_MODEL))
    if make and model.lower().startswith(make.split()[0].lower()):
        make = ""
    return f"{make} {model}".strip()[:200] or None


def _text(value: object) -> str:
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    if not isinstance(value, str):
        return ""
    return " ".join("".join(c if c.isprintable() else " " for c in value.split("\0")[0]).split())
