"""Regions and kept patch tokens through `Collection`, with the bundled model on rendered pictures."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dinosearch import Collection
from dinosearch.collection.asking.tokens import TokenReader
from dinosearch.collection.derived.detailing import Detailing
from dinosearch.errors import SettingError
from tests.conftest import FakeEmbedder

SAMPLES = Path(__file__).resolve().parents[2] / "sample_images"


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("photos")
    for path in sorted(SAMPLES.glob("*/*_[12].jpg"))[:24]:
        shutil.copyfile(path, folder / path.name)
    return folder


@pytest.fixture(scope="module")
def described(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Collection]:
    with Collection.open(tmp_path_factory.mktemp("home"), create=True, model="mini") as collection:
        collection.index(photos, regions=True, keep_patches=True)
        yield collection


def rows_of(collection: Collection) -> dict[str, int]:
    return {derived.kind: derived.rows for derived in collection.info().derived}


def test_every_image_has_its_rows_and_the_files_say_what_they_take(described: Collection) -> None:
    info = described.info()
    recipes = {derived.kind: derived.recipe for derived in info.derived}
    assert rows_of(described) == {"patches": 24, "regions": 24 * recipes["regions"]["rows"]}
    assert all(derived.bytes > 0 for derived in info.derived)
    assert described.verify().ok


def test_a_part_of_a_picture_finds_it_and_where_it_lies(described: Collection, photos: Path) -> None:
    found = overlapping = 0
    names = sorted(path.name for path in photos.iterdir())
    for name in names:
        with Image.open(photos / name) as picture:
            crop = picture.convert("RGB").crop(tuple(round(s * f) for s, f in zip(picture.size * 2, BOX, strict=True)))
        (hit,) = described.query(crop, k=1, regions=True)
        assert hit.box is not None
        found += Path(hit.path).name == name
        overlapping += Path(hit.path).name == name and iou(hit.box, BOX) > 0.2
    assert found >= 18
    assert overlapping >= 12


BOX = (0.3, 0.25, 0.8, 0.75)


def iou(a: tuple[float, float, float, float], b: tuple[float, float, float, float]) -> float:
    across, down = (max(0.0, min(a[2 + i], b[2 + i]) - max(a[i], b[i])) for i in (0, 1))
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (a, b)]
    return across * down / (sum(areas) - across * down)


def test_a_box_searches_regions_where_there_are_some(described: Collection, photos: Path) -> None:
    path = sorted(photos.iterdir())[0]
    assert all(hit.box is not None for hit in described.query(path, box=BOX))
    assert all(hit.box is None for hit in described.query(path, box=BOX, regions=False))
    assert all(hit.box is None for hit in described.query(path))


def test_regions_through_the_index_equal_brute_force_and_respect_filters(described: Collection, photos: Path) -> None:
    path = sorted(photos.iterdir())[3]
    hits = described.query(path, regions=True, k=24, include_self=True)
    assert described.query(path, regions=True, k=24, include_self=True, exact=True) == hits
    assert len({hit.id for hit in hits}) == 24  # each image once, all of them
    assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)
    some = described.query(path, regions=True, k=24, include_self=True, where="id <= 5")
    assert {hit.id for hit in some} == {1, 2, 3, 4, 5}
    assert {(hit.id, hit.score, hit.box) for hit in some} <= {(hit.id, hit.score, hit.box) for hit in hits}


def test_what_cannot_be_combined_is_said(described: Collection, photos: Path) -> None:
    path = sorted(photos.iterdir())[0]
    for options in ({"negative": [path]}, {"rerank": "superglobal"}):
        with pytest.raises(SettingError, match="regions are searched by one image"):
            described.query(path, regions=True, **options)


def test_kept_tokens_are_those_of_the_pictures(described: Collection, photos: Path) -> None:
    reader = TokenReader(described._opened, described.embedder)
    assert reader.kept
    ids = np.array([1, 7, 20])
    known, kept = reader.of_images(ids)
    assert known.all()
    for image_id, patches in zip(ids.tolist(), kept, strict=True):
        computed = reader.of_query([f"id:{image_id}"])
        cosines = (computed * patches).sum(axis=1)
        assert patches.shape == computed.shape
        assert np.median(cosines) > 0.999
        assert cosines.min() > 0.98  # a patch is a small part of a row that shares one scale


def test_later_images_are_described_and_removed_ones_not_answered(photos: Path, tmp_path: Path) -> None:
    shutil.copytree(photos, tmp_path / "photos")
    late = tmp_path / "photos" / sorted(path.name for path in photos.iterdir())[0]
    late.rename(tmp_path / late.name)
    with Collection.open(tmp_path / "home", create=True, model="mini") as collection:
        collection.index(tmp_path / "photos", regions=True)
        each = rows_of(collection)["regions"] // 23
        (tmp_path / late.name).rename(late)
        collection.index(tmp_path / "photos")
        assert rows_of(collection) == {"regions": 24 * each}
        assert str(late) in [hit.path for hit in collection.query(late, box=BOX, include_self=True, k=3)]
        collection.remove(late)
        assert str(late) not in [hit.path for hit in collection.query(late.read_bytes(), regions=True, k=24)]
        before = collection.query(late.read_bytes(), regions=True, k=24)
        collection.compact()
        assert rows_of(collection) == {"regions": 23 * each}
        assert [hit.path for hit in collection.query(late.read_bytes(), regions=True, k=24)] == [h.path for h in before]
        collection.index(tmp_path / "photos", regions=False)
        assert rows_of(collection) == {}
        with pytest.raises(SettingError, match="dinosearch index FOLDER --regions"):
            collection.query(late, regions=True)


def test_damaged_regions_are_found_and_made_again(photos: Path, tmp_path: Path) -> None:
    with Collection.open(tmp_path / "home", create=True, model="mini") as collection:
        collection.index(photos, regions=True)
        query = sorted(photos.iterdir())[2]
        expected = [(hit.path, hit.box) for hit in collection.query(query, regions=True, k=5)]
    for name in ("vectors-{}.f32", "basis-{}.npz"):
        with Collection.open(tmp_path / "home") as collection:
            generation = collection._opened.store.generation("regions")
        path = tmp_path / "home" / name.format(generation.number)
        data = bytearray(path.read_bytes())
        data[len(data) // 3] ^= 1
        path.write_bytes(data)
        with Collection.open(tmp_path / "home") as collection:
            assert [problem.path for problem in collection.verify().problems] == ["regions"]
            assert collection.verify(repair=True).ok
            assert collection.verify().problems == ()
            assert [(hit.path, hit.box) for hit in collection.query(query, regions=True, k=5)] == expected


@pytest.mark.parametrize("count", [1, 2])
def test_tiny_and_identical_collections(tmp_path: Path, count: int) -> None:
    (tmp_path / "photos").mkdir()
    for number in range(count):
        Image.new("RGB", (64 + number, 64), (90, 90, 90)).save(tmp_path / "photos" / f"{number}.png")
    with Collection.open(tmp_path / "home", create=True, model="mini") as collection:
        collection.index(tmp_path / "photos", regions=True, keep_patches=True)
        hits = collection.query(tmp_path / "photos" / "0.png", regions=True, include_self=True)
        assert len(hits) == count
        assert np.isfinite([hit.score for hit in hits]).all()


def test_an_empty_collection_and_an_embedder_without_tokens(tmp_path: Path, fake_embedder: FakeEmbedder) -> None:
    (tmp_path / "photos").mkdir()
    with Collection.open(tmp_path / "home", create=True, model="mini") as collection:
        collection.index(tmp_path / "photos", regions=True)
        assert collection.info().derived == ()
    Image.new("RGB", (64, 64)).save(tmp_path / "photos" / "0.png")
    with Collection.open(tmp_path / "other", create=True, embedder=fake_embedder) as collection:
        with pytest.raises(SettingError, match="no patch tokens"):
            collection.index(tmp_path / "photos", regions=True)
        assert collection.info().images == 1  # what was indexed before is kept


def test_an_unreadable_file_does_not_make_every_run_begin_anew(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dinosearch.collection.derived.details.SAMPLE", 4)
    shutil.copytree(photos, tmp_path / "photos")
    with Collection.open(tmp_path / "home", create=True, model="mini") as collection:
        collection.index(tmp_path / "photos")
        first = tmp_path / "photos" / sorted(path.name for path in photos.iterdir())[0]
        first.write_bytes(b"")  # in the sample, and known to the collection as it was
        opened, embedder = collection._opened, collection.embedder
        numbers = []
        for _ in range(2):
            Detailing(opened, lambda: embedder, None).run({"regions": True}, 0.98)
            numbers.append(opened.search("regions").generation.number)
        assert opened.search("regions").generation.recipe["learned_on"] == 3
        assert numbers[0] == numbers[1]
