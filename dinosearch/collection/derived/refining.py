"""Vectors refined over the collection: PCA, whitening and database-side augmentation, searched in place of the model's.

The model's own vectors stay as they are and stay the truth; refined ones are derived and can be dropped at any time.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from typing import Any, cast

import numpy as np

from dinosearch.collection.derived.basis import Basis
from dinosearch.collection.kinds import IMAGES, REFINED
from dinosearch.collection.opened import OpenedHome
from dinosearch.collection.places.place import Search
from dinosearch.errors import SettingError
from dinosearch.protocols import Progress
from dinosearch.records import Generation
from dinosearch.retrieval.augmentation import augmented_blocks
from dinosearch.retrieval.whitening import PCA

LEARNED_ON = 100_000
"""Vectors that a basis is learned on at most: 100 for each of 1024 dimensions."""
_STEP = 4096
_TEXT = re.compile(r"(?:pca(\d+)(?:w(0(?:\.\d+)?))?)?\+?(?:dba(\d+))?")
_SEED = 0


@dataclass(frozen=True)
class Refinement:
    """What refines vectors.

    Attributes:
        dimensions: principal components kept; None for all.
        power: 0 only cuts, 0.25 whitens half, 0.5 fully.
        shrinkage: multiplies `power`.
        augment: neighbours that every stored vector moves towards; 0 for none.
    """

    dimensions: int | None = None
    power: float = 0.0
    shrinkage: float = 1.0
    augment: int = 0

    @classmethod
    def parse(cls, text: str) -> Refinement:
        """Read `none`, `pca128`, `pca128w0.5` (whitened by a power), `dba10`, or a PCA and a DBA joined by `+`.

        Raises:
            ValueError: something else.
        """
        found = _TEXT.fullmatch(text)
        if text != "none" and (found is None or not text):
            raise ValueError(f"{text!r} is not a refinement such as none, pca128, pca128w0.5, dba10 or pca128+dba10")
        dimensions, power, augment = found.groups() if found else (None, None, None)
        return cls(int(dimensions) if dimensions else None, float(power or 0), augment=int(augment or 0))

    @property
    def turns(self) -> bool:
        """Whether there is a principal basis to learn."""
        return self.dimensions is not None or self.power > 0


def refine(
    opened: OpenedHome, wanted: Refinement, recall: float, progress: Progress | None, side: str = ""
) -> Generation:
    """Make the refined generation of a side and switch to it in one commit; the caller holds the writer's lock.

    Raises:
        SettingError: nothing is asked for, or too few vectors to learn from.
    """
    if not wanted.turns and not wanted.augment:
        raise SettingError("there is nothing to refine by; give --dimensions N, --augment K or both, or --off")
    source, ids = opened.search(side + IMAGES), opened.live_ids(side)
    number = opened.store.next_generation()
    recipe: dict[str, Any] = {**asdict(wanted), "basis": None, "learned_on": 0}
    basis = Basis()
    if wanted.turns:
        sample = np.sort(np.random.default_rng(_SEED).permutation(ids)[:LEARNED_ON])
        dimensions = wanted.dimensions or source.generation.fingerprint.dimension
        basis = Basis(PCA.fit(source.vectors(sample), dimensions, wanted.power, wanted.shrinkage))
        recipe |= {"basis": opened.keep_basis(number, basis), "learned_on": len(sample)}
    fingerprint = source.generation.fingerprint
    if basis.pca is not None:
        fingerprint = replace(fingerprint, dimension=basis.pca.matrix.shape[1])
    made = Generation(number, fingerprint, 0, kind=side + REFINED, recipe=recipe)
    rows = (basis.apply(source.vectors(part)) for part in _parts(ids))
    made = _build(opened, made, ids, rows, recall, progress)
    if wanted.augment:
        made = _augmented(opened, made, basis, ids, wanted.augment, recall, progress)
    opened.store.switch_generation(made)
    opened.drop_other_files()
    return made


def _build(
    opened: OpenedHome,
    empty: Generation,
    ids: np.ndarray,
    rows: Iterable[np.ndarray],
    recall: float,
    progress: Progress | None,
) -> Generation:
    """Write rows (in parts, in the order of the ids) and their index to where a generation lies; commits nothing."""
    mark = opened.place.begin(empty.kind, empty.number, empty.fingerprint.dimension, "float32")
    with closing(opened.at(replace(empty, recipe={**empty.recipe, **mark}))) as search:
        done = 0
        for part in rows:
            mine = ids[done : done + len(part)]
            with opened.store.transaction() as tx:
                written = opened.write(tx, search, mine, part)
            search.refresh(replace(search.generation, rows=written))
            done += len(part)
            if progress is not None:
                progress("refine", done, len(ids))
        search.update_index(recall, progress)
        return replace(search.generation, rows=done)


def _augmented(
    opened: OpenedHome,
    plain: Generation,
    basis: Basis,
    ids: np.ndarray,
    neighbours: int,
    recall: float,
    progress: Progress | None,
) -> Generation:
    """A second generation of the same rows, each moved towards its neighbours in the first."""
    with closing(opened.at(plain)) as search:
        near, cosines = np.empty((len(ids), neighbours + 1), np.int64), np.empty((len(ids), neighbours + 1), np.float32)
        for low in range(0, len(ids), _STEP):
            part = slice(low, low + _STEP)
            found, cosines[part] = search.search(search.vectors(ids[part]), neighbours + 1)
            near[part] = np.where(found >= 0, np.searchsorted(ids, found), -1)
            if progress is not None:
                progress("neighbours", min(low + _STEP, len(ids)), len(ids))
        empty = replace(plain, number=plain.number + 1, rows=0, index=None, index_sha256=None)
        if basis.pca is not None:
            opened.keep_basis(empty.number, basis)
        rows = augmented_blocks(cast(np.ndarray, _Rows(search, ids)), near, cosines)
        return _build(opened, empty, ids, rows, recall, progress)


class _Rows:
    """Stored vectors by row number, read when they are asked for."""

    def __init__(self, search: Search, ids: np.ndarray) -> None:
        self._search, self._ids = search, ids

    def __len__(self) -> int:
        return len(self._ids)

    def __getitem__(self, rows: np.ndarray | slice) -> np.ndarray:
        return self._search.vectors(self._ids[rows])


def _parts(ids: np.ndarray) -> Iterator[np.ndarray]:
    return (ids[low : low + _STEP] for low in range(0, len(ids), _STEP))
