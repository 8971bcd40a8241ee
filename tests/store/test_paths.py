"""Paths survive the database: every text has one stored form, and prefixes stay prefixes."""

from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dinosearch.store.paths import from_store, split_path, store_form

# Ordinary text, every kind of surrogate, the private characters that the mapping uses, and what SQL treats specially.
characters = st.one_of(
    st.characters(),
    st.characters(categories=["Cs"]),
    st.characters(min_codepoint=0x10FF00),
    st.characters(min_codepoint=0x10D700, max_codepoint=0x10E100),
    st.sampled_from("'\"%_[]*?\\/:\n\0"),
)
texts = st.text(characters, max_size=12)


@given(texts)
def test_round_trip_and_valid_unicode(text: str) -> None:
    stored = store_form(text)
    stored.encode("utf-8")  # raises for anything that SQLite could not keep
    assert from_store(stored) == text


@given(st.binary(max_size=20))
def test_file_names_of_any_bytes(name: bytes) -> None:
    path = name.decode("utf-8", "surrogateescape")
    assert from_store(store_form(path)).encode("utf-8", "surrogateescape") == name


@given(texts, texts)
def test_stored_forms_are_distinct_and_keep_prefixes(a: str, b: str) -> None:
    assert (store_form(a) == store_form(b)) == (a == b)
    assert store_form(a + b) == store_form(a) + store_form(b)


@pytest.mark.parametrize("code", [0xDC80, 0xDCFF])
def test_undecodable_bytes_lie_where_the_format_says(code: int) -> None:
    assert store_form(chr(code)) == chr(0x10FF00 + code - 0xDC00)


@pytest.mark.skipif(os.sep != "/", reason="the expected values are POSIX paths")
@pytest.mark.parametrize(
    ("path", "folder", "name"),
    [
        ("/a/b.jpg", "/a", "b.jpg"),
        ("/b.jpg", "/", "b.jpg"),
        ("/a/b.tar::c.jpg", "/a/b.tar", "c.jpg"),
        ("/a/b.tar::d/c.jpg", "/a/b.tar::d", "c.jpg"),
        ("/a/new\nline.jpg", "/a", "new\nline.jpg"),
        ("b.jpg", "", "b.jpg"),
    ],
)
def test_split(path: str, folder: str, name: str) -> None:
    assert split_path(path) == (folder, name)
