"""From prepared pixels to unit vectors and tokens, with torch on the processor or a GPU.

Vectors are normalised here and nowhere else; images are decoded and resized elsewhere.
"""

from __future__ import annotations

import copy
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import TypeVar

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from dinosearch.embedding.checkpoints import Checkpoint
from dinosearch.embedding.devices.choosing import choose_batch, choose_device, choose_formats
from dinosearch.embedding.devices.decoder import DeviceDecoder
from dinosearch.embedding.devices.folding import fold_layer_scale
from dinosearch.embedding.devices.queue import DeviceQueue, one_behind
from dinosearch.embedding.devices.replay import Replays
from dinosearch.embedding.families.backbone import Backbone
from dinosearch.embedding.pooling import pool
from dinosearch.embedding.probe import agreement, probe_images
from dinosearch.embedding.recipe import Recipe
from dinosearch.embedding.scales import Sizes
from dinosearch.embedding.tokens import ImageTokens, Tokens
from dinosearch.embedding.weights.files import check_unchanged
from dinosearch.embedding.weights.models import load_model
from dinosearch.errors import SettingError
from dinosearch.records import AGREEMENT, Fingerprint, Pooling, Preprocessing

T = TypeVar("T")
_BATCHES = 4
"""Forward passes of a call on a GPU: it brings the first batch there, and computes the last, with nothing beside it."""


class TorchEmbedder:
    """A backbone with its preprocessing; fulfils `dinosearch.protocols.EncodedEmbedder`; many threads may use it.

    Args:
        model: in evaluation mode.
        checkpoint: gives mean and deviation of the pixels.
        fingerprint: what the vectors are marked with; its pooling and scales say how they are made.
        preprocessing: how the pixels are prepared at the scale 1.
        device: `cpu`, `cuda`, `mps`...; None takes DINOSEARCH_DEVICE or the best there is.
        dtype: `float32`, `bfloat16`, `float16`; None takes float32 on a processor, and on CUDA float16 or what else
            agrees with float32.
        batch: images a forward pass; None chooses.

    Attributes:
        device: where the model lies.
        dtype: format of its weights and activations.

    Raises:
        SettingError: a device, number format or batch that cannot be used.
    """

    def __init__(
        self,
        model: Backbone,
        checkpoint: Checkpoint,
        fingerprint: Fingerprint,
        preprocessing: Preprocessing,
        *,
        device: str | None = None,
        dtype: str | None = None,
        batch: int | None = None,
    ) -> None:
        self.device = choose_device(device)
        formats = choose_formats(dtype, self.device)
        self.dtype = torch.float32
        self._model = model.to(device=self.device)
        self._fingerprint = fingerprint
        self._pooling = Pooling.parse(fingerprint.pooling)
        self._sizes = Sizes(preprocessing, fingerprint.scales, self.patch_size, checkpoint.mean)
        if batch is not None and batch < 1:
            raise SettingError(f"a batch of {batch} images is not possible; leave out --batch, or use: --batch 8")
        self._batch = batch or choose_batch(self.preprocessing, self.device)
        self._mean = torch.tensor(checkpoint.mean, device=self.device).view(1, 3, 1, 1) * 255
        self._deviation = torch.tensor(checkpoint.deviation, device=self.device).view(1, 3, 1, 1) * 255
        self._queue: DeviceQueue | None = None
        if formats != (torch.float32,):
            self._take_numbers(formats)
        if self.device.type == "cuda":
            self._queue = DeviceQueue(self.device, Replays())
        self._decoder = DeviceDecoder(self.preprocessing, self.device)

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
        return self._model.patch_size

    @property
    def depth(self) -> int:
        """How many of the last blocks tokens can be had of."""
        return self._model.depth

    @property
    def batch_size(self) -> int:
        """Images a forward pass takes at once."""
        return self._batch

    @property
    def call_size(self) -> int:
        """Images that a call does best with: several batches where they overlap on a GPU, else one."""
        return self._batch if self._queue is None else _BATCHES * self._batch

    def embed(self, pixels: Sequence[np.ndarray]) -> np.ndarray:
        """Embed prepared images; see `dinosearch.protocols.Embedder.embed`.

        With several scales a vector is the mean of the unit vectors at each scale, brought to unit length (Radenovic et
        al. 2018, arXiv:1711.02512; cirtorch/networks/imageretrievalnet.py, extract_ms, whose network ends in a norm).

        Raises:
            ValueError: an array that is not (h, w, 3) uint8, or whose sides the model cannot take.
        """
        out = np.empty((len(pixels), self._fingerprint.dimension), dtype=np.float32)
        for rows, vectors in one_behind((rows, self._sent(pixels, rows)) for rows in self._batches(pixels)):
            out[rows] = vectors
        return out

    def embed_encoded(self, data: Sequence[bytes]) -> list[np.ndarray | None]:
        """Embed the JPEG files that the device can decode and prepare itself.

        Args:
            data: encoded images.

        Returns:
            For each its (dimension,) float32 vector, or None where the image has to be prepared by `dinosearch.images`:
            another format, a picture to be turned, colours to be converted, a damaged file.
        """
        out: list[np.ndarray | None] = [None] * len(data)
        parts = (range(low, min(len(data), low + self._batch)) for low in range(0, len(data), self._batch))
        for rows, vectors in one_behind(self._decoded(data, part) for part in parts):
            for row, vector in zip(rows, vectors, strict=True):
                out[row] = vector
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

    def _take_numbers(self, formats: tuple[torch.dtype, ...]) -> None:
        """Bring the weights to the first of the formats that agrees with float32, or to the last; say how well it does.

        Of a format that somebody named only the agreement is noted.
        """
        pictures = list(probe_images(self.patch_size))
        reference = self.embed(pictures)
        exact = self._model.to("cpu")
        if self.device.type == "cuda":
            exact = fold_layer_scale(exact)
        for dtype in formats:
            self.dtype = dtype
            model = exact if dtype == formats[-1] else copy.deepcopy(exact)
            self._model = model.to(device=self.device, dtype=dtype)
            found = agreement(self.embed(pictures), reference)
            if found >= AGREEMENT:
                break
        numbers = str(self.dtype).removeprefix("torch.")
        self._fingerprint = replace(self._fingerprint, numbers=numbers, agreement=found)

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

    def _sent(self, pixels: Sequence[np.ndarray], rows: list[int]) -> Callable[[], np.ndarray]:
        """Vectors of images that can be stacked; on a GPU they are launched here and waited for by the call."""
        images = [pixels[row] for row in rows]
        inside = self._sizes.inside(images[0])
        if self._queue is not None:
            try:
                return self._queue.submit(images, inside, partial(self._unit, inside))
            except torch.cuda.OutOfMemoryError:
                self._queue.forget()
        return self._at_once(images)

    def _decoded(self, data: Sequence[bytes], part: range) -> tuple[list[int], Callable[[], np.ndarray]]:
        """The numbers of the files in a part that the device prepared, and their vectors as of `_sent`."""
        prepared = zip(part, self._decoder.prepare([data[row] for row in part]), strict=True)
        known = {row: image for row, image in prepared if image is not None}
        if not known:
            return [], lambda: np.empty((0, self._fingerprint.dimension), np.float32)
        batch = torch.stack(list(known.values()))
        inside = (batch.shape[1], batch.shape[2])
        if self._queue is not None:
            try:
                return list(known), self._queue.submit_there(batch, inside, partial(self._unit, inside))
            except torch.cuda.OutOfMemoryError:
                self._queue.forget()
        return list(known), self._at_once(list(batch.cpu().numpy()))

    def _at_once(self, images: list[np.ndarray]) -> Callable[[], np.ndarray]:
        vectors: list[np.ndarray] = _halved_until_it_fits(self._vectors, images)
        return lambda: np.stack(vectors)

    def _vectors(self, images: list[np.ndarray]) -> list[np.ndarray]:
        return list(self._unit(self._sizes.inside(images[0]), self._stacked(images)).cpu().numpy())

    def _unit(self, inside: tuple[int, int], batch: Tensor) -> Tensor:
        """(n, d) float32 unit vectors on the device of (n, h, w, 3) uint8 images there."""
        vectors = [
            F.normalize(pool(self._pooling, self._last_blocks(view, self._pooling.blocks)).float(), dim=-1)
            for view in self._sizes.views(_planes(batch), inside)
        ]
        return vectors[0] if len(vectors) == 1 else F.normalize(torch.stack(vectors).mean(dim=0), dim=-1)

    def _tokens(self, blocks: int, images: list[np.ndarray]) -> list[ImageTokens]:
        found = []
        for tokens in self._last_blocks(_planes(self._stacked(images)), blocks):
            cls, registers, patches = (
                part.float().cpu().numpy() for part in (tokens.cls, tokens.registers, tokens.patches)
            )
            grids = patches.reshape(len(images), *tokens.grid, -1)
            found.append([ImageTokens(*parts) for parts in zip(cls, registers, grids, strict=True)])
        *earlier, last = (list(block) for block in found)
        return [replace(image, earlier=tuple(block[i] for block in earlier)) for i, image in enumerate(last)]

    def _stacked(self, images: list[np.ndarray]) -> Tensor:
        """(n, h, w, 3) uint8 on the device."""
        return torch.from_numpy(np.stack(images)).to(self.device)

    def _last_blocks(self, batch: Tensor, count: int) -> Iterator[Tokens]:
        normalised = ((batch - self._mean) / self._deviation).to(self.dtype)
        return self._model.last_blocks(normalised, count)


def open_torch(
    recipe: Recipe, *, device: str | None = None, dtype: str | None = None, batch: int | None = None
) -> TorchEmbedder:
    """Load the model of a recipe; arguments and errors as `TorchEmbedder`, and those of a damaged weight file."""
    check_unchanged(recipe.weights, recipe.digest)
    network = load_model(recipe.checkpoint, recipe.weights)
    fingerprint = recipe.fingerprint(network.patch_size, network.dimension, network.depth)
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


def _planes(batch: Tensor) -> Tensor:
    """(n, 3, h, w) float32 in 0..255 of (n, h, w, 3) uint8; channels stay last in memory, as convolutions like them."""
    return batch.permute(0, 3, 1, 2).float()
