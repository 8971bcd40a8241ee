"""Read the values of a filter: text, formats, numbers, sizes, dates.

It knows one word at a time; which word stands where is the business of `parse`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date, datetime, timedelta
from fractions import Fraction

from dinosearch.store.filters.fields import FORMAT_ALIASES, FORMATS, Kind
from dinosearch.store.filters.syntax import Span, Value
from dinosearch.store.times import to_microseconds

_NUMBER = re.compile(r"([+-]?[0-9]+(?:\.[0-9]+)?)([A-Za-z]*)")
_TIME = re.compile(
    r"(\d{4})(?:-(\d\d)(?:-(\d\d)(?:[T ](\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,6}))?)?(Z|[+-]\d\d:?\d\d)?)?)?)?",
    re.ASCII | re.IGNORECASE,
)
_UNITS = {"": 1, "B": 1}
_UNITS.update({f"{prefix}B": 1000**power for power, prefix in enumerate("KMGT", start=1)})
_UNITS.update({f"{prefix}IB": 1024**power for power, prefix in enumerate("KMGT", start=1)})
# Numbers this large stay exact as a float, and no image comes near.
_LARGEST = 10**15
_MINUTE, _DAY = 60_000_000, 86_400_000_000


def read_value(kind: Kind, text: str) -> Value:
    """The value that `text` means for a field of this kind.

    Raises:
        ValueError: it means none; the sentence says what is wanted.
    """
    return _READERS[kind](text)


def _text(text: str) -> str:
    return text


def _format(text: str) -> str:
    name = FORMAT_ALIASES.get(text.upper(), text.upper())
    if name not in FORMATS:
        raise ValueError(f"{text!r} is not a format; the formats are {', '.join(FORMATS)}")
    return name


def _number(text: str) -> int | float:
    found = _NUMBER.fullmatch(text)
    if not found or found[2]:
        raise ValueError(f"{text!r} is not a number; write one such as 1920 or 0.5")
    return _exact(Fraction(found[1]), text)


def _size(text: str) -> int | float:
    found = _NUMBER.fullmatch(text)
    if not found or found[2].upper() not in _UNITS:
        raise ValueError(f"{text!r} is not a size; write one such as 500000, 500kB or 2.5MiB")
    return _exact(Fraction(found[1]) * _UNITS[found[2].upper()], text)


def _exact(number: Fraction, text: str) -> int | float:
    if abs(number) >= _LARGEST:
        raise ValueError(f"{text!r} is too large; numbers go up to 10^15")
    return int(number) if number.denominator == 1 else float(number)


def _time(text: str) -> Span:
    span, zone = _span(text)
    if zone:
        raise ValueError(f"{text!r} has a zone, but cameras note none; leave out {zone!r}")
    return span


def _moment(text: str) -> Span:
    span, zone = _span(text)
    if not zone or zone in "Zz":
        return span
    shift = (int(zone[1:3]) * 60 + int(zone[-2:])) * (-_MINUTE if zone[0] == "-" else _MINUTE)
    return Span(span.start - shift, span.end - shift)


def _span(text: str) -> tuple[Span, str]:
    """The stretch of time and the zone."""
    found = _TIME.fullmatch(text)
    try:
        if not found:
            raise ValueError
        year, month, day, hour, minute, second = (None if part is None else int(part) for part in found.groups()[:6])
        if year is None:
            raise ValueError
        first = date(year, month or 1, day or 1)
        if hour is None or minute is None:
            last = first if day else _last_day(year, month or 12)
            return Span(_midnight(first), _midnight(last) + _DAY), ""
        fraction = found[7] or ""
        start = datetime(year, first.month, first.day, hour, minute, second or 0, int(fraction.ljust(6, "0")))
        length = 10 ** (6 - len(fraction)) if second is not None else _MINUTE
    except ValueError:
        raise ValueError(
            f"{text!r} is not a date; write one such as 2020, 2020-05, 2020-05-31 or 2020-05-31T18:30"
        ) from None
    return Span(to_microseconds(start), to_microseconds(start) + length), found[8] or ""


def _last_day(year: int, month: int) -> date:
    return date(year, 12, 31) if month == 12 else date(year, month + 1, 1) - timedelta(days=1)


def _midnight(day: date) -> int:
    return to_microseconds(datetime(day.year, day.month, day.day))


_READERS: dict[Kind, Callable[[str], Value]] = {
    "path": _text,
    "text": _text,
    "format": _format,
    "number": _number,
    "size": _size,
    "time": _time,
    "moment": _moment,
}
