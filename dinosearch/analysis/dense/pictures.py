"""What was found in images, as pictures of them; the layout is that of `dinosearch.images.drawing`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from dinosearch import images
from dinosearch.analysis.dense.components import Coloured
from dinosearch.analysis.dense.grids import DenseImage, enlarged
from dinosearch.analysis.dense.matches import Pair
from dinosearch.analysis.dense.segments import Segments
from dinosearch.images.drawing.heat_map import heat_over
from dinosearch.images.drawing.overlays import PARTS, cut_from, mask_png, on_tile, parts_over, parts_png
from dinosearch.images.drawing.panels import Legend, Panel, draw_panels, panel_picture
from dinosearch.images.drawing.places_png import draw_places

Source = tuple[str, "str | bytes"]
"""The name of an image, and its path or encoded bytes."""
DRAWN = 60
"""Images on a sheet at most."""
_SIDE = 720  # pixels that the largest picture on a sheet needs


def draw_components(coloured: Sequence[Coloured], sources: Sequence[Source], model: str, *, whole: bool) -> bytes:
    """Photos above, the colours of their patches below; PNG."""
    shown = list(zip(coloured, sources, strict=True))[:DRAWN]
    panels = []
    for one, source in shown:
        photo = _photo(source, len(shown))
        colours, kept = one.pixels(*photo.size)
        note = "" if whole else f"{100 * one.foreground.mean():.0f} % foreground"
        panels.append(Panel((photo, on_tile(colours, kept)), source[0], note))
    words = "Equal colours: similar patches, also in different images. "
    words += "" if whole else "What lies on the negative side of the first component is left out as background. "
    return draw_panels("Principal components of patches", words + _by(model, len(coloured), len(shown)), panels)


def draw_attention(image: DenseImage, source: Source, model: str) -> bytes:
    """The photo, the mean over the heads, and each head; PNG."""
    attention = image.attention
    if attention is None:
        raise ValueError(f"{image.name} has no attention")
    maps = [("mean of all heads", attention.mean(axis=0))]
    maps += [(f"head {number}", head) for number, head in enumerate(attention)]
    photo = _photo(source, len(maps) + 1)
    panels = [Panel((photo,), source[0], f"{image.width} x {image.height} pixels")]
    for name, heat in maps:
        smooth = np.concatenate(list(enlarged(heat[..., None], image.patch, *photo.size)))[..., 0]
        # Each head has its own scale: most of them would be dark beside the one that looks at fewest patches.
        scale = (float(heat.min()), float(heat.max()))
        panels.append(Panel((heat_over(photo, smooth, scale),), name, f"{100 * heat.sum():.0f} % on patches"))
    words = (
        f"How much the class token of the last block looks at each patch, each head on a scale of its own. {_by(model)}"
    )
    return draw_panels("Attention", words, panels, Legend(scale=("least", "most")))


def draw_matches(pairs: Sequence[Pair], both: Sequence[DenseImage], sources: Sequence[Source], model: str) -> bytes:
    """Both images, the places numbered; PNG."""
    photos = [_picture(source) for source in sources]
    sides = [side for image in both for side in (image.width, image.height)]
    places = np.array([(*pair.first, *pair.second) for pair in pairs], float).reshape(-1, 4) / sides
    words = "Equal numbers: patches that are each other's nearest, and salient in both images."
    if not pairs:
        words = "No patches are each other's nearest and salient in both images."
    return draw_places(
        (photos[0], photos[1]), (sources[0][0], sources[1][0]), places, "Corresponding places", f"{words} {_by(model)}"
    )


def draw_segments(segments: Sequence[Segments], sources: Sequence[Source], model: str, parts: int | None) -> bytes:
    """Photos above, below them the common subject, or its parts in the same colours everywhere; PNG.

    Args:
        segments: of the first images, those that are drawn.
        sources: of all images.
        model: its name.
        parts: how many the subject has; None cuts it out.
    """
    panels = []
    for segment, source in zip(segments, sources, strict=False):
        photo = _photo(source, len(segments))
        labels = segment.mask(*photo.size)
        below = cut_from(photo, labels > 0) if parts is None else parts_over(photo, labels)
        panels.append(Panel((photo, below), source[0], f"{100 * (1 - segment.shares[0]):.0f} % of the image"))
    by = _by(model, len(sources), len(panels))
    if parts is None:
        return draw_panels("Common subject", f"What the images have in common, cut out of them. {by}", panels)
    chips = [(PARTS[i % len(PARTS)], f"part {i + 1}") for i in range(parts)]
    words = f"The common subject; equal colours are the same part in different images. {by}"
    return draw_panels("Common parts", words, panels, Legend(chips))


def mask(segments: Segments, *, parts: bool) -> bytes:
    """The labels of an image's pixels as PNG, as large as the upright image: 0 and 255, or the numbers of the parts."""
    labels = segments.mask(segments.width, segments.height)
    return parts_png(labels) if parts else mask_png(labels)


def _photo(source: Source, count: int) -> Any:
    """As a sheet of so many panels shows it."""
    return panel_picture(_picture(source), count)


def _picture(source: Source) -> Any:
    name, image = source
    data = images.read_bytes(image) if isinstance(image, str) else image
    return images.decode_apart(data, name, hint=_SIDE)[0]


def _by(model: str, count: int = 0, drawn: int = 0) -> str:
    """Which model it was, and how many of the images are drawn."""
    return f"Model: {model}." + (f" {drawn} of {count} images are drawn." if drawn < count else "")
