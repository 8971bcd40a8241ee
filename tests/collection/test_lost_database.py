"""A home whose database is gone or empty beside its vectors is damaged, and nothing begins anew in its place."""

from __future__ import annotations

from pathlib import Path

import pytest

from dinosearch import Collection
from dinosearch.errors import DamagedHomeError
from tests.conftest import FakeEmbedder, write_photo


def made(home: Path, count: int) -> Path:
    for number in range(count):
        write_photo(home.parent / "photos" / f"{number}.png", seed=number)
    with Collection.open(home, create=True, embedder=FakeEmbedder()) as collection:
        collection.index(home.parent / "photos")
    return home


@pytest.mark.parametrize("state", ["empty", "missing"])
def test_a_lost_database_is_damage_to_every_verb(tmp_path: Path, state: str) -> None:
    home = made(tmp_path / "my home", 2)
    for path in home.glob("metadata.sqlite-*"):
        path.unlink()
    (home / "metadata.sqlite").unlink()
    if state == "empty":
        (home / "metadata.sqlite").touch()
    before = {path.name: path.read_bytes() for path in home.iterdir()}
    for options in ({}, {"create": True}, {"read_only": True}):
        with pytest.raises(DamagedHomeError, match=f"is {state}, though vectors .* backup, or delete .* --home '"):
            Collection.open(home, embedder=FakeEmbedder(), **options)
    assert {path.name: path.read_bytes() for path in home.iterdir()} == before


@pytest.mark.parametrize("begun", [False, True])
def test_an_interrupted_creation_goes_on(tmp_path: Path, begun: bool) -> None:
    home = tmp_path / "home"
    if begun:  # with a vector file that has no rows
        (tmp_path / "none").mkdir()
        with Collection.open(home, create=True, embedder=FakeEmbedder()) as collection:
            collection.index(tmp_path / "none")
        for path in home.glob("metadata.sqlite*"):
            path.unlink()
    home.mkdir(exist_ok=True)
    (home / "metadata.sqlite").touch()
    with Collection.open(made(home, 2), embedder=FakeEmbedder()) as collection:
        assert len(collection.ids()) == 2
