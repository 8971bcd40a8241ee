"""What a benchmark data set is once it has been read: images, queries and who is relevant to whom. Data only.

Loaders (`datasets/`) make it from files on disk, `scoring` holds rankings against it; rows count the database images.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np

Box = tuple[float, float, float, float]
"""Left, top, right, bottom in pixels of the image as stored, as PIL's `Image.crop` takes them."""

NO_ROWS = np.empty(0, np.int64)


@dataclass(frozen=True)
class Judgement:
    """The ground truth of one query.

    Attributes:
        relevant: int64 database rows that must be found, ascending.
        junk: int64 database rows that are taken out of the ranking before it is scored: neither right nor wrong.
    """

    relevant: np.ndarray
    junk: np.ndarray = field(default_factory=lambda: NO_ROWS)


class Truth(Protocol):
    """The judgements of all queries, by position."""

    def __len__(self) -> int: ...

    def __getitem__(self, query: int) -> Judgement: ...


class ListedTruth:
    """Judgements that are written out.

    Args:
        relevant: rows for each query.
        junk: rows for each query; None for none.
    """

    def __init__(self, relevant: Sequence[Sequence[int]], junk: Sequence[Sequence[int]] | None = None) -> None:
        if junk is not None and len(junk) != len(relevant):
            raise ValueError(f"{len(relevant)} queries have relevant images but {len(junk)} have junk")
        self._relevant = [_rows(rows) for rows in relevant]
        self._junk = [_rows(rows) for rows in junk] if junk is not None else [NO_ROWS] * len(relevant)

    def __len__(self) -> int:
        return len(self._relevant)

    def __getitem__(self, query: int) -> Judgement:
        return Judgement(self._relevant[query], self._junk[query])


class LabelTruth:
    """Relevant is what has the query's label.

    Args:
        labels: label of each database image.
        queries: label of each query.
        own: database row of each query, which does not answer itself (it is junk); None where queries are not in the
            database.
        counts_itself: the query's own row is relevant, as in UKBench.
    """

    def __init__(
        self,
        labels: Sequence[object],
        queries: Sequence[object],
        own: Sequence[int] | None = None,
        counts_itself: bool = False,
    ) -> None:
        rows: dict[object, list[int]] = {}
        for row, label in enumerate(labels):
            rows.setdefault(label, []).append(row)
        self._rows = {label: _rows(found) for label, found in rows.items()}
        self._queries, self._own = queries, None if counts_itself else own

    def __len__(self) -> int:
        return len(self._queries)

    def __getitem__(self, query: int) -> Judgement:
        rows = self._rows.get(self._queries[query], NO_ROWS)
        if self._own is None:
            return Judgement(rows)
        own = self._own[query]
        return Judgement(rows[rows != own], np.array([own], np.int64))


@dataclass(frozen=True)
class Setup:
    """One way to judge the rankings, such as Easy, Medium or Hard.

    Attributes:
        name: as the field says it, in lower case.
        truth: one judgement for each of `Dataset.queries`; queries without relevant images are left out of the means.
        measures: names that `measures.measure` knows, such as `mAP` and `mP@10`.
    """

    name: str
    truth: Truth
    measures: tuple[str, ...]


@dataclass(frozen=True)
class Recognition:
    """Queries whose label is predicted from their neighbours.

    Attributes:
        name: such as `test`.
        labels: int64 (n,) class of each database image.
        queries: positions in `Dataset.queries`.
        truth: classes that are right for each of these queries; empty for a distractor.
        method: key of `recognition.METHODS`: `knn` (weighted vote, top-1), `met` (GAP, GAP-, ACC) or `gldv2` (GAP).
        tuned_on: a part with labels on which the method's settings are chosen; None takes the defaults.
    """

    name: str
    labels: np.ndarray
    queries: np.ndarray
    truth: tuple[frozenset[int], ...]
    method: str
    tuned_on: Recognition | None = None


@dataclass(frozen=True)
class Dataset:
    """A benchmark data set on disk.

    Attributes:
        name: as on the command line.
        title: the full name with year.
        root: folder that all names are relative to.
        images: the database, posix paths relative to `root`; their positions are the rows.
        queries: posix paths relative to `root`; a query may also be a database image.
        setups: how rankings are judged.
        boxes: the part of each query image that the official protocol asks with, None for the whole image; an empty
            tuple where the data set has no boxes.
        recognition: label predictions that are judged.
        depth: neighbours that the protocol looks at; None for a full ranking.
        truth_files: ground-truth files, relative to `root` or absolute; their checksum goes into the report.
        notes: what a reader of the figures must know, one sentence each.
    """

    name: str
    title: str
    root: Path
    images: tuple[str, ...]
    queries: tuple[str, ...]
    setups: tuple[Setup, ...]
    boxes: tuple[Box | None, ...] = ()
    recognition: tuple[Recognition, ...] = ()
    depth: int | None = None
    truth_files: tuple[Path, ...] = ()
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for setup in self.setups:
            if len(setup.truth) != len(self.queries):
                raise ValueError(f"{setup.name} judges {len(setup.truth)} queries of {len(self.queries)}")
        if self.boxes and len(self.boxes) != len(self.queries):
            raise ValueError(f"there are {len(self.boxes)} boxes for {len(self.queries)} queries")


def _rows(rows: Sequence[int]) -> np.ndarray:
    return np.unique(np.asarray(rows, np.int64).reshape(-1))
