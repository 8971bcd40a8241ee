"""The result of a curation: for every image of the pool whether it is kept, and why; and the counts of it all.

manifest.jsonl has one line for each image, by id: `id`, `path` (the first by name, where its content lies at several),
`sha256`, `kept`, `reason`, and what the reason is about:

    only        kept, no seeds were given: `copies` images are the same, itself included
    retrieved   kept: seed `seed` (of set `set`, file `seed_path`) has it at `rank` with `cosine`; `seeds` bring it
    sampled     kept: drawn as number `place` of cluster `cluster`, in which `seeds` lie
    duplicate   `of` is kept or judged in its place, `cosine` with it; where that is below the threshold, it is joined
                to the others by `via` with `via_cosine`
    reference   too near to `reference` (of set `set`, file `reference_path`), `cosine`; its copy `via` is, if not it
    not reached no seed brings it
    over cap    what it would be kept for is `else`
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from dinosearch.advice import run
from dinosearch.analysis.curation.ledger import MANIFEST, SUMMARY, digest_of, write_json
from dinosearch.errors import SettingError
from dinosearch.home import atomic_path, sha256_file

KEPT = ("only", "retrieved", "sampled")
DROPPED = ("duplicate", "reference", "not reached", "over cap")


@dataclass(frozen=True)
class CurationSummary:
    """Counts of a curation.

    Attributes:
        images: of the pool.
        kept: of them.
        reasons: images by reason, kept ones first.
        groups: of copies, of two and more.
        largest_group: images of the largest; a large one joins by chance what a higher threshold would keep apart.
        references: images of the reference sets.
        seeds: images of the seed sets.
        clusters: of the k-means; 0 without.
        clusters_sampled: of them, with enough seeds.
        threshold, against_threshold: that were used.
        failed: images of folders of references and seeds that could not be read.
        manifest_sha256: of manifest.jsonl.
    """

    images: int
    kept: int
    reasons: dict[str, int]
    groups: int
    largest_group: int
    references: int
    seeds: int
    clusters: int
    clusters_sampled: int
    threshold: float
    against_threshold: float
    failed: int
    manifest_sha256: str

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return asdict(self)


def write_manifest(folder: Path, lines: Iterator[dict[str, Any]]) -> dict[str, int]:
    """Write the manifest; returns images by reason."""
    found: Counter[str] = Counter()
    with atomic_path(folder / MANIFEST) as temporary, open(temporary, "w", encoding="utf-8") as file:
        for line in lines:
            found[line["reason"]] += 1
            file.write(json.dumps(line) + "\n")
    return {reason: found[reason] for reason in KEPT + DROPPED if found[reason]}


def write_summary(folder: Path, summary: CurationSummary, inputs: Any) -> None:
    """Write the summary, which says that the curation of these inputs is finished."""
    write_json(folder / SUMMARY, {**summary.to_dict(), "key": digest_of(inputs)})


def finished(folder: Path, inputs: Any) -> CurationSummary | None:
    """The summary of a finished curation of these inputs whose manifest is whole; None where there is none."""
    try:
        told = json.loads((folder / SUMMARY).read_text(encoding="utf-8"))
        if told.pop("key") == digest_of(inputs) and sha256_file(folder / MANIFEST) == told["manifest_sha256"]:
            return CurationSummary(**told)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        pass
    return None


def rows(folder: str | Path) -> Iterator[dict[str, Any]]:
    """The lines of a finished curation's manifest.

    Raises:
        SettingError: no curation has finished there.
    """
    try:
        file = open(Path(folder) / MANIFEST, encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError):
        raise SettingError(
            f"no curation has finished in {folder}; run: ", run("curate", "--out", str(folder))
        ) from None
    with file:
        yield from map(json.loads, file)


def kept(folder: str | Path) -> Iterator[dict[str, Any]]:
    """The lines of the images that are kept; errors as of `rows`."""
    return (row for row in rows(folder) if row["kept"])
