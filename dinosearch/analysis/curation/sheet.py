"""A picture of a finished curation: how many images went at each step, and examples of what stands for what."""

from __future__ import annotations

import heapq
import os
import random
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from dinosearch.analysis.curation.manifest import CurationSummary, rows
from dinosearch.images import Piece, Row, write_mosaic

_GROUPS, _MEMBERS = 14, 6
"""Copies, seeds or clusters that are looked at for examples, and images of each."""
_ACROSS = 7
"""Pieces on a line of the mosaic; a row of groups has two lines."""

Line = dict[str, Any]


def draw(curation: str | os.PathLike[str], summary: CurationSummary, output: Path) -> None:
    """Write the picture, PNG or HTML by the suffix of `output`.

    Copies and references are shown where their cosine is smallest, nearest to the threshold: if those are right, the
    others are.

    Args:
        curation: its folder, finished.
        summary: its counts.
        output: the file to write.
    """
    curation, chosen = Path(curation), _Chosen()
    for row in rows(curation):
        chosen.offer(row)
    paths = {row["id"]: row["path"] for row in rows(curation) if row["id"] in chosen.named}
    write_mosaic(
        _rows(chosen, summary, paths), output, f"{summary.kept:,} of {summary.images:,} images kept", _course(summary)
    )


class _Chosen:
    """The lines that are shown, gathered in one pass."""

    def __init__(self) -> None:
        self._nearest: dict[str, list[tuple[float, int, Line]]] = {"duplicate": [], "reference": []}
        self.seeds: dict[tuple[int, int], list[Line]] = {}
        self.clusters: dict[int, list[Line]] = {}
        self.others: dict[str, list[Line]] = {"only": [], "over cap": [], "not reached": []}
        self._seen, self._chance = dict[str, int](), random.Random(0)

    def offer(self, row: Line) -> None:
        reason = row["reason"]
        if reason in self._nearest:
            heap, entry = self._nearest[reason], (-row["cosine"], -row["id"], row)
            if len(heap) < _GROUPS:
                heapq.heappush(heap, entry)
            else:
                heapq.heappushpop(heap, entry)
        elif reason == "retrieved":
            _gather(self.seeds, (row["set"], row["seed"]), row)
        elif reason == "sampled":
            _gather(self.clusters, row["cluster"], row)
        else:
            self._draw(reason, row)

    def _draw(self, reason: str, row: Line) -> None:
        """Keep lines of the reason drawn at random, each as likely as any (reservoir sampling)."""
        lines = self.others[reason]
        self._seen[reason] = seen = self._seen.get(reason, 0) + 1
        if len(lines) < _ACROSS:
            lines.append(row)
        elif (place := self._chance.randrange(seen)) < _ACROSS:
            lines[place] = row

    def nearest(self, reason: str) -> list[Line]:
        """Those of the smallest cosine, smallest first."""
        return [row for _, _, row in sorted(self._nearest[reason], key=lambda entry: (-entry[0], -entry[1]))]

    @property
    def named(self) -> set[int]:
        """Ids whose paths other lines have."""
        return {row["of"] for row in self.nearest("duplicate")}


def _gather(groups: dict[Any, list[Line]], key: Any, row: Line) -> None:
    """Keep some lines of the first groups; those with few stay while there is room."""
    if key in groups or len(groups) < _GROUPS:
        members = groups.setdefault(key, [])
        if len(members) < _MEMBERS:
            members.append(row)


def _rows(chosen: _Chosen, summary: CurationSummary, paths: dict[int, str]) -> Iterator[Row]:
    count = summary.reasons.get
    if copies := chosen.nearest("duplicate"):
        groups = _by(copies, lambda row: Piece(paths.get(row["of"]), note="stays", marked=True), "of")
        note = f"framed is what stays, beside it its copies, those nearest to the threshold of {summary.threshold:g}"
        words = "copy" if count("duplicate") == 1 else "copies"
        yield Row(f"{count('duplicate'):,} {words} went", _flowing(groups), note)
    if near := chosen.nearest("reference"):
        groups = _by(near, lambda row: Piece(row["reference_path"], note="reference", marked=True), "reference_path")
        note = f"framed is the reference, beside it what is too near, nearest to {summary.against_threshold:g} first"
        yield Row(f"{count('reference'):,} too near to a reference", _flowing(groups), note)
    if chosen.seeds:
        hits = [row for brought in chosen.seeds.values() for row in sorted(brought, key=lambda row: row["rank"])]
        groups = _by(hits, lambda row: Piece(row["seed_path"], note="seed", marked=True), "seed_path")
        yield Row(
            f"{count('retrieved'):,} retrieved by seeds", _flowing(groups), "framed is the seed, beside it its own"
        )
    for number, (cluster, drawn) in enumerate(sorted(chosen.clusters.items(), key=lambda item: -len(item[1]))[:4]):
        title = f"{count('sampled'):,} sampled from {summary.clusters_sampled:,} of {summary.clusters:,} clusters"
        note = f"cluster {cluster}, in which {drawn[0]['seeds']:,} seeds lie"
        yield Row("" if number else title, [Piece(row["path"], note=f"drawn {row['place']}") for row in drawn], note)
    for reason, title in (("only", "kept"), ("over cap", "over the cap"), ("not reached", "not reached by any seed")):
        if lines := sorted(chosen.others[reason], key=lambda row: row["id"]):
            yield Row(f"{count(reason):,} {title}", [Piece(row["path"]) for row in lines], "examples")


def _by(lines: Iterable[Line], framed: Callable[[Line], Piece], name: str) -> list[list[Piece]]:
    """Groups of the lines that have something in common: that, framed, and then each of them."""
    groups: dict[Any, list[Piece]] = {}
    for row in lines:
        groups.setdefault(row[name], [framed(row)]).append(Piece(row["path"], note=_told(row)))
    return list(groups.values())


def _told(row: Line) -> str:
    rank = f"rank {row['rank']}, " if "rank" in row else ""
    via = f", joined at {row['via_cosine']:.3f}" if "via_cosine" in row else ", by its copy" if "via" in row else ""
    return f"{rank}{row['cosine']:.3f}{via}"


def _flowing(groups: Iterable[list[Piece]]) -> list[Piece]:
    """The groups behind each other, as far as they fill two lines; one that is longer is cut."""
    shown: list[Piece] = []
    for group in groups:
        if len(shown) + len(group) > 2 * _ACROSS:
            break
        shown += group
    return shown or list(next(iter(groups)))[: 2 * _ACROSS]


def _course(summary: CurationSummary) -> str:
    """The numbers from step to step."""
    left, words = summary.images, [f"{summary.images:,} images"]
    for reason, words_of in (("duplicate", "without copies"), ("reference", "away from references")):
        if summary.reasons.get(reason):
            left -= summary.reasons[reason]
            words.append(f"{left:,} {words_of}")
    if summary.seeds:
        words.append(f"{summary.kept:,} like the {summary.seeds:,} seeds")
    return ", ".join(words) + "."
