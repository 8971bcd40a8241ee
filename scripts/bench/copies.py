"""A folder of photos, of copies that a seeded generator makes of some, and of other photos of the same scenes.

What stands where is its name: `original/N.jpg`, `KIND/N.jpg` for the copies of photo N, and `scenes/` for series of
photos of one scene, all different: the hard negatives. Each original is one that has no other photo of its scene here.
"""

from __future__ import annotations

import io
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter, ImageOps

SIDE = 800
"""Longer side of the originals."""
SCENES = (
    *("opensfm/data/lund/images", "opensfm/data/berlin/images", "sacre_coeur/mapping"),
    *("boofcv/recognition/scene", "boofcv/recognition/vacation", "boofcv/recognition/pixabay"),
)
Make = Callable[[Image.Image, np.random.Generator], Image.Image]


def _part(share: float) -> Make:
    def cut(image: Image.Image, rng: np.random.Generator) -> Image.Image:
        width, height = (round(side * share**0.5) for side in image.size)
        left, top = (
            int(rng.integers(0, whole - side + 1)) for whole, side in zip(image.size, (width, height), strict=True)
        )
        return image.crop((left, top, left + width, top + height))

    return cut


def _caption(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    written, (width, height) = image.copy(), image.size
    draw = ImageDraw.Draw(written)
    draw.rectangle((0, int(height * 0.84), width, height), fill=(20, 20, 30))
    draw.text(
        (width // 40, int(height * 0.87)), f"a caption, number {rng.integers(1000)}", "white", font_size=height // 12
    )
    return written


def _mark(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    marked, side = image.convert("RGBA"), min(image.size) // 3
    layer = Image.new("RGBA", image.size)
    left, top = (int(rng.integers(0, whole - side)) for whole in image.size)
    ImageDraw.Draw(layer).ellipse((left, top, left + side, top + side), fill=(200, 50, 50, 220))
    return Image.alpha_composite(marked, layer).convert("RGB")


def _encoded(quality: int) -> Make:
    def again(image: Image.Image, rng: np.random.Generator) -> Image.Image:
        buffer = io.BytesIO()
        image.save(buffer, "JPEG", quality=quality)
        return Image.open(buffer).convert("RGB")

    return again


KINDS: dict[str, Make] = {
    "recompress 20": _encoded(20),
    "resize 1/4": lambda image, rng: image.resize([side // 4 for side in image.size], Image.Resampling.LANCZOS),
    "blur": lambda image, rng: image.filter(ImageFilter.GaussianBlur(max(image.size) / 200)),
    "grey": lambda image, rng: image.convert("L").convert("RGB"),
    "bright": lambda image, rng: ImageEnhance.Brightness(image).enhance(1.4),
    "crop 80 %": _part(0.8),
    "crop 50 %": _part(0.5),
    "overlay caption": _caption,
    "overlay mark": _mark,
    "rotate 5": lambda image, rng: image.rotate(5, Image.Resampling.BICUBIC, fillcolor=(124, 116, 104)),
    "rotate 90": lambda image, rng: image.transpose(Image.Transpose.ROTATE_90),
    "flip": lambda image, rng: ImageOps.mirror(image),
    "flip, crop 70 %": lambda image, rng: ImageOps.mirror(_part(0.7)(image, rng)),
    "border": lambda image, rng: ImageOps.expand(image, max(image.size) // 12, "white"),
}
"""What is done to an original, by name."""


def photo(path: Path) -> Image.Image:
    """A photo upright, its longer side at most `SIDE`."""
    with Image.open(path) as opened:
        image = ImageOps.exif_transpose(opened).convert("RGB")
    image.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
    return image


def make(photos: Path, folder: Path, originals: int, seed: int = 0) -> Path:
    """Make the folder where it is not yet there.

    Args:
        photos: holds kodak, cid22 and the scenes.
        folder: of the result.
        originals: photos that are copied; half as many again stand beside them without copies.
        seed: of what the generator draws.
    """
    done = folder / f"made-{originals}-{seed}"
    if done.exists():
        return folder
    shutil.rmtree(folder, ignore_errors=True)
    files = sorted(path for name in ("kodak", "cid22") for path in (photos / name).glob("*.*") if path.suffix != ".md")
    rng = np.random.default_rng(seed)
    chosen = [files[place] for place in rng.permutation(len(files))[: originals + originals // 2]]
    for name in ("original", *KINDS):
        (folder / name).mkdir(parents=True)
    for number, path in enumerate(chosen):
        image = photo(path)
        image.save(folder / "original" / f"{number:03}.jpg", quality=92)
        if number < originals:
            for name, change in KINDS.items():
                change(image, rng).save(folder / name / f"{number:03}.jpg", quality=88)
    (folder / "scenes").mkdir()
    for name in SCENES:
        for path in sorted((photos / name).glob("*.jpg")):
            photo(path).save(folder / "scenes" / f"{name.replace('/', '-')}-{path.name}", quality=92)
    done.touch()
    return folder
