"""A decode worker that is started before anybody needs it."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from PIL import Image

from dinosearch.images import DecodePool, start_ahead
from dinosearch.images.workers.start import start
from dinosearch.records import PreparedImage, Preprocessing
from tests.images.pictures import encoded, gradient


@pytest.fixture(autouse=True)
def child_processes(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.delenv("DINOSEARCH_DECODE", raising=False)
    yield
    left = start()  # nothing stays for the next test
    left.kill()
    left.communicate()


def test_it_is_the_one_that_decodes() -> None:
    start_ahead()
    start_ahead()  # still one
    data = encoded(Image.fromarray(gradient(64, 48)), "PNG")
    with DecodePool(Preprocessing.parse("squash-224"), workers=1) as pool:
        children = _children()
        assert len(children) >= 1
        answer = pool.answer("a.png", data, len(data), pool._wanted)
        assert isinstance(answer, PreparedImage)
        assert _children() == children


def test_one_that_has_died_is_not_used() -> None:
    start_ahead()
    died = start()
    died.kill()
    died.communicate()
    start_ahead()
    other = start()
    assert other.pid != died.pid
    assert other.poll() is None
    other.kill()
    other.communicate()


def test_none_is_started_where_images_are_decoded_inline(monkeypatch: pytest.MonkeyPatch) -> None:
    before = _children()
    monkeypatch.setenv("DINOSEARCH_DECODE", "inline")
    start_ahead()
    assert _children() == before


def _children() -> set[str]:
    """Numbers of this process's children, as the kernel tells them."""
    threads = f"/proc/{os.getpid()}/task"
    if not os.path.isdir(threads):
        pytest.skip("this system does not tell the children of a process")
    found: set[str] = set()
    for thread in os.listdir(threads):
        with open(f"{threads}/{thread}/children", encoding="ascii") as file:
            found |= set(file.read().split())
    return found
