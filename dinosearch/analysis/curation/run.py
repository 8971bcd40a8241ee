"""Curate a pool: run the steps in their order, each once, and write down what became of every image."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from dinosearch.advice import run
from dinosearch.analysis.curation.clusters import cluster
from dinosearch.analysis.curation.copies import deduplicate
from dinosearch.analysis.curation.job import Job
from dinosearch.analysis.curation.ledger import MANIFEST, Ledger, Step, digest_of
from dinosearch.analysis.curation.manifest import KEPT, CurationSummary, finished, write_manifest, write_summary
from dinosearch.analysis.curation.recipe import CurationRecipe
from dinosearch.analysis.curation.references import keep_away
from dinosearch.analysis.curation.retrieval import retrieve
from dinosearch.analysis.curation.selection import Found, left_of, lines
from dinosearch.analysis.curation.sources import pool_of, sources_of
from dinosearch.arguments import checked
from dinosearch.collection import Collection
from dinosearch.errors import CollectionNotFoundError
from dinosearch.home import sha256_file
from dinosearch.protocols import Progress

Paths = str | os.PathLike[str]


@checked
def curate(
    pool: Collection,
    out: Paths,
    recipe: CurationRecipe | None = None,
    *,
    against: Sequence[Paths] = (),
    seeds: Sequence[Paths] = (),
    restart: bool = False,
    progress: Progress | None = None,
) -> CurationSummary:
    """Choose images of a collection: without copies, away from references, near to seeds.

    Run it again after an interruption: finished steps are kept, and the result is the same, byte by byte. What it reads
    it never changes. Memory: some tens of bytes an image of the pool, and 256 MiB for a k-means.

    Args:
        pool: what is chosen from.
        out: folder of the curation: its steps, `manifest.jsonl` and `summary.json`.
        recipe: settings; None for the usual.
        against: homes, or folders of images, that nothing kept may be near to, such as test sets.
        seeds: homes, or folders of images, whose like is wanted; without any, all that is left is kept.
        restart: where the folder holds a curation of other settings or of another state, do the steps again that this
            concerns, instead of refusing.
        progress: told about each step by its name, in images.

    Returns:
        The counts; `rows(out)` reads the manifest.

    Raises:
        SettingError: the folder holds another curation or other things; the pool was changed meanwhile.
        FingerprintMismatchError: a home of another model.
        ImageNotFoundError: a pool, set of references or set of seeds without images.
        HomeLockedError: another run works in the folder.
    """
    fingerprint = pool.info().fingerprint
    if fingerprint is None:
        raise CollectionNotFoundError(
            f"the collection in {pool.home} is empty: nothing has been indexed; run: ", run("index", "FOLDER")
        )
    settled = (recipe or CurationRecipe()).settled(fingerprint.checkpoint, against=bool(against))
    ledger = Ledger(Path(os.path.abspath(os.path.expanduser(out))))
    with ledger.writer(), ExitStack() as stack:
        # Before hours of embedding: would it be refused?
        ledger.agree({"recipe": settled.to_dict()}, restart=restart)
        source = pool_of(pool, settled.where)
        references = sources_of(against, "against", pool, ledger.folder, stack, progress)
        wanted = sources_of(seeds, "seeds", pool, ledger.folder, stack, progress)
        plan = {
            "recipe": settled.to_dict(),
            "pool": source.to_dict(),
            "model": fingerprint.to_dict(),
            "against": [each.to_dict() for each in references],
            "seeds": [each.to_dict() for each in wanted],
        }
        ledger.agree(plan, restart=restart)
        ledger.take(plan, [Path(each.collection.home) for each in (*references, *wanted)])
        return _run(Job(ledger, settled, source, references, wanted, progress), plan)


def _run(job: Job, plan: dict[str, Any]) -> CurationSummary:
    folder = job.ledger.folder
    if (known := finished(folder, plan)) is not None:
        return known
    copies = deduplicate(job)
    references = keep_away(job, copies)
    left = left_of(job, copies, references)
    key = digest_of([copies.sha256, references.sha256 if references else None])
    retrieved, clusters = retrieve(job, left, key), cluster(job, left, key)
    reasons = write_manifest(folder, lines(job, Found(copies, references, retrieved, clusters)))
    job.check()
    summary = CurationSummary(
        images=len(job.pool.ids),
        kept=sum(reasons.get(reason, 0) for reason in KEPT),
        reasons=reasons,
        groups=_count(copies, "groups"),
        largest_group=_count(copies, "largest_group"),
        references=sum(len(source.ids) for source in job.against),
        seeds=sum(len(source.ids) for source in job.seeds),
        clusters=_count(clusters.centres if clusters else None, "clusters"),
        clusters_sampled=_count(clusters.seeds if clusters else None, "clusters"),
        threshold=job.recipe.threshold or 0,
        against_threshold=job.recipe.against_threshold or 0,
        failed=sum(source.failed for source in (*job.against, *job.seeds)),
        manifest_sha256=sha256_file(folder / MANIFEST),
    )
    write_summary(folder, summary, plan)
    return summary


def _count(step: Step | None, name: str) -> int:
    return int((step.finished() or {}).get(name, 0)) if step else 0
