"""How the tokens of an image become its one vector; the length is brought to one afterwards, by the embedder."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from torch import Tensor

from dinosearch.embedding.tokens import Tokens
from dinosearch.records import Pooling

_FLOOR = 1e-6  # of a token's numbers in GeM: cirtorch/layers/functional.py (arXiv:1711.02512), DINO's copy detection
_SAFE_POWER = 4.0  # up to here the powers of 1e-6 and of any activation are numbers that float32 has


def _cls(tokens: Tokens, power: float) -> Tensor:
    # A view would keep all tokens of the block alive until those of the last one are there.
    return tokens.cls.clone()


def _mean(tokens: Tokens, power: float) -> Tensor:
    return tokens.patches.mean(dim=1)


def _gem(tokens: Tokens, power: float) -> Tensor:
    """(mean x^p)^(1/p) with x cut off at a small positive number."""
    # In float32: the third power of an activation of 50 overflows float16.
    x = tokens.patches.float().clamp(min=_FLOOR)
    peak = _peak(x, power)
    return (peak[:, 0] * (x / peak).pow(power).mean(dim=1).pow(1 / power)).to(tokens.patches.dtype)


def _signed_gem(tokens: Tokens, power: float) -> Tensor:
    """sign(m) |m|^(1/p) with m = mean sign(x) |x|^p, to which negative activations count as much as positive ones."""
    x = tokens.patches.float()
    peak = _peak(x, power)
    mean = (x.sign() * (x / peak).abs().pow(power)).mean(dim=1)
    return (peak[:, 0] * mean.sign() * mean.abs().pow(1 / power)).to(tokens.patches.dtype)


def _peak(x: Tensor, power: float) -> Tensor:
    """(n, 1, d) numbers to divide by before a high power: the largest of each channel, which cancels out again.

    Low powers are safe as they are, and vectors of collections that have `gem` stay the same to the last bit.
    """
    if power <= _SAFE_POWER:
        return torch.ones((), dtype=x.dtype, device=x.device).expand(x.shape[0], 1, x.shape[2])
    return x.abs().amax(dim=1, keepdim=True).clamp(min=_FLOOR)


KINDS: dict[str, Callable[[Tokens, float], Tensor]] = {"cls": _cls, "mean": _mean, "gem": _gem, "sgem": _signed_gem}
"""What the kinds of `PoolingPart` stand for: (n, d) of the tokens of one block and of the power."""


def pool(pooling: Pooling, blocks: Iterable[Tokens]) -> Tensor:
    """(n, pooling.tokens * d) vectors of a batch, not of unit length.

    What is needed of a block is taken before the next one is asked for, and its tokens are not kept.

    Args:
        pooling: what is taken.
        blocks: tokens of the last `pooling.blocks` blocks, the earliest first.
    """
    taken: list[list[Tensor]] = [[] for _ in pooling.parts]
    for left, tokens in zip(range(pooling.blocks, 0, -1), blocks, strict=True):
        for part, vectors in zip(pooling.parts, taken, strict=True):
            if left <= part.blocks:
                vectors.append(KINDS[part.kind](tokens, part.power))
    return torch.cat([vector for vectors in taken for vector in vectors], dim=-1)
