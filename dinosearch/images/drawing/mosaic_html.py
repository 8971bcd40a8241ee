"""The drawing of a mosaic as one HTML file with nothing outside itself; layout only, no decoding."""

from __future__ import annotations

import html
from collections.abc import Iterable

from dinosearch.images.drawing.look import jpeg_uri
from dinosearch.images.drawing.page import page
from dinosearch.images.drawing.sheet_style import BASE
from dinosearch.images.drawing.thumbnails import printable
from dinosearch.images.drawing.titled_row import Cell, DrawnRow

_STYLE = (
    BASE
    + """
h1:has(+ .note) { margin-bottom: 1rem; }
p.note { margin: 0 0 1.5rem; color: var(--muted); max-width: 70rem; }
section { border-top: 1px solid var(--track); padding: .75rem 0 1.5rem; }
h1 + section, .note + section { border-top: 0; padding-top: 0; }
h2 { margin: 0 0 .75rem; font-size: 1.0625rem; font-weight: 600; overflow-wrap: anywhere; }
h2 span { color: var(--muted); font-weight: 400; margin-left: .5rem; font-size: .9375rem; }
ol {
  margin: 0; padding: 0; list-style: none;
  display: grid; gap: 1rem; grid-template-columns: repeat(auto-fill, minmax(min(11rem, 100%), 1fr));
}
.tile {
  position: relative; aspect-ratio: 4 / 3; border-radius: .5rem; overflow: hidden;
  background: var(--tile); display: grid; place-items: center;
}
.marked .tile { outline: 3px solid var(--accent); outline-offset: 1px; }
.tile img { position: absolute; inset: 0; width: 100%; height: 100%; object-fit: contain; }
.name, .more { display: block; font-size: .875rem; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.name { margin-top: .4rem; }
.more { color: var(--muted); font-variant-numeric: tabular-nums; }
"""
)


def mosaic_html(title: str, note: str, rows: Iterable[DrawnRow]) -> bytes:
    """The page in UTF-8; it needs no script."""
    below = f'<p class="note">{html.escape(printable(note))}</p>' if note else ""
    sections = "\n".join(map(_section, rows)) or "<p>nothing to show</p>"
    return page(title, _STYLE, f"{below}\n{sections}")


def _section(row: DrawnRow) -> str:
    note = f"<span>{html.escape(printable(row.note))}</span>" if row.note else ""
    heading = f"<h2>{html.escape(printable(row.title))}{note}</h2>" if row.title or note else ""
    inside = "<ol>\n" + "\n".join(map(_item, row.cells)) + "\n</ol>" if row.cells else "<p>none</p>"
    return f"<section>\n{heading}\n{inside}\n</section>"


def _item(cell: Cell) -> str:
    caption, note = html.escape(printable(cell.caption)), html.escape(printable(cell.note))
    inside = "cannot be read"
    if cell.picture is not None:
        inside = f'<img src="{jpeg_uri(cell.picture)}" alt="{caption}" loading="lazy">'
    lines = f'<span class="name">{caption}</span>' if caption else ""
    lines += f'<span class="more">{note}</span>' if note else ""
    about = f' title="{html.escape(printable(cell.path))}"' if cell.path else ""
    kind = ' class="marked"' if cell.marked else ""
    return f'<li{kind}{about}><span class="tile">{inside}</span>{lines}</li>'
