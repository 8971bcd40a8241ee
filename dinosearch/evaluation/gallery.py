"""A data set inside a collection: its images by row, its queries as vectors, and rankings of rows.

It goes through the public methods of `Collection` only, as any program would.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from dinosearch.collection import Collection
from dinosearch.errors import DatasetError, ImageNotFoundError, ImageUnreadableError
from dinosearch.evaluation.dataset import Box, Dataset
from dinosearch.home import atomic_path
from dinosearch.images import decode_apart, read_bytes
from dinosearch.protocols import Progress

_BATCH = 64
NO_ROWS, NO_SCORES = np.empty(0, np.int64), np.empty(0, np.float32)


class Gallery:
    """The rows of a data set in an indexed collection.

    Args:
        collection: holds the images; other images in it are never answered.
        dataset: the data set.

    Attributes:
        missing: names of database images that the collection does not hold (not there, or unreadable).
        sha256: checksum over the contents of the images that are there, in the data set's order, hexadecimal.

    Raises:
        DatasetError: none of its images is in the collection.
    """

    def __init__(self, collection: Collection, dataset: Dataset) -> None:
        self.collection, self.dataset = collection, dataset
        root = os.path.abspath(dataset.root)
        known = {entry["path"]: (entry["id"], entry["sha256"]) for entry in collection.files()}
        self._ids_by_name = {}
        contents, ids = hashlib.sha256(), np.full(len(dataset.images), -1, np.int64)
        for row, name in enumerate(dataset.images):
            entry = known.get(os.path.join(root, *name.split("/")))
            if entry is not None:
                ids[row] = entry[0]
                contents.update(f"{row}:{entry[1]}\n".encode())
        self._query_sha256 = []
        for name in dataset.queries:
            entry = known.get(os.path.join(root, *name.split("/")))
            self._query_sha256.append(entry and entry[1])
            if entry is not None:
                self._ids_by_name[name] = int(entry[0])
        self.missing = tuple(dataset.images[row] for row in np.flatnonzero(ids < 0))
        if len(self.missing) == len(dataset.images):
            raise nothing_readable(dataset)
        self.sha256 = contents.hexdigest()
        rows = np.flatnonzero(ids >= 0)
        order = np.argsort(ids[rows], kind="stable")
        self._rows, self._row_ids = rows[order], ids[rows][order]
        self.ids = np.unique(self._row_ids)
        others = len({entry[0] for entry in known.values()}) - len(self.ids)
        self._only = self.ids if others else None

    def expand(self, ids: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Rows and scores for a ranking of ids: identical files follow each other in the order of their rows."""
        kept = ids >= 0
        low = np.searchsorted(self._row_ids, ids[kept], "left")
        counts = np.searchsorted(self._row_ids, ids[kept], "right") - low
        # positions low, low + 1 ... of each id, one after the other
        offsets = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
        return self._rows[np.repeat(low, counts) + offsets], np.repeat(scores[kept], counts)

    def rankings(
        self,
        vectors: np.ndarray,
        depth: int | None,
        *,
        exact: bool = False,
        rerank: str = "fast",
        pictures: Sequence[Any] = (),
        progress: Progress | None = None,
    ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Rank the database for each query vector.

        Args:
            vectors: (n, dimension) float32; a row of NaN stands for a query without a vector, whose ranking is empty.
            depth: ids wanted; None for all.
            exact: brute force instead of the index.
            rerank: see `Collection.query`.
            pictures: the image of each query, for stages that compare images.
            progress: told about the stage `queries`.

        Yields:
            Rows int64 and cosines float32, best first.
        """
        k = len(self.ids) if depth is None else min(depth, len(self.ids))
        step = max(1, min(_BATCH, (1 << 24) // k))
        for start in range(0, len(vectors), step):
            part = vectors[start : start + step]
            known = np.flatnonzero(~np.isnan(part[:, 0]))
            ids, scores = np.empty((0, k), np.int64), np.empty((0, k), np.float32)
            if len(known):
                asked = [pictures[start + int(i)] for i in known] if pictures else []
                ids, scores = self.collection.rank(
                    part[known], k, ids=self._only, exact=exact, rerank=rerank, images=asked
                )
            place = {int(position): i for i, position in enumerate(known)}
            for position in range(len(part)):
                i = place.get(position)
                yield (NO_ROWS, NO_SCORES) if i is None else self.expand(ids[i], scores[i])
            if progress is not None:
                progress("queries", min(start + step, len(vectors)), len(vectors))

    def pictures(self, crop: bool) -> Sequence[Any]:
        """The image of each query, opened when it is looked at."""
        return _Pictures(self.dataset, self.dataset.boxes if crop else ())

    def query_files(self) -> list[str]:
        """Paths of the query images that the collection could read."""
        return [os.path.join(os.path.abspath(self.dataset.root), *name.split("/")) for name in self._ids_by_name]

    def query_vectors(self, crop: bool, cache: Path, progress: Progress | None = None) -> np.ndarray:
        """The vectors of the queries: (n, dimension) float32; NaN for a query that could not be read.

        Args:
            crop: ask with the data set's boxes instead of the whole images.
            cache: folder that keeps the vectors of cropped queries, so that a second run embeds nothing.
            progress: told about the stage `queries`.
        """
        boxes = self.dataset.boxes if crop else ()
        if any(boxes):
            return self._cropped(boxes, cache, progress)
        out = np.full((len(self.dataset.queries), self.collection.info().fingerprint.dimension), np.nan, np.float32)  # type: ignore[union-attr]
        found = [(i, self._ids_by_name.get(name, -1)) for i, name in enumerate(self.dataset.queries)]
        known = [(i, image_id) for i, image_id in found if image_id >= 0]
        if known:
            positions, ids = np.array(known, np.int64).T
            out[positions] = self.collection.vectors(ids)[1]
        return out

    def _cropped(self, boxes: tuple[Box | None, ...], cache: Path, progress: Progress | None) -> np.ndarray:
        fingerprint = self.collection.info().fingerprint
        # by content, so that a query image that was missing or has changed is embedded anew
        asked = repr((str(fingerprint), list(zip(self._query_sha256, boxes, strict=True))))
        stored = cache / f"crops-{hashlib.sha256(asked.encode()).hexdigest()[:16]}.npy"
        if stored.exists():
            found: np.ndarray = np.load(stored, allow_pickle=False)
            return found
        rows = []
        for done, (name, box) in enumerate(zip(self.dataset.queries, boxes, strict=True), start=1):
            path = os.path.join(self.dataset.root, *name.split("/"))
            try:
                image = decode_apart(read_bytes(path), path)[0]
                rows.append(self.collection.embed(image.crop(clipped(box, image.size)) if box else image)[0])
            except (ImageNotFoundError, ImageUnreadableError):
                rows.append(np.full(fingerprint.dimension, np.nan, np.float32))  # type: ignore[union-attr]
            if progress is not None:
                progress("queries", done, len(boxes))
        cache.mkdir(parents=True, exist_ok=True)
        with atomic_path(stored) as temporary, open(temporary, "wb") as file:
            np.save(file, np.stack(rows))
        return np.stack(rows)


class _Pictures(Sequence[Any]):
    def __init__(self, dataset: Dataset, boxes: tuple[Box | None, ...]) -> None:
        self._dataset, self._boxes = dataset, boxes

    def __len__(self) -> int:
        return len(self._dataset.queries)

    def __getitem__(self, query: Any) -> Any:
        if isinstance(query, slice):
            return [self[i] for i in range(*query.indices(len(self)))]
        path = os.path.join(self._dataset.root, *self._dataset.queries[query].split("/"))
        box = self._boxes[query] if self._boxes else None
        if box is None:
            return path
        image = decode_apart(read_bytes(path), path)[0]
        return image.crop(clipped(box, image.size))


def nothing_readable(dataset: Dataset) -> DatasetError:
    """The error for a data set of which no image is there."""
    return DatasetError(
        f"none of the {len(dataset.images):,} images of {dataset.name} could be read below {dataset.root}; check the "
        "download, and name its folder with: --data FOLDER"
    )


def clipped(box: Box, size: tuple[int, int]) -> tuple[int, int, int, int]:
    """The box in whole pixels, rounded as PIL's crop does, kept inside the image and at least one pixel wide."""
    left, top, right, bottom = (round(edge) for edge in box)
    width, height = size
    left, top = min(max(left, 0), width - 1), min(max(top, 0), height - 1)
    return left, top, max(left + 1, min(right, width)), max(top + 1, min(bottom, height))
