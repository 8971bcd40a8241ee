"""Colours per pixel brought onto a photo: a cut-out, or parts in colour over a greyed picture; no text, no layout."""

from __future__ import annotations

import numpy as np
from PIL import Image

from dinosearch.images.drawing.look import LIGHT, TILE, Colour, png

PARTS: tuple[Colour, ...] = (
    (230, 126, 34),
    (0, 114, 178),
    (0, 158, 115),
    (204, 96, 160),
    (240, 216, 60),
    (86, 180, 233),
    (140, 86, 60),
    (120, 94, 200),
    (150, 160, 40),
    (196, 77, 44),
    (30, 60, 110),
    (250, 170, 190),
)
"""Colours of parts and of numbered places; the first six are told apart by colour-blind readers."""
_SHARE, _GREY, _CONTRAST = 0.62, 178.0, 0.45


def on_tile(colours: np.ndarray, shown: np.ndarray) -> Image.Image:
    """(h, w, 3) uint8 colours where (h, w) `shown` is true, and elsewhere the ground that pictures lie on."""
    return Image.fromarray(np.where(shown[..., None], colours, TILE).astype(np.uint8))


def parts_over(picture: Image.Image, labels: np.ndarray) -> Image.Image:
    """The picture, pale and grey where it is background, its parts tinted and lined in white.

    Args:
        picture: RGB.
        labels: (h, w) uint8 as large as it; 0 is background, n the colour `PARTS[n - 1]`, and so on from the start.
    """
    grey = np.asarray(picture.convert("L"), np.float64)[..., None]
    tints = np.array(PARTS, np.float64)[(labels.astype(int) - 1) % len(PARTS)]
    under = _GREY + _CONTRAST * (grey - 128.0)
    # The light and dark of the photo stays in the tint.
    tinted = tints * (0.45 + 0.75 * grey / 255.0)
    mixed = np.where(labels[..., None] > 0, _SHARE * tinted + (1 - _SHARE) * np.asarray(picture, np.float64), under)
    mixed[edges(labels)] = LIGHT
    return Image.fromarray(np.rint(np.clip(mixed, 0, 255)).astype(np.uint8))


def cut_from(picture: Image.Image, mask: np.ndarray) -> Image.Image:
    """The picture where the (h, w) mask is true, and elsewhere a pale grey of it; a white line between."""
    grey = np.asarray(picture.convert("L"), np.float64)[..., None]
    mixed = np.where(mask[..., None], np.asarray(picture, np.float64), 214.0 + 0.25 * (grey - 128.0))
    mixed[edges(mask)] = LIGHT
    return Image.fromarray(np.rint(np.clip(mixed, 0, 255)).astype(np.uint8))


def edges(labels: np.ndarray) -> np.ndarray:
    """(h, w) bool: pixels to the left of, or above, one with another label, and those beside them."""
    found = np.zeros(labels.shape, dtype=bool)
    found[:, :-1] |= labels[:, :-1] != labels[:, 1:]
    found[:-1] |= labels[:-1] != labels[1:]
    thick = found.copy()
    thick[1:] |= found[:-1]
    thick[:, 1:] |= found[:, :-1]
    return thick


def mask_png(labels: np.ndarray) -> bytes:
    """(h, w) uint8 labels as a PNG of one channel: 255 where it is not background."""
    return png(Image.fromarray(np.where(labels > 0, 255, 0).astype(np.uint8)))


def parts_png(labels: np.ndarray) -> bytes:
    """(h, w) uint8 labels as a PNG whose numbers they are, with a palette that shows them; the background is black."""
    image = Image.fromarray(labels)
    image.putpalette([0, 0, 0, *(number for _ in range(255 // len(PARTS)) for colour in PARTS for number in colour)])
    return png(image)
