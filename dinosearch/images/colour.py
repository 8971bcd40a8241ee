"""Turn any Pillow image into 8-bit sRGB over white; it knows nothing of files and orientation.

Value ranges: 16-bit grey is divided by 65535, other integers and floats outside 0..1 are stretched from their smallest
to their largest finite value, floats within 0..1 are taken as they are. Pillow's own `convert("RGB")` clips them all at
255.
"""

from __future__ import annotations

import io

import numpy as np
from PIL import Image, ImageCms

_WHITE = (255, 255, 255)
_BITS_PER_SAMPLE, _PHOTOMETRIC = 258, 262  # TIFF 6.0 tags
_PROFILE_SPACES = {"L": "GRAY", "RGB": "RGB", "CMYK": "CMYK", "LAB": "Lab"}


def to_rgb(image: Image.Image) -> Image.Image:
    """Convert a loaded image to mode RGB: scaled, colour-managed, over white.

    Args:
        image: any mode; its `info` gives the ICC profile and the palette's transparency, its TIFF tags the bit depth.

    Returns:
        A new RGB image, or the same one where nothing had to be done.
    """
    image = _fix_cmyk_polarity(image)
    if image.mode.startswith("I") or image.mode == "F":
        plain, alpha = _scale(image), None
    else:
        plain, alpha = _split_alpha(image)
    rgb = _to_srgb(plain, image.info.get("icc_profile"))
    if alpha is None:
        return rgb
    background = Image.new("RGB", rgb.size, _WHITE)
    background.paste(rgb, mask=alpha)
    return background


def _fix_cmyk_polarity(image: Image.Image) -> Image.Image:
    # Pillow takes every CMYK JPEG as inverted; that is Adobe's habit, and only files with Adobe's marker have it.
    if image.mode != "CMYK" or image.format not in ("JPEG", "MPO") or "adobe" in image.info:
        return image
    inverted = image.point(lambda value: 255 - value)
    inverted.info = image.info
    return inverted


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


def _scale(image: Image.Image) -> Image.Image:
    """Bring integers of more than 8 bits and floats to mode L."""
    values = np.asarray(image)
    tags = getattr(image, "tag_v2", {})
    if image.mode.startswith("I;16"):
        bits = tags.get(_BITS_PER_SAMPLE, (16,))[0]
        scaled = values.astype(np.float32) / np.float32((1 << min(bits, 16)) - 1)
    elif image.mode == "I" and image.format == "PNG":  # how older Pillow reads 16-bit grey PNG
        scaled = values.astype(np.float32) / np.float32(65535)
    else:
        scaled = _stretch(values)
    if tags.get(_PHOTOMETRIC) == 0:  # WhiteIsZero; Pillow inverts it for 8 bits only
        scaled = 1 - scaled
    return Image.fromarray(np.rint(np.clip(scaled, 0, 1) * 255).astype(np.uint8))


def _stretch(values: np.ndarray) -> np.ndarray:
    is_float = values.dtype.kind == "f"
    values = values.astype(np.float64)
    finite = np.isfinite(values)
    if not finite.any():
        return np.zeros(values.shape, np.float32)
    low, high = float(values.min(where=finite, initial=np.inf)), float(values.max(where=finite, initial=-np.inf))
    if is_float and low >= 0 and high <= 1:
        low, high = 0.0, 1.0
    # Infinities end as black and white, not-a-number as black.
    spread = (values - low) / max(high - low, 1e-30)
    return np.nan_to_num(spread, nan=0.0, posinf=1.0, neginf=0.0).astype(np.float32)


def _to_srgb(image: Image.Image, icc: object) -> Image.Image:
    """Apply an embedded profile; a broken or unfitting one is ignored, as browsers do."""
    try:
        if isinstance(icc, bytes) and icc:
            profile = ImageCms.ImageCmsProfile(io.BytesIO(icc))
            if profile.profile.xcolor_space.strip() == _PROFILE_SPACES.get(image.mode):
                return _transform(image, profile)
        if image.mode == "LAB":
            return _transform(image, ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")))
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        pass
    return image if image.mode == "RGB" else image.convert("RGB")  # which would copy it


def _transform(image: Image.Image, profile: ImageCms.ImageCmsProfile) -> Image.Image:
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
    transform = ImageCms.buildTransform(profile, srgb, image.mode, "RGB", ImageCms.Intent.RELATIVE_COLORIMETRIC)
    if image.mode == "RGB" and _changes_nothing(transform):
        return image
    converted = ImageCms.applyTransform(image, transform)
    assert converted is not None  # only in-place transforms answer None
    return converted


def _changes_nothing(transform: ImageCms.ImageCmsTransform) -> bool:
    """Most profiles are sRGB under one of many names: a probe of the colour cube spares the whole image."""
    steps = np.arange(0, 256, 51, dtype=np.uint8)
    cube = np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), axis=-1).reshape(1, -1, 3)
    after = ImageCms.applyTransform(Image.fromarray(cube), transform)
    return after is not None and int(np.abs(np.asarray(after).astype(int) - cube).max()) <= 1
