"""Glob patterns against an independent matcher, hand-made cases, and patterns made to keep a matcher busy."""

from __future__ import annotations

import time
from functools import cache

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from dinosearch.store.filters.glob import path_pattern, root_prefix, text_pattern


def oracle(pattern: str, path: str) -> bool:
    """Whether a path matches, straight from docs/filters.md, by trying everything."""
    if pattern == "/":
        pattern = "/**"  # everything below the root
    if pattern.startswith("/"):
        return path.startswith("/") and _parts(pattern[1:].split("::"), path[1:])
    starts = [0] + [i + len(sign) for sign in ("/", "::") for i in range(len(path)) if path.startswith(sign, i)]
    return any(_parts(pattern.split("::"), path[start:]) for start in starts)


def _parts(parts: list[str], path: str) -> bool:
    first, rest = parts[0], parts[1:]
    if not rest:
        return _components(first, path)
    return any(
        _components(first, path[:i]) and _parts(rest, path[i + 2 :])
        for i in range(len(path))
        if path.startswith("::", i)
    )


def _components(pattern: str, path: str) -> bool:
    wanted = tuple((pattern + "**" if pattern.endswith("/") else pattern).split("/"))
    return _walk(wanted, tuple(path.split("/")))


def _walk(wanted: tuple[str, ...], there: tuple[str, ...]) -> bool:
    if not wanted:
        return not there
    if wanted[0] == "**":
        if len(wanted) == 1:
            return "/".join(there) != ""
        return any(_walk(wanted[1:], there[i:]) for i in range(len(there)))
    return bool(there) and _name(wanted[0], there[0]) and _walk(wanted[1:], there[1:])


@cache
def _name(pattern: str, text: str) -> bool:
    if not pattern:
        return not text
    if pattern[0] == "*":
        return _name(pattern[1:], text) or (bool(text) and _name(pattern, text[1:]))
    if not text:
        return False
    if pattern[0] == "?":
        return _name(pattern[1:], text[1:])
    if pattern[0] == "[":
        negated = pattern[1] == "!"
        end = pattern.index("]", 2 + negated)
        return (text[0] in _members(pattern[1 + negated : end])) != negated and _name(pattern[end + 1 :], text[1:])
    return pattern[0] == text[0] and _name(pattern[1:], text[1:])


def _members(inside: str) -> set[str]:
    found: set[str] = set()
    while inside:
        if len(inside) > 2 and inside[1] == "-":
            found.update(chr(code) for code in range(ord(inside[0]), ord(inside[2]) + 1))
            inside = inside[3:]
        else:
            found.add(inside[0])
            inside = inside[1:]
    return found


pieces = st.sampled_from(
    "a b c B * ** ? / / /**/ **/ /** [ab] [!a] [a-b] [!b-c] []] [*] :: : .".split() + ["\n"],
)
patterns = st.lists(pieces, max_size=9).map("".join)
paths = st.lists(st.sampled_from(["a", "b", "c", "B", "/", "/", "::", ":", ".", "]", "*", "\n"]), max_size=10).map(
    "".join
)


@settings(max_examples=1500, deadline=None)
@given(patterns, paths | paths.map(lambda path: "/" + path))
@example("*a*ab", "aab")
@example("/**/a/b", "/a/a/b")
@example("/a/**/**/b", "/a/b")
@example("**/a/**/b/**", "/a/b")
@example("*::*", "/x::y")
def test_paths_equal_the_oracle(pattern: str, path: str) -> None:
    assert (path_pattern(pattern).fullmatch(path) is not None) == oracle(pattern, path)
    if oracle(pattern, path):
        assert path.startswith(root_prefix(pattern))


@settings(max_examples=500, deadline=None)
@given(patterns, paths)
def test_text_equals_the_oracle(pattern: str, text: str) -> None:
    matched = text_pattern(pattern).fullmatch(text.casefold()) is not None
    assert matched == _name(pattern.casefold(), text.casefold())


@pytest.mark.parametrize(
    ("pattern", "path", "matched"),
    [
        ("*.jpg", "/a/b.jpg", True),
        ("*.jpg", "/a/b.JPG", False),
        ("*.JP*G", "/a/b.JPEG", True),
        ("b", "/a/b/c", False),
        ("b/*", "/a/b/c", True),
        ("b/*", "/a/b/c/d", False),
        ("b/**", "/a/b/c/d", True),
        ("b/", "/a/b/c/d", True),
        ("b/**", "/a/b", False),
        ("/a/**/d", "/a/d", True),
        ("/a/**/d", "/a/b/c/d", True),
        ("/b/**", "/a/b/c", False),
        ("*.tar::**", "/a/b.tar::c/d", True),
        ("d", "/a/b.tar::d", True),
        ("[!a]", "/", False),
        ("a[!x]b", "/a/b", False),
        ("a.b", "/axb", False),
        ("100%_[[]x]", "/100%_[x]", True),
        ("caf\u00e9", "/cafe\u0301", False),
        ("\udcff*", "/\udcffx", True),
    ],
)
def test_hand_made_cases(pattern: str, path: str, matched: bool) -> None:
    assert (path_pattern(pattern).fullmatch(path) is not None) == matched == oracle(pattern, path)


@pytest.mark.parametrize("pattern", ["*a" * 40 + "b", "**/*a*a*a/" * 12 + "b", "a*" * 100 + "[!a]" + "/**" * 50 + "/b"])
def test_no_pattern_takes_long(pattern: str) -> None:
    path = "/" + "/".join(["a" * 200] * 20)
    started = time.monotonic()
    assert path_pattern(pattern).fullmatch(path) is None
    assert time.monotonic() - started < 5


@pytest.mark.parametrize("pattern", ["[", "[]", "[!]", "a[b", "[z-a]", "[a/b]", "x" * 1001])
def test_senseless_patterns(pattern: str) -> None:
    with pytest.raises(ValueError, match="never closed|runs backwards|at most 1000"):
        path_pattern(pattern)
