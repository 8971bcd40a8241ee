"""Poolings: how they are written, and against slow numpy on random tokens, in every number format."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pytest
import torch

from dinosearch.embedding import open_embedder
from dinosearch.embedding.pooling import pool
from dinosearch.embedding.tokens import Tokens
from dinosearch.errors import SettingError
from dinosearch.records import Pooling


def generalised_mean(patches: np.ndarray, power: float) -> np.ndarray:
    """(d,) root of the mean power, what is negative counted as nothing; one number at a time, in long doubles."""
    return np.array([
        float((sum(np.longdouble(max(float(x), 1e-6)) ** power for x in column) / len(column)) ** (1 / power))
        for column in patches.T
    ])  # fmt: skip


def signed_mean(patches: np.ndarray, power: float) -> np.ndarray:
    """(d,) root of the mean power, signs kept on both ways; one number at a time, in long doubles."""
    out = []
    for column in patches.T:
        mean = sum(np.sign(x) * abs(np.longdouble(x)) ** power for x in column) / len(column)
        out.append(float(np.sign(mean) * abs(mean) ** (1 / power)))
    return np.array(out)


PARTS: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "cls": lambda cls, patches: cls,
    "mean": lambda cls, patches: patches.sum(axis=0) / len(patches),
    "gem": lambda cls, patches: generalised_mean(patches, 3),
    "gem1": lambda cls, patches: generalised_mean(patches, 1),
    "gem4.6": lambda cls, patches: generalised_mean(patches, 4.6),
    "gem20": lambda cls, patches: generalised_mean(patches, 20),
    "sgem": lambda cls, patches: signed_mean(patches, 3),
    "sgem2": lambda cls, patches: signed_mean(patches, 2),
    "sgem4.6": lambda cls, patches: signed_mean(patches, 4.6),
    "sgem20": lambda cls, patches: signed_mean(patches, 20),
}
"""From (d,) class token and (p, d) patch tokens in float64 to a part of the vector, not of unit length."""
NAMES = [*PARTS, "cls+mean", "cls+gem", "cls+gem4", "gem4.6+sgem2+cls"]
PARTS["gem4"] = lambda cls, patches: generalised_mean(patches, 4)


def by_hand(name: str, cls: torch.Tensor, patches: torch.Tensor) -> np.ndarray:
    values = cls.double().numpy(), patches.double().numpy()
    return np.concatenate([PARTS[part](*values) for part in name.split("+")])


def random_tokens(seed: int, images: int = 3, registers: int = 4, dimension: int = 7) -> Tokens:
    draw = torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=draw)

    return Tokens(
        normal(images, dimension), 100 + normal(images, registers, dimension), normal(images, 10, dimension), (2, 5)
    )


def pooled(name: str, *blocks: Tokens) -> torch.Tensor:
    return pool(Pooling.parse(name), blocks)


@pytest.mark.parametrize("name", NAMES)
def test_random_tokens_are_pooled_as_by_hand_and_registers_left_out(name: str) -> None:
    for seed in range(5):
        tokens = random_tokens(seed)
        found = pooled(name, tokens)
        assert tuple(found.shape) == (3, Pooling.parse(name).tokens * 7)
        for i in range(3):
            np.testing.assert_allclose(found[i].numpy(), by_hand(name, tokens.cls[i], tokens.patches[i]), rtol=2e-5)


def test_values_computed_by_hand() -> None:
    patches = torch.tensor([[[1.0, -5.0], [2.0, -1.0], [3.0, 0.0]]])
    tokens = Tokens(torch.tensor([[7.0, -8.0]]), torch.empty(1, 0, 2), patches, (1, 3))
    assert pooled("cls", tokens).tolist() == [[7, -8]]
    assert pooled("mean", tokens).tolist() == [[2, -2]]
    assert pooled("gem", tokens)[0].tolist() == pytest.approx([12 ** (1 / 3), 0], abs=2e-6)  # (1 + 8 + 27) / 3 = 12
    assert pooled("gem2", tokens)[0].tolist() == pytest.approx([(14 / 3) ** 0.5, 0], abs=2e-6)
    assert pooled("sgem", tokens)[0].tolist() == pytest.approx([12 ** (1 / 3), -(42 ** (1 / 3))], abs=2e-6)
    assert pooled("sgem2", tokens)[0].tolist() == pytest.approx([(14 / 3) ** 0.5, -((26 / 3) ** 0.5)], abs=2e-6)
    assert pooled("cls+mean", tokens).tolist() == [[7, -8, 2, -2]]
    assert pooled("mean+cls", tokens).tolist() == [[2, -2, 7, -8]]


def test_blocks_are_put_behind_each_other_part_by_part_the_earliest_first() -> None:
    blocks = [
        Tokens(torch.tensor([[value]]), torch.empty(1, 0, 1), torch.tensor([[[10 * value]]]), (1, 1))
        for value in (1.0, 2.0, 3.0)
    ]
    assert pooled("cls@3+mean", *blocks).tolist() == [[1, 2, 3, 30]]
    assert pooled("mean@2+cls@3+sgem", *blocks)[0].tolist() == pytest.approx([20, 30, 1, 2, 3, 30])
    assert pooled("mean@2", *blocks[1:]).tolist() == [[20, 30]]


@pytest.mark.parametrize("name", ["cls@3", "cls@3+mean@2+gem@3+sgem@2"])
def test_nothing_of_a_block_is_kept_but_what_is_pooled(name: str) -> None:
    """A block's memory is used again before the next one is there, as a model might do it."""
    blocks = [random_tokens(seed) for seed in range(3)]
    expected = pooled(name, *blocks)

    def reusing() -> Iterator[Tokens]:
        for tokens in blocks:
            yield tokens
            tokens.cls.fill_(float("nan"))
            tokens.patches.fill_(float("nan"))

    count = Pooling.parse(name).blocks
    assert count == 3
    assert torch.equal(pool(Pooling.parse(name), reusing()), expected)


@pytest.mark.parametrize("number_format", [torch.float16, torch.bfloat16, torch.float32])
@pytest.mark.parametrize("name", NAMES)
def test_no_format_overflows_or_vanishes(name: str, number_format: torch.dtype) -> None:
    """Activations of 0.001 to 300: their third powers leave float16, their twentieth float32."""
    signs = (random_tokens(9).patches > -0.5).float() * 2 - 1
    least = 2e-2 if number_format == torch.bfloat16 else 2e-3
    for size in (1e-3, 1.0, 300.0):
        drawn = random_tokens(8)
        patches = (size * (0.5 + drawn.patches.abs()) * signs).to(number_format)
        tokens = Tokens((size * drawn.cls).to(number_format), drawn.registers.to(number_format), patches, drawn.grid)
        found = pooled(name, tokens)
        assert found.dtype == number_format
        assert found.isfinite().all()
        for i in range(3):
            expected = by_hand(name, tokens.cls[i], patches[i])
            # a signed sum may nearly cancel out, and then has no digits left to be compared
            np.testing.assert_allclose(
                found[i].double().numpy(), expected, rtol=least, atol=least * np.abs(expected).max()
            )


def test_patches_that_are_all_zero_give_no_nan() -> None:
    tokens = Tokens(torch.ones(1, 2), torch.empty(1, 0, 2), torch.zeros(1, 4, 2), (2, 2))
    for name in ("gem", "gem20", "sgem", "sgem20"):
        assert pooled(name, tokens).abs().max() < 2e-6


def test_gem_keeps_the_very_bits_that_collections_have() -> None:
    """The formula that homes of the first version were made with, in its order of operations."""
    for number_format in (torch.float32, torch.float16, torch.bfloat16):
        for seed in range(20):
            drawn = random_tokens(seed, dimension=33)
            patches = (drawn.patches * 7).to(number_format)
            tokens = Tokens(drawn.cls.to(number_format), drawn.registers, patches, drawn.grid)
            before = patches.float().clamp(min=1e-6).pow(3.0).mean(dim=1).pow(1 / 3.0).to(number_format)
            assert torch.equal(pooled("gem", tokens), before)
            assert torch.equal(pooled("cls+gem", tokens), torch.cat([tokens.cls, before], dim=-1))
            assert torch.equal(pooled("cls+mean", tokens), torch.cat([tokens.cls, patches.mean(dim=1)], dim=-1))


@pytest.mark.parametrize(
    ("written", "canonical"),
    [
        ("cls", "cls"), ("mean", "mean"), ("gem", "gem"), ("cls+mean", "cls+mean"), ("cls+gem", "cls+gem"),
        ("gem3", "gem"), ("gem3.0", "gem"), ("gem03", "gem"), ("sgem3", "sgem"), ("gem4.60", "gem4.6"),
        ("sgem4.605", "sgem4.605"), ("gem20", "gem20"), ("gem1", "gem1"), ("sgem1", "mean"), ("sgem1.0@2", "mean@2"),
        ("cls@1", "cls"), ("cls@04+mean@1", "cls@4+mean"), ("gem3@2+cls@1", "gem@2+cls"), ("mean+cls", "mean+cls"),
        ("gem+sgem+cls@12", "gem+sgem+cls@12"),
    ],
)  # fmt: skip
def test_equal_vectors_have_one_spelling(written: str, canonical: str) -> None:
    parsed = Pooling.parse(written)
    assert str(parsed) == canonical
    assert Pooling.parse(canonical) == parsed
    blocks = [random_tokens(seed) for seed in range(parsed.blocks)]
    assert torch.equal(pool(parsed, blocks), pooled(canonical, *blocks))


def test_embedder_is_marked_with_the_one_spelling() -> None:
    images = list(np.random.default_rng(5).integers(0, 256, (2, 64, 64, 3), dtype=np.uint8))
    first, second = (open_embedder("mini", device="cpu", pooling=name) for name in ("gem3+cls@1", "gem+cls"))
    assert first.fingerprint == second.fingerprint
    assert first.fingerprint.pooling == "gem+cls"
    assert np.array_equal(first.embed(images), second.embed(images))


WRONG = [
    "max", "", "CLS", "cls ", "cls+", "+cls", "cls++mean", "cls,mean", "cls4", "mean3", "gem0", "gem0.9", "gem20.1",
    "gem21", "gem-3", "gem1e1", "gem.5", "gem3.", "gemnan", "gem4.60001", "sgem0", "cls@", "cls@0", "cls@-1", "@4",
    "cls@4@2", "cls@1.5", "ggem", "gem@x", "cls+cls", "gem+gem3", "cls@1+cls", "mean+sgem1", "gem\u0663",
]  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_other_texts_are_answered_with_the_grammar_in_one_sentence(name: str) -> None:
    with pytest.raises(SettingError) as refused:
        open_embedder("mini", device="cpu", pooling=name)
    sentence = str(refused.value)
    for part in (f"pooling {name!r} is not one of cls, mean, gem", "gemP", "sgemP", "joined by +", "@N", "cls@4+mean"):
        assert part in sentence
    assert sentence.endswith("leave it out for: --pooling cls")
    assert ". " not in sentence
    assert "\n" not in sentence


def test_more_blocks_than_the_model_offers_are_refused_with_their_number() -> None:
    assert open_embedder("mini", device="cpu", pooling="cls@4+mean").fingerprint.dimension == 5 * 288
    with pytest.raises(SettingError) as refused:
        open_embedder("mini", device="cpu", pooling="mean+cls@5")
    assert str(refused.value) == (
        "pooling mean+cls@5 takes the last 5 blocks, but mini offers its last 4; write at most @4"
    )
