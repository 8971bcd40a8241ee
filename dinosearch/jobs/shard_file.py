"""The Parquet file of a shard: its columns, how rows and vectors become bytes, and how they are read back, checked.

The same rows give the same bytes: no time, name or order of arrival is part of them.
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import IO, Any

import numpy as np

from dinosearch.collection.keeping.received import Arrivals
from dinosearch.jobs.needs import needed
from dinosearch.jobs.parts import EmbeddedPart, Row
from dinosearch.records import FoundFile, ImageInfo
from dinosearch.store.paths import from_store, store_form

ROWS = 1000
"""Of a row group: what is held when it is read back, 1.5 MB of vectors of ViT-S."""
_UNIT = 1e-3  # that a length may differ from 1
_PLAIN = ["path", "sha256", "width", "height", "format", "size", "taken", "camera", "reason"]
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Counts:
    """What a shard holds: `rows` in all, `failed` of them bad, `contents` different good ones."""

    rows: int
    failed: int
    contents: int


def schema(dimension: int) -> Any:
    """The columns of a shard; `docs/embedding-at-scale.md` explains them."""
    with needed("embed"):
        import pyarrow as pa

    return pa.schema(
        [
            ("path", pa.string()),
            ("sha256", pa.string()),
            ("width", pa.int32()),
            ("height", pa.int32()),
            ("format", pa.string()),
            ("size", pa.int64()),
            ("modified", pa.timestamp("ns", tz="UTC")),
            ("taken", pa.timestamp("us")),
            ("camera", pa.string()),
            ("vector", pa.list_(pa.float32(), dimension)),
            ("fingerprint", pa.string()),
            ("reason", pa.string()),
        ]
    )


def packed(parts: Sequence[EmbeddedPart]) -> tuple[bytes, Counts]:
    """The file of a shard from all its parts, in their order.

    A row of a content that came before gets what that one has; a vector that is none makes its row a bad one.
    """
    import pyarrow as pa
    from pyarrow import parquet

    dimension = parts[0].fingerprint.dimension
    known: dict[str, tuple[Row, np.ndarray | None, str]] = {}
    done: list[tuple[Row, np.ndarray | None, str]] = []
    for part in parts:
        vectors, made_by = iter(part.vectors), json.dumps(part.fingerprint.to_dict(), sort_keys=True)
        for row in part.rows:
            vector = next(vectors) if row.info is not None else None
            if vector is not None and not abs(float(np.linalg.norm(vector)) - 1) < _UNIT:
                row, vector = Row(row.file, row.sha256, None, "the model gives no finite vector for it"), None
            first = known.setdefault(row.sha256, (row, vector, made_by)) if row.sha256 else (row, vector, made_by)
            done.append((Row(row.file, row.sha256, first[0].info, first[0].reason), first[1], first[2]))
    good = [vector for _, vector, _ in done if vector is not None]
    at = np.cumsum([0] + [vector is not None for _, vector, _ in done])[:-1]
    places = pa.array(
        [int(place) if one[1] is not None else None for place, one in zip(at, done, strict=True)], pa.int64()
    )
    flat = np.concatenate(good) if good else np.empty(0, np.float32)
    vectors = pa.FixedSizeListArray.from_arrays(pa.array(flat, pa.float32()), dimension).take(places)
    rows = [row for row, _, _ in done]
    infos = [row.info for row in rows]
    columns = {
        "path": [store_form(row.file.path) for row in rows],
        "sha256": [row.sha256 for row in rows],
        **{name: [getattr(info, name, None) for info in infos] for name in ("width", "height", "format")},
        "size": [row.file.size for row in rows],
        "modified": pa.array([_in_range(row.file.mtime_ns) for row in rows], pa.int64()).cast(
            pa.timestamp("ns", tz="UTC")
        ),
        **{name: [getattr(info, name, None) for info in infos] for name in ("taken", "camera")},
        "vector": vectors,
        "fingerprint": [made_by if row.info else None for row, _, made_by in done],
        "reason": [row.reason for row in rows],
    }
    out = io.BytesIO()
    parquet.write_table(
        pa.table(columns, schema=schema(dimension)),
        out,
        row_group_size=ROWS,
        compression={name: "NONE" if name == "vector" else "ZSTD" for name in columns}
        | {"vector.list.element": "NONE"},
        use_dictionary=["format", "camera", "fingerprint", "reason"],
    )
    return out.getvalue(), Counts(len(rows), len(rows) - len(good), sum(one[1] is not None for one in known.values()))


def unpacked(file: IO[bytes], dimension: int) -> Iterator[tuple[int, Arrivals]]:
    """Read a shard, `ROWS` rows at a time; every value is checked, as anyone may have written it.

    Raises:
        ValueError: it holds what a shard does not.
    """
    from pyarrow import parquet

    with parquet.ParquetFile(file) as opened:
        if not opened.schema_arrow.equals(schema(dimension)):
            raise ValueError("its columns are not those of a shard")
        for batch in opened.iter_batches(ROWS, use_threads=False):
            yield batch.num_rows, _checked(batch, dimension)


def bad_rows(file: IO[bytes]) -> Iterator[tuple[str, str]]:
    """Path and reason of the bad rows of a shard."""
    from pyarrow import parquet

    with parquet.ParquetFile(file) as opened:
        for batch in opened.iter_batches(columns=["path", "reason"], use_threads=False):
            for row in batch.to_pylist():
                if row["reason"] is not None:
                    yield from_store(row["path"]), row["reason"]


def _checked(batch: Any, dimension: int) -> Arrivals:
    import pyarrow as pa

    vectors = _rows(batch.column("vector"), dimension)
    if not np.isfinite(vectors).all() or (abs(np.linalg.norm(vectors, axis=1) - 1) > _UNIT).any():
        raise ValueError("it holds what is no vector of unit length")
    good = batch.column("vector").is_valid().to_pylist()
    whole = batch.column("modified").cast(pa.int64())  # a datetime has no nanoseconds
    rows = batch.select(_PLAIN).to_pylist()
    places: dict[str, int] = {}
    first: list[int] = []  # the row of `vectors` of each content
    found = Arrivals([], vectors, [], [])
    for row, is_good, mtime_ns in zip(rows, good, whole.to_pylist(), strict=True):
        path, size = row["path"], row["size"]
        if not path or "\0" in path or size is None or not 0 <= size < 1 << 62:
            raise ValueError("a row has no path or size")
        file = FoundFile(from_store(path), size, mtime_ns or 0)
        if not is_good:
            found.bad.append((file, str(row["reason"])[:1000]))
            continue
        info = ImageInfo(row["width"], row["height"], row["format"], row["taken"], row["camera"])
        if not _SHA256.fullmatch(row["sha256"] or "") or not info.format or min(info.width or 0, info.height or 0) < 1:
            raise ValueError("a row has no sha256, format or size of the picture")
        if places.setdefault(row["sha256"], len(places)) == len(found.contents):
            found.contents.append((row["sha256"], info))
            first.append(len(found.files))
        found.files.append((file, places[row["sha256"]]))
    return Arrivals(found.contents, vectors[first], found.files, found.bad)


def _rows(column: Any, dimension: int) -> np.ndarray:
    """(n, dimension) float32 of the rows that have a vector."""
    valid = column.drop_null()
    return np.asarray(valid.flatten().to_numpy(zero_copy_only=False), np.float32).reshape(len(valid), dimension)


def _in_range(mtime_ns: int) -> int:
    return max(-(2**63) + 1, min(2**63 - 1, mtime_ns))
