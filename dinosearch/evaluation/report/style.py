"""The look of the HTML report, in the palette of the contact sheets; light, dark, narrow and printed."""

from __future__ import annotations

_DARK = """
  --paper: #191816; --tile: #262420; --ink: #f1efe9; --muted: #a29d93; --accent: #e8835f; --track: #3a3731;
  --relevant: #6cc08b; --wrong: #f2798f; --junk: #8b867c;
  --line0: #e8835f; --line1: #6fb3d2; --line2: #cdbb55; --line3: #b3a0e0; --line4: #74c796; --line5: #f1efe9;
"""

STYLE = f"""
:root {{
  color-scheme: light dark;
  --paper: #faf9f6; --tile: #ebe9e4; --ink: #1c1b19; --muted: #6f6b64; --accent: #c44d2c; --track: #dedbd4;
  --relevant: #2b7a4b; --wrong: #b0182f; --junk: #98938a;
  --line0: #c44d2c; --line1: #24688a; --line2: #857412; --line3: #6a5599; --line4: #2b7a4b; --line5: #1c1b19;
}}
@media (prefers-color-scheme: dark) {{ :root {{{_DARK}}} }}
* {{ box-sizing: border-box; }}
body {{
  margin: 0 auto; padding: 2.5rem; max-width: 76rem; background: var(--paper); color: var(--ink);
  font: 15px/1.5 system-ui, sans-serif; overflow-wrap: anywhere;
}}
h1 {{ margin: 0 0 2rem; font-size: 1rem; font-weight: 600; color: var(--muted); }}
h2 {{ margin: 0; font-size: 1.75rem; line-height: 1.2; font-weight: 600; text-wrap: balance; }}
h3 {{ margin: 3rem 0 .25rem; font-size: 1.125rem; font-weight: 600; }}
h4 {{ margin: 2rem 0 .75rem; font-size: 1rem; font-weight: 600; }}
article + article {{ margin-top: 5rem; padding-top: 3rem; border-top: 2px solid var(--track); }}
.setting {{ margin: .25rem 0 0; padding-bottom: 1.25rem; color: var(--muted); border-bottom: 2px solid var(--track); }}
.lead, .note {{ margin: 0 0 1rem; max-width: 46rem; color: var(--muted); }}
.note {{ margin: .75rem 0 0; font-size: .875rem; }}
ul {{ margin: .5rem 0 0; padding-left: 1.25rem; max-width: 46rem; }}

.wide {{ overflow-x: auto; }}
table {{ border-collapse: collapse; font-variant-numeric: tabular-nums lining-nums; overflow-wrap: normal; }}
th, td {{ padding: .375rem 1.5rem .375rem 0; text-align: left; vertical-align: baseline; font-weight: 400; }}
tr > :last-child {{ padding-right: 0; }}
thead th {{ font-size: .8125rem; color: var(--muted); border-bottom: 1px solid var(--ink); vertical-align: bottom; }}
tbody td, tbody th {{ border-bottom: 1px solid var(--track); }}
tbody .group {{ padding-top: 1.25rem; font-weight: 600; }}
.number {{ text-align: right; white-space: nowrap; }}
.text {{ min-width: 6rem; max-width: 34rem; overflow-wrap: anywhere; }}

.plots {{ display: grid; gap: 2rem; grid-template-columns: repeat(auto-fill, minmax(min(100%, 22rem), 1fr)); }}
figure {{ margin: 0; max-width: 34rem; }}
figcaption {{ margin-bottom: .25rem; }}
figcaption span {{ color: var(--muted); }}
svg {{ display: block; width: 100%; height: auto; overflow: visible; }}
svg text {{ font: 13px system-ui, sans-serif; fill: var(--muted); font-variant-numeric: tabular-nums; }}
.grid {{ stroke: var(--track); }}
.axis {{ stroke: var(--muted); }}
.line {{ fill: none; stroke-width: 2; stroke-linejoin: round; }}
.bar {{ fill: var(--accent); }}
.reach {{ fill: transparent; }}
g:hover > .reach {{ fill: var(--track); }}
.average {{ stroke: var(--ink); stroke-dasharray: 4 3; }}
svg .average-name {{ fill: var(--ink); paint-order: stroke; stroke: var(--paper); stroke-width: 4px; }}
.legend {{ display: flex; flex-wrap: wrap; gap: .25rem 1.25rem; margin: .5rem 0 0; padding: 0; list-style: none; }}
.legend li {{ display: flex; align-items: center; gap: .5rem; font-size: .875rem; }}
.legend svg {{ width: 2rem; flex: none; }}

.example {{
  display: grid; grid-template-columns: 10rem 1fr; gap: 1rem 2rem; margin: 0 0 1.25rem; padding: 1rem 0 0;
  border-top: 1px solid var(--track);
}}
.example p {{ margin: .375rem 0 0; font-size: .875rem; line-height: 1.35; font-variant-numeric: tabular-nums; }}
.quiet {{ color: var(--muted); }}
.answers {{
  display: grid; grid-template-columns: repeat(auto-fill, minmax(6.5rem, 1fr)); gap: .75rem;
  margin: 0; padding: 0; max-width: none; list-style: none;
}}
.answers li {{ font-size: .8125rem; font-variant-numeric: tabular-nums; --verdict: var(--junk); }}
.answers .relevant {{ --verdict: var(--relevant); }}
.answers .wrong {{ --verdict: var(--wrong); }}
.tile {{
  position: relative; display: grid; place-items: center; aspect-ratio: 1; overflow: hidden; border-radius: .25rem;
  background: var(--tile); color: var(--muted); font-size: .8125rem; text-align: center;
}}
.answers .tile {{ border: 3px solid var(--verdict); }}
.tile img {{ position: absolute; inset: 0; width: 100%; height: 100%; object-fit: contain; }}
.caption {{ display: flex; gap: .375rem; margin-top: .125rem; }}
.caption .score {{ margin-left: auto; color: var(--muted); }}
.mark {{ color: var(--verdict); font-weight: 700; }}

@media (max-width: 44rem) {{
  body {{ padding: 1.25rem; }}
  h2 {{ font-size: 1.375rem; }}
  th, td {{ padding-right: 1rem; }}
  .example {{ grid-template-columns: 1fr; }}
  .example > div:first-child {{ max-width: 10rem; }}
}}
@media print {{
  :root {{ color-scheme: light; --paper: #fff; --ink: #000; --muted: #444; --track: #ccc; --tile: #eee; }}
  body {{ padding: 0; max-width: none; font-size: 10pt; }}
  .wide {{ overflow: visible; }}
  th, td {{ padding-right: .75rem; }}
  h2, h3, h4 {{ break-after: avoid; }}
  figure, tr, .example {{ break-inside: avoid; }}
  .bar, .line, .tile, .mark {{ print-color-adjust: exact; }}
}}
"""
