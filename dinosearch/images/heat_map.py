"""Numbers per patch as colours over a greyed picture, and the colours themselves; it draws no text and no layout."""

from __future__ import annotations

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


def heat_scale(heats: tuple[np.ndarray, np.ndarray]) -> tuple[float, float]:
    """The lowest and the highest number of both maps, the ends of their common scale."""
    return min(float(heat.min()) for heat in heats), max(float(heat.max()) for heat in heats)


def heat_over(picture: Image.Image, heat: np.ndarray, scale: tuple[float, float]) -> Image.Image:
    """The picture in grey under its heat.

    Args:
        picture: RGB.
        heat: (h, w) float, one number per patch.
        scale: numbers of the lowest and the highest colour; equal ones give the middle colour everywhere.

    Returns:
        RGB, as large as `picture`.
    """
    low, high = scale
    shares = (heat - low) / (high - low) if high > low else np.full(heat.shape, 0.5)
    # Bilinear, because a sharper filter swings beyond the numbers at an edge and shows heat that is not there.
    smooth = Image.fromarray(shares.astype(np.float32)).resize(picture.size, Image.Resampling.BILINEAR)
    grey = np.asarray(picture.convert("L"), dtype=np.float64)[..., None]
    return _mixed(np.asarray(smooth), _GREY + _CONTRAST * (grey - _GREY))


def heat_bar(width: int, height: int) -> Image.Image:
    """The scale from low on the left to high on the right, as it looks over medium grey."""
    shares = np.broadcast_to((np.arange(width) + 0.5) / width, (height, width))
    return _mixed(shares, np.full((height, width, 1), _GREY))


def _mixed(shares: np.ndarray, grey: np.ndarray) -> Image.Image:
    mix = _SHARE * heat_colours(shares) + (1 - _SHARE) * grey
    return Image.fromarray(np.rint(np.clip(mix, 0, 255)).astype(np.uint8))
