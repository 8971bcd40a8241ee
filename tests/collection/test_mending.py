"""A repair of a database with doubtful entries: what their files confirm stays, what they do not is taken in anew."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from dinosearch import Collection
from dinosearch.store import sums
from tests.conftest import FakeEmbedder, write_photo


def make_doubtful(file: Path, *ids: int) -> None:
    """Give the entries of these images checksums that do not match."""
    wrong = {str(image_id).encode() for image_id in ids}

    def row_sum(*values: Any) -> Any:
        return 7 if values[0] in wrong else sums._row_sum(*values)

    with closing(sqlite3.connect(file)) as database:
        database.create_function("dinosearch_row_sum", -1, row_sum, deterministic=True)
        database.execute("REINDEX images_sums")


def test_doubtful_entries_are_settled_by_their_files(tmp_path: Path) -> None:
    photos = [write_photo(tmp_path / "photos" / f"{i}.png", seed=i) for i in range(1, 7)]
    with Collection.open(tmp_path / "home", create=True, embedder=FakeEmbedder()) as collection:
        for photo in photos:
            collection.index(photo)
        collection.tag([2, 3, 4, 5], ["kept", "changed", "gone", "sound"], given=True)
    make_doubtful(tmp_path / "home" / "metadata.sqlite", 2, 3, 4)
    write_photo(photos[2], seed=30)
    photos[3].unlink()
    with Collection.open(tmp_path / "home", embedder=FakeEmbedder()) as collection:
        assert len(collection.verify().problems) == 3
        report = collection.verify(repair=True)
        told = {(Path(lost.path), lost.reason.partition(":")[0].partition(",")[0]) for lost in report.lost}
        assert told == {
            (photos[2], "its entry was damaged"),  # and its label
            (photos[3], "its entry was damaged"),
            (photos[3], "its entry is damaged"),  # and no such file can be read
        }
        assert collection.verify().problems == ()
        left = {Path(file["path"]): file["id"] for file in collection.files()}
        assert left.pop(photos[2]) > 6  # another picture is another image
        assert left == {photo: number for number, photo in enumerate(photos, 1) if number not in (3, 4)}
        assert collection.ids("label = kept").tolist() == [2] and collection.ids("label = sound").tolist() == [5]
        for photo in (*photos[:3], *photos[4:]):
            assert collection.query(photo, k=1, include_self=True)[0].path == str(photo)
