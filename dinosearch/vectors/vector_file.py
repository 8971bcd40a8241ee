"""The append-only vector file: the truth about vectors, each row with its image id and its own checksum.

It knows rows only: which of them count as live is decided in `row_table`, how they are searched in `plans` and `local`.
The format is described byte by byte in docs/vector-format.md.
"""

from __future__ import annotations

import os
import threading
import zlib
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

import numpy as np

from dinosearch.advice import run
from dinosearch.errors import DamagedHomeError
from dinosearch.home import atomic_path
from dinosearch.protocols import Progress
from dinosearch.vectors.coding import CODINGS, Fields
from dinosearch.vectors.header import BLOCK_ROWS, HEADER_BYTES, VectorFileHeader, header_page, is_of, read_header

UNIT_TOLERANCE = 1e-3  # how far the length of a row may be from 1: float16 arithmetic stays well inside


class VectorFile:
    """One vector file, mapped into memory; safe for one writing and many reading threads.

    Attributes:
        path: where it lies.
        header: what its first page says.
        rows: committed rows, plus those that this object has appended; anything behind is a left-over.
    """

    def __init__(self, path: Path, header: VectorFileHeader, rows: int, writable: bool) -> None:
        self.path = path
        self.header = header
        self.rows = rows
        self.writable = writable
        self._file = open(path, "r+b" if writable else "rb", buffering=0)
        self._lock = threading.Lock()
        self._coding = header.coding
        self._block = block_of(header)
        self._fields = self._block.names[2:] if self._block.names else ()
        try:
            self._blocks = self._mapped()
        except BaseException:
            self._file.close()
            raise

    @classmethod
    def create(
        cls, path: str | Path, dimension: int, generation: int, tag: bytes = b"", coding: str = "float32"
    ) -> VectorFile:
        """Make an empty file and open it for writing; a left-over of an interrupted run at `path` is replaced.

        `coding` is one of `vectors.coding.CODINGS`.

        Raises:
            ValueError: a dimension outside 1..65536, a negative generation, or a tag longer than 32 bytes.
        """
        if not 1 <= dimension <= 65536 or generation < 0 or len(tag) > 32:
            raise ValueError(
                f"no vector file has dimension {dimension}, generation {generation}, a tag of {len(tag)} bytes"
            )
        with atomic_path(Path(path)) as temporary:
            temporary.write_bytes(header_page(VectorFileHeader(dimension, generation, tag, CODINGS[coding])))
        return cls.open(path, 0, writable=True)

    @classmethod
    def open(cls, path: str | Path, rows: int, *, writable: bool = False) -> VectorFile:
        """Open a file of which the metadata store has committed `rows` rows.

        Raises:
            DamagedHomeError: the file is missing, its header is damaged, or it holds fewer rows.
            FormatVersionError: a newer dinosearch wrote it.
        """
        path = Path(path)
        held = cls.rows_on_disk(path)
        if held < rows:
            raise DamagedHomeError(
                f"{path} is truncated: it holds {held} of the {rows} committed rows; "
                "embed the lost images again with: ",
                run("verify", "--repair"),
            )
        return cls(path, read_header(path), rows, writable)

    @staticmethod
    def rows_on_disk(path: str | Path) -> int:
        """Rows of the whole blocks that the file has room for, committed or not; raises as `open` does."""
        header = read_header(Path(path))
        return (os.path.getsize(path) - HEADER_BYTES) // block_of(header).itemsize * BLOCK_ROWS

    @classmethod
    def rescue(cls, path: Path, dimension: int, generation: int, tag: bytes = b"") -> int:
        """Make a damaged float32 file one that can be opened; returns the rows that it has room for.

        What the header says is known from elsewhere, and every row has its own checksum. A whole file of another
        generation or tag has nothing to rescue: it is replaced by an empty one.
        """
        header = VectorFileHeader(dimension, generation, tag, CODINGS["float32"])
        try:
            found = read_header(path)
            if not is_of(found, generation, tag):
                cls.create(path, dimension, generation, tag).close()
        except DamagedHomeError:
            with open(path, "r+b" if path.exists() else "w+b") as file:
                file.write(header_page(header))
                file.flush()
                os.fsync(file.fileno())
        return cls.rows_on_disk(path)

    @property
    def dimension(self) -> int:
        return self.header.dimension

    def append(self, ids: np.ndarray, vectors: np.ndarray) -> int:
        """Write rows behind the committed end and sync them to the disk; they count once the store commits them.

        Args:
            ids: (n,) int64 image ids, not negative.
            vectors: (n, dimension) float32, finite rows of unit length (within 1e-3).

        Returns:
            The new number of rows.

        Raises:
            ValueError: wrong shapes, a negative id, a row that is not finite or not of unit length, a read-only file.
            OSError: the disk is full or failing; the rows do not count and are overwritten by the next append.
        """
        if not self.writable:
            raise ValueError(f"{self.path} is open for reading only")
        ids, vectors = _checked_rows(ids, vectors, self.dimension)
        with self._lock:
            start, stop = self.rows, self.rows + len(ids)
            end = HEADER_BYTES + -(-stop // BLOCK_ROWS) * self._block.itemsize
            if os.fstat(self._file.fileno()).st_size < end:
                os.ftruncate(self._file.fileno(), end)  # grows with zeros, so that whole blocks can be mapped
            for block in range(start // BLOCK_ROWS, -(-stop // BLOCK_ROWS)):
                low, high = max(start, block * BLOCK_ROWS), min(stop, (block + 1) * BLOCK_ROWS)
                self._write(
                    block,
                    low - block * BLOCK_ROWS,
                    ids[low - start : high - start],
                    vectors[low - start : high - start],
                )
            os.fsync(self._file.fileno())
            self.rows = stop
            self._remap()
        return stop

    def resize(self, rows: int) -> None:
        """Follow the metadata store to another number of committed rows, more or fewer.

        Raises:
            DamagedHomeError: the file holds fewer rows.
        """
        with self._lock:
            before, self.rows = self.rows, rows
            try:
                self._remap()
            except BaseException:
                self.rows = before
                raise

    def ids(self) -> np.ndarray:
        """(rows,) int64 image ids, by slot; an id may occur again, then its last row counts."""
        blocks, rows = self._blocks, self.rows
        return np.asarray(blocks["ids"].reshape(-1)[:rows], np.int64)

    def read(self, slots: np.ndarray) -> np.ndarray:
        """(n, dimension) float32 copies of the rows in the order of `slots`, (n,) integers; not verified."""
        return self._coding.decode(self._rows_of(np.asarray(slots), self._blocks))

    def stack(self, first: int, last: int) -> np.ndarray:
        """(last - first, 256, dimension) float32 of whole blocks, a view where they are kept so; not verified.

        The last block may hold left-overs or zeros behind row `rows`.
        """
        blocks = self._blocks[first:last]
        return self._coding.decode({name: blocks[name] for name in self._fields})

    def blocks(
        self, start: int = 0, stop: int | None = None, size: int = 64 * BLOCK_ROWS
    ) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """Scan rows in order, `size` at a time.

        Yields:
            slots: (m,) int64; ids: (m,) int64; vectors: (m, dimension) float32, a copy; not verified.
        """
        stop = self.rows if stop is None else min(stop, self.rows)
        for low in range(start, stop, size):
            slots = np.arange(low, min(stop, low + size))
            block, row = slots // BLOCK_ROWS, slots % BLOCK_ROWS
            held = self._blocks
            vectors = self._coding.decode(self._rows_of(slots, held))
            yield slots, np.asarray(held["ids"][block, row], np.int64), vectors

    def damaged(self, slots: np.ndarray) -> np.ndarray:
        """(n,) bool: which of the rows, (n,) integers, do not match their checksum."""
        slots = np.asarray(slots)
        block, row = slots // BLOCK_ROWS, slots % BLOCK_ROWS
        held = self._blocks
        found = checksums(held["ids"][block, row], self._rows_of(slots, held))
        return np.asarray(found != held["checksums"][block, row])

    def check(self, progress: Progress | None = None) -> list[int]:
        """Verify the checksum of every row; returns the damaged slots, ascending."""
        found: list[int] = []
        for low in range(0, self.rows, 64 * BLOCK_ROWS):
            slots = np.arange(low, min(self.rows, low + 64 * BLOCK_ROWS))
            found += slots[self.damaged(slots)].tolist()
            if progress is not None:
                progress("checking vectors", int(slots[-1]) + 1, self.rows)
        return found

    def close(self) -> None:
        """Close the file; arrays handed out before stay valid."""
        self._file.close()

    def __enter__(self) -> VectorFile:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _rows_of(self, slots: np.ndarray, blocks: np.ndarray) -> Fields:
        """Copies of what is stored of these rows beside their ids and checksums."""
        return {name: np.asarray(blocks[name][slots // BLOCK_ROWS, slots % BLOCK_ROWS]) for name in self._fields}

    def _remap(self) -> None:
        if -(-self.rows // BLOCK_ROWS) > len(self._blocks):
            self._blocks = self._mapped()

    def _mapped(self) -> np.ndarray:
        count = -(-self.rows // BLOCK_ROWS)
        if count == 0:
            return np.empty(0, self._block)  # an empty range cannot be mapped
        size = os.fstat(self._file.fileno()).st_size
        if size < HEADER_BYTES + count * self._block.itemsize:
            raise DamagedHomeError(
                f"{self.path} is truncated: it has {size} bytes, too few for {self.rows} committed rows; "
                "embed the lost images again with: ",
                run("verify", "--repair"),
            )
        return np.asarray(np.memmap(self._file, self._block, "r", HEADER_BYTES, (count,)))

    def _write(self, block: int, row: int, ids: np.ndarray, vectors: np.ndarray) -> None:
        base = HEADER_BYTES + block * self._block.itemsize
        coded = self._coding.encode(vectors)
        fields: dict[str, np.ndarray] = {"ids": ids, "checksums": checksums(ids, coded), **coded}
        for name, values in fields.items():
            kind, offset = self._block.fields[name][:2]  # type: ignore[index]
            self._file.seek(base + offset + row * (kind.itemsize // BLOCK_ROWS))
            left = memoryview(values.tobytes())
            while left:  # a raw write may take a part only
                left = left[self._file.write(left) or 0 :]


def block_of(header: VectorFileHeader) -> np.dtype[np.void]:
    """A block of 256 rows: their ids, their checksums, then what the coding keeps of their vectors."""
    fields = [("ids", "<i8", (BLOCK_ROWS,)), ("checksums", "<u4", (BLOCK_ROWS,))]
    return np.dtype([*fields, *header.coding.fields(BLOCK_ROWS, header.dimension)])


def checksums(ids: np.ndarray, fields: Fields) -> np.ndarray:
    """(n,) uint32 CRC-32 of each row: the 8 bytes of its id, then those of its fields, little-endian."""
    if not len(ids):
        return np.empty(0, "<u4")
    parts = [np.ascontiguousarray(ids, "<i8"), *(np.ascontiguousarray(field) for field in fields.values())]
    rows = np.concatenate([part.reshape(len(ids), -1).view(np.uint8) for part in parts], axis=1)
    return np.fromiter((zlib.crc32(row.data) for row in rows), "<u4", len(ids))


def _checked_rows(ids: np.ndarray, vectors: np.ndarray, dimension: int) -> tuple[np.ndarray, np.ndarray]:
    ids, vectors = np.asarray(ids), np.asarray(vectors)
    if ids.ndim != 1 or (len(ids) and ids.dtype.kind not in "iu"):
        raise ValueError(f"ids must be (n,) integers, not {ids.shape} {ids.dtype}")
    if vectors.shape != (len(ids), dimension) or vectors.dtype.kind != "f":
        raise ValueError(f"vectors must be ({len(ids)}, {dimension}) float32, not {vectors.shape} {vectors.dtype}")
    ids, vectors = ids.astype("<i8"), np.ascontiguousarray(vectors, "<f4")
    if len(ids) and ids.min() < 0:
        raise ValueError(f"image ids must not be negative; {ids.min()} is")
    lengths = np.sqrt(np.einsum("nd,nd->n", vectors, vectors, dtype=np.float64))
    wrong = np.flatnonzero(~(np.abs(lengths - 1) <= UNIT_TOLERANCE))  # the negation catches not-a-number too
    if len(wrong):
        raise ValueError(
            f"the vector of image {ids[wrong[0]]} has length {lengths[wrong[0]]:.6g}, not 1; normalise it first"
        )
    return ids, vectors
