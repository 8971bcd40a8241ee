"""The pictures of this room: what is taken for what, and what carries which label."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from dinosearch.analysis.classify.experiment import Classification
from dinosearch.collection import Collection
from dinosearch.home import atomic_path
from dinosearch.images import Piece, Row, write_mosaic
from dinosearch.images.drawing.confusion_png import Bar, draw_confusion

Shown = tuple[int, float, bool]
"""An image of a label: its id, the confidence, and whether a person said so."""
_A_ROW, _GIVEN = 7, 2
_FRACTION = "{:.2f}"


def write_confusion(found: Classification, output: Path) -> None:
    """Draw the methods and the confusion matrix of the best of them: PNG."""
    bars = [
        Bar(
            result.title,
            result.figures.top1,
            f"F1 {result.figures.weighted_f1:.3f} weighted, {result.figures.macro_f1:.3f} macro; "
            f"{result.fit_seconds + result.predict_seconds:.1f} s",
        )
        for result in found.results
    ]
    name = Path(str(found.recipe["train"])).name
    title = f"{name}: {len(found.classes):,} classes, top-1 of {found.tested:,} examples"
    how = f"{found.folds} folds" if found.folds else f"learned from {found.train:,} others"
    model = found.recipe["model"]
    vectors = f"{model['checkpoint']}, {model['preprocessing']}, {model['pooling']}" if model else "vectors as given"
    note = f"{vectors}; {how}; seed {found.recipe['seed']}"
    best = found.best
    drawn = draw_confusion(title, note, bars, found.classes, best.figures.confusion, best.title)
    with atomic_path(output) as temporary:
        temporary.write_bytes(drawn)


def write_label_sheet(
    collection: Collection, by_label: Mapping[str, Sequence[Shown]], output: Path, title: str, note: str
) -> None:
    """Draw a row of images for each label, from sure to unsure, those that a person labelled first and framed.

    Args:
        collection: where the images are.
        by_label: images of each label.
        output: a .png or .html file.
        title: one line.
        note: a lesser text below it.
    """
    rows = (
        Row(label, list(_pieces(collection, shown)), _row_note(shown))
        for label, shown in sorted(by_label.items(), key=lambda item: (-len(item[1]), item[0]))
    )
    write_mosaic(rows, output, title, note)


def _row_note(shown: Sequence[Shown]) -> str:
    given = sum(said for _, _, said in shown)
    return f"{given:,} given, {len(shown) - given:,} voted"


def _pieces(collection: Collection, shown: Sequence[Shown]) -> Iterator[Piece]:
    chosen = _chosen(shown)
    numbers = ", ".join(str(number) for number, _, _ in chosen)
    paths: dict[int, str] = {}
    for file in collection.files(f"id in ({numbers})"):
        paths.setdefault(file["id"], file["path"])
    for number, confidence, given in chosen:
        note = "given" if given else _FRACTION.format(confidence)
        yield Piece(paths.get(number), None if number in paths else f"id:{number}", note, given)


def _chosen(shown: Sequence[Shown]) -> list[Shown]:
    """At most a row: some that were given, then of the others, sorted by confidence, ones at equal distances."""
    given = [one for one in shown if one[2]]
    voted = sorted((one for one in shown if not one[2]), key=lambda one: (-one[1], one[0]))
    first = given[: _GIVEN if voted else _A_ROW]
    room = _A_ROW - len(first)
    if len(voted) <= room:
        return first + voted
    return first + [voted[round(step * (len(voted) - 1) / (room - 1))] for step in range(room)]
