"""How the tokens of an image become its one vector; the length is brought to one afterwards, by the embedder."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from dinosearch.embedding.tokens import Tokens
from dinosearch.errors import SettingError
from dinosearch.records import pooling_parts

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


PARTS: dict[str, Callable[[Tokens], Tensor]] = {"cls": _cls, "mean": _mean, "gem": _gem}
"""What the words of a pooling's name stand for; their results are put behind each other."""


def pool(name: str, tokens: Tokens) -> Tensor:
    """(n, parts * d) vectors of a batch."""
    return torch.cat([PARTS[part](tokens) for part in pooling_parts(name)], dim=-1)


def pooled_dimension(name: str, dimension: int) -> int:
    """Length of a vector for tokens of length `dimension`.

    Raises:
        SettingError: no such pooling.
    """
    try:
        return dimension * len(pooling_parts(name))
    except ValueError as error:
        raise SettingError(f"{error}; leave it out for: --pooling cls") from None
