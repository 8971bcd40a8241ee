"""`dinosearch label`: say what images are, let the nearest ones vote on the others, list and forget labels."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dinosearch.advice import run
from dinosearch.cli.advice import told
from dinosearch.cli.options import Settings, checked_sheet, model_options, opened, verb
from dinosearch.cli.output import counted, emit, notice, say, shown, table, tell

if TYPE_CHECKING:
    from dinosearch.analysis.classify import Examples, Outcome, Vectors
    from dinosearch.analysis.classify.picture import Shown
    from dinosearch.cli.progress import Display
    from dinosearch.collection import Collection

NOTHING_FOUND, PARTIAL = 1, 3


@click.command(short_help="Say what images are, and let them vote on the others.")
@click.argument("words", nargs=-1, metavar="[NAME IMAGE...]")
@click.option(
    "--from",
    "source",
    metavar="FOLDER|FILE",
    help="Take labels from a folder with a sub-folder for each, or a .csv, .tsv or .jsonl of path or id and label, and "
    "--vote.",
)
@click.option("--vote", is_flag=True, help="Label all images that nobody labelled by their nearest labelled ones.")
@click.option("--clear", type=click.Choice(["voted", "given", "all"]), help="Forget labels.")
@click.option("--where", metavar="EXPR", help="Vote on these only, or forget theirs only.")
@click.option(
    "-k", "--neighbours", type=click.IntRange(min=1), default=20, show_default=True, metavar="K", help="That vote."
)
@click.option(
    "--temperature",
    type=click.FloatRange(0, min_open=True),
    default=0.07,
    show_default=True,
    metavar="T",
    help="Each vote is exp(cosine / T).",
)
@click.option(
    "--min-confidence",
    type=click.FloatRange(0, 1),
    default=0.5,
    show_default=True,
    metavar="SHARE",
    help="Smallest share of the vote that gives a label.",
)
@click.option(
    "--min-score",
    type=click.FloatRange(-1, 1),
    default=-1.0,
    metavar="SCORE",
    help="Smallest cosine of the nearest labelled image that gives a label.",
)
@click.option("--dry-run", is_flag=True, help="Write nothing, only say what would be.")
@click.option(
    "--sheet", metavar="FILE", callback=checked_sheet, help="Also draw a row of images for each label: .png or .html."
)
@model_options
@verb
def label(
    settings: Settings,
    words: tuple[str, ...],
    source: str | None,
    vote: bool,
    clear: str | None,
    where: str | None,
    neighbours: int,
    temperature: float,
    min_confidence: float,
    min_score: float,
    dry_run: bool,
    sheet: str | None,
    **model: Any,
) -> int:
    """Label images: by hand, from a folder of classes, and all others by the vote of their nearest labelled ones.

      dinosearch label cat id:3 ~/Pictures/cats
      dinosearch label --vote --min-confidence 0.7 --sheet labels.html
      dinosearch label --from classes/ --dry-run
      dinosearch label
      dinosearch label --clear voted
      dinosearch query facade.jpg --where "label = cat and confidence >= 0.8"

    An IMAGE is id:N, a file or a folder of the collection. The vote is that of dinosearch classify; the confidence of a
    label is its share, 1 for one that a person gave, which no vote changes. Images of --from that are not in the
    collection vote too. Vote again after changes: an image whose vote is too low loses a label that was voted before.

    Without anything, the labels are listed. Each --json label has label, given and voted (images), confidence (mean of
    the voted ones). The exit code is 1 when there is no label, 3 when images of --from were not found or have two.
    """
    _check(words, source, vote, clear, where)
    with opened(settings, read_only=not (words or source or vote or clear), **model) as (collection, progress):
        if clear:
            return _forget(settings, collection, clear, where, dry_run)
        code = 0
        said: dict[int, str] = {}
        outside: Vectors | None = None
        if words:
            said = _named(collection, words[0], words[1:])
        if source:
            said, outside, code = _taken(settings, collection, source, progress)
        if said and not dry_run:
            collection.tag(list(said), list(said.values()), given=True)
        outcome: Outcome | None = None
        if vote or source:
            from dinosearch.analysis.classify import Ballot, hold_vote

            ballot = Ballot(neighbours, temperature, min_confidence, min_score)
            outcome = hold_vote(collection, outside, ballot, where=where, said=said, dry_run=dry_run, progress=progress)
        progress.close()
        found = _by_label(collection, said, outcome)
        _write(settings, found, outcome, dry_run)
        if sheet is not None and found:
            _draw(settings, collection, found, outcome, Path(sheet))
    if not found:
        notice("there are no labels; give some with: ", run("label", "NAME", "IMAGE..."))
    return code if found else NOTHING_FOUND


def _check(words: tuple[str, ...], source: str | None, vote: bool, clear: str | None, where: str | None) -> None:
    if len(words) == 1:
        raise click.UsageError(told("which images are that? ", run("label", words[0], "IMAGE...")))
    if words and not (words[0].strip() and words[0].isprintable()):
        raise click.UsageError(
            told(f"{shown(words[0])!r} is no label; give one or more words: ", run("label", "cat", "IMAGE..."))
        )
    if clear and (words or source or vote):
        raise click.UsageError("--clear forgets labels; give none with it")
    if words and source:
        raise click.UsageError("give labels by hand or by --from, not both at once")
    if where and not (vote or source or clear):
        raise click.UsageError("--where goes with --vote, --from or --clear")


def _forget(settings: Settings, collection: Collection, which: str, where: str | None, dry_run: bool) -> int:
    given = {"voted": False, "given": True, "all": None}[which]
    ids = None if where is None else collection.ids(where).tolist()
    if dry_run:
        tags = collection.tags(ids).values()
        count = sum(given is None or tag.given == given for tag in tags)
    else:
        count = collection.untag(ids, given=given)
    if settings.json:
        emit("labels cleared", {"labels": count, "dry_run": dry_run})
    elif not settings.quiet:
        say(f"{counted(count, 'label')} {'would be ' if dry_run else ''}forgotten")
    return 0 if count else NOTHING_FOUND


def _named(collection: Collection, name: str, targets: tuple[str, ...]) -> dict[int, str]:
    """The images that the targets name, all with one label."""
    from dinosearch.errors import ImageNotFoundError

    said: dict[int, str] = {}
    for target in targets:
        found = collection.ids_under(target)
        if not found:
            raise ImageNotFoundError(
                f"{target} is not in the collection, so nothing was labelled; what it holds is listed by: ",
                run("export", "-"),
            )
        said.update(dict.fromkeys(found, name))
    return said


def _taken(
    settings: Settings, collection: Collection, source: str, progress: Display
) -> tuple[dict[int, str], Vectors | None, int]:
    """What a folder or file says of images of the collection, the examples that are not in it, and the exit code."""
    from dinosearch.analysis.classify import embed, read_said

    said = read_said(source, collection)
    missing, outside = list(said.missing), None
    if said.outside is not None:
        with _beside(settings, collection, said.outside) as kept:
            outside = embed(kept, [said.outside], progress)[0]
            missing += outside.missing
    progress.close()
    if missing:
        notice(f"{counted(len(missing), 'image')} not found or unreadable, such as {shown(missing[0])}")
    if said.contradicted:
        notice(f"{counted(said.contradicted, 'image')} left out: given two labels")
    inside = dict(zip(said.ids.tolist(), said.labels, strict=True))
    return inside, outside, PARTIAL if missing or said.contradicted else 0


@contextmanager
def _beside(settings: Settings, collection: Collection, examples: Examples) -> Iterator[Collection]:
    """A collection of the same model for examples from outside; kept below the home where that is a folder."""
    from dinosearch.analysis.classify import kept_folder
    from dinosearch.collection import Collection

    with tempfile.TemporaryDirectory(prefix="dinosearch-") as temporary:
        embedder = collection.embedder
        made_by = embedder.fingerprint.weights_sha256[:8]
        home = Path(temporary if "://" in settings.home else settings.home)
        folder = kept_folder(home, [examples], f"label-{made_by}")
        with Collection.open(folder, create=True, embedder=embedder) as kept:
            yield kept


def _by_label(collection: Collection, said: dict[int, str], outcome: Outcome | None) -> dict[str, list[Shown]]:
    """Images of each label as they are, or as they would be."""
    every = {number: (tag.label, tag.confidence, tag.given) for number, tag in collection.tags().items()}
    if outcome is not None:
        every |= {
            number: (name, share, False)
            for number, (name, share) in zip(outcome.ids.tolist(), outcome.named(), strict=True)
        }
    every |= {number: (name, 1.0, True) for number, name in said.items()}
    found: dict[str, list[Shown]] = {}
    for number, (name, confidence, given) in every.items():
        found.setdefault(name, []).append((number, confidence, given))
    return found


def _write(settings: Settings, found: dict[str, list[Shown]], outcome: Outcome | None, dry_run: bool) -> None:
    rows = []
    for name, images in sorted(found.items(), key=lambda item: (-len(item[1]), item[0])):
        shares = [confidence for _, confidence, given in images if not given]
        mean = sum(shares) / len(shares) if shares else None
        rows.append({"label": name, "given": len(images) - len(shares), "voted": len(shares), "confidence": mean})
    if settings.json:
        for row in rows:
            emit("label", row)
        if outcome is not None:
            emit("vote", {**outcome.to_dict(), "dry_run": dry_run})
        return
    if rows:
        lines = [
            (f"{row['given']:,}", f"{row['voted']:,}", "" if row["confidence"] is None else f"{row['confidence']:.2f}")
            for row in rows
        ]
        named = (shown(str(row["label"])) for row in rows)
        table([("given", "voted", "sure", "label"), *((*line, name) for line, name in zip(lines, named, strict=True))])
    if outcome is not None and not settings.quiet:
        would = "would be " if dry_run else ""
        say(
            f"{counted(len(outcome.ids), 'image')} {would}labelled by {counted(outcome.examples, 'example')}, "
            f"{outcome.unsure:,} {would}left without a label"
        )


def _draw(
    settings: Settings,
    collection: Collection,
    found: dict[str, list[Shown]],
    outcome: Outcome | None,
    output: Path,
) -> None:
    from dinosearch.analysis.classify.picture import write_label_sheet

    count = sum(map(len, found.values()))
    title = f"{counted(len(found), 'label')} of {counted(count, 'image')}"
    note = "Framed: a person said so. Below the others: the share of the vote, from sure to unsure."
    if outcome is not None:
        note += f" {outcome.unsure:,} images have no label."
    write_label_sheet(collection, found, output, title, note)
    if not settings.quiet:
        tell(f"picture: {output}")
