"""Glob patterns: their one translation into a regular expression, used by the database and in Python alike.

It reads no files. Semantics for paths: `*` and `?` stay inside a component, `[a-z]` and `[!a-z]` are one character,
`**` as a whole component is any number of components (at the end: at least one), a pattern that ends in `/` means all
below it. A pattern that begins with `/` begins at the root, any other begins at any component, or behind the `::` of an
archive; a `::` in the pattern is one in the path, and parts the pattern into two. In other text `*` and `?` match every
character.
"""

from __future__ import annotations

import os
import re
from functools import lru_cache

# Longer patterns are no help to anybody, and bound the work of matching.
MAX_PATTERN = 1000
_WILDCARD = re.compile(r"[*?\[]")


@lru_cache(maxsize=256)
def path_pattern(pattern: str) -> re.Pattern[str]:
    """The expression whose `fullmatch` with `/`-separated paths means that the path matches.

    Raises:
        ValueError: a bracket is never closed, a range runs backwards, or the pattern is too long.
    """
    _check_length(pattern)
    return re.compile(path_expression(pattern, Translator("[^/]")), re.DOTALL)


@lru_cache(maxsize=256)
def text_pattern(pattern: str) -> re.Pattern[str]:
    """The expression whose `fullmatch` with text folded by `str.casefold` means that the text matches.

    Raises:
        ValueError: as for `path_pattern`.
    """
    _check_length(pattern)
    return re.compile(Translator(".").component(pattern.casefold()), re.DOTALL)


def path_expression(pattern: str, translator: Translator) -> str:
    """The text of the expression for paths, in the words of a translator."""
    pattern = "/**" if pattern == "/" else with_slashes(pattern)
    anchored = pattern.startswith("/")
    archive, *member = (translator.path(part) for part in pattern[1 if anchored else 0 :].split("::"))
    start = "/" if anchored else "(?:.*(?:/|::))?"
    return start + "::".join([archive, *member])


def root_prefix(pattern: str) -> str:
    """The text that every path matching the pattern begins with; empty when there is none to be known."""
    wildcard = _WILDCARD.search(pattern)
    return pattern[: wildcard.start() if wildcard else None] if pattern.startswith("/") and os.sep == "/" else ""


def with_slashes(path: str) -> str:
    """The path with `/` between components, also on Windows."""
    return path if os.sep == "/" else path.replace(os.sep, "/")


class Translator:
    """Translates components; a pattern with many wildcards must not make the matcher try all combinations.

    Between two wildcards lies text of fixed length, so the leftmost match of each piece is as good as any other. The
    expression says so by a look-ahead, whose result is never tried again, and matching stays quadratic at worst.
    """

    def __init__(self, character: str) -> None:
        self._character = character
        self._groups = 0

    def path(self, pattern: str) -> str:
        if pattern.endswith("/"):
            pattern += "**"
        blocks: list[list[str]] = [[]]  # the components between two **
        for component in pattern.split("/"):
            if component == "**":
                blocks.append([])
            else:
                blocks[-1].append(self.component(component))
        first, *rest = ["/".join(block) for block in blocks]
        if not rest:
            return first
        expression = first + "/" if blocks[0] else ""
        for block, text in zip(blocks[1:-1], rest, strict=False):
            expression += self.leftmost("(?:[^/]*/)", text + "/") if block else ""
        return expression + ("(?:[^/]*/)*" + rest[-1] if blocks[-1] else ".+")

    def component(self, pattern: str) -> str:
        first, *rest = self._pieces(pattern)
        if not rest:
            return first
        *middle, last = rest
        return (
            first
            + "".join(self.leftmost(self._character, piece) for piece in middle if piece)
            + self._character
            + "*"
            + last
        )

    def leftmost(self, skipped: str, piece: str) -> str:
        self._groups += 1
        name = f"g{self._groups}"
        return f"(?=(?P<{name}>{skipped}*?{piece}))(?P={name})"

    def _pieces(self, pattern: str) -> list[str]:
        """The expressions between the stars."""
        pieces, at = [""], 0
        while at < len(pattern):
            character = pattern[at]
            at += 1
            if character == "*":
                pieces.append("")
            elif character == "?":
                pieces[-1] += self._character
            elif character == "[":
                one, at = self._bracket(pattern, at)
                pieces[-1] += one
            else:
                pieces[-1] += self.literal(character)
        return pieces

    def literal(self, character: str) -> str:
        return re.escape(character)

    def one_of(self, negated: bool, ranges: list[tuple[str, str]]) -> str:
        """One character inside the ranges, or outside of them."""
        inside = "" if self._character == "." else "(?!/)"
        spelled = "".join(f"{re.escape(low)}-{re.escape(high)}" for low, high in ranges)
        return f"{inside}[{'^' if negated else ''}{spelled}]"

    def _bracket(self, pattern: str, at: int) -> tuple[str, int]:
        start = at
        negated = pattern.startswith("!", at)
        at += negated
        end = pattern.find("]", at + 1)  # a ] in the first place is an ordinary character
        if end < 0:
            raise ValueError(f"the [ in {pattern!r} is never closed, or holds a /; write [[] for the character itself")
        ranges: list[tuple[str, str]] = []
        while at < end:
            low = high = pattern[at]
            if pattern.startswith("-", at + 1) and at + 2 < end:
                high = pattern[at + 2]
                at += 2
            at += 1
            if high < low:
                raise ValueError(f"the range in [{pattern[start:end]}] runs backwards; write [{high}-{low}]")
            ranges.append((low, high))
        return self.one_of(negated, ranges), end + 1


def _check_length(pattern: str) -> None:
    if len(pattern) > MAX_PATTERN:
        raise ValueError(f"the pattern has {len(pattern)} characters, at most {MAX_PATTERN} are allowed; shorten it")
