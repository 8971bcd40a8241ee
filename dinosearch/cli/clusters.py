"""`dinosearch clusters`: a collection in groups of images that are alike."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dinosearch.cli.options import Settings, checked_sheet, model_options, opened, verb
from dinosearch.cli.output import counted, emit, notice, shown, table, tell

if TYPE_CHECKING:
    from dinosearch.analysis.layout import Clustering
    from dinosearch.collection import Collection

NOTHING_FOUND = 1
_CENTRAL = 3


@click.command(short_help="Group images that are alike.")
@click.option(
    "-n",
    "--count",
    type=click.IntRange(min=1),
    metavar="N",
    help="Clusters of kmeans.  [default: from 2 to 100, those with the best silhouette]",
)
@click.option(
    "--method", type=click.Choice(["kmeans", "hdbscan"]), default="kmeans", show_default=True, help="How to group."
)
@click.option(
    "--min-size",
    type=click.IntRange(min=2),
    metavar="N",
    help="Images of the smallest cluster of hdbscan.  [default: 5]",
)
@click.option("--where", metavar="EXPR", help='Only images that match, such as "taken >= 2020".')
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of what is drawn by chance.")
@click.option(
    "--sheet",
    metavar="FILE",
    callback=checked_sheet,
    help="Also draw the most central images of each cluster: .png, or .html in one file.",
)
@model_options
@verb
def clusters(
    settings: Settings,
    count: int | None,
    method: str,
    min_size: int | None,
    where: str | None,
    seed: int,
    sheet: str | None,
    **model: Any,
) -> int:
    """Group the images of the collection.

      dinosearch clusters --sheet clusters.html
      dinosearch clusters -n 40 --where "path ~ '**/2020/**'"
      dinosearch clusters --method hdbscan --min-size 8 --json

    kmeans puts every image into one of N clusters; hdbscan finds the number itself and leaves images that lie apart in
    no cluster. The size, the cohesion (the mean cosine to the centre) and the most central images of each cluster are
    written, the largest first. With --json a line for each cluster, and one for each image with id, path, cluster (null
    for none), distance (1 - its cosine to the centre). Needs the extra [analysis]. The exit code is 1 when there is no
    cluster.
    """
    if count is not None and method != "kmeans":
        raise click.UsageError("-n is of --method kmeans; hdbscan finds the number itself")
    if min_size is not None and method != "hdbscan":
        raise click.UsageError("--min-size is of --method hdbscan; kmeans has -n")
    from dinosearch.analysis.layout import cluster, clusters_mosaic

    with opened(settings, read_only=True, **model) as (collection, progress):
        found = cluster(
            collection, count, method=method, min_size=min_size or 5, where=where, progress=progress, seed=seed
        )
        progress.close()
        if settings.json:
            _emit(collection, found)
        else:
            _write(collection, found)
        if sheet is not None and len(found.ids):
            clusters_mosaic(collection, found, Path(sheet))
            if not settings.quiet:
                tell(f"picture: {sheet}")
    if not settings.quiet:
        if not found.clusters:
            notice("no cluster; ask for less with --min-size or --where" if len(found.ids) else "there are no images")
        elif found.learned_from < len(found.ids):
            notice(f"learned from {counted(found.learned_from, 'image')}, the others were assigned")
    return 0 if found.clusters else NOTHING_FOUND


def _emit(collection: Collection, found: Clustering) -> None:
    from dinosearch.analysis.layout import first_paths

    for group in found.clusters:
        central = found.ids[found.central(group.number, _CENTRAL)].tolist()
        told = {"cluster": group.number, "size": group.size, "cohesion": group.cohesion, "central": central}
        emit("cluster", {**told, "method": found.method})
    paths = first_paths(collection, found.ids)
    for number, of, cosine in zip(found.ids.tolist(), found.of.tolist(), found.cosines.tolist(), strict=True):
        distance = 1 - cosine if of else None
        emit("image", {"id": number, "path": paths.get(number), "cluster": of or None, "distance": distance})


def _write(collection: Collection, found: Clustering) -> None:
    from dinosearch.analysis.layout import first_paths

    lines = [("cluster", "images", "cohesion", "most central")]
    for group in found.clusters:
        ids = found.ids[found.central(group.number, _CENTRAL)]
        paths = first_paths(collection, ids)
        names = "  ".join(shown(paths.get(number, f"id:{number}")) for number in ids.tolist())
        lines.append((str(group.number), f"{group.size:,}", f"{group.cohesion:.4f}", names))
    if found.noise:
        lines.append(("none", f"{found.noise:,}", "", ""))
    if found.clusters:
        table(lines)
