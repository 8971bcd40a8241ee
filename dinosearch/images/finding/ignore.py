"""Patterns that leave files out, in the language of gitignore; it matches paths and never looks at the disk.

The rules are those of the manual page gitignore(5): a line is a glob; `#` starts a comment; `!` takes a path in again;
a trailing `/` matches folders only; a `/` at the start or in the middle anchors the pattern to the folder of the file;
`*` and `?` stop at `/`, `**` does not; the last matching line wins, and deeper files win over higher ones.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable
from dataclasses import dataclass

IGNORE_FILE = ".dinosearchignore"
MAX_LINE = 4096
"""Longer lines match nothing: no path is longer."""
_CLASSES = {
    "alnum": "a-zA-Z0-9",
    "alpha": "a-zA-Z",
    "blank": " \\t",
    "digit": "0-9",
    "lower": "a-z",
    "space": "\\s",
    "upper": "A-Z",
    "xdigit": "0-9a-fA-F",
}


@dataclass(frozen=True)
class _Rule:
    regex: re.Pattern[str]
    keep: bool
    folders_only: bool


class IgnoreRules:
    """The lines of one ignore file, or of one list of `--exclude` patterns."""

    def __init__(self, lines: Iterable[str]) -> None:
        self._rules = [rule for line in lines if (rule := _parse(line)) is not None]

    def decide(self, relative: str, is_folder: bool) -> bool | None:
        """Say what these rules want done with a path.

        Args:
            relative: the path below the folder of the rules, with `/` between its parts.
            is_folder: whether it is a folder.

        Returns:
            True to leave it out, False to take it in, None when no line matches.
        """
        for rule in reversed(self._rules):
            if (is_folder or not rule.folders_only) and rule.regex.fullmatch(relative):
                return not rule.keep
        return None


def _parse(line: str) -> _Rule | None:
    line = line.rstrip("\r\n")
    if len(line) > MAX_LINE:
        return None
    while line.endswith(" ") and not line.endswith("\\ "):
        line = line[:-1]
    if not line or line.startswith("#"):
        return None
    keep = line.startswith("!")
    line = line[1:] if keep else line
    folders_only = line.endswith("/")
    line = line[:-1] if folders_only else line
    anchored = "/" in line
    line = line[1:] if line.startswith("/") else line
    if not line:
        return None
    tokens = _tokens(line)
    if tokens is None:
        return None
    # A pattern without a slash may begin in any folder.
    return _Rule(re.compile(_expression(tokens if anchored else [_DEEP, *tokens]), re.DOTALL), keep, folders_only)


_STAR, _DEEP = "*", "**/"


def _tokens(glob: str) -> list[str] | None:
    """`_STAR`, `_DEEP`, and expressions of what stands between them; None for a glob that can never match."""
    tokens: list[str] = []
    at = 0
    while at < len(glob):
        if glob.startswith("**/", at) and (at == 0 or glob[at - 1] == "/"):
            tokens.append(_DEEP)
            at += 3
        elif glob[at:] == "**" and (at == 0 or glob[at - 1] == "/"):
            tokens.append(".+")
            at += 2
        elif glob[at] == "*":
            tokens.append(_STAR)
            while at < len(glob) and glob[at] == "*":
                at += 1
        elif glob[at] == "?":
            tokens.append("[^/]")
            at += 1
        elif glob[at] == "[":
            at, expression = _bracket(glob, at)
            if expression is None:
                return None
            tokens.append(expression)
        elif glob[at] == "\\":
            if at + 1 == len(glob):
                return None
            tokens.append(re.escape(glob[at + 1]))
            at += 2
        else:
            tokens.append(re.escape(glob[at]))
            at += 1
    return tokens


def _expression(tokens: list[str]) -> str:
    """A regular expression for the whole relative path, whose matcher never tries all combinations.

    What stands between two wildcards may as well be where it is found first. The expression says so by a look-ahead,
    whose result is not tried again; so a hostile line of many stars costs no more than a plain one.
    """
    groups = itertools.count(1)

    def first_found(skipped: str, wanted: str) -> str:
        name = f"g{next(groups)}"
        return f"(?=(?P<{name}>{skipped}*?{wanted}))(?P={name})"

    def block(part: list[str]) -> str:
        start, *rest = _split(part, _STAR)
        if not rest:
            return start
        return start + "".join(first_found("[^/]", piece) for piece in rest[:-1] if piece) + "[^/]*" + rest[-1]

    blocks = [list(part) for deep, part in itertools.groupby(tokens, _DEEP.__eq__) if not deep]
    if not blocks or tokens[-1] == _DEEP:
        blocks.append([])
    head = "" if tokens[:1] == [_DEEP] else block(blocks.pop(0))
    if not blocks:
        return head
    *middle, last = blocks
    return head + "".join(first_found("(?:[^/]*/)", block(part)) for part in middle) + "(?:[^/]*/)*" + block(last)


def _split(tokens: list[str], mark: str) -> list[str]:
    """What stands between the marks, joined."""
    pieces = [""]
    for token in tokens:
        if token == mark:
            pieces.append("")
        else:
            pieces[-1] += token
    return pieces


def _bracket(glob: str, start: int) -> tuple[int, str | None]:
    """Translate the `[...]` that opens at `start`; answers the position behind it, and None when it is never closed."""
    at = start + 1
    negated = at < len(glob) and glob[at] in "!^"
    at += negated
    members: list[str] = []
    first = True
    while at < len(glob) and (glob[at] != "]" or first):
        first = False
        named = re.compile(r"\[:([a-z]+):\]").match(glob, at)
        if named:
            if named[1] not in _CLASSES:
                return at, None
            members.append(_CLASSES[named[1]])
            at = named.end()
            continue
        low, at = _literal(glob, at)
        if at + 1 < len(glob) and glob[at] == "-" and glob[at + 1] != "]":
            high, at = _literal(glob, at + 1)
            if low <= high:
                members.append(f"{re.escape(low)}-{re.escape(high)}")
        else:
            members.append(re.escape(low))
    if at >= len(glob):
        return at, None
    if not members:  # only empty ranges: nothing matches, or everything does
        return at + 1, "[^/]" if negated else "(?!)"
    return at + 1, f"(?!/)[{'^' if negated else ''}{''.join(members)}]"


def _literal(glob: str, at: int) -> tuple[str, int]:
    if glob[at] == "\\" and at + 1 < len(glob):
        return glob[at + 1], at + 2
    return glob[at], at + 1
