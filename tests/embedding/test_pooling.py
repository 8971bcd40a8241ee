"""Poolings against numpy on random tokens, and through the embedder of the bundled model against its own tokens."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from dinosearch.embedding import open_embedder
from dinosearch.embedding.pooling import pool, pooled_dimension
from dinosearch.embedding.tokens import Tokens
from dinosearch.errors import SettingError
from dinosearch.records import POOLINGS


def generalised_mean(patches: np.ndarray) -> np.ndarray:
    """(d,) cube root of the mean cube, what is negative counted as nothing; one number at a time."""
    return np.array([np.cbrt(sum(max(float(x), 1e-6) ** 3 for x in column) / len(column)) for column in patches.T])


BY_HAND: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "cls": lambda cls, patches: cls,
    "mean": lambda cls, patches: patches.sum(axis=0) / len(patches),
    "gem": lambda cls, patches: generalised_mean(patches),
    "cls+mean": lambda cls, patches: np.concatenate([cls, patches.sum(axis=0) / len(patches)]),
    "cls+gem": lambda cls, patches: np.concatenate([cls, generalised_mean(patches)]),
}
"""From (d,) class token and (p, d) patch tokens in float64 to the vector before it is brought to unit length."""


def random_tokens(seed: int, images: int = 3, registers: int = 4, dimension: int = 7) -> Tokens:
    draw = torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=draw)

    return Tokens(
        normal(images, dimension), 100 + normal(images, registers, dimension), normal(images, 10, dimension), (2, 5)
    )


def test_every_pooling_has_an_oracle() -> None:
    assert list(POOLINGS) == list(BY_HAND)


@pytest.mark.parametrize("name", BY_HAND)
def test_random_tokens_are_pooled_as_by_hand_and_registers_left_out(name: str) -> None:
    for seed in range(5):
        tokens = random_tokens(seed)
        found = pool(name, tokens)
        assert tuple(found.shape) == (3, pooled_dimension(name, 7))
        for i in range(3):
            expected = BY_HAND[name](tokens.cls[i].double().numpy(), tokens.patches[i].double().numpy())
            np.testing.assert_allclose(found[i].numpy(), expected, rtol=1e-5, atol=1e-6)


def test_values_computed_by_hand() -> None:
    patches = torch.tensor([[[1.0, -5.0], [2.0, -1.0], [3.0, 0.0]]])
    tokens = Tokens(torch.tensor([[7.0, -8.0]]), torch.empty(1, 0, 2), patches, (1, 3))
    assert pool("cls", tokens).tolist() == [[7, -8]]
    assert pool("mean", tokens).tolist() == [[2, -2]]
    assert pool("gem", tokens)[0].tolist() == pytest.approx([12 ** (1 / 3), 0], abs=2e-6)  # (1 + 8 + 27) / 3 = 12
    assert pool("cls+mean", tokens).tolist() == [[7, -8, 2, -2]]
    assert pool("cls+gem", tokens)[0].tolist() == pytest.approx([7, -8, 12 ** (1 / 3), 0], abs=2e-6)


@pytest.mark.parametrize("name", BY_HAND)
def test_half_precision_tokens_do_not_overflow(name: str) -> None:
    tokens = random_tokens(9)
    halves = Tokens(*(60 * part.abs() + 1 for part in (tokens.cls, tokens.registers, tokens.patches)), tokens.grid)
    halves = Tokens(halves.cls.half(), halves.registers.half(), halves.patches.half(), halves.grid)
    found = pool(name, halves)
    assert found.dtype == torch.float16
    for i in range(3):
        expected = BY_HAND[name](halves.cls[i].double().numpy(), halves.patches[i].double().numpy())
        np.testing.assert_allclose(found[i].double().numpy(), expected, rtol=2e-3)


@pytest.mark.parametrize("name", BY_HAND)
def test_embedder_pools_the_tokens_it_shows(name: str) -> None:
    embedder = open_embedder("mini", device="cpu", pooling=name)
    rng = np.random.default_rng(1)
    coarse = rng.integers(0, 256, size=(2, 14, 14, 3), dtype=np.uint8)
    images = [np.kron(image, np.ones((16, 16, 1), np.uint8)) for image in coarse]
    vectors, tokens = embedder.embed(images), embedder.tokens(images)
    assert embedder.fingerprint.pooling == name
    assert vectors.shape == (2, embedder.fingerprint.dimension)
    assert vectors.dtype == np.float32
    for vector, token in zip(vectors, tokens, strict=True):
        width = len(token.cls)
        assert embedder.fingerprint.dimension == width * (2 if "+" in name else 1)
        expected = BY_HAND[name](token.cls.astype(np.float64), token.patches.reshape(-1, width).astype(np.float64))
        np.testing.assert_allclose(vector, expected / np.linalg.norm(expected), atol=2e-6)
        assert np.linalg.norm(vector.astype(np.float64)) == pytest.approx(1, abs=1e-6)
    assert abs(float(vectors[0] @ vectors[1])) < 0.9999, "the images must differ, or the order could not be seen"


@pytest.mark.parametrize("name", ["max", "mean+cls", "", "CLS"])
def test_unknown_pooling_is_answered_with_those_there_are(name: str) -> None:
    with pytest.raises(SettingError) as refused:
        open_embedder("mini", device="cpu", pooling=name)
    assert all(known in str(refused.value) for known in (repr(name), *BY_HAND))
    assert "--pooling cls" in str(refused.value)
