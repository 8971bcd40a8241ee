"""Numbers per patch as colours over a greyed picture, and the colours themselves; it draws no text and no layout."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from PIL import Image

# From low to high, dark blue over violet and orange to light yellow. Luminance grows all the way and blue turns to
# yellow, so that the order survives every kind of colour blindness and a grey print.
_STOPS = np.array([(22, 26, 74), (78, 45, 128), (160, 62, 122), (224, 104, 78), (246, 170, 66), (253, 238, 150)], float)
_SHARE = 0.75
"""Of the heat in the mix; the rest is the picture."""
# What is under the heat: the picture's contrast is reduced, or a white wall would pass for a high value.
_GREY, _CONTRAST = 128.0, 0.65


def heat_colours(shares: np.ndarray) -> np.ndarray:
    """Colours of numbers between 0 (low) and 1 (high).

    Args:
        shares: float, any shape; beyond 0..1 is cut.

    Returns:
        (..., 3) float64, red, green and blue from 0 to 255.
    """
    places = np.linspace(0, 1, len(_STOPS))
    return np.stack([np.interp(shares, places, _STOPS[:, channel]) for channel in range(3)], axis=-1)


def heat_scale(heats: Iterable[np.ndarray]) -> tuple[float, float]:
    """The lowest and the highest finite number of all maps, the ends of their common scale; 0 and 0 where none is."""
    numbers = np.concatenate([np.zeros(0), *(heat[np.isfinite(heat)].astype(np.float64) for heat in heats)])
    return (float(numbers.min()), float(numbers.max())) if len(numbers) else (0.0, 0.0)


def heat_over(picture: Image.Image, heat: np.ndarray, scale: tuple[float, float]) -> Image.Image:
    """The picture in grey under its heat.

    Args:
        picture: RGB.
        heat: (h, w) float, one number per patch; where it is not finite the grey picture is left without heat.
        scale: numbers of the lowest and the highest colour; equal ones give the middle colour everywhere.

    Returns:
        RGB, as large as `picture`.
    """
    low, high = scale
    known = np.isfinite(heat)
    numbers = np.where(known, heat, low).astype(np.float64)
    shares = (numbers - low) / (high - low) if high > low else np.full(heat.shape, 0.5)
    # Patches without a number have no weight in the mean of their neighbours, or they would draw it to a value.
    weight = _smooth(known.astype(np.float64), picture.size)
    smooth = _smooth(np.where(known, shares, 0.0), picture.size) / np.maximum(weight, 0.5)
    grey = np.asarray(picture.convert("L"), dtype=np.float64)[..., None]
    under = _GREY + _CONTRAST * (grey - _GREY)
    return _image(np.where(weight[..., None] >= 0.5, _mixed(smooth, under), under))


def heat_bar(width: int, height: int) -> Image.Image:
    """The scale from low on the left to high on the right, as it looks over medium grey."""
    shares = np.broadcast_to((np.arange(width) + 0.5) / width, (height, width))
    return _image(_mixed(shares, np.full((height, width, 1), _GREY)))


def _smooth(numbers: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """One number per pixel. Bilinear, because a sharper filter swings beyond the numbers at an edge."""
    image = Image.fromarray(numbers.astype(np.float32)).resize(size, Image.Resampling.BILINEAR)
    return np.asarray(image, dtype=np.float64)


def _mixed(shares: np.ndarray, grey: np.ndarray) -> np.ndarray:
    return _SHARE * heat_colours(shares) + (1 - _SHARE) * grey


def _image(colours: np.ndarray) -> Image.Image:
    return Image.fromarray(np.rint(np.clip(colours, 0, 255)).astype(np.uint8))
