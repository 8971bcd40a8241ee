"""A collection that changes, on this machine and behind a writable server."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from dinosearch import Collection
from dinosearch.client import Client
from tests.conftest import FakeEmbedder, write_photo
from tests.serving import served

COUNT = 30


@dataclass
class Writable:
    """A collection that is empty at first; `known` is the same one, read past the server."""

    either: Collection | Client
    known: Collection
    folder: Path

    def names(self) -> list[str]:
        return sorted(os.path.relpath(file["path"], self.folder) for file in self.known.files())


@pytest.fixture(params=["embedded", "remote"])
def photos(request, tmp_path: Path) -> Iterator[Writable]:
    folder = tmp_path / "photos"
    for number in range(COUNT):
        write_photo(folder / f"{number:02}.png", number, (160, 120))
    with Collection.open(tmp_path / "home", create=True, embedder=FakeEmbedder()) as collection:
        collection.index(folder)
        if request.param == "embedded":
            yield Writable(collection, collection, folder)
            return
        with served({"photos": collection}, writable=True) as url, Client(url) as client:
            yield Writable(client, collection, folder)
