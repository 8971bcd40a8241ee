"""Several scales: against brute force (each scale prepared from the picture by itself), and exactly by the formula."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from dinosearch.embedding import open_embedder
from dinosearch.embedding.checkpoints import CHECKPOINTS
from dinosearch.embedding.embedder import TorchEmbedder
from dinosearch.embedding.families.dinov2 import TransformerConfig
from dinosearch.embedding.scales import Sizes
from dinosearch.errors import SettingError
from dinosearch.images import resize
from dinosearch.records import SCALES, Fingerprint, Preprocessing
from tests.embedding.random_weights import random_transformer

MEAN = (0.485, 0.456, 0.406)
MANY = [name for name in SCALES if name != "1"]
MODES = ["squash", "fit", "crop"]


def picture(seed: int, size: tuple[int, int] = (640, 448)) -> Image.Image:
    """Colour that changes at every scale, as in a photo: noise of many sizes added up."""
    rng = np.random.default_rng(seed)
    out = np.zeros((size[1], size[0], 3))
    for cells in (3, 7, 15, 31, 63):
        noise = Image.fromarray(rng.integers(0, 256, (cells, cells, 3), dtype=np.uint8))
        out += np.asarray(noise.resize(size, Image.Resampling.BICUBIC), np.float64) * 2 / cells
    return Image.fromarray(np.uint8(255 * (out - out.min()) / (out.max() - out.min())))


@cache
def mini(preprocessing: str, scales: str = "1", pooling: str = "cls") -> TorchEmbedder:
    return open_embedder(
        "mini", device="cpu", preprocessing=Preprocessing.parse(preprocessing), scales=scales, pooling=pooling
    )


def embedded(embedder: TorchEmbedder, *images: Image.Image) -> np.ndarray:
    return embedder.embed([resize(image, embedder.preprocessing, embedder.patch_size) for image in images])


def averaged(mode: str, scales: str, pooling: str, image: Image.Image) -> np.ndarray:
    """The picture prepared and embedded at each scale of 224 by itself; the mean of the unit vectors."""
    vectors = []
    for scale in SCALES[scales]:
        side = 16 * max(1, round(224 * scale / 16))
        vectors.append(embedded(mini(f"{mode}-{side}", pooling=pooling), image)[0].astype(np.float64))
    mean = np.mean(vectors, axis=0)
    return np.asarray(mean / np.linalg.norm(mean))


def prepared_picture(mode: str, image: Image.Image, preprocessing: Preprocessing) -> Image.Image:
    """The prepared pixels as a picture, without the padding: what each scale is to be made of."""
    pixels = Image.fromarray(resize(image, preprocessing, 16))
    if mode != "fit":
        return pixels
    width, height = (max(1, round(side * preprocessing.size / max(image.size))) for side in image.size)
    left, top = (pixels.width - width) // 2, (pixels.height - height) // 2
    return pixels.crop((left, top, left + width, top + height))


SHAPES = [(640, 448), (448, 640), (500, 311), (333, 1000), (900, 600), (512, 512)]


@pytest.mark.parametrize("scales", MANY)
@pytest.mark.parametrize("mode", MODES)
def test_vector_is_that_of_brute_force(mode: str, scales: str) -> None:
    embedder = mini(f"{mode}-224", scales)
    for seed, size in enumerate(SHAPES):
        image = picture(seed, size)
        source = prepared_picture(mode, image, embedder.preprocessing)
        # what is cut out once is not cut out again at each scale
        expected = averaged("fit" if mode == "fit" else "squash", scales, "cls", source)
        (found,) = embedded(embedder, image)
        assert found @ expected >= 0.999, size
        assert np.linalg.norm(found.astype(np.float64)) == pytest.approx(1, abs=1e-6)
        (single,) = embedded(mini(f"{mode}-224"), image)
        assert found @ expected > found @ single + 1e-3, "as near to one scale as to three, which would prove nothing"


# Prepared for each scale by themselves, `fit` and `crop` round the shorter side and the edges to other whole pixels:
# the picture may lie one line apart, which the prepared pixels cannot tell.
NEAR = {"squash": 0.999, "fit": 0.99, "crop": 0.997}


@pytest.mark.parametrize("scales", MANY)
@pytest.mark.parametrize("mode", MODES)
def test_preparing_once_is_near_preparing_for_every_scale(mode: str, scales: str) -> None:
    embedder = mini(f"{mode}-224", scales)
    for seed, size in enumerate(SHAPES):
        image = picture(seed, size)
        assert embedded(embedder, image)[0] @ averaged(mode, scales, "cls", image) >= NEAR[mode], size


@pytest.mark.slow
@pytest.mark.parametrize("scales", MANY)
@pytest.mark.parametrize("mode", MODES)
def test_both_hold_for_real_photos(mode: str, scales: str, shared_data: Path) -> None:
    photos = sorted((shared_data / "photos/kodak").glob("*.jpg"))
    assert len(photos) == 24
    embedder = mini(f"{mode}-224", scales, "cls+gem")
    for photo in photos:
        image = Image.open(photo).convert("RGB")
        (found,) = embedded(embedder, image)
        source = prepared_picture(mode, image, embedder.preprocessing)
        again = averaged("fit" if mode == "fit" else "squash", scales, "cls+gem", source)
        anew = averaged(mode, scales, "cls+gem", image)
        assert found @ again >= 0.999, photo.name
        assert found @ anew >= NEAR[mode], photo.name


@pytest.mark.parametrize("pooling", ["cls", "cls@2+sgem"])
@pytest.mark.parametrize(("preprocessing", "scales"), [("squash-224", "gem"), ("crop-160", "superglobal")])
def test_vector_is_exactly_the_formula_of_the_views(preprocessing: str, scales: str, pooling: str) -> None:
    embedder, single = mini(preprocessing, scales, pooling), mini(preprocessing, "1", pooling)
    images = [resize(picture(seed), embedder.preprocessing, 16) for seed in range(3)]
    found = embedder.embed(images)
    sizes = Sizes(Preprocessing.parse(preprocessing), scales, 16, MEAN)
    for image, vector in zip(images, found, strict=True):
        batch = torch.from_numpy(image).permute(2, 0, 1)[None].float()
        views = [view[0].permute(1, 2, 0).numpy().astype(np.uint8) for view in sizes.views(batch, sizes.inside(image))]
        vectors = single.embed(views).astype(np.float64)
        mean = vectors.sum(axis=0) / 3
        np.testing.assert_allclose(vector, mean / np.linalg.norm(mean), atol=1e-6)
        assert np.abs(vectors[0] - vectors[1]).max() > 1e-3, "equal views could hide a scale left out"


@pytest.mark.parametrize("scales", MANY)
def test_views_are_pillows(scales: str) -> None:
    """Same pixels, another implementation of the filter, which rounds between its two passes: one level apart."""
    sizes = Sizes(Preprocessing("squash", 224), scales, 14, MEAN)
    image = resize(picture(4), sizes.preprocessing)
    views = list(sizes.views(torch.from_numpy(image).permute(2, 0, 1)[None].float(), sizes.inside(image)))
    sides = {"gem": [224, 154, 112], "superglobal": [154, 224, 322]}[scales]  # 158.4 is 11.3 patches, 316.8 is 22.6
    assert [tuple(view.shape) for view in views] == [(1, 3, side, side) for side in sides]
    for side, view in zip(sides, views, strict=True):
        other = np.asarray(Image.fromarray(image).resize((side, side), Image.Resampling.BICUBIC), np.float64)
        found = view[0].permute(1, 2, 0).numpy()
        assert np.abs(found - other).max() <= 1
        assert np.abs(found - other).mean() < 0.25
        assert found.min() >= 0 and found.max() <= 255 and np.array_equal(found, np.rint(found))


@pytest.mark.parametrize("size", [(640, 448), (311, 500), (1000, 100), (640, 7), (224, 224)])
def test_views_of_a_padded_picture_keep_its_aspect_and_are_padded_anew(size: tuple[int, int]) -> None:
    """A picture without any grey, so that what is grey in a view is padding."""
    sizes = Sizes(Preprocessing("fit", 224), "superglobal", 14, MEAN)
    image = Image.fromarray(np.full((size[1], size[0], 3), (255, 0, 0), np.uint8))
    pixels = resize(image, sizes.preprocessing)
    inside = sizes.inside(pixels)
    assert inside == tuple(max(1, round(side * 322 / max(size))) for side in (size[1], size[0]))
    batch = torch.from_numpy(pixels).permute(2, 0, 1)[None].float()
    for side, view in zip((154, 224, 322), sizes.views(batch, inside), strict=True):
        found = view[0].permute(1, 2, 0).numpy()
        expected = resize(image, Preprocessing("fit", side))
        assert found.shape == expected.shape
        difference = (found != expected).any(axis=2)
        assert difference.mean() < 0.08, "more than a line of the picture has become padding or the reverse"
        assert found.shape[0] % 14 == found.shape[1] % 14 == 0


def test_a_border_of_the_colour_of_padding_changes_nothing_that_is_seen() -> None:
    sizes = Sizes(Preprocessing("fit", 224), "gem", 14, MEAN)
    grey = np.full((224, 154, 3), (124, 116, 104), np.uint8)
    assert sizes.inside(grey) == (211, 141)  # at most 13 lines are taken for padding
    batch = torch.from_numpy(grey).permute(2, 0, 1)[None].float()
    for side, view in zip((224, 154, 112), sizes.views(batch, sizes.inside(grey)), strict=True):
        assert view.shape[2] == side
        assert torch.equal(view, batch[:, :, :1, :1].expand_as(view))


def test_images_of_many_shapes_keep_their_order() -> None:
    embedder = mini("fit-96", "superglobal")
    images = [picture(seed, size) for seed, size in enumerate([(96, 60), (60, 96), (96, 58), (96, 96), (96, 60)])]
    one_by_one = np.concatenate([embedded(embedder, image) for image in images])
    together = embedded(embedder, *images)
    np.testing.assert_allclose(together, one_by_one, atol=1e-5)
    assert one_by_one[0] @ one_by_one[4] < 0.999, "the images must differ, or the order could not be seen"


def test_pixels_are_prepared_at_the_largest_size_and_the_fingerprint_names_the_first() -> None:
    for preprocessing, scales, prepared in (
        ("squash-224", "1", "squash-224"),
        ("squash-224", "gem", "squash-224"),
        ("squash-224", "superglobal", "squash-320"),  # 316.8 is 19.8 cells of 16 pixels
        ("fit-448", "superglobal", "fit-640"),  # 633.6 is 39.6
        ("crop-16", "superglobal", "crop-16"),  # 22.6 is 1.4
    ):
        embedder = mini(preprocessing, scales)
        assert str(embedder.preprocessing) == prepared
        assert (embedder.fingerprint.preprocessing, embedder.fingerprint.scales) == (preprocessing, scales)
        assert embedder.fingerprint.dimension == 288
    assert mini("squash-224", "superglobal").batch_size < mini("squash-224").batch_size


def test_one_scale_is_the_embedder_as_it_was() -> None:
    images = [resize(picture(seed), Preprocessing()) for seed in range(3)]
    assert np.array_equal(mini("squash-224", "1").embed(images), open_embedder("mini", device="cpu").embed(images))


def test_tokens_are_those_of_the_pixels_whatever_the_scales() -> None:
    image = resize(picture(1), Preprocessing("squash", 96))
    (one,), (three,) = mini("squash-96").tokens([image]), mini("squash-96", "gem").tokens([image])
    assert np.array_equal(one.patches, three.patches)


def test_transformer_is_given_every_size() -> None:
    config = TransformerConfig(dimension=48, depth=3, heads=3, registers=4, interpolation="antialias")
    fingerprint = Fingerprint("x", "0" * 64, "squash-56", "cls@2", 96, "superglobal")
    model = random_transformer(config)
    embedder = TorchEmbedder(
        model, CHECKPOINTS["dinov2_vits14_reg4"], fingerprint, Preprocessing("squash", 56), device="cpu"
    )
    assert embedder.preprocessing == Preprocessing("squash", 84)  # 79.2 is 5.7 patches
    image = resize(picture(2), embedder.preprocessing)
    vectors = []
    for side in (42, 56, 84):  # 39.6 is 2.8 patches
        pixels = np.asarray(Image.fromarray(image).resize((side, side), Image.Resampling.BICUBIC), np.float64)
        normalised = (pixels / 255 - MEAN) / [0.229, 0.224, 0.225]
        with torch.inference_mode():
            blocks = list(model.last_blocks(torch.from_numpy(normalised).permute(2, 0, 1)[None].float(), 2))
        vector = torch.cat([tokens.cls[0] for tokens in blocks]).double().numpy()
        vectors.append(vector / np.linalg.norm(vector))
    expected = np.sum(vectors, axis=0)
    assert embedder.embed([image])[0] @ (expected / np.linalg.norm(expected)) > 0.9999


@pytest.mark.parametrize("scales", ["2", "", "GEM", "gem,1"])
def test_unknown_scales_are_answered_with_those_there_are(scales: str) -> None:
    with pytest.raises(SettingError) as refused:
        open_embedder("mini", device="cpu", scales=scales)
    assert str(refused.value) == (f"scales {scales!r} is not one of 1, gem, superglobal; leave it out for: --scales 1")


def test_bfloat16_stays_near_float32() -> None:
    image = picture(3)
    half = open_embedder("mini", device="cpu", dtype="bfloat16", scales="gem", pooling="cls+sgem4.6")
    assert embedded(half, image)[0] @ embedded(mini("squash-224", "gem", "cls+sgem4.6"), image)[0] > 0.999


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")
@pytest.mark.parametrize("pooling", ["cls", "cls@4+mean", "gem4.6+sgem20"])
@pytest.mark.parametrize("mode", MODES)
def test_cuda_agrees_with_the_processor(mode: str, pooling: str) -> None:
    settings = Preprocessing(mode, 224)  # type: ignore[arg-type]
    cuda = open_embedder("mini", device="cuda", preprocessing=settings, scales="superglobal", pooling=pooling)
    for seed, size in enumerate(SHAPES):
        (expected,) = embedded(mini(f"{mode}-224", "superglobal", pooling), picture(seed, size))
        assert embedded(cuda, picture(seed, size))[0] @ expected > 0.999
