"""An image that was removed while the collection was refined, and comes back afterwards, is found again."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from dinosearch import Collection
from tests.conftest import FakeEmbedder, write_photo


def test_removed_then_refined_then_back(tmp_path: Path) -> None:
    photos = [write_photo(tmp_path / "photos" / f"{i:02}.png", seed=i) for i in range(30)]
    with Collection.open(tmp_path / "home", create=True, embedder=FakeEmbedder()) as collection:
        collection.index(tmp_path / "photos")
        collection.remove(*photos[:4])
        collection.refine(dimensions=2)
        summary = collection.index(tmp_path / "photos")
        assert (summary.added, summary.embedded) == (4, 0)  # the vectors were still there
        assert collection.verify().problems == ()
        for photo in photos:
            hits = collection.query(photo, k=50, include_self=True, rerank="fast")
            assert str(photo) in [hit.path for hit in hits]
            assert len(hits) == 30


def test_removed_images_stay_away_after_a_repair(tmp_path: Path) -> None:
    photos = [write_photo(tmp_path / "photos" / f"{i:02}.png", seed=i) for i in range(30)]
    with Collection.open(tmp_path / "home", create=True, embedder=FakeEmbedder()) as collection:
        collection.index(tmp_path / "photos")
        collection.refine(dimensions=2)
        collection.remove(*photos[:4])
        home = collection.home
        damaged = collection.vectors([20])[1].tobytes()
    file = next(Path(home).glob("vectors-1.*"))
    content = file.read_bytes()
    place = content.index(damaged)
    file.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
    with Collection.open(home, embedder=FakeEmbedder()) as collection:
        report = collection.verify(repair=True)
        assert report.problems and not report.lost
        assert collection.verify().problems == ()
        for photo in photos[4:]:
            hits = collection.query(photo, k=26, include_self=True, rerank="fast")
            assert {hit.path for hit in hits} == set(map(str, photos[4:]))


def test_removed_then_left_out_of_the_index_then_back(tmp_path: Path) -> None:
    photos = [write_photo(tmp_path / "photos" / f"{i:03}.png", seed=i) for i in range(120)]
    with Collection.open(tmp_path / "home", create=True, embedder=FakeEmbedder()) as collection:
        collection.index(tmp_path / "photos", index_type="ivf-flat")
        collection.remove(*photos[:70])
        collection.index(photos[119])  # fewer than half are left, so that the lists are trained anew without the others
        assert collection.index(tmp_path / "photos").added == 70
        for reader in (collection, Collection.open(tmp_path / "home", embedder=FakeEmbedder())):
            for photo in photos:
                hits = reader.query(photo, k=1, include_self=True, rerank="fast")
                assert [hit.path for hit in hits] == [str(photo)]
        reader.close()


def test_a_repair_says_that_refined_vectors_may_be_gone(tmp_path: Path) -> None:
    photos = [write_photo(tmp_path / "photos" / f"{i:02}.png", seed=i) for i in range(30)]
    with Collection.open(tmp_path / "home", create=True, embedder=FakeEmbedder()) as collection:
        collection.index(tmp_path / "photos")
        collection.refine(dimensions=2)
    file = tmp_path / "home" / "metadata.sqlite"
    with closing(sqlite3.connect(file)) as database:
        (page,) = database.execute("SELECT rootpage FROM sqlite_master WHERE name = 'generations'").fetchone()
        (size,) = database.execute("PRAGMA page_size").fetchone()
    with open(file, "r+b") as stream:
        stream.seek((page - 1) * size)
        stream.write(bytes(size))
    with Collection.open(tmp_path / "home", embedder=FakeEmbedder()) as collection:
        (lost,) = collection.verify(repair=True).lost
        assert "refined vectors, regions and patches may be gone; see what is left with: dinosearch info" in lost.reason
        assert collection.verify().problems == ()
        for photo in photos:
            assert collection.query(photo, k=1, include_self=True)[0].path == str(photo)
