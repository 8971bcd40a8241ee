"""How the tokens of an image become its one vector; the length is brought to one afterwards, by the embedder."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from dinosearch.embedding.tokens import Tokens
from dinosearch.errors import SettingError

_GEM_POWER = 3.0  # Radenovic et al. 2018, arXiv:1711.02512, where p starts at 3
_GEM_FLOOR = 1e-6


def _cls(tokens: Tokens) -> Tensor:
    return tokens.cls


def _mean(tokens: Tokens) -> Tensor:
    return tokens.patches.mean(dim=1)


def _gem(tokens: Tokens) -> Tensor:
    """Generalised mean of the patch tokens, negative numbers cut off, as DINO's copy detection has it."""
    # float32: the third power of an activation of 50 overflows float16
    raised = tokens.patches.float().clamp(min=_GEM_FLOOR).pow(_GEM_POWER).mean(dim=1)
    return raised.pow(1 / _GEM_POWER).to(tokens.patches.dtype)


POOLINGS: dict[str, tuple[Callable[[Tokens], Tensor], ...]] = {
    "cls": (_cls,),
    "mean": (_mean,),
    "gem": (_gem,),
    "cls+mean": (_cls, _mean),
    "cls+gem": (_cls, _gem),
}
"""By name the parts that are put behind each other: the class token as published retrieval figures have it, the mean of
the patch tokens, their generalised mean (p 3), or two of them (DINOv2's linear evaluation has class token and mean)."""


def pool(name: str, tokens: Tokens) -> Tensor:
    """(n, parts * d) vectors of a batch."""
    return torch.cat([part(tokens) for part in POOLINGS[name]], dim=-1)


def pooled_dimension(name: str, dimension: int) -> int:
    """Length of a vector for tokens of length `dimension`.

    Raises:
        SettingError: no such pooling.
    """
    if name not in POOLINGS:
        raise SettingError(f"pooling {name!r} is not one of {', '.join(POOLINGS)}; leave it out for: --pooling cls")
    return dimension * len(POOLINGS[name])
