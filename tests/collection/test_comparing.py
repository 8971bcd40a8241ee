"""Pictures compared patch by patch, with the bundled model on the sample images: known warps, crops and strangers."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dinosearch import Collection
from dinosearch.embedding.tokens import ImageTokens
from dinosearch.errors import ImageNotFoundError, ImageUnreadableError, SettingError
from dinosearch.images.resizing import MEAN_COLOUR
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


def warped(image: Image.Image, degrees: float, scale: float, canvas: Image.Image | None) -> Image.Image:
    """The image turned clockwise and scaled about its centre, on the mean colour or over another picture."""
    width, height = image.size
    resized = image.convert("RGBA").resize((round(width * scale), round(height * scale)), Image.Resampling.BICUBIC)
    turned = resized.rotate(-degrees, Image.Resampling.BICUBIC, expand=True)
    drawn = canvas.resize(image.size) if canvas is not None else Image.new("RGB", image.size, MEAN_COLOUR)
    drawn.paste(turned, ((width - turned.width) // 2, (height - turned.height) // 2), turned)
    return drawn


@pytest.mark.slow
@pytest.mark.parametrize("onto", ["mean colour", "another picture"])
def test_known_warps_put_the_corners_within_a_patch_in_nine_of_ten_cases(samples: Collection, onto: str) -> None:
    """Rotation to 30 degrees, scale 0.6 to 1.6; a patch is a 28th of the longer side."""
    rng = np.random.default_rng(1)
    names = sorted(path.name for path in SAMPLES.iterdir() if path.is_dir() and path.name != "other")
    errors = []
    for number, name in enumerate(names):
        image = Image.open(photo(name, 3)).convert("RGB")
        canvas = Image.open(photo(names[number - 1], 4)).convert("RGB") if onto == "another picture" else None
        degrees, scale = rng.uniform(-30, 30), math.exp(rng.uniform(math.log(0.6), math.log(1.6)))
        found = samples.explain(image, warped(image, degrees, scale, canvas)).outline
        half, turn = np.array(image.size) / 2, np.radians(degrees)
        linear = scale * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
        expected = (np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * half) @ linear.T + half
        gaps = math.inf if found is None else np.linalg.norm(found * image.size - expected, axis=1).max()
        errors.append(gaps / (max(image.size) / 28))
    assert np.mean(np.array(errors) <= 1) >= 0.9


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


def test_an_id_means_the_content_that_was_indexed(tmp_path: Path) -> None:
    """Not what lies at its path now; another file with the same content takes the place of one that is gone."""
    first, copy, changed = (tmp_path / "photos" / name for name in ("a.jpg", "b.jpg", "c.jpg"))
    first.parent.mkdir()
    for path, view in ((first, 1), (copy, 1), (changed, 2)):
        path.write_bytes(photo(LANDMARKS[0], view).read_bytes())
    with Collection.open(tmp_path / "index", create=True, model="mini") as collection:
        collection.index(first.parent)
        known, other = id_of(collection, first), id_of(collection, changed)
        before = collection.explain(known, other)
        first.unlink()
        assert collection.explain(known, other).score == before.score
        changed.write_bytes(photo(LANDMARKS[1]).read_bytes())
        with pytest.raises(ImageUnreadableError, match="its content has changed since it was indexed"):
            collection.explain(known, other)
        copy.unlink()
        with pytest.raises(ImageNotFoundError, match="no such file"):
            collection.explain(known, known)


class NoNumbers(FakeEmbedder):
    """Patch tokens of colours, some of which, or all, are not finite."""

    def __init__(self, share: float) -> None:
        super().__init__()
        self._share = share

    def tokens(self, pixels: Sequence[np.ndarray]) -> list[ImageTokens]:
        found = []
        for image in pixels:
            rows, columns = (side // 14 for side in image.shape[:2])
            cells = image[: rows * 14, : columns * 14].reshape(rows, 14, columns, 14, 3).mean(axis=(1, 3)) - 128
            broken = np.random.default_rng(0).random((rows, columns)) < self._share
            cells[broken] = np.random.default_rng(1).choice([np.nan, np.inf, -np.inf], (broken.sum(), 3))
            found.append(ImageTokens(np.zeros(3), np.zeros((0, 3)), cells.astype(np.float32)))
        return found


@pytest.mark.parametrize("share", [0.2, 1.0])
def test_tokens_that_are_no_numbers_are_left_out(tmp_path: Path, share: float) -> None:
    paths = [write_photo(tmp_path / "photos" / f"{i:02}.png", seed=i) for i in range(20)]
    with Collection.open(tmp_path / "index", create=True, embedder=NoNumbers(share)) as collection:
        collection.index(tmp_path / "photos")
        found = collection.explain(paths[0], paths[0])
        assert found.matched == (share < 1)
        assert all(np.isfinite(part).all() for part in (*found.heat, *found.colours, found.pairs))
        assert len(collection.query(paths[0], k=5, rerank="geometry", include_self=True)) == 5


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
