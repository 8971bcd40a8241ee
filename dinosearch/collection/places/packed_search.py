"""Rows of a generation that are kept and never searched, in the metadata store: patch tokens where there are no files.

They are coded as in a vector file, a byte a number with one scale a row, and written in the transaction that makes them
count: a crash leaves all of a batch or nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from dinosearch.advice import run
from dinosearch.errors import DamagedHomeError, NoVectorError
from dinosearch.protocols import Progress
from dinosearch.records import BuiltIndex, Generation, ImageFacts, Published
from dinosearch.store import MetadataStore

_STEP = 256
"""Rows that are read at once: 4 MB of an image's 256 tokens of 64 numbers."""


class PackedSearch:
    """See `dinosearch.protocols.VectorSearch`; it finds nothing.

    Args:
        store: holds the rows.
        generation: the committed state.

    Attributes:
        index_problem: always None: there is no index.
        damaged: ids of rows that the last `check` found to be damaged, and that were not written since.
    """

    def __init__(self, store: MetadataStore, generation: Generation) -> None:
        from dinosearch.vectors.coding import CODINGS

        self.generation = generation
        self.index_problem: str | None = None
        self.damaged = np.empty(0, np.int64)
        self._store, self._coding = store, CODINGS["int8"]
        self._form = np.dtype(
            [(name, form, shape[1:]) for name, form, shape in self._coding.fields(1, generation.fingerprint.dimension)]
        )

    def refresh(self, generation: Generation) -> None:
        """Follow another committed state of the same generation."""
        self.generation = generation

    def set_removed(self, ids: np.ndarray) -> None:
        """Nothing: the caller asks for images that it has found."""

    def ensure(self) -> None:
        with self._store.transaction() as tx:
            tx.make_packed(self.generation.number)

    def upsert(self, ids: np.ndarray, vectors: np.ndarray, images: Sequence[ImageFacts] | None = None) -> int:
        """Store rows, as a part of the transaction that this thread is in; returns how many have been written."""
        rows = np.zeros(len(ids), self._form)
        for name, values in self._coding.encode(np.asarray(vectors, np.float32)).items():
            rows[name] = values
        with self._store.transaction() as tx:
            keyed = zip(np.asarray(ids).tolist(), rows, strict=True)
            tx.put_packed(self.generation.number, {key: row.tobytes() for key, row in keyed})
        self.damaged = np.setdiff1d(self.damaged, ids)
        return self.generation.rows + len(ids)

    def delete(self, ids: np.ndarray) -> None:
        with self._store.transaction() as tx:
            tx.drop_packed(self.generation.number, ids)
        self.damaged = np.setdiff1d(self.damaged, ids)

    def missing(self, ids: np.ndarray) -> np.ndarray:
        return np.setdiff1d(ids, self._store.packed_ids(self.generation.number, _numbers(ids)))

    def ids(self) -> np.ndarray:
        return self._store.packed_ids(self.generation.number)

    def count(self) -> int:
        return len(self.ids())

    def vectors(self, ids: np.ndarray) -> np.ndarray:
        wanted = np.asarray(ids, np.int64).tolist()
        out = np.empty((len(wanted), self.generation.fingerprint.dimension), np.float32)
        for low in range(0, len(wanted), _STEP):
            part = wanted[low : low + _STEP]
            held = self._store.packed(self.generation.number, part)
            for key in part:
                if key not in held:
                    raise NoVectorError(key)
                if not self._is_sound(held[key]):
                    raise DamagedHomeError(
                        f"the {self.generation.kind} of image id:{key} do not match their checksum; mend them with: ",
                        run("verify", "--repair"),
                    )
            rows = np.frombuffer(b"".join(held[key] or b"" for key in part), self._form)
            out[low : low + len(part)] = self._coding.decode({name: rows[name] for name in self._form.names or ()})
        return out

    found = vectors

    def search(
        self,
        queries: np.ndarray,
        k: int,
        *,
        allowed: np.ndarray | None = None,
        where: object = None,
        exact: bool = False,
    ) -> tuple[np.ndarray, np.ndarray]:
        raise ValueError(f"{self.generation.kind} are kept, not searched")

    def flush(self) -> None:
        """Nothing: what is committed is there."""

    def update_index(self, recall: float, progress: Progress | None = None) -> Published | None:
        return None

    def index_info(self) -> BuiltIndex | None:
        return None

    def drop_old_files(self, published: Published) -> None:
        """Nothing: there are none."""

    @property
    def damaged_rows(self) -> int:
        return len(self.damaged)

    def check(self, progress: Progress | None = None) -> set[int]:
        """Compare every row with its checksum; the ids of damaged ones."""
        ids, damaged = self.ids(), set[int]()
        for low in range(0, len(ids), _STEP):
            held = self._store.packed(self.generation.number, _numbers(ids[low : low + _STEP]))
            damaged.update(key for key, data in held.items() if not self._is_sound(data))
            if progress is not None:
                progress("verify", min(low + _STEP, len(ids)), len(ids))
        self.damaged = np.array(sorted(damaged), np.int64)
        return damaged

    def check_index(self) -> str | None:
        return None

    def tidy(self) -> None:
        """Give the space of deleted rows back."""
        self._store.tidy_packed(self.generation.number)

    def close(self) -> None:
        """Nothing: the connections are the store's."""

    def _is_sound(self, data: bytes | None) -> bool:
        return data is not None and len(data) == self._form.itemsize


def _numbers(ids: np.ndarray) -> Iterable[int]:
    return (int(key) for key in ids)
