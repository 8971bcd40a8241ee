"""One benchmark run: index the data set through `Collection`, then measure; `measuring` says what that means."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from dinosearch.collection import Collection
from dinosearch.collection.derived.refining import Refinement
from dinosearch.evaluation import recipe
from dinosearch.evaluation.dataset import Dataset
from dinosearch.evaluation.gallery import Gallery, nothing_readable
from dinosearch.evaluation.measuring import Options, measure_run, milliseconds, with_measures
from dinosearch.evaluation.result import Cost, Run
from dinosearch.evaluation.sources import cover
from dinosearch.protocols import Progress
from dinosearch.records import IndexSummary
from dinosearch.retrieval import Rerank
from dinosearch.retrieval.rerank import DIFFUSION

EMBEDDED = 5
"""Query images that the time of embedding is measured with."""


def run(
    dataset: Dataset,
    collection: Collection,
    cache: Path,
    options: Options,
    label: str,
    progress: Progress | None = None,
) -> Run:
    """Index what is new of the data set and measure.

    Args:
        dataset: what to measure on.
        collection: a collection of its own for this data set and model.
        cache: folder for the vectors of cropped queries.
        options: what varies.
        label: what to call the run.
        progress: told about the stages of `Collection.index` and `queries`.

    Raises:
        DatasetError: none of the images can be read.
    """
    dataset = with_measures(dataset, options)
    names = dict.fromkeys((*dataset.images, *dataset.queries))
    folders = cover(dataset.root, names)
    if not folders:
        raise nothing_readable(dataset)
    summary = collection.index(
        *folders,
        recall=options.recall,
        index_type=options.index_type,
        keep_patches=True if Rerank.parse(options.rerank).pictured else None,
        progress=progress,
    )
    prepare(collection, options, progress)
    gallery = Gallery(collection, dataset)
    vectors = gallery.query_vectors(options.query_crop, cache, progress)
    info = collection.info()
    facts = {
        **facts_of(dataset, vectors),
        "unreadable": _unreadable(gallery.missing, summary, dataset.root),
        "images_sha256": gallery.sha256,
    }
    made = recipe.recipe(collection, info, options)
    pictures = gallery.pictures(options.query_crop)

    def ask(query: int) -> None:
        collection.rank(
            vectors[query], 10, exact=options.exact, rerank=options.rerank, images=pictures[query : query + 1]
        )

    return measure_run(
        dataset,
        gallery,
        vectors,
        options,
        label,
        facts,
        made,
        lambda sample: Cost(
            embedded=summary.embedded,
            index_seconds=summary.seconds,
            query_ms=milliseconds(ask, sample.tolist()),
            query_embed_ms=_embed_ms(collection, gallery),
            bytes_per_image=info.bytes / max(1, info.images),
        ),
        pictures,
        progress,
    )


def prepare(collection: Collection, options: Options, progress: Progress | None) -> None:
    """Bring the collection into the state that the options ask for: refined or not, walks prepared."""
    wanted = Refinement.parse(options.refine)
    if wanted != Refinement():
        collection.refine(**asdict(wanted), recall=options.recall, progress=progress)
    elif collection.is_refined:
        collection.unrefine()
    if DIFFUSION in Rerank.parse(options.rerank).stages:
        collection.diffuse(progress=progress)


def _embed_ms(collection: Collection, gallery: Gallery) -> float | None:
    """Median time to decode and embed one query image alone; None where the model was not needed in this run."""
    if collection.device is None:
        return None
    known = [path for path in gallery.query_files() if os.path.isfile(path)][:EMBEDDED]
    return milliseconds(collection.embed, known) if known else None


def facts_of(dataset: Dataset, vectors: np.ndarray) -> dict[str, Any]:
    """What a report says of the data set."""
    return {
        "name": dataset.name,
        "title": dataset.title,
        "images": len(dataset.images),
        "queries": len(dataset.queries),
        "queries_without_vector": int(np.isnan(vectors[:, 0]).sum()),
        "truth_sha256": recipe.truth_sha256(dataset),
        "notes": list(dataset.notes),
    }


def _unreadable(missing: Sequence[str], summary: IndexSummary, root: Path) -> list[dict[str, str]]:
    reasons = {problem.path: problem.reason for problem in summary.failures}
    paths = ((name, os.path.join(os.path.abspath(root), *name.split("/"))) for name in missing)
    return [
        {"path": name, "reason": reasons.get(path, "not there" if not os.path.lexists(path) else "unreadable")}
        for name, path in paths
    ]
