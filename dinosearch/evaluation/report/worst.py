"""The worst queries of a run with their first answers as small pictures, each verdict as a colour and as a sign."""

from __future__ import annotations

import base64

from dinosearch.errors import DinosearchError
from dinosearch.evaluation.dataset import Box
from dinosearch.evaluation.report.figures import number, scores_of, unit
from dinosearch.evaluation.report.markup import escape
from dinosearch.evaluation.report.table import NOTHING
from dinosearch.evaluation.result import Example, Run, Shown
from dinosearch.images import read_bytes, thumbnail_jpeg
from dinosearch.images.drawing.thumbnails import display_name

THUMBNAIL_SIDE = 160

SIGNS = {"relevant": "✓", "wrong": "✗", "junk": "–"}
LEGEND = "✓ relevant (green frame), ✗ wrong (red), – junk (grey), which is neither and does not count."


class Pictures:
    """Thumbnails as data URIs, each made once."""

    def __init__(self) -> None:
        self._uris: dict[tuple[str, Box | None], str | None] = {}

    def tile(self, path: str, alt: str, box: Box | None = None) -> str:
        """A picture, or a grey tile that says that the file cannot be read."""
        key = (path, box)
        if key not in self._uris:
            self._uris[key] = _data_uri(path, box)
        uri = self._uris[key]
        inside = "cannot be read" if uri is None else f'<img src="{uri}" alt="{escape(alt)}">'
        return f'<div class="tile">{inside}</div>'


def worst_queries(run: Run, pictures: Pictures, name: str) -> str:
    """All of the run's examples, setup by setup, under headings that start with `name` where it is not empty."""
    parts = []
    for setup in dict.fromkeys(example.setup for example in run.worst):
        heading = f"{name}: {setup}" if name else setup
        parts.append(f"<h4>{escape(heading)}</h4>")
        parts += [_example(run, example, pictures) for example in run.worst if example.setup == setup]
    return "\n".join(parts)


def _example(run: Run, example: Example, pictures: Pictures) -> str:
    scores = scores_of(run, example.setup)
    measure = scores.measures[0] if scores is not None else ""
    written = unit(measure)
    value = number(example.value * written.factor) or NOTHING
    part = '<p class="quiet">asked with the framed part</p>' if example.box is not None else ""
    answers = "\n".join(_answer(rank, answer, pictures) for rank, answer in enumerate(example.answers, start=1))
    return f"""<section class="example">
<div>{pictures.tile(example.path, f"query {example.query}", example.box)}
<p title="{escape(example.path)}">{escape(example.query)}</p>
<p class="quiet">{escape(measure)} {value} {written.name}</p>{part}</div>
<ol class="answers">
{answers}
</ol>
</section>"""


def _answer(rank: int, answer: Shown, pictures: Pictures) -> str:
    name = display_name(answer.path)
    return (
        f'<li class="{answer.verdict}" title="{escape(answer.path)}">'
        f"{pictures.tile(answer.path, f'rank {rank}, {answer.verdict}: {name}')}"
        f'<div class="caption"><span class="mark" title="{answer.verdict}">{SIGNS[answer.verdict]}</span>'
        f'<b>{rank}</b><span class="score">{answer.score:.3f}</span></div></li>'
    )


def _data_uri(path: str, box: Box | None) -> str | None:
    try:
        jpeg = thumbnail_jpeg(read_bytes(path), path, THUMBNAIL_SIDE, box)
    except DinosearchError:
        return None
    return "data:image/jpeg;base64," + base64.b64encode(jpeg).decode("ascii")
