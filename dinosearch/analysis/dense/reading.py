"""From image files to grids of descriptors: one image at a time, and groups within bounds of memory."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import numpy as np

from dinosearch import images
from dinosearch.analysis.dense.binning import log_binned
from dinosearch.analysis.dense.grids import DenseImage
from dinosearch.embedding import open_facets
from dinosearch.errors import ImageUnreadableError, SettingError
from dinosearch.protocols import Progress

SIZE = 448
"""Pixels of the longer side of model input: 32 patches of 14."""
LARGEST = 4096
KEPT = 1 << 30
"""Bytes of descriptors of a group that are kept between its passes; what is beyond is computed again."""


class DenseReader:
    """Reads images as grids of descriptors.

    Args:
        model: as for `dinosearch.Collection.open`.
        weights: likewise.
        facet: `token` (after the final norm), or of a Vision Transformer `key`, `query` or `value`.
        layer: block from 0, or from the end with a negative number.
        stride: pixels from patch to patch, a divisor of the patch size; None takes the patch size.
        size: the longer side of model input in pixels, rounded to whole patches; the aspect is kept as far as the other
            side is whole patches too.
        binned: join each descriptor with its surroundings (`log_binned`).
        device: as for `dinosearch.Collection.open`.
        notify: told sentences for the user.
        progress: told how far a fetch of weights is.

    Attributes:
        name: of the model, and of its weight file where one was given.
        heads: numbers of the heads whose attention says where the subject is, None for all.

    Raises:
        SettingError: a facet, layer, stride, size or device that cannot be had of this model.
        UnknownCheckpointError, WeightsUnavailableError, DamagedWeightsError: as `dinosearch.Collection.open`.
    """

    def __init__(
        self,
        model: str = "auto",
        *,
        weights: str | os.PathLike[str] | None = None,
        facet: str = "token",
        layer: int = -1,
        stride: int | None = None,
        size: int = SIZE,
        binned: bool = False,
        device: str | None = None,
        notify: Callable[[str], None] | None = None,
        progress: Progress | None = None,
    ) -> None:
        self._facets = open_facets(
            model,
            weights=weights,
            facet=facet,
            layer=layer,
            stride=stride,
            device=device,
            notify=notify,
            progress=progress,
        )
        if not self._facets.patch <= size <= LARGEST:
            raise SettingError(
                f"a size of {size} pixels is not possible; use one from {self._facets.patch}, a patch, to {LARGEST}, "
                f"such as: --size {SIZE}"
            )
        self._size, self._binned = size, binned
        self.name = self._facets.name + (f" with {os.path.basename(weights)}" if weights else "")
        self.heads = self._facets.heads

    def need_attention(self, what: str) -> None:
        """Refuse what a model without attention cannot give.

        Raises:
            SettingError: with the models that can.
        """
        self._facets.need_attention(what)

    def read(self, image: str | bytes, name: str = "") -> DenseImage:
        """Compute the descriptors of one image.

        Args:
            image: the path of a file or of a tar member, or encoded bytes.
            name: what to call it; the path where it is empty.

        Raises:
            ImageNotFoundError, ImageUnreadableError: it is not there or cannot be decoded.
        """
        data, name = (images.read_bytes(image), name or image) if isinstance(image, str) else (image, name)
        picture, info = images.decode_apart(data, name, hint=self._size)
        longer, patch = max(info.width, info.height), self._facets.patch
        width, height = (
            max(1, round(side * self._size / longer / patch)) * patch for side in (info.width, info.height)
        )
        found = self._facets.read(images.stretch(picture, width, height))
        descriptors = np.nan_to_num(found.descriptors, nan=0.0, posinf=0.0, neginf=0.0)
        dense = DenseImage(name, info.width, info.height, descriptors, found.attention, found.patch)
        return replace(dense, descriptors=log_binned(descriptors)) if self._binned else dense


class DenseGroup:
    """Images that are read in turn, as often as they are gone through.

    Images that cannot be decoded are left out.

    Args:
        reader: reads them.
        sources: name and path or encoded bytes of each.
        progress: told about the stage `dense`, in images.
        kept: bytes of descriptors that stay in memory between passes.

    Attributes:
        problems: what could not be decoded.
    """

    def __init__(
        self,
        reader: DenseReader,
        sources: Sequence[tuple[str, str | bytes]],
        progress: Progress | None = None,
        kept: int = KEPT,
    ) -> None:
        self._reader, self._progress, self._room = reader, progress, kept
        self._sources: dict[int, tuple[str, str | bytes]] = dict(enumerate(sources))
        self._kept: dict[int, DenseImage] = {}
        self.problems: list[ImageUnreadableError] = []

    @property
    def sources(self) -> list[tuple[str, str | bytes]]:
        """Name and path or encoded bytes of those that could be read so far."""
        return list(self._sources.values())

    def __len__(self) -> int:
        """How many there are, as far as is known."""
        return len(self._sources)

    def __iter__(self) -> Iterator[DenseImage]:
        """One after the other.

        Raises:
            ImageNotFoundError: a file that is not there.
            ImageUnreadableError: none of them can be decoded.
        """
        total = len(self._sources)
        for done, number in enumerate(list(self._sources), start=1):
            found = self._kept.get(number) or self._read(number)
            if self._progress:
                self._progress("dense", done, total)
            if found is not None:
                yield found
        if not self._sources and self.problems:
            raise self.problems[0]

    def _read(self, number: int) -> DenseImage | None:
        name, image = self._sources[number]
        try:
            found = self._reader.read(image, name)
        except ImageUnreadableError as error:
            del self._sources[number]
            self.problems.append(error)
            return None
        if found.descriptors.nbytes <= self._room:
            self._room -= found.descriptors.nbytes
            self._kept[number] = found
        return found
