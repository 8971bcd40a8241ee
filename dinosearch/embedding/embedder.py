"""From prepared pixels to unit vectors and tokens, with torch on the processor or a GPU.

Vectors are normalised here and nowhere else; images are decoded and resized elsewhere.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import TypeVar

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dinosearch.embedding.checkpoints import Checkpoint
from dinosearch.embedding.pooling import pool
from dinosearch.embedding.probe import agreement, probe_images
from dinosearch.embedding.recipe import Recipe
from dinosearch.embedding.scales import Sizes
from dinosearch.embedding.tokens import ImageTokens, Tokens
from dinosearch.embedding.weights import load_model
from dinosearch.errors import SettingError
from dinosearch.records import Fingerprint, Pooling, Preprocessing

T = TypeVar("T")

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


class TorchEmbedder:
    """A backbone with its preprocessing; fulfils `dinosearch.protocols.Embedder` and may be used by many threads.

    Args:
        model: has `dimension`, `patch_size`, `depth` and `last_blocks`; in evaluation mode.
        checkpoint: gives mean and deviation of the pixels.
        fingerprint: what the vectors are marked with; its pooling and scales say how they are made.
        preprocessing: how the pixels are prepared at the scale 1.
        device: `cpu`, `cuda`, `mps`...; None takes DINOSEARCH_DEVICE or the best there is.
        dtype: `float32`, `bfloat16`, `float16`; None takes float16 on CUDA and float32 elsewhere.
        batch: images a forward pass; None chooses.

    Attributes:
        device: where the model lies.
        dtype: format of its weights and activations.

    Raises:
        SettingError: a device, number format or batch that cannot be used.
    """

    def __init__(
        self,
        model: nn.Module,
        checkpoint: Checkpoint,
        fingerprint: Fingerprint,
        preprocessing: Preprocessing,
        *,
        device: str | None = None,
        dtype: str | None = None,
        batch: int | None = None,
    ) -> None:
        self.device = choose_device(device)
        self.dtype = choose_dtype(dtype, self.device)
        self._model = model.to(device=self.device)
        self._fingerprint = fingerprint
        self._pooling = Pooling.parse(fingerprint.pooling)
        self._sizes = Sizes(preprocessing, fingerprint.scales, self.patch_size, checkpoint.mean)
        if batch is not None and batch < 1:
            raise SettingError(f"a batch of {batch} images is not possible; leave out --batch, or use: --batch 8")
        self._batch = batch or choose_batch(self.preprocessing, self.device)
        self._mean = torch.tensor(checkpoint.mean, device=self.device).view(1, 3, 1, 1) * 255
        self._deviation = torch.tensor(checkpoint.deviation, device=self.device).view(1, 3, 1, 1) * 255
        if self.dtype != torch.float32:
            self._take_numbers()

    @property
    def fingerprint(self) -> Fingerprint:
        """What vectors must share to be comparable."""
        return self._fingerprint

    @property
    def preprocessing(self) -> Preprocessing:
        """How images are prepared for `embed`: at the largest of the scales, while the fingerprint names scale 1."""
        return self._sizes.preprocessing

    @property
    def patch_size(self) -> int:
        """Side of a patch in pixels; both sides of an image are multiples of it."""
        return int(self._model.patch_size)  # type: ignore[arg-type]

    @property
    def depth(self) -> int:
        """How many of the last blocks tokens can be had of."""
        return int(self._model.depth)  # type: ignore[arg-type]

    @property
    def batch_size(self) -> int:
        """Images a forward pass takes at once."""
        return self._batch

    def embed(self, pixels: Sequence[np.ndarray]) -> np.ndarray:
        """Embed prepared images; see `dinosearch.protocols.Embedder.embed`.

        With several scales a vector is the mean of the unit vectors at each scale, brought to unit length (Radenovic et
        al. 2018, arXiv:1711.02512; cirtorch/networks/imageretrievalnet.py, extract_ms, whose network ends in a norm).

        Raises:
            ValueError: an array that is not (h, w, 3) uint8, or whose sides the model cannot take.
        """
        out = np.empty((len(pixels), self._fingerprint.dimension), dtype=np.float32)
        for rows in self._batches(pixels):
            out[rows] = _halved_until_it_fits(self._vectors, [pixels[row] for row in rows])
        return out

    def tokens(self, pixels: Sequence[np.ndarray], blocks: int = 1) -> list[ImageTokens]:
        """Class, register and patch tokens of each image after the final norm, in the order given.

        Args:
            pixels: as `embed`; tokens are those of the pixels as they are, whatever the scales.
            blocks: of how many of the last blocks; those before the last one are in `ImageTokens.earlier`. Memory on
                this side grows with it: h * w * d numbers for each block and image.

        Raises:
            ValueError: as `embed`, or more blocks than there are.
        """
        if not 1 <= blocks <= self.depth:
            raise ValueError(f"tokens can be had of the last 1 to {self.depth} blocks, not of {blocks}")
        out: dict[int, ImageTokens] = {}
        for rows in self._batches(pixels):
            found = _halved_until_it_fits(partial(self._tokens, blocks), [pixels[row] for row in rows])
            out.update(zip(rows, found, strict=True))
        return [out[row] for row in range(len(pixels))]

    def _take_numbers(self) -> None:
        """Bring the weights from float32 to the number format, and measure what that does to the vectors."""
        pictures, dtype = list(probe_images(self.patch_size)), self.dtype
        self.dtype = torch.float32
        reference = self.embed(pictures)
        self.dtype = dtype
        self._model = self._model.to(dtype)
        found = agreement(self.embed(pictures), reference)
        self._fingerprint = replace(self._fingerprint, numbers=str(dtype).removeprefix("torch."), agreement=found)

    def _batches(self, pixels: Sequence[np.ndarray]) -> Iterator[list[int]]:
        """Numbers of images that can be stacked at every scale, at most a batch each."""
        alike: dict[tuple[object, ...], list[int]] = defaultdict(list)
        for row, image in enumerate(pixels):
            if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
                raise ValueError(f"pixels must be (h, w, 3) uint8, not {image.shape} {image.dtype}")
            alike[image.shape, self._sizes.inside(image)].append(row)
        for rows in alike.values():
            for start in range(0, len(rows), self._batch):
                yield rows[start : start + self._batch]

    def _vectors(self, images: list[np.ndarray]) -> list[np.ndarray]:
        inside = self._sizes.inside(images[0])
        vectors = [
            F.normalize(pool(self._pooling, self._last_blocks(view, self._pooling.blocks)).float(), dim=-1)
            for view in self._sizes.views(self._loaded(images), inside)
        ]
        unit = vectors[0] if len(vectors) == 1 else F.normalize(torch.stack(vectors).mean(dim=0), dim=-1)
        return list(unit.cpu().numpy())

    def _tokens(self, blocks: int, images: list[np.ndarray]) -> list[ImageTokens]:
        found = []
        for tokens in self._last_blocks(self._loaded(images), blocks):
            cls, registers, patches = (
                part.float().cpu().numpy() for part in (tokens.cls, tokens.registers, tokens.patches)
            )
            grids = patches.reshape(len(images), *tokens.grid, -1)
            found.append([ImageTokens(*parts) for parts in zip(cls, registers, grids, strict=True)])
        *earlier, last = (list(block) for block in found)
        return [replace(image, earlier=tuple(block[i] for block in earlier)) for i, image in enumerate(last)]

    def _loaded(self, images: list[np.ndarray]) -> Tensor:
        """(n, 3, h, w) float32 in 0..255 on the device."""
        return torch.from_numpy(np.stack(images)).to(self.device).permute(0, 3, 1, 2).float()

    def _last_blocks(self, batch: Tensor, count: int) -> Iterator[Tokens]:
        normalised = ((batch - self._mean) / self._deviation).to(self.dtype)
        blocks: Iterator[Tokens] = self._model.last_blocks(normalised, count)  # type: ignore[operator]
        return blocks


def open_torch(
    recipe: Recipe, *, device: str | None = None, dtype: str | None = None, batch: int | None = None
) -> TorchEmbedder:
    """Load the model of a recipe; arguments and errors as `TorchEmbedder`, and those of a damaged weight file."""
    network = load_model(recipe.checkpoint, recipe.weights)
    fingerprint = recipe.fingerprint(*(int(getattr(network, name)) for name in ("patch_size", "dimension", "depth")))
    return TorchEmbedder(
        network, recipe.checkpoint, fingerprint, recipe.preprocessing, device=device, dtype=dtype, batch=batch
    )


def _halved_until_it_fits(compute: Callable[[list[np.ndarray]], list[T]], images: list[np.ndarray]) -> list[T]:
    """What `compute` gives for each image, in as many parts as the memory of the GPU asks for."""
    try:
        with torch.inference_mode():
            return compute(images)
    except torch.cuda.OutOfMemoryError:
        if len(images) == 1:
            raise
    # Outside of the handler, whose traceback still holds the tensors that did not fit.
    half = len(images) // 2
    return _halved_until_it_fits(compute, images[:half]) + _halved_until_it_fits(compute, images[half:])


def choose_device(name: str | None) -> torch.device:
    """The device asked for, DINOSEARCH_DEVICE, or a CUDA device where there is one, else the processor.

    Other devices that torch knows, such as `mps`, are taken when they are named: they are not tested here.

    Raises:
        SettingError: no such device on this machine.
    """
    name = name or os.environ.get("DINOSEARCH_DEVICE") or "auto"
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(1, device=device).cpu()
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise SettingError(
            f"device {name!r} cannot be used on this machine ({reason}); leave out --device and DINOSEARCH_DEVICE, "
            "or use: --device cpu"
        ) from None
    return device


def choose_dtype(name: str | None, device: torch.device) -> torch.dtype:
    """The number format asked for, or float16 on CUDA and float32 elsewhere.

    Raises:
        SettingError: no such format, or float16 on the processor, where it is slow and gains nothing over bfloat16.
    """
    if name in (None, "auto"):
        return torch.float16 if device.type == "cuda" else torch.float32
    if name not in DTYPES:
        raise SettingError(f"dtype {name!r} is not one of {', '.join(DTYPES)}; leave out --dtype to have it chosen")
    if name == "float16" and device.type == "cpu":
        raise SettingError("dtype 'float16' is for GPUs; on the processor use: --dtype bfloat16")
    return DTYPES[str(name)]


def choose_batch(preprocessing: Preprocessing, device: torch.device) -> int:
    """Images a forward pass: as many pixels as 8 images of 224 x 224 on a processor, more with the memory of a GPU.

    A processor gains nothing beyond 8 images of that size, measured with ViT-S/14 on 4 cores. A GPU that runs out of
    memory in spite of this halves the batch by itself.
    """
    images = 8
    if device.type == "cuda":
        gigabytes = torch.cuda.get_device_properties(device).total_memory / 2**30
        images = int(min(256, max(16, gigabytes * 8)))
    return max(1, int(images * (224 / preprocessing.size) ** 2))
