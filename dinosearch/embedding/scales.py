"""The sizes at which one image is embedded, made of pixels that were prepared once, at the largest of them.

It resizes on the device that embeds; what is done with the vectors of the sizes is the embedder's business.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch.nn.functional as F
from torch import Tensor

from dinosearch.records import Preprocessing, scales_named


class Sizes:
    """Sizes of an image for a set of scales.

    A size is the nearest multiple of the patch, at least one patch. Smaller ones are shrunk from the prepared pixels
    with torch's antialiased bicubic filter, which is Pillow's, and rounded to whole values as prepared pixels are.

    `fit` pads the prepared image to whole patches. So that the picture keeps its aspect and gets the padding of the
    smaller size, padding is first taken away: lines at the border that have its very colour. Where those belong to the
    picture nothing is lost, as they are padded again.

    A view may lie one line apart from the picture prepared at that size alone, because prepared sides and edges are
    whole pixels. Measured with mini, 24 photos and both sets (tests/embedding/test_scales.py), the least cosine between
    the vectors of the two ways is 0.9998 for `squash`, 0.998 for `crop` and 0.995 for `fit`.

    Args:
        preprocessing: of the scale 1.
        scales: name of a set in `dinosearch.records.SCALES`.
        patch: side of a patch in pixels.
        colour: (3,) mean colour of the model's normalisation in 0..1; padding has it rounded to 8 bits.

    Attributes:
        preprocessing: how images are prepared: at the largest size.
    """

    def __init__(self, preprocessing: Preprocessing, scales: str, patch: int, colour: tuple[float, ...]) -> None:
        self._patch = patch
        self._sizes = [_multiple(preprocessing.size * scale, patch) for scale in scales_named(scales)]
        self._colour = np.array([round(value * 255) for value in colour], np.uint8)
        self._padded = preprocessing.mode == "fit" and len(self._sizes) > 1
        self.preprocessing = Preprocessing(preprocessing.mode, max(self._sizes))

    def inside(self, image: np.ndarray) -> tuple[int, int]:
        """(h, w) of the picture in an (h, w, 3) uint8 image without its padding; the image's own where it has none.

        The views of images of equal shape and equal inside can be made together.
        """
        if not self._padded:
            return image.shape[0], image.shape[1]
        return self._unpadded(image), self._unpadded(image.transpose(1, 0, 2))

    def views(self, images: Tensor, inside: tuple[int, int]) -> Iterator[Tensor]:
        """The images at every scale.

        Args:
            images: (n, 3, h, w) float in 0..255.
            inside: what `inside` says of each.

        Yields:
            (n, 3, h, w) float in 0..255 in the order of the set; the images as they are where that is the size.
        """
        for size in self._sizes:
            factor = size / self.preprocessing.size
            yield images if factor == 1 else self._shrunk(images, inside, factor)

    def _shrunk(self, images: Tensor, inside: tuple[int, int], factor: float) -> Tensor:
        step = 1 if self._padded else self._patch
        height, width = (_multiple(side * factor, step) for side in inside)
        picture = _centre(images, inside)
        shrunk = F.interpolate(picture, size=(height, width), mode="bicubic", antialias=True).round().clamp(0, 255)
        canvas = images.new_empty(len(images), 3, *(-(-side // self._patch) * self._patch for side in (height, width)))
        for channel, value in enumerate(self._colour.tolist()):  # by numbers: a CUDA graph cannot record an upload
            canvas[:, channel] = value
        _centre(canvas, (height, width)).copy_(shrunk)
        return canvas

    def _unpadded(self, lines: np.ndarray) -> int:
        """How many of the lines (n, m, 3) remain without the blank ones that `fit` may have put before and after."""
        before, after = (
            _leading((part == self._colour).all(axis=(1, 2)))
            for part in (lines[: self._patch], lines[::-1][: self._patch])
        )
        # Of an odd number the larger half comes after; a whole patch is never padded.
        return len(lines) - min(2 * before + 1, 2 * after, self._patch - 1)


def _multiple(length: float, step: int) -> int:
    return max(1, round(length / step)) * step


def _centre(images: Tensor, inside: tuple[int, int]) -> Tensor:
    """View of the middle (h, w) of (n, c, H, W); of an odd rest the larger half comes after."""
    top, left = ((images.shape[axis] - side) // 2 for axis, side in zip((2, 3), inside, strict=True))
    return images[:, :, top : top + inside[0], left : left + inside[1]]


def _leading(flags: np.ndarray) -> int:
    """How many are true before the first that is not."""
    return int(np.argmin(np.append(flags, False)))
