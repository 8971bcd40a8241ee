"""One write transaction: changes are gathered, and written together when it ends.

It commits nothing itself; `MetadataStore.transaction` does, so that a batch is visible whole or not at all.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timezone
from typing import Any

from sqlalchemy import Connection, Table, delete, exists, func, insert, select, update

from dinosearch.records import Fingerprint, FoundFile, Generation, ImageFacts, ImageInfo, IndexInfo, Problem
from dinosearch.store.dialects import dialect_of
from dinosearch.store.packed import Packing
from dinosearch.store.reading import CHUNK, ONLY_SAID, chunks
from dinosearch.store.said import Saying
from dinosearch.store.tables import failures, generations, images, locations, roots, settings, state

# A 64-bit integer of nanoseconds ends in the year 2262; file systems may hold later (and nonsensical) times. The last
# millisecond is left free, so that a filter can name a moment behind every stored one.
_MAX_TIME = 2**63 - 1_000_000
_ORPHAN = ~exists().where(locations.c.image_id == images.c.id)
_CONTENTS = frozenset({images, locations, generations})
"""What a collection consists of: who writes to none of them has only said something of it, or chosen a setting."""
_FACTS = [images.c[name] for name in ("id", "width", "height", "format", "taken", "camera", "added")]


class Transaction(Saying, Packing):
    """Collects what is to be written; later calls for the same path replace earlier ones.

    Args:
        connection: inside a write transaction.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._dialect = dialect_of(connection)
        self._now = datetime.now(timezone.utc)
        self._last_id: int | None = None
        self._images: list[dict[str, Any]] = []
        self._places: dict[str, tuple[FoundFile, int] | None] = {}  # None: the path is removed
        self._failures: dict[str, dict[str, Any] | None] = {}  # None: the failure is cleared
        self._wrote: set[Table] = set()

    def add_image(self, sha256: str, info: ImageInfo) -> int:
        """Store a content that is not stored yet; without a location it counts as removed. Its id is never reused."""
        if self._last_id is None:
            # Ids are given here, so that the rows can be inserted together later.
            self._last_id = self._dialect.last_id(self._connection, images)
        self._last_id += 1
        self._images.append(
            {
                "id": self._last_id,
                "sha256": sha256,
                "width": info.width,
                "height": info.height,
                "format": info.format,
                "taken": info.taken,
                "camera": info.camera,
                "added": self._now,
            }
        )
        return self._last_id

    def facts(self, ids: Iterable[int]) -> list[ImageFacts]:
        """What filters may ask of images, those of this transaction included, in the order of the ids."""
        wanted = [int(image_id) for image_id in ids]
        found = {row["id"]: _facts(**row) for row in self._images}
        for part in chunks((image_id for image_id in wanted if image_id not in found), CHUNK):
            for row in self._connection.execute(select(*_FACTS).where(images.c.id.in_(part))):
                found[row.id] = _facts(**row._mapping)
        return [found[image_id] for image_id in wanted]

    def put_location(self, file: FoundFile, image_id: int) -> None:
        """The file holds this image now; its failure is cleared, the image revived, the path's old image left."""
        self._places[file.path] = (file, image_id)
        self._failures[file.path] = None

    def remove_locations(self, paths: Iterable[str]) -> None:
        """The files are gone; an image that loses its last file becomes removed. Unknown paths are ignored."""
        self._places.update(dict.fromkeys(paths))

    def put_failure(self, problem: Problem, size: int = 0, mtime_ns: int = 0) -> None:
        """Remember that a file of this size (bytes) and time (ns) cannot be used."""
        self._failures[problem.path] = {
            "path": problem.path,
            "reason": problem.reason,
            "size": size,
            "mtime_ns": _in_range(mtime_ns),
            "failed": self._now,
        }

    def clear_failures(self, paths: Iterable[str]) -> None:
        """Forget the failures of these paths."""
        self._failures.update(dict.fromkeys(paths))

    def create_generation(
        self, fingerprint: Fingerprint, kind: str = "images", recipe: Mapping[str, Any] | None = None
    ) -> Generation:
        """Add an empty generation with a number never used; it is current if it is the only one of its kind."""
        others = select(func.count()).select_from(generations).where(generations.c.kind == kind)
        values = {
            "fingerprint": fingerprint.to_dict(),
            "rows": 0,
            "current": int(not self._connection.scalar(others)),
            "kind": kind,
            "recipe": dict(recipe or {}),
        }
        self._wrote.add(generations)
        number = self._connection.execute(insert(generations).returning(generations.c.number), values).scalar_one()
        return Generation(int(number), fingerprint, 0, kind=kind, recipe=dict(recipe or {}))

    def commit_rows(self, generation: int, rows: int) -> None:
        """The first `rows` rows of the generation's vector file count from now on.

        Raises:
            ValueError: there is no such generation.
        """
        self._update_generation(generation, {"rows": rows})

    def set_index(self, generation: int, index: IndexInfo | None, sha256: str | None) -> None:
        """Publish an index file with its checksum, or none.

        Raises:
            ValueError: there is no such generation.
        """
        self._update_generation(generation, {"index_info": index.to_dict() if index else None, "index_sha256": sha256})

    def switch_generation(self, new: Generation) -> None:
        """Make `new` the current generation of its kind and forget the others of it."""
        self.drop_generations(new.kind)
        values = {
            "number": new.number,
            "current": 1,
            "fingerprint": new.fingerprint.to_dict(),
            "rows": new.rows,
            "index_sha256": new.index_sha256,
            "index_info": new.index.to_dict() if new.index else None,
            "kind": new.kind,
            "recipe": dict(new.recipe),
        }
        self._execute(insert(generations).values(values))
        self._dialect.keep_id(self._connection, generations, new.number)

    def drop_generations(self, kind: str) -> None:
        """Forget the generations of a kind; AUTOINCREMENT still remembers the largest number."""
        self._execute(delete(generations).where(generations.c.kind == kind))

    def rename_generations(self, kinds: Mapping[str, str]) -> None:
        """Give the generations of these kinds the other ones named, all at once: kinds may change places."""
        held = select(generations.c.number, generations.c.kind).where(generations.c.kind.in_(list(kinds)))
        for number, kind in self._connection.execute(held).all():
            self._update_generation(number, {"kind": kinds[kind]})

    def set_recipe(self, generation: int, recipe: Mapping[str, Any]) -> None:
        """Replace the JSON-ready details of a generation.

        Raises:
            ValueError: there is no such generation.
        """
        self._update_generation(generation, {"recipe": dict(recipe)})

    def let_wait(self, ids: Iterable[int], waits: bool) -> None:
        """Images that have a file wait for a vector from now on and are not answered, or have one again."""
        for part in chunks((int(image_id) for image_id in ids), CHUNK):
            self._execute(update(images).where(images.c.id.in_(part)).values(removed=self._now if waits else None))

    def forget_removed(self, ids: Iterable[int] | None = None) -> None:
        """Drop the rows of removed images, all or of these ids; an image that has a file stays. Ids are not reused."""
        self.flush()  # what lost its last file in this transaction counts too
        gone = delete(images).where(images.c.removed.is_not(None), _ORPHAN)
        if ids is None:
            self._execute(gone)
        for part in chunks((int(image_id) for image_id in ids or ()), CHUNK):
            self._execute(gone.where(images.c.id.in_(part)))
        self._forget_said()

    def add_root(self, path: str, options: Mapping[str, Any] | None = None) -> None:
        """Remember an indexed folder, archive or file, with JSON-ready options; replaces what was known of it."""
        statement = self._dialect.upsert(roots).values(path=path, options=dict(options or {}))
        self._execute(
            statement.on_conflict_do_update(index_elements=["path"], set_={"options": statement.excluded.options})
        )

    def remove_roots(self, paths: Iterable[str]) -> None:
        """Forget roots; the files under them stay."""
        for part in chunks(paths, CHUNK):
            self._execute(delete(roots).where(roots.c.path.in_(part)))

    def set_setting(self, key: str, value: Any) -> None:
        """Remember a JSON-ready value."""
        statement = self._dialect.upsert(settings).values(key=key, value=value)
        self._execute(statement.on_conflict_do_update(index_elements=["key"], set_={"value": statement.excluded.value}))

    def flush(self) -> None:
        """Send what was gathered to the database; `MetadataStore.transaction` calls it before the commit."""
        touched = {row["id"] for row in self._images}
        if self._images and self._last_id is not None:
            self._execute(insert(images), self._images)
            self._dialect.on_images(self._connection, self._images)
            self._dialect.keep_id(self._connection, images, self._last_id)
        touched |= self._flush_places()
        self._mark_removed(touched)
        self._flush_failures()
        if self._wrote:
            self._count(only_said=self._wrote.isdisjoint(_CONTENTS))
        self._images, self._places, self._failures, self._wrote = [], {}, {}, set()

    def _count(self, *, only_said: bool) -> None:
        """Count this transaction; those that only said something twice, so that others can be told from them."""
        self._execute(update(state).values(changes=state.c.changes + 1))
        if only_said:
            before = self._connection.scalar(select(settings.c.value).where(settings.c.key == ONLY_SAID))
            self.set_setting(ONLY_SAID, int(before or 0) + 1)

    def _flush_places(self) -> set[int]:
        """Write the locations; returns the images that may have lost one."""
        touched: set[int] = set()
        for part in chunks(self._places, CHUNK):
            touched.update(self._connection.scalars(select(locations.c.image_id).where(locations.c.path.in_(part))))
            gone = [path for path in part if self._places[path] is None]
            if gone:
                self._execute(delete(locations).where(locations.c.path.in_(gone)))
        placed = [place for place in self._places.values() if place is not None]
        if placed:
            rows = [
                {"path": file.path, "image_id": image_id, "size": file.size, "mtime_ns": _in_range(file.mtime_ns)}
                for file, image_id in placed
            ]
            statement = self._dialect.upsert(locations)
            changed = {name: statement.excluded[name] for name in ("image_id", "size", "mtime_ns")}
            self._execute(statement.on_conflict_do_update(index_elements=["path"], set_=changed), rows)
            self._dialect.revive(self._connection, [(image_id, file.size) for file, image_id in placed])
        return touched

    def _mark_removed(self, touched: set[int]) -> None:
        for part in chunks(sorted(touched), CHUNK):
            statement = update(images).where(images.c.id.in_(part), images.c.removed.is_(None), _ORPHAN)
            self._execute(statement.values(removed=self._now))

    def _flush_failures(self) -> None:
        for part in chunks((path for path, row in self._failures.items() if row is None), CHUNK):
            # Most paths that are placed never failed; only a real deletion counts as a change.
            if self._connection.scalar(select(func.count()).select_from(failures).where(failures.c.path.in_(part))):
                self._execute(delete(failures).where(failures.c.path.in_(part)))
        rows = [row for row in self._failures.values() if row is not None]
        if rows:
            statement = self._dialect.upsert(failures)
            changed = {name: statement.excluded[name] for name in ("reason", "size", "mtime_ns", "failed")}
            self._execute(statement.on_conflict_do_update(index_elements=["path"], set_=changed), rows)

    def _update_generation(self, number: int, values: Mapping[str, Any]) -> None:
        if not self._execute(update(generations).where(generations.c.number == number).values(values)):
            raise ValueError(f"there is no generation {number}")

    def _execute(self, statement: Any, rows: Sequence[dict[str, Any]] | None = None) -> int:
        self._wrote.add(statement.table)
        if rows is not None:
            return self._dialect.many(self._connection, statement, rows)
        return int(self._connection.execute(statement).rowcount)


def _in_range(mtime_ns: int) -> int:
    return max(-_MAX_TIME, min(mtime_ns, _MAX_TIME))


def _facts(
    *, id: int, width: int, height: int, format: str, taken: Any, camera: str | None, added: datetime, sha256: str = ""
) -> ImageFacts:
    return ImageFacts(id, ImageInfo(width, height, format, taken, camera), added)
