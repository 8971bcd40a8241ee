"""The drawing of a contact sheet as one HTML file with nothing outside itself; layout only, no decoding."""

from __future__ import annotations

import html
from collections.abc import Iterable

from PIL import Image

from dinosearch.images.drawing.explanation_png import verdict
from dinosearch.images.drawing.heat_map import heat_bar, heat_over
from dinosearch.images.drawing.look import ACCENT, data_uri, hundredths, jpeg_uri
from dinosearch.images.drawing.page import page
from dinosearch.images.drawing.pair_lines import Shape, clip
from dinosearch.images.drawing.sheet_style import STYLE
from dinosearch.images.drawing.thumbnails import display_name, printable, thumbnail
from dinosearch.images.drawing.tile import Sheet, Tile, agreement, extent

_HEAT = 224  # pixels of the heat's longer side, twice the layout size for dense screens
_EDGE = 0.006  # fraction that outlines keep from the picture's edges, where half of the line would be cut off


def draw_html(content: Sheet) -> bytes:
    """The page in UTF-8; it needs no script."""
    part = "" if content.box is None else f", asked with its part {extent(content.box)}"
    query = "\n".join(f"<figure>{_picture(image, f'query{part}', content.shapes)}</figure>" for image in content.query)
    legend = "\n".join(f"<p>{html.escape(text)}</p>" for text in content.legend) + _heat_legend(content)
    items = "\n".join(_item(tile, content.scale) for tile in content.tiles)
    hits = f"<ol>\n{items}\n</ol>" if content.tiles else "<p>no hits</p>"
    body = f"""<main>
<section>
{query}
<p class="label">{content.label}</p>
{legend}
</section>
{hits}
</main>"""
    return page(content.title, STYLE, body)


def _item(tile: Tile, scale: tuple[float, float]) -> str:
    hit = tile.hit
    path, name = html.escape(printable(hit.path)), html.escape(display_name(hit.path))
    inside = "cannot be read"
    if tile.picture is not None:
        inside = _picture(tile.picture, tile.described, tile.marks.values())
    sure = f'<span class="sure">{tile.sure}</span>' if tile.sure else ""
    card = (
        f'<span class="tile">{inside}</span>'
        f'<span class="line"><b>{hit.rank}</b><span class="bar"><i style="width:{100 * tile.share:.1f}%"></i></span>'
        f'<span>{hit.score:.3f}</span></span>{sure}<span class="name">{name}</span>{_why(tile, scale)}'
    )
    if tile.why is not None and tile.large:
        picture = f'<img src="{data_uri(tile.large, "image/png")}" alt="{html.escape(verdict(tile.why))}">'
        large = f'<div class="large" tabindex="0" role="region" aria-label="explanation">{picture}</div>'
        card = f"<details><summary>{card}</summary>{large}</details>"
    return f'<li title="{path}">{card}</li>'


def _why(tile: Tile, scale: tuple[float, float]) -> str:
    """The heat of the hit, and how many places agree."""
    if tile.why is None or tile.picture is None:
        return ""
    warm = jpeg_uri(heat_over(thumbnail(tile.picture, _HEAT), tile.why.heat[1], scale))
    number, lines = agreement(tile.why)
    words = "".join(f"<span>{line}</span>" for line in lines)
    more = '<span class="more"></span>' if tile.large else ""
    alt = "heat map of the hit, light where the query is seen too"
    words = f'<span class="words"><b>{number}</b>{words}{more}</span>'
    return f'<span class="why"><img src="{warm}" alt="{alt}">{words}</span>'


def _heat_legend(content: Sheet) -> str:
    if not content.explained:
        return ""
    low, high = (hundredths(end) for end in content.scale)
    bar = jpeg_uri(heat_bar(240, 14))
    return (
        "\n<p>Light and warm: this place is seen in the query too.</p>\n"
        f'<p class="scale">{low}<img src="{bar}" alt="from dark and cold to light and warm">{high}</p>'
    )


def _picture(image: Image.Image, alt: str, shapes: Iterable[Shape]) -> str:
    """The image, and over it a drawing with its own aspect: both are fitted alike, whatever room they have."""
    overlay = "".join(_polygon(shape, image.size) for shape in shapes)
    if overlay:
        overlay = f'<svg viewBox="0 0 {image.width} {image.height}" aria-hidden="true">{overlay}</svg>'
    return f'<img src="{jpeg_uri(image)}" alt="{html.escape(alt)}">{overlay}'


def _polygon(shape: Shape, size: tuple[int, int]) -> str:
    corners, colour = shape
    inside = clip(corners, (_EDGE, _EDGE), (1 - _EDGE, 1 - _EDGE)) * size
    points = " ".join(f"{x:.2f},{y:.2f}" for x, y in inside.tolist())
    kind = "accent" if colour == ACCENT else "light"
    return f'<polygon class="dark" points="{points}"/><polygon class="{kind}" points="{points}"/>' if points else ""
