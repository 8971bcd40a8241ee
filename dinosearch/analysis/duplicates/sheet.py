"""The groups side by side as one HTML file with nothing outside itself, to be looked through before anything goes."""

from __future__ import annotations

import html
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from dinosearch.advice import run
from dinosearch.analysis.duplicates.group import EXACT, NEAR_COPY, SAME_INSTANCE, DuplicateGroup, Found, Member
from dinosearch.analysis.duplicates.scope import parent
from dinosearch.analysis.duplicates.sheet_style import STYLE
from dinosearch.errors import ImageNotFoundError, ImageUnreadableError
from dinosearch.images.drawing.look import data_uri
from dinosearch.images.drawing.thumbnails import display_name, printable
from dinosearch.protocols import Progress

if TYPE_CHECKING:
    from dinosearch.collection import Collection

_SIDE = 320  # pixels of a picture's longer side
_MOST = 60  # pictures of a group; of a larger one the rest is counted
TOLD = {
    EXACT: ("Same content", "Files whose bytes are equal: whichever is kept, nothing is lost."),
    NEAR_COPY: (
        "Copies",
        "Pictures made from one another. Their vectors are near, and their pixels agree once one picture is laid onto "
        "the other.",
    ),
    SAME_INSTANCE: (
        "Same thing",
        "Photos of the same thing by their vectors alone: different pictures. Look before one goes.",
    ),
}
"""Heading and explanation of each tier."""


def write_sheet(collection: Collection, found: Found, path: Path, progress: Progress | None = None) -> None:
    """Draw all groups.

    Args:
        collection: whose files are shown.
        found: what is drawn.
        path: the file to write.
        progress: told about the stage `sheet`, in groups.
    """
    with open(path, "w", encoding="utf-8") as page:
        page.write(_head(str(collection.home), found))
        number = 0
        for tier, groups in groupby(found.groups, key=lambda group: group.tier):
            heading, explained = TOLD[tier]
            page.write(
                f'<section>\n<h2>{heading} <small>{tier}</small></h2>\n<p>{explained}</p>\n<div class="groups">\n'
            )
            for group in groups:
                if progress:
                    progress("sheet", number, len(found.groups))
                number += 1
                page.write("".join(_group(collection, number, group)))
            page.write("</div>\n</section>\n")
        page.write("</main>\n</body>\n</html>\n")


def _head(home: str, found: Found) -> str:
    sums = {
        "groups": f"{len(found.groups):,}",
        "files may go": f"{found.going:,}",
        "would be free": _size(found.size),
        "pairs compared by pixels": f"{found.checked:,}",
    }
    listed = "".join(f"<div><dt>{name}</dt><dd>{number}</dd></div>" for name, number in sums.items())
    empty = "" if found.groups else "<p>No duplicates were found.</p>\n"
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Duplicates</title>
<style>{STYLE}</style>
</head>
<body>
<h1>Duplicates</h1>
<p class="where">{html.escape(printable(home))}</p>
<dl class="sums">{listed}</dl>
<main>
{empty}"""


def _group(collection: Collection, number: int, group: DuplicateGroup) -> Iterator[str]:
    facts = [f"{len(group.members)} files"]
    if group.tier != EXACT:
        facts.append(f"cosines {group.smallest:.3f} at least, {group.mean:.3f} on average")
    command = ""
    if len(group.ids) > 1:
        command = f"<code>{run('duplicates', '--not-duplicates', *map(str, group.ids))}</code>"
    spans = "".join(f"<span>{fact}</span>" for fact in facts)
    few = ' class="few"' if len(group.members) == 2 else ""
    yield f"<article{few}>\n<header><h3>Group {number}</h3>{spans}{command}</header>\n<ul>\n"
    pictures: dict[int, str] = {}
    for member in group.members[:_MOST]:
        if member.id not in pictures:
            pictures[member.id] = _picture(collection, member)
        yield _member(group, member, pictures[member.id])
    if len(group.members) > _MOST:
        yield f'<li><span class="tile">and {len(group.members) - _MOST:,} more</span></li>\n'
    yield "</ul>\n</article>\n"


def _member(group: DuplicateGroup, member: Member, picture: str) -> str:
    kept = member is group.kept
    mark = "keep" if kept else "may go" if member.goes else "stays"
    score = "" if kept or group.tier == EXACT else f"<span>{member.score:.3f}</span>"
    pixels = f"{member.width:,} × {member.height:,}"
    more = member.width * member.height > group.kept.width * group.kept.height
    facts = [f"<em>{pixels}</em>" if more else pixels, _size(member.size), f"{member.modified:%Y-%m-%d}"]
    if member.change:
        facts.append(f"<em>{html.escape(member.change)}</em>")
    name, folder = (html.escape(printable(text)) for text in (display_name(member.path), parent(member.path)))
    return (
        f'<li class="{"kept" if kept else "goes" if member.goes else "stays"}">'
        f'<span class="tile">{picture}</span>'
        f'<span class="mark"><b>{mark}</b>{score}</span>'
        f'<span class="name">{name}</span><span class="folder">{folder}</span>'
        f'<span class="facts">{" · ".join(facts)} · id:{member.id}</span></li>\n'
    )


def _picture(collection: Collection, member: Member) -> str:
    try:
        encoded = collection.picture(member.id, _SIDE)
    except (ImageNotFoundError, ImageUnreadableError):
        return "cannot be read"
    alt = html.escape(printable(display_name(member.path)), quote=True)
    return f'<img src="{data_uri(encoded, "image/jpeg")}" alt="{alt}" loading="lazy">'


def _size(count: float) -> str:
    for unit in ("bytes", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "bytes" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"
