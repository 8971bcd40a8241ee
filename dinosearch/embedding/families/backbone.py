"""What every architecture offers, whatever is inside: tokens of an image, and how its weight files are read."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from dinosearch.embedding.runtimes.positions import Positions
from dinosearch.embedding.tokens import Tokens

State = dict[str, Tensor]
"""Tensors of a weight file by name."""


class Backbone(nn.Module):
    """A network that returns class, register and patch tokens.

    Attributes:
        dimension: length of each token.
        patch_size: side of a patch token's cell in pixels; images' sides are multiples of it.
        depth: how many of the last blocks tokens can be taken of.
        registers: tokens between the class token and the patches.
    """

    dimension: int
    patch_size: int
    depth: int
    registers: int = 0

    def forward(self, images: Tensor) -> Tokens:
        """Tokens of a batch after the last block; arguments and errors as `last_blocks`."""
        (tokens,) = self.last_blocks(images, 1)
        return tokens

    def last_blocks(self, images: Tensor, count: int, cells: Tensor | None = None) -> Iterator[Tokens]:
        """Tokens of a batch after each of the last blocks, each given the final norm where there is one.

        Args:
            images: (n, 3, h, w) float, normalised; h and w multiples of the patch size.
            count: how many blocks, 1 to `depth`.
            cells: `Positions.cells` of that grid of patches; None has the network make its own.

        Yields:
            The earliest first: class tokens (n, d), registers (n, r, d), patches (n, p, d) row by row, and the grid
            (h / patch, w / patch).

        Raises:
            ValueError: a side that is no multiple of the patch size.
        """
        raise NotImplementedError

    def positions(self) -> Positions | None:
        """How the network knows where a patch lies, for programs without torch; None for one that need not be told."""
        return None

    def grid(self, images: Tensor) -> tuple[int, int]:
        """Rows and columns of patches of (n, 3, h, w) images.

        Raises:
            ValueError: a side that is no multiple of the patch size.
        """
        height, width = images.shape[-2:]
        if height % self.patch_size or width % self.patch_size:
            raise ValueError(
                f"the image is {width} x {height} pixels; both sides must be multiples of {self.patch_size}"
            )
        return height // self.patch_size, width // self.patch_size


def as_they_are(state: State, config: Any) -> State:
    """The tensors of a family whose files hold just what the network wants."""
    return state


@dataclass(frozen=True)
class Family:
    """An architecture.

    Attributes:
        config: dataclass of its shape; keyword arguments are `Checkpoint.shape`.
        network: builds it.
        renamed: patterns of names in other libraries' files and what takes their place, applied in this order. Parts
            that are one tensor here come out numbered, as `attn.qkv.0.weight`, and are joined in that order.
        adapt: makes of the renamed tensors what the network wants: adds what files may lack, leaves out what only
            training uses. It is also given tensors without storage.
    """

    config: Callable[..., Any]
    network: Callable[[Any], Backbone]
    renamed: tuple[tuple[str, str], ...] = ()
    adapt: Callable[[State, Any], State] = as_they_are
