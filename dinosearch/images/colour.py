"""Turn any Pillow image into 8-bit sRGB over white; it knows nothing of files and orientation.

Value ranges: 16-bit grey is divided by 65535, other integers and floats outside 0..1 are stretched from their smallest
to their largest finite value, floats within 0..1 are taken as they are. Pillow's own `convert("RGB")` clips them all at
255.

Large images are converted band by band, so that what is made on the way takes little memory beside the image.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator

import numpy as np
from PIL import Image, ImageCms

_WHITE = (255, 255, 255)
_BITS_PER_SAMPLE, _PHOTOMETRIC = 258, 262  # TIFF 6.0 tags
_PROFILE_SPACES = {"L": "GRAY", "RGB": "RGB", "CMYK": "CMYK", "LAB": "Lab"}
_BAND = 1 << 20  # pixels

Step = Callable[[Image.Image], Image.Image]


def to_rgb(image: Image.Image, shrinking: int = 1) -> Image.Image:
    """Convert a loaded image to mode RGB: scaled, colour-managed, over white.

    Args:
        image: any mode; its `info` gives the ICC profile and the palette's transparency, its TIFF tags the bit depth.
        shrinking: every square of so many pixels each way becomes their mean.

    Returns:
        A new RGB image, or the same one where nothing had to be done.
    """
    convert = _Conversion(image)
    if convert.changes_nothing and shrinking == 1:
        return image
    bands = list(_bands(image, shrinking))
    if len(bands) == 1 and shrinking == 1:
        return convert(image)
    rgb = Image.new("RGB", (-(-image.width // shrinking), -(-image.height // shrinking)))
    for box in bands:
        band = convert(image.crop(box))
        rgb.paste(band.reduce(shrinking) if shrinking > 1 else band, (0, box[1] // shrinking))
    return rgb


class _Conversion:
    """What has to be done to an image or to any band of it; decided once, on the whole image."""

    def __init__(self, image: Image.Image) -> None:
        self._polarity = _inverted if _has_plain_ink(image) else _same
        self._is_wide = image.mode.startswith("I") or image.mode == "F"
        self._scale = _scale(image) if self._is_wide else _same
        # A pixel is enough to see the mode that the profile will meet.
        plain, alpha = self._parts(image.crop((0, 0, 1, 1)))
        self._to_srgb = _to_srgb(plain.mode, image.info.get("icc_profile"))
        self.changes_nothing = image.mode == "RGB" and alpha is None and self._to_srgb is None

    def __call__(self, band: Image.Image) -> Image.Image:
        plain, alpha = self._parts(band)
        rgb = self._to_srgb(plain) if self._to_srgb else plain
        if rgb.mode != "RGB":
            rgb = rgb.convert("RGB")
        if alpha is None:
            return rgb
        background = Image.new("RGB", rgb.size, _WHITE)
        background.paste(rgb, mask=alpha)
        return background

    def _parts(self, band: Image.Image) -> tuple[Image.Image, Image.Image | None]:
        return (self._scale(band), None) if self._is_wide else _split_alpha(self._polarity(band))


def _bands(image: Image.Image, multiple: int = 1) -> Iterator[tuple[int, int, int, int]]:
    """Boxes of about `_BAND` pixels, the rows of each but the last a multiple of a number."""
    rows = max(1, _BAND // image.width // multiple) * multiple
    for top in range(0, image.height, rows):
        yield 0, top, image.width, min(top + rows, image.height)


def _same(image: Image.Image) -> Image.Image:
    return image


def _has_plain_ink(image: Image.Image) -> bool:
    # Pillow takes every CMYK JPEG as inverted; that is Adobe's habit, and only files with Adobe's marker have it.
    return image.mode == "CMYK" and image.format in ("JPEG", "MPO") and "adobe" not in image.info


def _inverted(image: Image.Image) -> Image.Image:
    return image.point(lambda value: 255 - value)


def _split_alpha(image: Image.Image) -> tuple[Image.Image, Image.Image | None]:
    """Separate the colours (mode L, RGB, CMYK or LAB) from the opacity (mode L, None where opaque)."""
    mode = image.mode
    if mode in ("1", "L") and not image.has_transparency_data:
        return image.convert("L"), None
    if mode in ("RGB", "CMYK", "LAB") and not image.has_transparency_data:
        return image, None
    if mode in ("LA", "La"):
        straight = image.convert("LA")
        return straight.getchannel(0), straight.getchannel(1)
    if mode in ("RGBA", "RGBa", "PA") or image.has_transparency_data:
        straight = image.convert("RGBA")
        return straight.convert("RGB"), straight.getchannel(3)
    return image.convert("RGB"), None  # P, RGBX, YCbCr, HSV


def _scale(image: Image.Image) -> Step:
    """What brings integers of more than 8 bits and floats to mode L."""
    tags = getattr(image, "tag_v2", {})
    low, high = 0.0, 65535.0
    if image.mode.startswith("I;16"):
        high = float((1 << min(tags.get(_BITS_PER_SAMPLE, (16,))[0], 16)) - 1)
    elif not (image.mode == "I" and image.format == "PNG"):  # which is how older Pillow reads 16-bit grey PNG
        low, high = _range(image)
    white_is_zero = tags.get(_PHOTOMETRIC) == 0  # Pillow inverts it for 8 bits only

    def scale(band: Image.Image) -> Image.Image:
        # Infinities end as black and white, not-a-number as black.
        spread = (np.asarray(band).astype(np.float64) - low) / max(high - low, 1e-30)
        scaled = np.clip(np.nan_to_num(spread, nan=0.0, posinf=1.0, neginf=0.0), 0, 1)
        return Image.fromarray(np.rint((1 - scaled if white_is_zero else scaled) * 255).astype(np.uint8))

    return scale


def _range(image: Image.Image) -> tuple[float, float]:
    """Smallest and largest finite value; 0 and 1 for floats within them, and for no finite value at all."""
    low, high = np.inf, -np.inf
    for box in _bands(image):
        values = np.asarray(image.crop(box))
        finite = values[np.isfinite(values)]
        if finite.size:
            low, high = min(low, float(finite.min())), max(high, float(finite.max()))
    if low > high or (image.mode == "F" and low >= 0 and high <= 1):
        return 0.0, 1.0
    return low, high


def _to_srgb(mode: str, icc: object) -> Step | None:
    """What an embedded profile does to an image of that mode, None for nothing.

    A broken or unfitting one is ignored, as browsers do.
    """
    try:
        if isinstance(icc, bytes) and icc:
            profile = ImageCms.ImageCmsProfile(io.BytesIO(icc))
            if profile.profile.xcolor_space.strip() == _PROFILE_SPACES.get(mode):
                return _transform(mode, profile)
        if mode == "LAB":
            return _transform(mode, ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")))
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        pass
    return None


def _transform(mode: str, profile: ImageCms.ImageCmsProfile) -> Step | None:
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
    transform = ImageCms.buildTransform(profile, srgb, mode, "RGB", ImageCms.Intent.RELATIVE_COLORIMETRIC)
    if mode == "RGB" and _changes_nothing(transform):
        return None

    def apply(band: Image.Image) -> Image.Image:
        converted = ImageCms.applyTransform(band, transform)
        assert converted is not None  # only in-place transforms answer None
        return converted

    apply(Image.new(mode, (1, 1)))  # here a failure costs the profile, later the image
    return apply


def _changes_nothing(transform: ImageCms.ImageCmsTransform) -> bool:
    """Most profiles are sRGB under one of many names: a probe of the colour cube spares the whole image."""
    steps = np.arange(0, 256, 51, dtype=np.uint8)
    cube = np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), axis=-1).reshape(1, -1, 3)
    after = ImageCms.applyTransform(Image.fromarray(cube), transform)
    return after is not None and int(np.abs(np.asarray(after).astype(int) - cube).max()) <= 1
