"""An image that was removed while the collection was refined, and comes back afterwards, is found again."""

from __future__ import annotations

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
