"""Everything the metadata store answers: files, images, failures, roots and counts.

It never writes; `transaction` does. Every method reads one moment of the database.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import timezone
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from sqlalchemy import Connection, Select, Text, bindparam, exists, func, select, type_coerce

from dinosearch.advice import run
from dinosearch.errors import DamagedHomeError
from dinosearch.records import ImageRecord, Problem
from dinosearch.store.connections import Connections
from dinosearch.store.known import KnownFile, KnownFiles
from dinosearch.store.paths import under
from dinosearch.store.prepared import Prepared
from dinosearch.store.sums import Sound, is_sound
from dinosearch.store.tables import FILES, failures, images, labels, locations, roots, settings
from dinosearch.store.times import from_microseconds

if TYPE_CHECKING:
    from dinosearch.store.filters import Filter

# Values in one IN list: below 32,766, the variables that SQLite allows in a statement (sqlite.org/limits.html).
CHUNK = 1000
ONLY_SAID = "only_said"
"""The setting that counts the transactions which left images, files and vectors as they were."""

_T = TypeVar("_T")

# Whether the file's row itself, not only the index by which it was found, names the image; `+` keeps the index out.
_IS_OF_ITS_IMAGE = (
    "EXISTS (SELECT 1 FROM locations AS own WHERE own.rowid = locations.rowid AND +own.image_id = images.id)"
)
_LABEL_IS_SOUND = f"(labels.image_id IS NULL OR {is_sound(labels)})"
_RECORD_COLUMNS: tuple[Any, ...] = (
    images.c.id,
    locations.c.path,
    images.c.sha256,
    images.c.width,
    images.c.height,
    images.c.format,
    locations.c.size,
    locations.c.mtime_ns,
    images.c.added,
    images.c.taken,
    images.c.camera,
    labels.c.label,
    labels.c.confidence,
    labels.c.given,
    Sound(f"{is_sound(images)} AND {is_sound(locations)} AND {_IS_OF_ITS_IMAGE} AND {_LABEL_IS_SOUND}"),
)
_PLACED = exists().where(locations.c.image_id == images.c.id)
_WAITING = images.c.removed.is_not(None) & _PLACED
_KNOWN = select(
    type_coerce(locations.c.path, Text), locations.c.id, locations.c.image_id, locations.c.size, locations.c.mtime_ns
)

_SETTING = select(settings.c.value, Sound(is_sound(settings)))
_RECORDS = select(*_RECORD_COLUMNS).select_from(FILES)
_AMONG = images.c.id.in_(bindparam("ids", expanding=True))
_OF_IDS = Prepared(_RECORDS.where(_AMONG).order_by(locations.c.path))


class Reader:
    """The reading half of the metadata store; safe to call from many threads.

    Args:
        database: open connections.
    """

    def __init__(self, database: Connections) -> None:
        self._database = database

    def known(self, prefix: str | None = None) -> KnownFiles:
        """Every known file by path.

        Args:
            prefix: only this path, what lies in the folder of this name, and members of the archive of this name.
        """
        statement = _KNOWN if prefix is None else _KNOWN.where(under(locations.c.path, prefix))
        with self._database.read() as connection:
            return _known_files(connection, statement)

    def known_paths(self, paths: Iterable[str]) -> dict[str, KnownFile]:
        """Those of the paths that are known."""
        found: dict[str, KnownFile] = {}
        with self._database.read() as connection:
            for part in chunks(paths, CHUNK):
                found.update(_known_files(connection, _KNOWN.where(locations.c.path.in_(part))))
        return found

    def known_failures(self, prefix: str | None = None) -> dict[str, tuple[int, int, str]]:
        """Size, modification time (ns) and reason of the unusable files, by path; see `known` for `prefix`."""
        statement = select(failures.c.path, failures.c.size, failures.c.mtime_ns, failures.c.reason)
        if prefix is not None:
            statement = statement.where(under(failures.c.path, prefix))
        with self._database.read() as connection:
            return {path: (size, mtime_ns, reason) for path, size, mtime_ns, reason in connection.execute(statement)}

    def failures(self) -> Iterator[Problem]:
        """The files that could not be used, in the order of their paths."""
        statement = select(failures.c.path, failures.c.reason).order_by(failures.c.path)
        with self._database.read() as connection:
            for path, reason in connection.execute(statement):
                yield Problem(path, reason)

    def ids_by_sha256(self, hashes: Iterable[str]) -> dict[str, int]:
        """Image ids of those hex digests that are stored, removed images included: they can be revived."""
        found: dict[str, int] = {}
        with self._database.read() as connection:
            for part in chunks(hashes, CHUNK):
                statement = select(images.c.sha256, images.c.id).where(images.c.sha256.in_(part))
                found.update((digest, image_id) for digest, image_id in connection.execute(statement))
        return found

    def records(self, ids: Iterable[int], where: Filter | None = None) -> list[ImageRecord]:
        """All files of the images: in the order of the ids, the files of one image by path.

        Args:
            ids: image ids; unknown and removed ones have no file.
            where: only files that match.
        """
        order = list(dict.fromkeys(int(image_id) for image_id in ids))
        found: dict[int, list[ImageRecord]] = {}
        asked = None
        if where is not None:
            asked = _records(where, self._database.dialect).where(_AMONG).order_by(locations.c.path)
        with self._database.read() as connection:
            for part in chunks(order, CHUNK):
                rows = _OF_IDS.rows(connection, part) if asked is None else connection.execute(asked, {"ids": part})
                for row in rows:
                    found.setdefault(row[0], []).append(_record(row))
        return [record for image_id in order for record in found.get(image_id, ())]

    def iter_records(self, where: Filter | None = None) -> Iterator[ImageRecord]:
        """Every file (that matches), by image id and path, read row by row from one moment of the database."""
        statement = _records(where, self._database.dialect).order_by(images.c.id, locations.c.path)
        with self._database.read() as connection:
            for row in connection.execution_options(stream_results=True, yield_per=CHUNK).execute(statement):
                yield _record(row)

    def by_path(self, path: str) -> ImageRecord | None:
        """The file at the path, None where it is not known."""
        with self._database.read() as connection:
            row = connection.execute(_records(None, self._database.dialect).where(locations.c.path == path)).first()
        return None if row is None else _record(row)

    def by_id(self, image_id: int) -> ImageRecord | None:
        """The first file of the image, by path; None where the id is unknown or the image removed."""
        return next(iter(self.records([image_id])), None)

    def select(self, where: Filter, most: int | None = None) -> np.ndarray:
        """int64 ids, ascending, of the images with at least one file that matches; the first `most` of them."""
        from dinosearch.store.filters import compile_filter

        statement = (
            select(locations.c.image_id)
            .distinct()
            .select_from(FILES)
            .where(compile_filter(where, self._database.dialect))
        )
        with self._database.read() as connection:
            return _ids(connection, statement.order_by(locations.c.image_id).limit(most))

    def live_of(self, ids: Iterable[int], where: Filter | None = None) -> np.ndarray:
        """Those of the ids whose images can be found, and have a file that matches; int64, ascending."""
        statement = select(images.c.id).where(images.c.removed.is_(None))
        if where is not None:
            from dinosearch.store.filters import compile_filter

            statement = (
                select(locations.c.image_id)
                .distinct()
                .select_from(FILES)
                .where(images.c.removed.is_(None), compile_filter(where, self._database.dialect))
            )
        found: list[np.ndarray] = [np.empty(0, np.int64)]
        with self._database.read() as connection:
            for part in chunks((int(image_id) for image_id in ids), CHUNK):
                found.append(_ids(connection, statement.where(images.c.id.in_(part))))
        return np.sort(np.concatenate(found))

    def live_ids(self) -> np.ndarray:
        """int64 ids, ascending, of the images that have a file."""
        with self._database.read() as connection:
            return _ids(connection, select(images.c.id).where(images.c.removed.is_(None)).order_by(images.c.id))

    def removed_ids(self) -> np.ndarray:
        """int64 ids, ascending, of the images that must not be answered: their last file is gone, or they wait."""
        with self._database.read() as connection:
            # Not sorted by SQLite, which would go through all the images in their order, not through the few removed.
            return np.sort(_ids(connection, select(images.c.id).where(images.c.removed.is_not(None))))

    def waiting_ids(self) -> np.ndarray:
        """int64 ids, ascending, of the images that have a file but no vector since the model was changed.

        They are among `removed_ids` and not among `live_ids`.
        """
        with self._database.read() as connection:
            return _ids(connection, select(images.c.id).where(_WAITING).order_by(images.c.id))

    def placed_ids(self) -> np.ndarray:
        """int64 ids, ascending, of the images that have a file, with a vector or waiting for one."""
        with self._database.read() as connection:
            return _ids(
                connection, select(images.c.id).where(images.c.removed.is_(None) | _WAITING).order_by(images.c.id)
            )

    def removed_sizes(self) -> set[int]:
        """Bytes of the files that the removed images had; a new file of such a size may be one of them again."""
        statement = select(images.c.size).distinct().where(images.c.removed.is_not(None), images.c.size.is_not(None))
        with self._database.read() as connection:
            return set(connection.scalars(statement))

    def roots(self) -> dict[str, dict[str, Any]]:
        """The indexed folders, archives and files with their options, in the order of their paths."""
        with self._database.read() as connection:
            return {row.path: row.options for row in connection.execute(select(roots).order_by(roots.c.path))}

    def count_under(self, folder: str) -> int:
        """Number of known files in the folder; what belongs to it is told as in `known`."""
        statement = select(func.count()).select_from(locations).where(under(locations.c.path, folder))
        with self._database.read() as connection:
            return int(connection.execute(statement).scalar_one())

    def counts(self) -> dict[str, int]:
        """Numbers of `images` to be found, of those `removed` and `waiting`, of `locations`, `failures` and `roots`."""
        removed = images.c.removed.is_not(None)
        counted = {
            "images": select(func.count()).select_from(images).where(~removed),
            "locations": select(func.count()).select_from(locations),
            "failures": select(func.count()).select_from(failures),
            "removed": select(func.count()).select_from(images).where(removed, ~_PLACED),
            "waiting": select(func.count()).select_from(images).where(_WAITING),
            "roots": select(func.count()).select_from(roots),
        }
        with self._database.read() as connection:
            return {name: int(connection.execute(statement).scalar_one()) for name, statement in counted.items()}

    def setting(self, key: str) -> Any:
        """A remembered value, None where there is none."""
        with self._database.read() as connection:
            row = connection.execute(_SETTING.where(settings.c.key == key)).one_or_none()
        if row is not None and not row[1]:
            raise damaged_row(f"the setting {key}")
        return None if row is None else row[0]


def chunks(items: Iterable[_T], size: int) -> Iterator[Sequence[_T]]:
    """The items in lists of at most `size`."""
    iterator = iter(items)
    while part := list(islice(iterator, size)):
        yield part


def _known_files(connection: Connection, statement: Select[Any]) -> KnownFiles:
    # The driver's own rows: at a million files SQLAlchemy's would take most of the time.
    cursor: Any = connection.execute(statement).cursor
    return KnownFiles(cursor)


def _ids(connection: Connection, statement: Select[Any]) -> np.ndarray:
    return np.fromiter(connection.scalars(statement), dtype=np.int64)


def _records(where: Filter | None, dialect: str) -> Select[Any]:
    if where is None:
        return _RECORDS
    from dinosearch.store.filters import compile_filter

    return _RECORDS.where(compile_filter(where, dialect))


def damaged_row(what: str) -> DamagedHomeError:
    """The error of a row that does not match its checksum."""
    return DamagedHomeError(
        f"what is stored of {what} does not match its checksum; mend it with: ", run("verify", "--repair")
    )


def _record(row: Sequence[Any]) -> ImageRecord:
    image_id, path, sha256, width, height, kind, size, mtime_ns, added, taken, camera, *named, sound = row
    if not sound:
        raise damaged_row(f"the file of image id:{image_id}")
    modified = from_microseconds(mtime_ns // 1000).replace(tzinfo=timezone.utc)
    label, confidence, given = named
    is_given = None if given is None else bool(given)
    of_image = (size, modified, added, taken, camera, label, confidence, is_given)
    return ImageRecord(image_id, path, sha256, width, height, kind, *of_image)
