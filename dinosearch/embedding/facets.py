"""What a Vision Transformer computes inside: keys, queries, values and tokens of any block, on a grid of any stride.

Amir et al. (2021, arXiv:2112.05814) use these facets of DINO as descriptors of places. Models without attention give
their patch tokens alone. Vectors of whole images are made elsewhere, see `embedder`.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from dinosearch.advice import run
from dinosearch.embedding.checkpoints import CHECKPOINTS, Checkpoint
from dinosearch.embedding.devices.choosing import choose_device
from dinosearch.embedding.families.backbone import Backbone
from dinosearch.embedding.load import resolve
from dinosearch.embedding.tokens import Tokens
from dinosearch.embedding.weights.models import load_model
from dinosearch.errors import SettingError
from dinosearch.protocols import Progress

FACETS = ("token", "key", "query", "value")
_PARTS = {"query": 0, "key": 1, "value": 2}  # of what `qkv` gives
HEADS: dict[str, tuple[int, ...]] = {"dino_vits8": (0, 2, 4, 5)}
"""Heads whose attention means the subject, where somebody has looked: ShirAmir/dino-vit-features, extractor.py."""


@dataclass(frozen=True)
class Facets:
    """What a model computes for one image.

    Attributes:
        descriptors: (h, w, d) float32, of the facet that was asked for, all heads joined, not of unit length.
        attention: (heads, h, w) float32, how much the class token of the last block looks at each patch: softmax over
            all tokens, so that a head sums to at most 1; None for models without attention.
        patch: height and width of a patch as fractions of the image; the first patch begins at the left and at the top,
            the last ends at the right and at the bottom.
    """

    descriptors: np.ndarray
    attention: np.ndarray | None
    patch: tuple[float, float]


class FacetReader:
    """Computes one facet of one block for images of any size.

    Args:
        model: a backbone in evaluation mode; its stride is changed for good where another is asked for.
        checkpoint: gives mean and deviation of the pixels, and the name in errors.
        facet: `token`, or of models with attention `key`, `query`, `value`. Tokens are given the final norm, as
            `VisionTransformer.last_blocks` does.
        layer: block from 0, or from the end with a negative number.
        stride: pixels from patch to patch, a divisor of the patch size; None takes the patch size. The positions are
            those of the places where the patches lie.
        device: as for `TorchEmbedder`.

    Attributes:
        name: of the checkpoint.
        patch: side of a patch in pixels; both sides of an image are multiples of it.
        depth: how many blocks there are to choose from.
        heads: numbers of the heads whose attention says where the subject is, None for all of them.

    Raises:
        SettingError: a facet, block, stride or device that cannot be had of this model.
    """

    def __init__(
        self,
        model: Backbone,
        checkpoint: Checkpoint,
        *,
        facet: str = "token",
        layer: int = -1,
        stride: int | None = None,
        device: str | None = None,
    ) -> None:
        network: Any = model  # of a family with attention: `blocks`, `patch_embed`, `cells`
        self._model = network
        self.name = checkpoint.name
        self.patch, self.depth = model.patch_size, model.depth
        self.heads = HEADS.get(checkpoint.name)
        self._facet, self._block = facet, layer + self.depth if layer < 0 else layer
        self._stride = stride or self.patch
        self._check(layer)
        self._device = choose_device(device)
        positions = model.positions()
        self._rotary = positions is not None and positions.scheme == "rotary"
        self._model.to(self._device)
        if self._stride != self.patch:
            network.patch_embed.proj.stride = (self._stride, self._stride)
        self._mean, self._deviation = (
            torch.tensor(numbers, device=self._device).view(1, 3, 1, 1) * 255
            for numbers in (checkpoint.mean, checkpoint.deviation)
        )

    @property
    def has_attention(self) -> bool:
        """Whether blocks have queries, keys and values."""
        return hasattr(self._model, "blocks")

    def need_attention(self, what: str) -> None:
        """Refuse what a model without attention cannot give.

        Raises:
            SettingError: with the models that can.
        """
        if not self.has_attention:
            able = [row.name for row in CHECKPOINTS.values() if row.shape and "heads" in row.shape]
            raise SettingError(
                f"{self.name} is a network of convolutions and has no {what}; use a Vision Transformer such as "
                f"{', '.join(able[:3])}, of those listed by: ",
                run("models"),
            )

    def read(self, pixels: np.ndarray) -> Facets:
        """What the model computes for one image.

        Args:
            pixels: (h, w, 3) uint8, both sides multiples of the patch size.

        Raises:
            ValueError: other pixels.
        """
        if pixels.ndim != 3 or pixels.shape[2] != 3 or pixels.dtype != np.uint8:
            raise ValueError(f"pixels must be (h, w, 3) uint8, not {pixels.shape} {pixels.dtype}")
        height, width = pixels.shape[:2]
        if height % self.patch or width % self.patch:
            raise ValueError(f"the image is {width} x {height} pixels; both sides must be multiples of {self.patch}")
        batch = torch.from_numpy(np.ascontiguousarray(pixels)).to(self._device).permute(2, 0, 1)[None].float()
        with torch.inference_mode():
            return self._read((batch - self._mean) / self._deviation)

    def _check(self, layer: int) -> None:
        if self._facet not in FACETS:
            raise SettingError(f"there is no facet {self._facet!r}; it is one of {', '.join(FACETS)}")
        if self._facet != "token":
            self.need_attention(f"{self._facet} of a patch")
        if self._stride != self.patch:
            self.need_attention("other stride than its own")
            if not 1 <= self._stride <= self.patch or self.patch % self._stride:
                strides = ", ".join(str(n) for n in range(1, self.patch + 1) if self.patch % n == 0)
                raise SettingError(
                    f"a stride of {self._stride} does not divide {self.name}'s patch of {self.patch} pixels; use one "
                    f"of {strides} with --stride"
                )
        if not 0 <= self._block < self.depth:
            raise SettingError(
                f"{self.name} has no layer {layer}; use 0 to {self.depth - 1}, or for the last: --layer -1"
            )

    def _read(self, images: Tensor) -> Facets:
        height, width = images.shape[2:]
        patch = (self.patch / height, self.patch / width)
        rows, columns = ((side - self.patch) // self._stride + 1 for side in (height, width))
        count = self.depth - self._block
        if not self.has_attention:
            tokens = next(iter(self._model.last_blocks(images, count))).patches
            return Facets(_grid(tokens[0], rows, columns), None, patch)
        with _outputs(self._model.blocks[self._block].attn.qkv) as projected, _Attended() as attended:
            blocks = self._blocks(images, count)
            first = next(blocks)
            for _ in blocks:
                pass  # to the last one, whose attention is wanted
        # The attention of the last block, which was the last to be computed.
        queries, keys = attended.last
        weights = (queries[0, :, :1] @ keys[0].transpose(1, 2) / queries.shape[-1] ** 0.5).softmax(dim=-1)[:, 0]
        prefix = weights.shape[1] - rows * columns  # class token and registers
        if self._facet == "token":
            descriptors = first.patches[0]
        else:
            descriptors = projected[0][0].chunk(3, dim=-1)[_PARTS[self._facet]][prefix:]
        attention = weights[:, prefix:].reshape(-1, rows, columns).float().cpu().numpy()
        return Facets(_grid(descriptors, rows, columns), attention, patch)

    def _blocks(self, images: Tensor, count: int) -> Iterator[Tokens]:
        """`last_blocks` on the grid of the stride."""
        if self._stride == self.patch:
            blocks: Iterator[Tokens] = self._model.last_blocks(images, count)
            return blocks
        height, width = (side // self._stride for side in images.shape[2:])
        # Positions of a grid as fine as the stride; a patch lies in the middle of those that it covers.
        fine = self._model.cells((height, width))
        covered = self.patch // self._stride
        middle = ((covered - 1) // 2, covered // 2)
        cells = torch.stack(
            [
                fine[:, y : y + height - covered + 1, x : x + width - covered + 1]
                for y, x in itertools.product(middle, middle)
            ]
        ).mean(dim=0)
        if self._rotary:
            # The mean of two angles' sines and cosines has the angle between them, but is shorter.
            cells = F.normalize(torch.stack(cells.chunk(2, dim=-1)), dim=0)
            cells = torch.cat(tuple(cells), dim=-1)
        strided: Iterator[Tokens] = self._model.last_blocks(images, count, cells)
        return strided


def open_facets(
    model: str = "auto",
    *,
    weights: str | os.PathLike[str] | None = None,
    facet: str = "token",
    layer: int = -1,
    stride: int | None = None,
    device: str | None = None,
    notify: Callable[[str], None] | None = None,
    progress: Progress | None = None,
) -> FacetReader:
    """Load a model by name to look inside it; `dinosearch.Collection.open` and `FacetReader` explain the arguments.

    Raises:
        UnknownCheckpointError, WeightsUnavailableError, DamagedWeightsError: as `open_embedder`.
        SettingError: as `FacetReader`.
    """
    checkpoint, path = resolve(model, weights, notify, progress)
    network = load_model(checkpoint, path)
    return FacetReader(network, checkpoint, facet=facet, layer=layer, stride=stride, device=device)


class _Attended(TorchFunctionMode):
    """Sees what attention is computed from, after whatever a family does to queries and keys (RoPE turns them).

    Attributes:
        last: queries and keys (n, heads, tokens, d) of the last call.
    """

    def __init__(self) -> None:
        super().__init__()
        self.last: tuple[Tensor, Tensor]

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if func is F.scaled_dot_product_attention:
            self.last = (args[0], args[1])
        return func(*args, **(kwargs or {}))


@contextmanager
def _outputs(module: nn.Module) -> Iterator[list[Tensor]]:
    """What a module gives each time that it is called inside."""
    seen: list[Tensor] = []
    hook = module.register_forward_hook(lambda _module, _given, output: seen.append(output))
    try:
        yield seen
    finally:
        hook.remove()


def _grid(rows: Tensor, height: int, width: int) -> np.ndarray:
    numbers: np.ndarray = rows.reshape(height, width, -1).float().cpu().numpy()
    return numbers
