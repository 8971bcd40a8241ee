"""The style sheet of the review sheet, light and dark, narrow and wide."""

from __future__ import annotations

from dinosearch.images.drawing.look import ACCENT, INK, MUTED, PAPER, TILE, TRACK, css

_COLOURS = {"paper": PAPER, "tile": TILE, "ink": INK, "muted": MUTED, "accent": ACCENT, "track": TRACK}

STYLE = (
    "\n:root { color-scheme: light dark; --kept: #2f6b4f; --card: #ffffff; "
    + " ".join(f"--{name}: {css(colour)};" for name, colour in _COLOURS.items())
    + " }"
    + """
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #191816; --tile: #262420; --ink: #f1efe9; --muted: #a29d93; --accent: #e8835f; --track: #3a3731;
    --kept: #7fc4a0; --card: #211f1c;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0 auto; padding: 2.5rem; max-width: 96rem;
  background: var(--paper); color: var(--ink); font: 15px/1.45 system-ui, sans-serif;
}
h1 { margin: 0; font-size: 1.75rem; font-weight: 600; }
h2 { margin: 3rem 0 .25rem; font-size: 1.25rem; font-weight: 600; }
p { margin: 0 0 .5rem; max-width: 46rem; }
.where { color: var(--muted); overflow-wrap: anywhere; }
dl.sums { display: flex; flex-wrap: wrap; gap: 1rem 2.5rem; margin: 1.5rem 0 0; padding: 1.25rem 0 0;
  border-top: 2px solid var(--track); }
dl.sums div { display: flex; flex-direction: column-reverse; }
dl.sums dt { color: var(--muted); font-size: .875rem; }
dl.sums dd { margin: 0; font-size: 1.5rem; font-variant-numeric: tabular-nums; }
h2 small { margin-left: .5rem; color: var(--muted); font-size: .875rem; font-weight: 400; }
h2 + p { color: var(--muted); margin-bottom: 1.25rem; }
article { background: var(--card); border: 1px solid var(--track); border-radius: .75rem; padding: 1rem 1.25rem 1.25rem;
  grid-column: 1 / -1; }
.groups { display: grid; gap: 1.25rem; grid-template-columns: repeat(2, minmax(0, 1fr)); }
article.few { grid-column: auto; }
article.few ul { grid-template-columns: repeat(2, minmax(0, 1fr)); }
article header { display: flex; flex-wrap: wrap; gap: .25rem 1.25rem; align-items: baseline; margin: 0 0 .9rem; }
h3 { margin: 0; font-size: 1rem; font-weight: 600; font-variant-numeric: tabular-nums; }
header span { color: var(--muted); font-size: .875rem; font-variant-numeric: tabular-nums; }
header code { margin-left: auto; color: var(--muted); font-size: .75rem; overflow-wrap: anywhere; }
ul { list-style: none; margin: 0; padding: 0; display: grid; gap: 1.25rem;
  grid-template-columns: repeat(auto-fill, minmax(min(13.5rem, 100%), 1fr)); }
.tile { position: relative; aspect-ratio: 4 / 3; border-radius: .5rem; overflow: hidden; background: var(--tile);
  display: grid; place-items: center; color: var(--muted); font-size: .875rem; }
.tile img { position: absolute; inset: 0; width: 100%; height: 100%; object-fit: contain; }
li.kept .tile { outline: 3px solid var(--kept); outline-offset: 2px; }
.mark { display: flex; justify-content: space-between; gap: .5rem; margin: .6rem 0 .1rem; font-size: .875rem;
  font-variant-numeric: tabular-nums; }
.mark b { font-weight: 600; }
li.kept .mark b { color: var(--kept); }
li.goes .mark b { color: var(--accent); }
.name { display: block; font-weight: 500; overflow-wrap: anywhere; }
.folder, .facts { display: block; color: var(--muted); font-size: .8125rem; overflow-wrap: anywhere; }
.facts em { font-style: normal; color: var(--ink); }
@media (max-width: 60rem) {
  article.few { grid-column: 1 / -1; }
}
@media (max-width: 40rem) {
  body { padding: 1.25rem; }
  article { padding: .9rem; }
  ul { grid-template-columns: repeat(2, minmax(0, 1fr)); gap: 1rem .75rem; }
  header code { margin-left: 0; }
}
"""
)
