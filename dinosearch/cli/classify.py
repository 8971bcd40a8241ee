"""`dinosearch classify`: how well frozen vectors tell classes apart, by several classifiers."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dinosearch.cli.options import Settings, model_options, verb
from dinosearch.cli.output import counted, emit, notice, say, shown, table, tell

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dinosearch.analysis.classify import Classification, Examples, Vectors
    from dinosearch.cli.progress import Display

PARTIAL = 3
NAMES = ("knn", "linear", "svm", "xgboost")
_MISTAKES = 5


def checked_picture(ctx: click.Context, param: click.Parameter, value: str | None) -> str | None:
    """Refuse a picture that could not be written, before anything is embedded."""
    if value is not None:
        if not value.lower().endswith(".png"):
            raise click.BadParameter(f"{value} does not end with .png")
        if not Path(value).absolute().parent.is_dir():
            raise click.BadParameter(f"there is no folder {Path(value).absolute().parent}")
    return value


@click.command(short_help="Measure how well the vectors tell classes apart.")
@click.argument("train")
@click.argument("test", required=False)
@click.option(
    "--method",
    "methods",
    type=click.Choice([*NAMES, "all"]),
    multiple=True,
    default=("knn",),
    show_default=True,
    help="Classifier; repeatable.",
)
@click.option(
    "--labels",
    multiple=True,
    metavar="FILE",
    help="For .npy files: a label in each line, a .csv or .tsv with a column `label` or `class`, or .npy; twice for "
    "TRAIN and TEST.",
)
@click.option(
    "--folds",
    type=click.IntRange(min=2),
    default=5,
    show_default=True,
    metavar="N",
    help="Without TEST: folds of TRAIN, each asked by the others.",
)
@click.option(
    "-k", "--neighbours", type=click.IntRange(min=1), default=20, show_default=True, metavar="K", help="Of knn."
)
@click.option(
    "--temperature",
    type=click.FloatRange(0, min_open=True),
    default=0.07,
    show_default=True,
    metavar="T",
    help="Of knn: each neighbour's vote is exp(cosine / T).",
)
@click.option("--seed", type=int, default=0, show_default=True, help="Of folds and of what a method draws.")
@click.option("--per-class", is_flag=True, help="Also write precision, recall and F1 of every class.")
@click.option(
    "--sheet",
    metavar="FILE.png",
    callback=checked_picture,
    help="Also draw the methods and the confusion matrix of the best.",
)
@model_options
@verb
def classify(
    settings: Settings,
    train: str,
    test: str | None,
    methods: tuple[str, ...],
    labels: tuple[str, ...],
    folds: int,
    neighbours: int,
    temperature: float,
    seed: int,
    per_class: bool,
    sheet: str | None,
    **model: Any,
) -> int:
    """Learn classes from TRAIN by their vectors and measure how right those of TEST are told.

      dinosearch classify food/train food/test --method all --sheet confusion.png
      dinosearch classify food-101 --method knn --method linear
      dinosearch classify ~/Pictures/by-kind --folds 10
      dinosearch classify vectors.npy --labels classes.tsv --method svm

    Each is a folder with a sub-folder for each class, a list such as food-101/meta/train.txt, or a .npy file of vectors
    with --labels. Without TEST, a folder with meta/train and meta/test is split as these say, every other TRAIN into
    --folds. Vectors are kept below --home in a collection of their own, so a second run embeds nothing.

    knn is the weighted vote of DINO's evaluation, linear a logistic regression, svm a linear support vector machine
    (both choose C on folds of TRAIN), xgboost boosted trees; all but knn need the extra [analysis]. --json has every
    figure of every class, the confusion matrices and the recipe. The exit code is 3 when images are missing or
    unreadable.
    """
    from dinosearch.analysis.classify import Wanted
    from dinosearch.analysis.classify import classify as measure
    from dinosearch.cli.progress import display

    sources = _sources(train, test, labels)
    wanted = Wanted(neighbours, temperature, seed)
    chosen = NAMES if "all" in methods else tuple(dict.fromkeys(methods))
    with display(settings) as progress:
        vectors = _vectors(settings, sources, model, progress)
        second = vectors[1] if len(vectors) > 1 else None
        found = measure(vectors[0], second, chosen, wanted, folds=folds, progress=progress)
    if settings.json:
        emit("classification", found.to_dict())
    else:
        _write(found, per_class)
    if sheet is not None:
        from dinosearch.analysis.classify.picture import write_confusion

        write_confusion(found, Path(sheet))
        if not settings.quiet:
            tell(f"picture: {sheet}")
    if found.missing:
        notice(f"{counted(len(found.missing), 'image')} missing or unreadable, such as {shown(found.missing[0])}")
    return PARTIAL if found.missing else 0


def _sources(train: str, test: str | None, labels: Sequence[str]) -> list[Examples]:
    from dinosearch.analysis.classify import food101, read_examples

    names: list[str | Path] = [train] if test is None else [train, test]
    if test is None:
        names = list(food101(train) or names)
    if len(labels) > len(names):
        raise click.UsageError(f"--labels is given {len(labels)} times for {counted(len(names), 'source')}")
    given: list[str | None] = [*labels, *[None] * (len(names) - len(labels))]
    return [read_examples(name, label) for name, label in zip(names, given, strict=True)]


def _vectors(
    settings: Settings, sources: Sequence[Examples], model: dict[str, Any], progress: Display
) -> list[Vectors]:
    from dinosearch.analysis.classify import embed, given, kept_folder
    from dinosearch.collection import Collection
    from dinosearch.errors import SettingError

    if all(source.vectors is not None for source in sources):
        return [given(source) for source in sources]
    if "://" in settings.home:
        raise SettingError("vectors of a classification are kept in a folder; name one with: --home FOLDER")
    notify = None if settings.quiet else notice
    folder = kept_folder(Path(settings.home), sources)
    with Collection.open(folder, create=True, notify=notify, progress=progress, **model) as collection:
        return embed(collection, sources, progress)


def _write(found: Classification, per_class: bool) -> None:
    how = f"{found.folds} folds" if found.folds else f"learned from {found.train:,}"
    say(f"{counted(found.tested, 'example')} of {len(found.classes):,} classes, {how}, seed {found.recipe['seed']}")
    lines = [("method", "top-1", "F1 weighted", "F1 macro", "seconds", "")]
    for result in found.results:
        figures, seconds = result.figures, result.fit_seconds + result.predict_seconds
        top1, weighted, macro = (f"{value:.4f}" for value in (figures.top1, figures.weighted_f1, figures.macro_f1))
        lines.append((result.title, top1, weighted, macro, f"{seconds:.1f}", _chosen(result.settings)))
    table(lines)
    best = found.best
    mistakes = best.figures.mistakes(_MISTAKES)
    if mistakes:
        named = (
            f"{shown(found.classes[true])} as {shown(found.classes[taken])} ({number:,} of "
            f"{int(best.figures.confusion[true].sum()):,})"
            for true, taken, number in mistakes
        )
        say(f"most frequent mistakes of {best.title}: {'; '.join(named)}")
    if found.shared:
        say(f"{counted(found.shared, 'example')} asked about is also among those learned from, file for file")
    if per_class:
        rows = [
            (name, f"{row['precision']:.4f}", f"{row['recall']:.4f}", f"{row['f1']:.4f}", f"{row['support']:,}")
            for name, row in best.figures.per_class.items()
        ]
        table([("class", "precision", "recall", "F1", "examples"), *((shown(name), *cells) for name, *cells in rows)])


def _chosen(settings: Sequence[dict[str, Any]]) -> str:
    """What differs from method to method and is worth a glance."""
    first = settings[0]
    if "C" in first:
        values = sorted({one["C"] for one in settings})
        ended = all(one["converged"] for one in settings)
        return f"C {', '.join(f'{value:g}' for value in values)}{'' if ended else ', stopped before its end'}"
    if "neighbours" in first:
        return f"k {first['neighbours']}, T {first['temperature']:g}"
    return ""
