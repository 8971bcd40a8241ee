"""Glob patterns as regular expressions of PostgreSQL, over text in its stored form (see `paths`).

What Python has as one character may be stored as two, the first of which is `ESCAPE`. PostgreSQL matches without trying
combinations (postgresql.org/docs/current/functions-matching.html), so that no look-ahead has to keep it from that.
"""

from __future__ import annotations

import re
from functools import lru_cache

from dinosearch.store.filters.glob import Translator, path_expression
from dinosearch.store.paths import ESCAPE, bound

# Stretches of code points that are stored alike: the last of each stretch.
_ENDS = (0, 0xD7FF, 0xDC7F, 0xDCFF, 0xDFFF, 0x10FF7E, 0x10FFFF)


@lru_cache(maxsize=256)
def path_regex(pattern: str) -> str:
    """The expression that a stored path matches where `path_pattern` matches the path."""
    return f"^(?:{path_expression(pattern, _Translator('/'))})$"


@lru_cache(maxsize=256)
def text_regex(pattern: str) -> str:
    """The expression that folded text matches in its stored form where `text_pattern` matches the text."""
    return f"^(?:{_Translator('').component(pattern.casefold())})$"


class _Translator(Translator):
    """Translates components.

    Args:
        excluded: the character that no wildcard matches, or none.
    """

    def __init__(self, excluded: str) -> None:
        super().__init__(f"(?:{ESCAPE}.|[^{excluded}{ESCAPE}])")
        self._excluded = excluded

    def leftmost(self, skipped: str, piece: str) -> str:
        return f"{skipped}*{piece}"

    def literal(self, character: str) -> str:
        return "".join(map(re.escape, bound(character, "postgresql")))

    def one_of(self, negated: bool, ranges: list[tuple[str, str]]) -> str:
        single, double = "", ""
        for low, high in ranges:
            at = ord(low)
            while at <= ord(high):
                end = min(ord(high), next(end for end in _ENDS if end >= at))
                first, last = bound(chr(at), "postgresql"), bound(chr(end), "postgresql")
                spelled = f"{re.escape(first[-1])}-{re.escape(last[-1])}"
                single, double = (single + spelled, double) if len(first) == 1 else (single, double + spelled)
                at = end + 1
        if negated:
            return f"(?:{ESCAPE}[^{double}]|[^{single}{self._excluded}{ESCAPE}])" if double else self._other(single)
        kept = f"(?!/)[{single}]" if self._excluded else f"[{single}]"
        return f"(?:{ESCAPE}[{double}]{f'|{kept}' if single else ''})" if double else kept

    def _other(self, single: str) -> str:
        return f"(?:{ESCAPE}.|[^{single}{self._excluded}{ESCAPE}])"
