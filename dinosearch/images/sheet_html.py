"""The drawing of a contact sheet as one HTML file with nothing outside itself; layout only, no decoding."""

from __future__ import annotations

import base64
import html
import io

from PIL import Image

from dinosearch.images.thumbnail import display_name, printable
from dinosearch.records import Hit

_STYLE = """
:root {
  color-scheme: light dark;
  --paper: #faf9f6; --tile: #ebe9e4; --ink: #1c1b19; --muted: #6f6b64; --accent: #c44d2c; --track: #dedbd4;
}
@media (prefers-color-scheme: dark) {
  :root { --paper: #191816; --tile: #262420; --ink: #f1efe9; --muted: #a29d93; --accent: #e8835f; --track: #3a3731; }
}
* { box-sizing: border-box; }
body {
  margin: 0; padding: 2.5rem; background: var(--paper); color: var(--ink); font: 15px/1.45 system-ui, sans-serif;
}
h1 {
  margin: 0 0 1.5rem; padding-bottom: 1rem; border-bottom: 2px solid var(--track);
  font-size: 1.5rem; font-weight: 600; overflow-wrap: anywhere;
}
main { display: grid; grid-template-columns: minmax(14rem, 22rem) 1fr; gap: 3rem; align-items: start; }
@media (max-width: 50rem) {
  main { grid-template-columns: 1fr; gap: 2rem; }
  body { padding: 1.25rem; }
}
section img { width: 100%; border-radius: .5rem; display: block; margin-bottom: 1rem; }
p { margin: 0; color: var(--muted); }
ol {
  margin: 0; padding: 0; list-style: none;
  display: grid; gap: 1.5rem; grid-template-columns: repeat(auto-fill, minmax(13rem, 1fr));
}
.tile {
  aspect-ratio: 4 / 3; border-radius: .5rem; overflow: hidden;
  background: var(--tile); color: var(--muted); display: grid; place-items: center;
}
.tile img { width: 100%; height: 100%; object-fit: contain; }
.line { display: flex; align-items: center; gap: .75rem; margin-top: .5rem; font-variant-numeric: tabular-nums; }
.line b { min-width: 1.5rem; }
.bar { flex: 1; height: 6px; border-radius: 3px; background: var(--track); overflow: hidden; }
.bar i { display: block; height: 100%; border-radius: 3px; background: var(--accent); }
.name { font-size: .875rem; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
"""


def draw_html(query: list[Image.Image], tiles: list[tuple[Hit, Image.Image | None]], title: str) -> bytes:
    """The page in UTF-8; the arguments are those of `contact_sheet` with the images decoded."""
    heading = html.escape(printable(title))
    label = "query" if len(query) == 1 else f"query: {len(query)} images combined"
    pictures = "\n".join(f'<img src="{_data_uri(image)}" alt="query">' for image in query)
    items = "\n".join(_item(hit, picture) for hit, picture in tiles)
    hits = f"<ol>\n{items}\n</ol>" if tiles else "<p>no hits</p>"
    page = f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{heading}</title>
<style>{_STYLE}</style>
</head>
<body>
<h1>{heading}</h1>
<main>
<section>
{pictures}
<p>{label}</p>
</section>
{hits}
</main>
</body>
</html>
"""
    return page.encode("utf-8")


def _item(hit: Hit, picture: Image.Image | None) -> str:
    path, name = html.escape(printable(hit.path)), html.escape(display_name(hit.path))
    inside = f'<img src="{_data_uri(picture)}" alt="{name}">' if picture is not None else "cannot be read"
    share = 100 * min(max(hit.score, 0.0), 1.0)
    return (
        f'<li title="{path}"><div class="tile">{inside}</div>'
        f'<div class="line"><b>{hit.rank}</b><span class="bar"><i style="width:{share:.1f}%"></i></span>'
        f'<span>{hit.score:.3f}</span></div><p class="name">{name}</p></li>'
    )


def _data_uri(image: Image.Image) -> str:
    buffer = io.BytesIO()
    image.convert("RGB").save(buffer, "JPEG", quality=85)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")
