"""Pictures compared patch by patch, with the bundled model on the sample images: known warps, crops and strangers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dinosearch import Collection
from dinosearch.errors import ImageNotFoundError, SettingError
from dinosearch.records import Explanation
from tests.conftest import FakeEmbedder, write_photo

SAMPLES = Path(__file__).resolve().parents[2] / "sample_images"
LANDMARKS = ["windmill", "temple", "pagoda", "church", "castle", "bridge"]
LANDMARKS = [name for name in LANDMARKS if (SAMPLES / name).is_dir()]


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Collection]:
    with Collection.open(tmp_path_factory.mktemp("samples") / "index", create=True, model="mini") as collection:
        collection.index(SAMPLES)
        yield collection


def photo(name: str, view: int = 1) -> Path:
    return SAMPLES / name / f"{name}_{view}.jpg"


def overlap(a: tuple[float, ...], b: tuple[float, ...]) -> float:
    """Intersection over union of two boxes."""
    width, height = (max(0.0, min(a[2 + i], b[2 + i]) - max(a[i], b[i])) for i in (0, 1))
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (a, b)]
    return width * height / (sum(areas) - width * height)


@pytest.mark.parametrize("name", LANDMARKS[:3])
def test_an_image_matches_itself_everywhere(samples: Collection, name: str) -> None:
    found = samples.explain(photo(name), str(photo(name)))
    assert found.matched
    assert found.score == pytest.approx(1, abs=1e-5)
    assert found.box == pytest.approx((0, 0, 1, 1), abs=0.02)
    assert found.outline == pytest.approx(np.array([[0, 0], [1, 0], [1, 1], [0, 1]]), abs=0.02)
    assert np.abs(found.pairs[:, :2] - found.pairs[:, 2:]).max() < 2 / 28
    assert found.without is not None
    assert found.without < 0.5
    assert all(heat.min() > 0.99 for heat in found.heat)
    assert np.array_equal(*found.colours)


@pytest.mark.parametrize("name", LANDMARKS[:4])
@pytest.mark.parametrize("degrees", [-18, 12])
def test_a_turned_image_is_put_back_in_place(samples: Collection, name: str, degrees: float) -> None:
    image = Image.open(photo(name)).convert("RGB")
    found = samples.explain(image.rotate(-degrees, Image.Resampling.BICUBIC), image)
    assert found.matched
    # where the corners of the turned picture lie on the upright one: turned back about the centre, in pixels
    half = np.array(image.size) / 2
    angle = np.radians(-degrees)
    back = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * half
    expected = (corners @ back.T + half) / image.size
    assert found.outline is not None
    assert np.linalg.norm((found.outline - expected) * image.size, axis=1).max() < 1.5 * max(image.size) / 28


@pytest.mark.parametrize("name", LANDMARKS)
def test_a_part_is_found_where_it_was_cut_out(samples: Collection, name: str) -> None:
    image = Image.open(photo(name)).convert("RGB")
    box = (0.2, 0.15, 0.9, 0.85)
    part = image.crop(tuple(round(share * side) for share, side in zip(box, image.size * 2, strict=True)))
    found = samples.explain(part, f"id:{id_of(samples, photo(name))}")
    assert found.box is not None
    assert overlap(found.box, box) > 0.6


def id_of(collection: Collection, path: Path) -> int:
    return next(int(file["id"]) for file in collection.files() if file["path"] == str(path))


def test_strangers_do_not_match(samples: Collection) -> None:
    pairs = [(a, b) for a in LANDMARKS for b in LANDMARKS if a != b]
    found = [samples.explain(photo(a), photo(b, 2)) for a, b in pairs]
    assert sum(one.matched for one in found) <= len(pairs) // 20
    for one in found:
        if not one.matched:
            assert (one.outline, one.box, one.without) == (None, None, None)
            assert len(one.pairs) == 0
            assert one.inliers < one.bound


def test_everything_has_the_promised_shape(samples: Collection) -> None:
    found = samples.explain(photo(LANDMARKS[0]), photo(LANDMARKS[0], 2))
    assert isinstance(found, Explanation)
    assert found.pairs.shape == (len(found.pairs), 4)
    assert ((found.pairs >= 0) & (found.pairs <= 1)).all()
    assert [heat.shape for heat in found.heat] == [(28, 28), (28, 28)]
    assert [colours.shape for colours in found.colours] == [(28, 28, 3), (28, 28, 3)]
    assert found.score == pytest.approx(
        float(np.prod(samples.embed(photo(LANDMARKS[0]), photo(LANDMARKS[0], 2)), 0).sum())
    )


@pytest.mark.parametrize("plan", ["geometry", "thorough"])
def test_geometry_reorders_the_first_ranks_and_keeps_every_hit(samples: Collection, plan: str) -> None:
    query = photo(LANDMARKS[0])
    fast, checked = (samples.query(query, k=200, rerank=name) for name in ("fast", plan))
    assert sorted(hit.path for hit in fast) == sorted(hit.path for hit in checked)
    assert {hit.path: hit.score for hit in fast} == pytest.approx({hit.path: hit.score for hit in checked}, abs=1e-6)
    assert all(Path(hit.path).parent == query.parent for hit in checked[:3])
    ids, _ = samples.rank(samples.embed(query), 5, rerank="geometry", images=[query])
    assert set(ids[0].tolist()) <= {hit.id for hit in samples.query(query, k=20, include_self=True)}


def test_a_copy_with_another_look_is_lifted_above_its_likes(samples: Collection, tmp_path: Path) -> None:
    """A part of one view is nearest to the view it was cut from once the geometry is looked at."""
    ranks = []
    for name in LANDMARKS:
        image = Image.open(photo(name, 4)).convert("RGB")
        width, height = image.size
        part = image.crop((width // 6, height // 6, width * 5 // 6, height * 5 // 6)).convert("L").convert("RGB")
        for plan in ("fast", "geometry"):
            hits = [hit.path for hit in samples.query(part, k=20, rerank=plan)]
            ranks.append((plan, hits.index(str(photo(name, 4))) if str(photo(name, 4)) in hits else 20))
    fast, checked = (sum(rank for plan, rank in ranks if plan == name) for name in ("fast", "geometry"))
    assert checked <= fast


def test_files_that_are_gone_stay_in_the_answer(tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    for name in LANDMARKS:
        for view in (1, 2, 3):
            target = folder / f"{name}_{view}.jpg"
            target.parent.mkdir(exist_ok=True)
            target.write_bytes(photo(name, view).read_bytes())
    with Collection.open(tmp_path / "index", create=True, model="mini") as collection:
        collection.index(folder)
        (folder / f"{LANDMARKS[0]}_2.jpg").unlink()
        hits = collection.query(photo(LANDMARKS[0]), k=50, rerank="geometry", include_self=True)
        assert len(hits) == 3 * len(LANDMARKS)
        with pytest.raises(ImageNotFoundError):
            collection.explain(photo(LANDMARKS[0]), folder / f"{LANDMARKS[0]}_2.jpg")


def test_what_cannot_be_compared_is_refused(tmp_path: Path, samples: Collection) -> None:
    with pytest.raises(SettingError, match="geometry compares pictures, which vectors have not; ask with images"):
        samples.rank(samples.embed(photo(LANDMARKS[0])), 5, rerank="geometry")
    path = write_photo(tmp_path / "photos" / "0.png", seed=1)
    with Collection.open(tmp_path / "index", create=True, embedder=FakeEmbedder()) as collection:
        collection.index(tmp_path / "photos")
        with pytest.raises(SettingError, match="gives no patch tokens"):
            collection.query(path, rerank="geometry")
        with pytest.raises(SettingError, match="gives no patch tokens"):
            collection.explain(path, path)
