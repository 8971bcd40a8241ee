"""Numbers as people write them, read and shown: 1e9, 1G, 256GB, 1.5 TB."""

from __future__ import annotations

import math
import re

_SI = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}
_NUMBER = re.compile(r"(\d[\d,_]*\.?\d*(?:e[+-]?\d+)?)\s*(?:([kmgt])(i?)b?|(b?))", re.IGNORECASE | re.ASCII)
LEAST, MOST = 1_000, 100_000_000_000
"""Images that a plan is made for."""


def number_of(text: str) -> float:
    """A number such as `1e9`, `1G`, `1_000_000_000`, `1,000`, `0.5`, `256GB` or `64GiB`.

    Raises:
        ValueError: it is no such number, or not finite.
    """
    found = _NUMBER.fullmatch(text.strip())
    value = math.inf
    if found:
        scale = _SI[(found[2] or "").lower()]
        if found[3]:
            scale = 1024 ** ("kmgt".index(found[2].lower()) + 1)
        value = float(found[1].replace(",", "").replace("_", "")) * scale
    if not math.isfinite(value):
        raise ValueError(f"{text!r} is no number; write it as 1e9, 1G, 1000000000 or, for bytes, 256GB")
    return value


def images_of(text: str) -> int:
    """A number of images that can be planned for.

    Raises:
        ValueError: it is no whole number from `LEAST` to `MOST`.
    """
    value = number_of(text)
    if value != int(value) or not LEAST <= value <= MOST:
        raise ValueError(f"{text!r} is no whole number of images from 1e3 to 1e11; write for example 2e6 or 1G")
    return int(value)


def plain(value: float) -> str:
    """A number for a line of arithmetic: exact where it is short, else with four digits."""
    if value == int(value) and abs(value) < 10**7:
        return f"{int(value):,}"
    return f"{value:.4g}".replace("e+0", "e").replace("e+", "e").replace("e-0", "e-")


def shown(value: float, unit: str) -> str:
    """A value with its unit, as a person reads it."""
    if unit == "B":
        return size(value)
    if unit == "h" and 0 < value < 1:
        return shown(60 * value, "min") if value >= 1 / 60 else shown(3600 * value, "s")
    if unit == "machines":
        return f"{value:,.0f}"
    if value == int(value):
        return f"{value:,.0f} {unit}".rstrip()
    if abs(value) < 10:
        return f"{value:.3g} {unit}".rstrip()
    return f"{value:,.1f} {unit}".rstrip() if abs(value) < 100 else f"{value:,.0f} {unit}".rstrip()


def size(count: float) -> str:
    """Bytes, in powers of 1,000."""
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if count < 1000:
            return f"{count:.0f} B" if unit == "B" else f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:,.3g} PB"
