"""What a transformer computes inside, against transformers' and timm's models of the same random weights; strides
against images that are moved by hand, and places against arithmetic."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from bench.other_networks import Pair, pair
from dinosearch.embedding import open_facets
from dinosearch.embedding.checkpoints import CHECKPOINTS
from dinosearch.embedding.facets import FacetReader
from dinosearch.embedding.families.dinov2 import TransformerConfig
from dinosearch.embedding.families.dinov3 import RotaryConfig, RotaryTransformer
from dinosearch.errors import SettingError
from tests.embedding.random_weights import random_transformer
from tests.embedding.tiny import write_weights

SHAPE = {"depth": 3, "dimension": 96, "heads": 3}
MODELS = {"dinov2_vits14": {}, "dinov2_vits14_reg4": {}, "dino_vits16": {}, "dinov3_vits16": {"hidden": 384}}
CHECKPOINT = CHECKPOINTS["dinov2_vits14"]
LAYERS = (0, 2)
CLOSE = {"atol": 2e-4, "rtol": 1e-4}


def pixels(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)


def normalised(image: np.ndarray) -> Tensor:
    numbers = (image / 255.0 - CHECKPOINT.mean) / CHECKPOINT.deviation
    return torch.from_numpy(numbers.astype(np.float32)).permute(2, 0, 1)[None]


@lru_cache(maxsize=1)  # the cases of one model follow each other
def eager(model: str) -> Pair:
    """transformers' model computes attention in the open, which can be looked at."""
    both = pair(model, "transformers", **SHAPE, **MODELS[model])
    both.theirs.set_attn_implementation("eager")  # type: ignore[operator]
    return both


def outputs(network: nn.Module, images: Tensor, endings: tuple[str, ...], run: Any) -> list[Tensor]:
    """What the modules whose names end so give, in the order of the blocks."""
    seen: list[Tensor] = []
    hooks = [
        module.register_forward_hook(lambda _module, _given, output: seen.append(output))
        for name, module in network.named_modules()
        if name.endswith(endings)
    ]
    run(images)
    for hook in hooks:
        hook.remove()
    return seen


PROJECTIONS = {"key": (".key", ".k_proj"), "query": (".query", ".q_proj"), "value": (".value", ".v_proj")}


@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize("facet", PROJECTIONS)
@pytest.mark.parametrize("model", MODELS)
def test_keys_queries_and_values_are_those_of_transformers(model: str, facet: str, layer: int) -> None:
    both, image = eager(model), pixels(112, 112)
    reader = FacetReader(both.ours, CHECKPOINTS[model], facet=facet, layer=layer)
    found = reader.read(image)
    with torch.inference_mode():
        every = outputs(both.theirs, normalised(image), PROJECTIONS[facet], both.tokens)
    assert len(every) == SHAPE["depth"]
    rows, columns = 112 // reader.patch, 112 // reader.patch
    theirs = every[layer][0, -rows * columns :].reshape(rows, columns, -1).numpy()
    assert found.descriptors.shape == theirs.shape
    assert theirs.std() > 0.05
    np.testing.assert_allclose(found.descriptors, theirs, **CLOSE)


@pytest.mark.parametrize("model", MODELS)
def test_attention_and_tokens_are_those_of_transformers(model: str) -> None:
    both = eager(model)
    patch = both.ours.patch_size
    image = pixels(5 * patch, 7 * patch)
    with torch.inference_mode():
        more = {"interpolate_pos_encoding": True} if model.startswith("dino_") else {}
        theirs = both.theirs(normalised(image), output_attentions=True, output_hidden_states=True, **more)
        norm: Any = next(module for name, module in both.theirs.named_modules() if name in ("layernorm", "norm"))
        hidden = norm(theirs.hidden_states[2])[0, -35:].reshape(5, 7, -1)
    found = FacetReader(both.ours, CHECKPOINTS[model], facet="token", layer=1).read(image)
    attention = theirs.attentions[-1][0, :, 0, -35:].reshape(SHAPE["heads"], 5, 7).numpy()
    assert attention.std() > 1e-4
    np.testing.assert_allclose(found.attention, attention, atol=1e-5, rtol=0)
    np.testing.assert_allclose(found.descriptors, hidden.numpy(), **CLOSE)
    assert found.patch == (1 / 5, 1 / 7)


def test_facets_are_those_of_timm() -> None:
    both = pair("dinov2_vits14_reg4", "timm", **SHAPE)
    image = pixels(70, 98)
    with torch.inference_mode():
        every = outputs(both.theirs, normalised(image), (".attn.qkv",), both.tokens)
        tokens = both.tokens(normalised(image))[0, 5:].reshape(5, 7, -1)
    query, key, value = every[1][0, 5:].reshape(5, 7, 3, -1).permute(2, 0, 1, 3).numpy()
    for facet, theirs in {"query": query, "key": key, "value": value}.items():
        found = FacetReader(both.ours, CHECKPOINT, facet=facet, layer=-2).read(image)
        np.testing.assert_allclose(found.descriptors, theirs, **CLOSE)
    np.testing.assert_allclose(FacetReader(both.ours, CHECKPOINT).read(image).descriptors, tokens.numpy(), **CLOSE)


def plain_patches(positions: bool = False) -> Any:
    """A transformer whose tokens are its embedded patches, or their positions alone: nothing else is in them."""
    model = random_transformer(TransformerConfig(dimension=8, depth=1, heads=2, grid=9, interpolation="antialias"))
    for scale in (model.blocks[0].ls1, model.blocks[0].ls2):  # type: ignore[union-attr]
        scale.gamma.zero_()  # type: ignore[operator, union-attr]
    model.norm = nn.Identity()  # type: ignore[assignment]
    (model.patch_embed.proj.weight if positions else model.pos_embed).zero_()
    if positions:
        model.patch_embed.proj.bias.zero_()  # type: ignore[union-attr]
    return model


@pytest.mark.parametrize("stride", [7, 2])
def test_a_stride_gives_the_patches_of_moved_images(stride: int) -> None:
    image = pixels(70, 56)
    found = FacetReader(plain_patches(), CHECKPOINT, stride=stride).read(image).descriptors
    assert found.shape == ((70 - 14) // stride + 1, (56 - 14) // stride + 1, 8)
    whole = FacetReader(plain_patches(), CHECKPOINT)
    step = 14 // stride
    for down in range(step):
        for across in range(step):
            part = found[down::step, across::step]
            moved = image[down * stride :, across * stride :]
            cut = moved[: len(moved) // 14 * 14, : moved.shape[1] // 14 * 14]
            np.testing.assert_allclose(part, whole.read(cut).descriptors, atol=1e-5)


@pytest.mark.parametrize("stride", [14, 7, 2])
def test_positions_of_a_stride_are_those_of_the_places(stride: int) -> None:
    model = plain_patches(positions=True)
    # A plane over the stored grid, which this interpolation keeps away from its edges: its cubic kernel has a = -0.5.
    y, x = np.mgrid[:9, :9]
    plane = np.stack([x, y, x + y, x - y, 2 * x, 3 * y, x * 0 + 1.0, y * 0.5], axis=-1).reshape(1, 81, 8)
    model.pos_embed[:, 1:] = torch.from_numpy(plane.astype(np.float32))
    found = FacetReader(model, CHECKPOINT, stride=stride).read(pixels(14 * 12, 14 * 18)).descriptors
    for axis, side, channel in ((0, 168, 1), (1, 252, 0)):
        centres = (np.arange(found.shape[axis]) * stride + 7) / side * 9 - 0.5
        inner = (centres > 2) & (centres < 6)
        line = found[found.shape[0] // 2, :, channel] if axis else found[:, found.shape[1] // 2, channel]
        np.testing.assert_allclose(line[inner], centres[inner], atol=1e-4)


def test_angles_of_a_stride_are_those_of_the_places(monkeypatch: pytest.MonkeyPatch) -> None:
    with torch.device("cpu"):
        model = RotaryTransformer(RotaryConfig(dimension=32, depth=1, heads=2, hidden=32)).eval().requires_grad_(False)
    model.rope_embed.periods.copy_(torch.tensor([1.0, 3.0, 10.0, 30.0]))
    given: list[Tensor] = []
    before = model.last_blocks

    def noted(images: Tensor, count: int, cells: Tensor | None = None) -> Any:
        assert cells is not None
        given.append(cells)
        return before(images, count, cells)

    monkeypatch.setattr(model, "last_blocks", noted)
    FacetReader(model, CHECKPOINTS["dinov3_vits16"], stride=8).read(pixels(160, 320))
    (cells,) = given
    assert cells.shape == (1, 19, 39, 16)
    places = [(np.arange(count) * 8 + 8) / side * 2 - 1 for count, side in ((19, 160), (39, 320))]
    angles = 2 * np.pi * np.stack(np.meshgrid(*places, indexing="ij"), axis=-1)[..., None] / [1, 3, 10, 30]
    angles = angles.reshape(19, 39, 8)
    wanted = np.concatenate([np.sin(angles), np.cos(angles)], axis=-1)
    np.testing.assert_allclose(cells[0].numpy(), wanted, atol=2e-5)


def test_a_stride_of_the_whole_patch_changes_nothing() -> None:
    model, image = random_transformer(TransformerConfig(dimension=48, depth=2, heads=3, grid=9)), pixels(56, 70)
    one, other = (FacetReader(model, CHECKPOINT, stride=stride).read(image) for stride in (None, 14))
    assert (one.descriptors == other.descriptors).all()
    assert one.attention is not None and other.attention is not None
    assert one.attention.sum(axis=(1, 2)).max() < 1


REFUSED = [
    ({"facet": "key"}, "mini is a network of convolutions and has no key of a patch; use a Vision Transformer such as"),
    ({"stride": 8}, "has no other stride than its own"),
    ({"layer": 4}, "mini has no layer 4; use 0 to 3"),
    ({"layer": -5}, "mini has no layer -5"),
    ({"facet": "colour"}, "there is no facet 'colour'; it is one of token, key, query, value"),
    ({"device": "cuda:99"}, "'cuda:99' cannot be used"),
]


@pytest.mark.parametrize(("asked", "why"), REFUSED)
def test_mini_says_what_it_cannot_do(asked: dict[str, Any], why: str) -> None:
    with pytest.raises(SettingError, match=why):
        open_facets("mini", **asked)


def test_a_stride_must_divide_the_patch(tmp_path: Path) -> None:
    weights = write_weights(tmp_path / "tiny.safetensors")
    with pytest.raises(
        SettingError, match="a stride of 5 does not divide mini's patch of 14 pixels; use one of 1, 2, 7"
    ):
        open_facets("mini", weights=weights, stride=5)


def test_mini_gives_the_tokens_that_its_embedder_gives() -> None:
    from dinosearch.embedding import open_embedder

    image = pixels(96, 64)
    embedder: Any = open_embedder("mini", runtime="torch")
    (tokens,) = embedder.tokens([image], blocks=2)
    assert np.allclose(open_facets("mini").read(image).descriptors, tokens.patches, atol=1e-5)
    earlier = open_facets("mini", layer=-2).read(image)
    assert np.allclose(earlier.descriptors, tokens.earlier[0].patches, atol=1e-5)
    assert earlier.attention is None


@pytest.mark.parametrize("image", [pixels(20, 28), pixels(28, 28).astype(np.float32), pixels(28, 28)[..., :2]])
def test_other_pixels_are_a_mistake_of_the_caller(image: np.ndarray) -> None:
    model = random_transformer(TransformerConfig(dimension=48, depth=1, heads=3, grid=9))
    with pytest.raises(ValueError, match="pixels"):
        FacetReader(model, CHECKPOINT).read(image)
