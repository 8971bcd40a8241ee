"""The drawing of a map as one HTML page with nothing outside itself; its style and script stand beside this file."""

from __future__ import annotations

import base64
import html
import json
import os
from collections.abc import Iterable, Sequence
from importlib import resources

import numpy as np
from PIL import Image

from dinosearch.images.drawing.look import TILE, jpeg_uri
from dinosearch.images.drawing.sheet_style import BASE
from dinosearch.images.drawing.thumbnails import printable, thumbnail

SIDE = 128
"""Pixels of a picture's longer side."""
ASPECT = 1.6
"""Width over height that the map is drawn with, where the window has the room."""
_ACROSS = 8  # pictures in a row and in a column of a sheet, which browsers decode as one image


def map_html(
    title: str,
    method: str,
    xy: np.ndarray,
    ids: Sequence[int],
    paths: Sequence[str],
    pictures: Iterable[tuple[int, Image.Image | None]],
) -> bytes:
    """The page in UTF-8.

    Args:
        title: one line for the top.
        method: how the places were found.
        xy: (n, 2) in 0..1.
        ids: n ids.
        paths: n paths.
        pictures: place among the images and RGB picture of those that have one, the most important first; None where it
            cannot be read, which leaves a dot.
    """
    sheets, shown = _sheets(pictures)
    root = os.path.commonprefix(list(paths)).rpartition("/")
    root_text = root[0] + root[1]
    places = np.round(np.clip(xy, 0, 1) * 65535).astype("<u2")
    data = {
        "ids": list(ids),
        "aspect": ASPECT,
        "root": printable(root_text),
        "paths": [printable(path[len(root_text) :]) for path in paths],
        "xy": base64.b64encode(places.tobytes()).decode("ascii"),
        "shown": shown,
        "sheets": sheets,
    }
    heading = html.escape(printable(title))
    note = f"{len(ids):,} images by {method}: what looks alike lies together."
    if len(shown) < len(ids):
        note += f" {len(shown):,} have a picture, the others are dots."
    # A path may hold "</script>"; inside JSON that character can be written otherwise.
    encoded = json.dumps(data, separators=(",", ":")).replace("<", "\\u003c")
    page = f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{heading}</title>
<style>{BASE}{_beside("map_page.css")}</style>
</head>
<body>
<header>
<h1>{heading}</h1>
<p>{note} Drag, scroll, pinch, or use the arrows, + and -.</p>
<output role="status"></output>
<input type="search" placeholder="find a path" aria-label="find a path">
</header>
<main>
<canvas tabindex="0" aria-label="map of {len(ids):,} images"></canvas>
<nav aria-label="zoom">
<button name="in" aria-label="closer">+</button><button name="out" aria-label="farther">&minus;</button>
<button name="all" aria-label="the whole map">&#8962;</button>
</nav>
<aside hidden aria-live="polite">
<canvas class="picture" style="position: static"></canvas>
<button name="close" aria-label="close">&times;</button>
<strong></strong><span></span><a target="_blank">open the file</a>
</aside>
</main>
<script type="application/json" id="data">{encoded}</script>
<script type="module">{_beside("map_page.js")}</script>
</body>
</html>
"""
    return page.encode("utf-8")


def _sheets(pictures: Iterable[tuple[int, Image.Image | None]]) -> tuple[list[str], list[list[int]]]:
    """Sheets of pictures as data addresses; for each picture its image, sheet, left, top, width and height."""
    sheets: list[str] = []
    shown: list[list[int]] = []
    sheet, filled = _empty(), 0
    for place, picture in pictures:
        if picture is None:
            continue
        small = thumbnail(picture, SIDE)
        row, column = divmod(filled, _ACROSS)
        sheet.paste(small, (column * SIDE, row * SIDE))
        shown.append([place, len(sheets), column * SIDE, row * SIDE, small.width, small.height])
        filled += 1
        if filled == _ACROSS**2:
            sheets.append(jpeg_uri(sheet))
            sheet, filled = _empty(), 0
    if filled:
        sheets.append(jpeg_uri(sheet.crop((0, 0, sheet.width, -(-filled // _ACROSS) * SIDE))))
    return sheets, shown


def _empty() -> Image.Image:
    return Image.new("RGB", (_ACROSS * SIDE, _ACROSS * SIDE), TILE)


def _beside(name: str) -> str:
    return resources.files(__package__).joinpath(name).read_text(encoding="utf-8")
