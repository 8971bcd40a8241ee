"""The pictures of clusters, outliers and recommendations: rows of thumbnails, drawn by `dinosearch.images`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from dinosearch.analysis.layout.paths import first_paths
from dinosearch.images import Piece, Row, write_mosaic
from dinosearch.records import Hit

if TYPE_CHECKING:
    from dinosearch.analysis.layout.clusters import Clustering
    from dinosearch.analysis.layout.unlikeness import Outliers
    from dinosearch.collection import Collection

CENTRAL = 7
"""Images of a cluster that are shown, as many as stand in a row."""
TOLD = {"kmeans": "k-means", "hdbscan": "HDBSCAN"}


def clusters_mosaic(collection: Collection, found: Clustering, output: Path) -> None:
    """A row for each cluster with its most central images, and one for what belongs to none.

    Raises:
        ValueError: neither `.png` nor `.html`.
    """

    def rows() -> Iterator[Row]:
        for cluster in found.clusters:
            note = f"{_images(cluster.size)}, cohesion {cluster.cohesion:.3f}"
            yield Row(f"Cluster {cluster.number}", pieces(cluster.number), note)
        if found.noise:
            yield Row("In no cluster", pieces(0), _images(found.noise))

    def pieces(number: int) -> list[Piece]:
        places = found.central(number, CENTRAL)
        ids, paths = found.ids[places], first_paths(collection, found.ids[places])
        told = found.cosines[places].tolist()
        return [
            Piece(paths.get(i), note=f"{score:.3f}" if number else "")
            for i, score in zip(ids.tolist(), told, strict=True)
        ]

    count = len(found.clusters)
    write_mosaic(
        rows(),
        output,
        f"{count} cluster{'' if count == 1 else 's'} of {_images(len(found.ids))}",
        f"{TOLD[found.method]}; the most central images of each, with their cosine to its centre. Cohesion is the mean "
        "of that cosine.",
    )


def outliers_mosaic(collection: Collection, found: Outliers, count: int, output: Path) -> None:
    """The images that are most unlike the others, in order.

    Raises:
        ValueError: neither `.png` nor `.html`.
    """
    ids = found.ids[:count]
    paths = first_paths(collection, ids)
    told = "local outlier factor" if found.method == "lof" else f"1 - mean cosine to the {found.k} nearest"
    pieces = [
        Piece(paths.get(number), note=f"{rank}   {score:.3f}")
        for rank, (number, score) in enumerate(zip(ids.tolist(), found.scores[:count].tolist(), strict=True), 1)
    ]
    most = f"{len(pieces)} images" if len(pieces) > 1 else "image"
    title = f"The {most} most unlike the others"
    write_mosaic([Row("", pieces)], output, title, f"Of {_images(len(found.ids))}, with rank and score: {told}.")


def recommended_mosaic(
    like: Sequence[str | bytes | None], dislike: Sequence[str | bytes | None], hits: Sequence[Hit], output: Path
) -> None:
    """What was liked, what was not, and what follows from it.

    Raises:
        ValueError: neither `.png` nor `.html`.
    """
    rows = [Row("Liked", [_given(image, marked=True) for image in like])]
    if dislike:
        rows.append(Row("Disliked", [_given(image, marked=False) for image in dislike]))
    rows.append(Row("Recommended", [Piece(hit.path, note=f"{hit.rank}   {hit.score:.3f}") for hit in hits]))
    write_mosaic(rows, output, "Recommended")


def _given(image: str | bytes | None, *, marked: bool) -> Piece:
    return Piece(image, caption="" if isinstance(image, bytes) else None, marked=marked)


def _images(count: int) -> str:
    return f"{count:,} image{'' if count == 1 else 's'}"
