"""Tokens of the last blocks: against transformers' hidden states with the final norm, and block by block for mini."""

from __future__ import annotations

from dataclasses import asdict, replace

import numpy as np
import pytest
import torch

from bench import other_networks
from dinosearch.embedding import open_embedder
from dinosearch.embedding.checkpoints import BUNDLED, CHECKPOINTS
from dinosearch.embedding.embedder import TorchEmbedder
from dinosearch.embedding.families.dinov2 import TransformerConfig, VisionTransformer
from dinosearch.embedding.tokens import Tokens
from dinosearch.embedding.weights.models import load_model
from dinosearch.records import Fingerprint, Pooling, Preprocessing
from tests.embedding.random_weights import random_images, random_transformer
from tests.embedding.test_backends import assert_same

# transformers' Dinov2Model resizes positions to the size and without antialias, its register model as the hub does
CONFIGS = {
    "without registers": TransformerConfig(dimension=48, depth=6, heads=3, interpolation="size"),
    "with registers": TransformerConfig(dimension=48, depth=6, heads=3, registers=4, interpolation="antialias"),
    "giant's kind": TransformerConfig(dimension=48, depth=5, heads=3, ffn="swiglu", interpolation="size"),
}


def pair(config: TransformerConfig) -> tuple[VisionTransformer, torch.nn.Module]:
    both = other_networks.pair("dinov2_vits14", "transformers", **asdict(config))
    assert isinstance(both.ours, VisionTransformer)
    return both.ours, both.theirs


def hidden_states(theirs: torch.nn.Module, images: torch.Tensor, count: int) -> list[torch.Tensor]:
    """What transformers' model has after each of its last blocks, given its final norm."""
    seen: list[torch.Tensor] = []
    hooks = [
        layer.register_forward_hook(lambda module, given, out: seen.append(out[0] if isinstance(out, tuple) else out))
        for layer in next(part for part in theirs.modules() if isinstance(part, torch.nn.ModuleList))
    ]
    with torch.inference_mode():
        last = theirs(images).last_hidden_state
        found = [theirs.layernorm(state) for state in seen[-count:]]
    for hook in hooks:
        hook.remove()
    assert torch.equal(found[-1], last), "the hooks did not see what the model answers"
    return found


@pytest.mark.parametrize("kind", CONFIGS)
def test_last_blocks_are_transformers_hidden_states_after_the_final_norm(kind: str) -> None:
    ours, theirs = pair(CONFIGS[kind])
    images = random_images(2, 3, 56, 84)
    for count in (1, 3, ours.depth):
        with torch.inference_mode():
            found = list(ours.last_blocks(images, count))
        expected = hidden_states(theirs, images, count)
        assert len(found) == len(expected) == count
        for mine, other in zip(found, expected, strict=True):
            assert mine.grid == (4, 6)
            assert_same(mine, other, ours.config.registers)
    assert not torch.allclose(found[-1].cls, found[-2].cls, atol=1e-2), "equal blocks could hide a wrong order"


@pytest.mark.parametrize("kind", CONFIGS)
def test_vector_of_dinov2s_linear_evaluation(kind: str) -> None:
    """`cls@4+mean` is the class tokens of the last four blocks, then the last block's mean patch."""
    ours, theirs = pair(CONFIGS[kind])
    embedder = TorchEmbedder(
        ours, CHECKPOINTS["dinov2_vits14"], Fingerprint("x", "0" * 64, "squash-56", "cls@4+mean", 240),
        Preprocessing("squash", 56), device="cpu",
    )  # fmt: skip
    image = np.random.default_rng(0).integers(0, 256, (56, 56, 3), dtype=np.uint8)
    mean, deviation = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    pixels = torch.tensor(((image / 255 - mean) / deviation).transpose(2, 0, 1)[None], dtype=torch.float32)
    states = [state[0].double().numpy() for state in hidden_states(theirs, pixels, 4)]
    first_patch = 1 + ours.config.registers
    expected = np.concatenate([*(state[0] for state in states), states[-1][first_patch:].mean(axis=0)])
    np.testing.assert_allclose(embedder.embed([image])[0], expected / np.linalg.norm(expected), atol=2e-5)


def test_minis_last_blocks_are_those_of_its_last_stage() -> None:
    mini = load_model(CHECKPOINTS["mini"], BUNDLED)
    images = random_images(2, 3, 64, 96)
    with torch.inference_mode():
        x = images
        for shrink, stage in zip(mini.downsample_layers, mini.stages, strict=True):
            x, states = shrink(x), []
            for block in stage:
                x = block(x)
                states.append(x)
        assert mini.depth == len(states) == 4
        for count in (1, 2, 4):
            found = list(mini.last_blocks(images, count))
            assert len(found) == count
            for tokens, state in zip(found, states[-count:], strict=True):
                assert tokens.grid == state.shape[2:]
                cells = state.permute(0, 2, 3, 1).reshape(2, -1, mini.dimension)
                assert torch.allclose(tokens.patches, mini.norm(cells), atol=1e-5)
                assert torch.allclose(tokens.cls, mini.norm(cells.mean(dim=1)), atol=1e-5)
    assert not torch.allclose(found[-1].cls, found[-2].cls, atol=1e-2), "equal blocks could hide a wrong order"


@pytest.mark.parametrize("name", ["cls@3", "cls@4+mean", "mean@2+cls", "gem2@3+sgem+cls@2"])
def test_embedder_pools_the_blocks_it_shows(name: str) -> None:
    embedder = open_embedder("mini", device="cpu", pooling=name)
    images = list(np.random.default_rng(1).integers(0, 256, (3, 64, 96, 3), dtype=np.uint8))
    vectors, shown = embedder.embed(images), embedder.tokens(images, blocks=4)
    assert embedder.fingerprint.dimension == vectors.shape[1] == Pooling.parse(name).tokens * 288
    for vector, last in zip(vectors, shown, strict=True):
        blocks = [*last.earlier, replace(last, earlier=())]
        pieces = []
        for part in name.split("+"):
            kind, _, count = part.partition("@")
            for tokens in blocks[4 - int(count or 1) :]:
                x = tokens.patches.reshape(-1, 288).astype(np.float64)
                pieces.append({
                    "cls": lambda tokens=tokens: tokens.cls.astype(np.float64),
                    "mean": lambda x=x: x.mean(axis=0),
                    "gem2": lambda x=x: np.sqrt((np.maximum(x, 1e-6) ** 2).mean(axis=0)),
                    "sgem": lambda x=x: np.cbrt((x**3).mean(axis=0)),
                }[kind]())  # fmt: skip
        expected = np.concatenate(pieces)
        np.testing.assert_allclose(vector, expected / np.linalg.norm(expected), atol=1e-5)


def test_earlier_blocks_come_with_their_image() -> None:
    config = TransformerConfig(dimension=48, depth=3, heads=3, registers=4, interpolation="antialias")
    model = random_transformer(config)
    embedder = TorchEmbedder(
        model, CHECKPOINTS["dinov2_vits14_reg4"], Fingerprint("x", "0" * 64, "squash-56", "cls", 48),
        Preprocessing("squash", 56), device="cpu", batch=2,
    )  # fmt: skip
    rng = np.random.default_rng(3)
    images = [rng.integers(0, 256, (*size, 3), dtype=np.uint8) for size in ((28, 42), (56, 56), (28, 42), (28, 42))]
    for image, found in zip(images, embedder.tokens(images, blocks=3), strict=True):
        (alone,) = embedder.tokens([image])
        np.testing.assert_allclose(found.patches, alone.patches, atol=1e-4)
        assert alone.earlier == ()
        pixels = torch.from_numpy((image / 255 - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225])
        with torch.inference_mode():
            expected = list(model.last_blocks(pixels.permute(2, 0, 1)[None].float(), 3))
        for mine, theirs in zip((*found.earlier, found), expected, strict=True):
            assert mine.patches.shape == (image.shape[0] // 14, image.shape[1] // 14, 48)
            np.testing.assert_allclose(mine.patches.reshape(-1, 48), theirs.patches[0].numpy(), atol=1e-4)
            np.testing.assert_allclose(mine.registers, theirs.registers[0].numpy(), atol=1e-4)
            np.testing.assert_allclose(mine.cls, theirs.cls[0].numpy(), atol=1e-4)


@pytest.mark.parametrize("blocks", [0, 5, -1])
def test_blocks_that_are_not_there_have_no_tokens(blocks: int) -> None:
    with pytest.raises(ValueError, match="of the last 1 to 4 blocks"):
        open_embedder("mini", device="cpu").tokens([np.zeros((32, 32, 3), np.uint8)], blocks=blocks)


def test_type_of_tokens_is_the_same_for_both_families() -> None:
    with torch.inference_mode():
        for model in (random_transformer(CONFIGS["with registers"]), load_model(CHECKPOINTS["mini"], BUNDLED)):
            side = 2 * model.patch_size
            (last,) = model.last_blocks(random_images(1, 3, side, side), 1)
            again: Tokens = model(random_images(1, 3, side, side))
            assert torch.equal(last.cls, again.cls) and torch.equal(last.patches, again.patches)
