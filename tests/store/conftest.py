"""A real SQLite store in a temporary folder, and helpers to fill it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from dinosearch.records import Fingerprint, FoundFile, ImageInfo
from dinosearch.store import MetadataStore

FINGERPRINT = Fingerprint("mini", "ab" * 32, "squash-224", "cls", 192)
INFO = ImageInfo(640, 480, "JPEG")


def digest(content: str) -> str:
    return hashlib.sha256(content.encode("utf-8", "surrogatepass")).hexdigest()


def put(
    store: MetadataStore, path: str, content: str, info: ImageInfo = INFO, *, size: int = 7, mtime_ns: int = 9
) -> int:
    """Place a file with this content, as an index run does it; returns the image id."""
    sha256 = digest(content)
    known = store.ids_by_sha256([sha256])
    with store.transaction() as tx:
        image_id = known[sha256] if known else tx.add_image(sha256, info)
        tx.put_location(FoundFile(path, size, mtime_ns), image_id)
    return image_id


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "metadata.sqlite"


@pytest.fixture(params=["sqlite", "postgresql"])
def store(request: pytest.FixtureRequest, file: Path) -> Iterator[MetadataStore]:
    """An empty store of each dialect."""
    place = file if request.param == "sqlite" else request.getfixturevalue("postgres_url")
    with MetadataStore.open(place, create=True) as opened:
        yield opened
