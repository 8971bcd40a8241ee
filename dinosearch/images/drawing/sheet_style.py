"""The style sheet of a contact sheet's page, light and dark, narrow and wide; its base serves other pages too."""

from __future__ import annotations

from dinosearch.images.drawing.look import ACCENT, INK, LIGHT, MUTED, PAPER, TILE, TRACK, css

_COLOURS = {"paper": PAPER, "tile": TILE, "ink": INK, "muted": MUTED, "accent": ACCENT, "track": TRACK}
# Lines lie on photos, which are the same by day and by night.
_LINES = {"line": ACCENT, "under": INK, "light": LIGHT}

BASE = (
    "\n:root { color-scheme: light dark; "
    + " ".join(f"--{name}: {css(colour)};" for name, colour in {**_COLOURS, **_LINES}.items())
    + " }"
    + """
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
@media (max-width: 50rem) { body { padding: 1.25rem; } }
"""
)
"""Colours by day and by night, the page and its heading."""

STYLE = (
    BASE
    + """
main { display: grid; grid-template-columns: minmax(14rem, 20rem) minmax(0, 1fr); gap: 2.5rem; align-items: start; }
@media (max-width: 50rem) {
  main { grid-template-columns: minmax(0, 1fr); gap: 2rem; }
}
figure { position: relative; margin: 0 0 1rem; border-radius: .5rem; overflow: hidden; }
figure img { width: 100%; display: block; }
svg { position: absolute; inset: 0; width: 100%; height: 100%; pointer-events: none; }
polygon { fill: none; stroke-width: 3px; stroke-linejoin: round; vector-effect: non-scaling-stroke; }
polygon.dark { stroke: var(--under); stroke-width: 5px; }
polygon.accent { stroke: var(--line); }
polygon.light { stroke: var(--light); stroke-width: 2px; }
p { margin: 0 0 .5rem; }
p.label { margin-bottom: 1.5rem; }
p.label, main > p { color: var(--muted); }
.scale { display: flex; align-items: center; gap: .6rem; font-variant-numeric: tabular-nums; }
.scale img { flex: 1; min-width: 0; height: 14px; border-radius: .4rem; }
ol {
  margin: 0; padding: 0; list-style: none;
  display: grid; gap: 1.5rem; grid-template-columns: repeat(auto-fill, minmax(min(14.5rem, 100%), 1fr));
}
.tile {
  position: relative; aspect-ratio: 4 / 3; border-radius: .5rem; overflow: hidden;
  background: var(--tile); display: grid; place-items: center;
}
.tile img { position: absolute; inset: 0; width: 100%; height: 100%; object-fit: contain; }
.line { display: flex; align-items: center; gap: .75rem; margin-top: .5rem; font-variant-numeric: tabular-nums; }
.line b { min-width: 1.5rem; }
.bar { flex: 1; height: 6px; border-radius: 3px; background: var(--track); overflow: hidden; }
.bar i { display: block; height: 100%; border-radius: 3px; background: var(--accent); }
.sure, .name { display: block; font-size: .875rem; }
.name { color: var(--muted); overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.why {
  display: flex; gap: .75rem; margin-top: .5rem; border-radius: .5rem; overflow: hidden; background: var(--tile);
}
.why img { width: 5.5rem; height: 7.25rem; object-fit: contain; flex: none; }
.words { align-self: center; padding: .3rem .25rem .3rem 0; font-size: .8125rem; line-height: 1.35; min-width: 0; }
.words b { font-size: 1.5rem; font-weight: 500; line-height: 1.3; }
.words b, .words span { display: block; }
.more { margin-top: .25rem; text-decoration: underline; color: var(--muted); }
.more::after { content: "show how"; }
details[open] .more::after { content: "close"; }
summary { display: block; cursor: pointer; border-radius: .5rem; }
details[open] > summary { max-width: 20rem; }
summary::-webkit-details-marker { display: none; }
summary:focus-visible { outline: 3px solid var(--accent); outline-offset: 4px; }
li:has(details[open]) { grid-column: 1 / -1; }
.large { margin-top: 1rem; border: 1px solid var(--track); border-radius: .5rem; overflow-x: auto; }
.large img { display: block; width: 100%; min-width: 44rem; }
"""
)
