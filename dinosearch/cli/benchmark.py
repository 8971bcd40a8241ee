"""`dinosearch benchmark`: measure retrieval on a data set of the field, through the same path that users run."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dinosearch.cli.options import Settings, model_options, recall_option, rerank_option, verb
from dinosearch.cli.output import emit, notice, say, table, tell
from dinosearch.errors import SettingError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dinosearch.evaluation import Dataset, Options, Run

PARTIAL = 3


def _list_datasets(ctx: click.Context, param: click.Parameter, value: bool) -> None:
    if value:
        from dinosearch.evaluation import DATASETS

        table([(name, entry.title, entry.protocol) for name, entry in DATASETS.items()])
        ctx.exit()


@click.command(short_help="Measure retrieval on Oxford, Paris and other data sets.")
@click.argument("dataset", metavar="DATASET")
@click.option("--data", required=True, metavar="FOLDER", help="Where the data set lies as it was downloaded.")
@click.option(
    "--query-crop",
    type=click.Choice(["none", "bbx"]),
    default="none",
    show_default=True,
    help="Ask with whole images, as the DINOv2 paper, or with the official boxes.",
)
@click.option(
    "--distractors",
    metavar="FOLDER",
    help="Images added to the database: revisitop1m for roxford5k and rparis6k, any for copydays.",
)
@click.option(
    "--descriptors",
    multiple=True,
    metavar="FILE",
    help="Score these vectors (.npy, .npz, .mat, .h5) instead of a model; twice for database and queries.",
)
@click.option(
    "--ablate",
    multiple=True,
    metavar="AXIS=VALUE,...",
    help="One run a value of model, preprocessing, size, pooling, scales, index, recall, rerank, refine or query-crop; "
    "repeatable.",
)
@click.option("--against", metavar="REPORT", help="Compare with the first run of an earlier report, query by query.")
@click.option("--rectangular", is_flag=True, help="Rectangular instead of trapezoid average precision.")
@click.option("--exact", is_flag=True, help="Brute force over all vectors instead of the index.")
@rerank_option("fast")
@click.option(
    "--refine",
    default="none",
    show_default=True,
    callback=lambda ctx, param, value: _refinement(value),
    metavar="TEXT",
    help="What the searched vectors are refined by: pca128, pca128w0.5, dba10, pca128+dba10.",
)
@click.option(
    "--depth", type=click.IntRange(min=1), metavar="K", help="Ranks to look at.  [default: as the protocol has it]"
)
@recall_option
@click.option("--seed", type=int, default=0, show_default=True, help="Of intervals and samples.")
@click.option(
    "--report", metavar="FOLDER", help="Folder for report.json, .md and .html.  [default: beside the vectors]"
)
@click.option(
    "--list",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_list_datasets,
    help="The data sets and what is measured on them.",
)
@model_options
@verb
def benchmark(
    settings: Settings,
    dataset: str,
    data: str,
    query_crop: str,
    distractors: str | None,
    descriptors: tuple[str, ...],
    ablate: tuple[str, ...],
    against: str | None,
    rectangular: bool,
    exact: bool,
    rerank: str,
    refine: str,
    depth: int | None,
    recall: float,
    seed: int,
    report: str | None,
    **model: Any,
) -> int:
    """Measure retrieval on DATASET with its exact protocol, through the same index and search that users run.

      dinosearch benchmark roxford5k --data ~/datasets --model dinov2_vitl14
      dinosearch benchmark folder --data ~/my-photos --ablate pooling=cls,mean --ablate size=224,448
      dinosearch benchmark rparis6k --data ~/datasets --descriptors features.mat

    DATASET is one of --list, or folder: any folder of class folders, or a CSV file of path,label. The vectors are kept
    below --home in a collection of their own, so a second run embeds nothing, and an interrupted one goes on. Three
    tables tell what the index loses against exact search, whether the neighbours are the right ones, and what it costs;
    the report has every value, the recipe, and pictures of the worst queries.

    The exit code is 3 when images of the data set are missing or unreadable.
    """
    from dinosearch.evaluation import Options, load, read, write
    from dinosearch.evaluation.report import markdown

    options = Options(query_crop == "bbx", rectangular, depth, exact, recall, rerank=rerank, refine=refine, seed=seed)
    found = load(dataset, Path(data).expanduser(), distractors=Path(distractors).expanduser() if distractors else None)
    earlier = read(Path(against).expanduser())[:1] if against else []
    folder = _folder(settings, found)
    runs = _runs(settings, found, folder, options, model, descriptors, ablate)
    written = write([*earlier, *runs], Path(report).expanduser() if report else folder / "report")
    if settings.json:
        for run in runs:
            emit("run", _run_json(run))
    else:
        say(markdown([*earlier, *runs]).rstrip())
    if not settings.quiet:
        tell(f"report: {written / 'report.html'}")
    missing = max(len(run.dataset["unreadable"]) for run in runs)
    if missing:
        notice(f"{missing:,} of {len(found.images):,} images are missing or unreadable and count as not found")
    return PARTIAL if missing else 0


def _refinement(value: str) -> str:
    """Refuse an unknown refinement before anything is indexed."""
    if value != "none":
        from dinosearch.collection.derived.refining import Refinement

        try:
            Refinement.parse(value)
        except ValueError as error:
            raise click.BadParameter(str(error)) from None
    return value


def _runs(
    settings: Settings,
    dataset: Dataset,
    folder: Path,
    options: Options,
    model: dict[str, Any],
    descriptors: Sequence[str],
    ablate: Sequence[str],
) -> list[Run]:
    from dinosearch.cli.progress import display
    from dinosearch.evaluation import plans, run_descriptors, run_plans

    notify = None if settings.quiet else notice
    with display(settings) as progress:
        axes = [_axis(text) for text in ablate]
        if descriptors:
            planned = list(plans({}, options, axes))
            if any(plan.model for plan in planned):
                raise click.UsageError(
                    "with --descriptors the vectors are given; --ablate index, recall, rerank or refine"
                )
            files = [Path(name).expanduser() for name in descriptors]
            return [
                run_descriptors(dataset, files, plan.options, plan.label or files[0].name, progress) for plan in planned
            ]
        planned = list(plans(model, options, axes))
        return list(run_plans(dataset, folder, planned, notify, progress))


def _axis(text: str) -> tuple[str, list[str]]:
    name, _, values = text.partition("=")
    return name, [value for value in values.split(",") if value]


def _folder(settings: Settings, dataset: Dataset) -> Path:
    """Where the vectors are kept: a folder for this data set at this place."""
    place = hashlib.sha256(str(dataset.root.absolute()).encode("utf-8", "surrogateescape")).hexdigest()[:8]
    if "://" in settings.home:
        raise SettingError("a benchmark keeps its vectors in a folder; name one with: --home FOLDER")
    return Path(settings.home) / "benchmark" / f"{dataset.name}-{place}"


def _run_json(run: Run) -> dict[str, Any]:
    from dinosearch.evaluation.report import to_dict

    return to_dict(run)
