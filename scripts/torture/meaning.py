"""What a filter means, as docs/filters.md says it, in plain Python over records: the oracle, which shares no code.

A test is a function of a record; records are the dictionaries of `Collection.files`.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import cache
from typing import Any

Test = Callable[[dict[str, Any]], bool]
COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq, "!=": operator.ne, "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
}  # fmt: skip


def value_of(field: str, record: dict[str, Any]) -> Any:
    """What a field of a record is; None where it is missing."""
    path = str(record["path"])
    cut = max(path.rfind("/") + 1, path.rfind("::") + 2 if "::" in path else 0)
    if field == "name":
        return path[cut:]
    if field == "folder":
        folder = path[:cut]
        return folder[:-2] if folder.endswith("::") else folder[:-1] or "/"
    if field == "megapixels":
        return record["width"] * record["height"] / 1_000_000
    if field == "aspect":
        return record["width"] / record["height"]
    value = record.get({"confidence": "label_confidence"}.get(field, field))
    if value is None:
        return None
    if field in ("taken", "modified", "added"):
        return datetime.fromisoformat(value.replace("Z", "+00:00")).replace(tzinfo=None)
    return value.casefold() if field in ("camera", "label") else value


def compared(field: str, sign: str, value: Any) -> Test:
    """`field sign value`; false where the field is missing."""

    def test(record: dict[str, Any]) -> bool:
        actual = value_of(field, record)
        return actual is not None and COMPARE[sign](actual, value)

    return test


def timed(field: str, sign: str, start: datetime, end: datetime) -> Test:
    """The same for a date, which stands for the whole of its time."""

    def test(record: dict[str, Any]) -> bool:
        actual = value_of(field, record)
        if actual is None:
            return False
        inside = start <= actual < end
        by_sign = {"=": inside, "!=": not inside, "<": actual < start, "<=": actual < end, ">": actual >= end}
        return by_sign.get(sign, actual >= start)

    return test


def span(date: str) -> tuple[datetime, datetime]:
    """Start and end of what is written as 2020, 2020-05, 2020-05-31, 2020-05-31T18:30 or 2020-05-31T18:30:15."""
    day, _, clock = date.replace(" ", "T").partition("T")
    parts = [int(part) for part in day.split("-")]
    start = datetime(parts[0], parts[1] if len(parts) > 1 else 1, parts[2] if len(parts) > 2 else 1)
    if clock:
        hour, minute, *second = (int(part) for part in clock.split(":"))
        start = start.replace(hour=hour, minute=minute, second=second[0] if second else 0)
        return start, start + timedelta(seconds=1 if second else 60)
    if len(parts) == 3:
        return start, start + timedelta(days=1)
    if len(parts) == 2 and parts[1] < 12:
        return start, datetime(parts[0], parts[1] + 1, 1)
    return start, datetime(parts[0] + 1, 1, 1) if parts[0] < 9999 else datetime.max


def globbed(field: str, pattern: str) -> Test:
    """`field ~ pattern`: the pattern matches the whole value."""
    if field in ("camera", "label"):
        tokens = _tokens(pattern.casefold(), deep=False)
        return lambda record: (value := value_of(field, record)) is not None and _fits(tokens, value, True)
    tokens = _tokens(pattern + "**" if pattern.endswith("/") else pattern, deep=True)

    def test(record: dict[str, Any]) -> bool:
        value = str(value_of(field, record))
        if pattern.startswith("/"):
            return _fits(tokens, value, False)
        # Any other pattern may begin at any folder of the path, and behind the `::` of an archive.
        begins = {0} | {at + 1 for at, c in enumerate(value) if c == "/"}
        begins |= {at + 2 for at in range(len(value) - 1) if value[at : at + 2] == "::"}
        return any(_fits(tokens, value[begin:], False) for begin in begins)

    return test


Token = tuple[str, str]  # what it is: one character, "*", "?", a class, "folders" or "below"; and its text


@cache
def _tokens(pattern: str, deep: bool) -> tuple[Token, ...]:
    found: list[Token] = []
    at = 0
    while at < len(pattern):
        before = pattern[:at]
        starts = not before or before.endswith(("/", "::"))
        if deep and starts and pattern.startswith("**/", at):
            found.append(("folders", ""))
            at += 3
        elif deep and starts and pattern[at:] == "**":
            found.append(("below", ""))
            at += 2
        elif pattern[at] in "*?":
            found.append((pattern[at], ""))
            at += 1
        elif pattern[at] == "[":
            end = pattern.index("]", at + 2 + (pattern[at + 1] == "!"))
            found.append(("class", pattern[at + 1 : end]))
            at = end + 1
        else:
            found.append(("one", pattern[at]))
            at += 1
    return tuple(found)


def _fits(tokens: tuple[Token, ...], value: str, slash: bool) -> bool:
    """Whether the tokens match all of the value: the set of places reached, token by token."""
    places = {0}
    for kind, text in tokens:
        reached: set[int] = set()
        for place in places:
            if kind == "folders":  # any number of folders, none included
                reached |= {place} | {end + 1 for end in range(place, len(value)) if value[end] == "/"}
            elif kind == "below":
                reached |= {len(value)} if place < len(value) else set()
            elif kind == "*":
                end = place
                while end < len(value) and (slash or value[end] != "/"):
                    end += 1
                reached |= set(range(place, end + 1))
            elif place < len(value) and _is(kind, text, value[place], slash):
                reached.add(place + 1)
        places = reached
    return len(value) in places


def _is(kind: str, text: str, character: str, slash: bool) -> bool:
    if kind == "one":
        return character == text
    if character == "/" and not slash:
        return False
    if kind == "?":
        return True
    negated, at, inside = text.startswith("!"), int(text.startswith("!")), False
    while at < len(text):
        if at + 2 < len(text) and text[at + 1] == "-":
            inside |= text[at] <= character <= text[at + 2]
            at += 3
        else:
            inside |= character == text[at]
            at += 1
    return inside != negated
