"""Write what was said of images, by people and by votes: verdicts, labels, pairs that are no duplicates."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, delete, exists, or_, tuple_

from dinosearch.records import Label, Verdict
from dinosearch.store.dialects import Dialect
from dinosearch.store.reading import CHUNK, chunks
from dinosearch.store.tables import images, labels, not_duplicates, verdicts


class Saying:
    """The part of a transaction that writes what was said."""

    _connection: Connection
    _dialect: Dialect
    _now: datetime

    def put_verdicts(self, made: Iterable[Verdict]) -> None:
        """Remember verdicts; a later one on the same query and image replaces the earlier."""
        statement = self._dialect.upsert(verdicts)
        changed = {name: statement.excluded[name] for name in ("same", "score", "generation", "made")}
        statement = statement.on_conflict_do_update(index_elements=["query_sha256", "image_id"], set_=changed)
        kept = verdicts.c.keys()
        rows = [{name: getattr(verdict, name) for name in kept} | {"same": int(verdict.same)} for verdict in made]
        if rows:
            self._execute(statement, rows)

    def forget_verdicts(self, query_sha256: str | None = None, image_ids: Iterable[int] | None = None) -> int:
        """Forget verdicts; returns how many.

        Args:
            query_sha256: on this query; None for all.
            image_ids: on these images; None for all.
        """
        gone = delete(verdicts)
        if query_sha256 is not None:
            gone = gone.where(verdicts.c.query_sha256 == query_sha256)
        if image_ids is None:
            return self._execute(gone)
        parts = chunks((int(image_id) for image_id in image_ids), CHUNK)
        return sum(self._execute(gone.where(verdicts.c.image_id.in_(part))) for part in parts)

    def put_labels(self, made: Iterable[Label]) -> int:
        """Remember what images are called, one label each; a voted one never replaces a given one.

        Returns:
            How many were written.

        Raises:
            ValueError: an empty label, or a confidence outside 0..1.
        """
        statement = self._dialect.upsert(labels)
        changed = {name: statement.excluded[name] for name in ("label", "confidence", "given", "made")}
        kept = or_(labels.c.given == 0, statement.excluded.given == 1)
        statement = statement.on_conflict_do_update(index_elements=["image_id"], set_=changed, where=kept)
        written = 0
        for part in chunks(made, CHUNK):
            # One row an image: a server takes no two in one statement; the last counts, but for a vote after a person.
            last: dict[int, Label] = {}
            for label in part:
                if label.image_id not in last or label.given or not last[label.image_id].given:
                    last[label.image_id] = label
            rows = [{**dataclasses.asdict(label), "given": int(label.given)} for label in last.values()]
            for row in rows:
                if not row["label"] or not 0 <= row["confidence"] <= 1:
                    raise ValueError(f"{row['label']!r} with confidence {row['confidence']} is no label")
            self._dialect.on_labels(self._connection, {row["label"] for row in rows})
            written += self._execute(statement, rows)
        return written

    def drop_labels(self, ids: Iterable[int] | None = None, *, given: bool | None = None) -> int:
        """Forget what images are called.

        Args:
            ids: of these images; None for all.
            given: only what people said (True), or what was voted (False).

        Returns:
            How many were forgotten.
        """
        gone = delete(labels) if given is None else delete(labels).where(labels.c.given == int(given))
        if ids is None:
            return self._execute(gone)
        parts = chunks((int(image_id) for image_id in ids), CHUNK)
        return sum(self._execute(gone.where(labels.c.image_id.in_(part))) for part in parts)

    def put_not_duplicates(self, pairs: Iterable[tuple[int, int]]) -> None:
        """Remember pairs of images that are no duplicates, in either order.

        Raises:
            ValueError: an image with itself.
        """
        statement = self._dialect.upsert(not_duplicates).on_conflict_do_nothing()
        for part in chunks(_ordered(pairs), CHUNK):
            self._execute(statement, [{"first_id": a, "second_id": b, "made": self._now} for a, b in part])

    def drop_not_duplicates(self, pairs: Iterable[tuple[int, int]]) -> None:
        """Forget that they are no duplicates."""
        pair = tuple_(not_duplicates.c.first_id, not_duplicates.c.second_id)
        for part in chunks(_ordered(pairs), CHUNK):
            self._execute(delete(not_duplicates).where(pair.in_(part)))

    def _forget_said(self) -> None:
        """Drop what was said of images that have no row any more."""
        for table, columns in (
            (verdicts, (verdicts.c.image_id,)),
            (labels, (labels.c.image_id,)),
            (not_duplicates, (not_duplicates.c.first_id, not_duplicates.c.second_id)),
        ):
            self._execute(delete(table).where(or_(*map(_is_gone, columns))))

    def _execute(self, statement: Any, rows: Sequence[dict[str, Any]] | None = None) -> int:
        raise NotImplementedError


def _is_gone(column: ColumnElement[int]) -> ColumnElement[bool]:
    return ~exists().where(images.c.id == column)


def _ordered(pairs: Iterable[tuple[int, int]]) -> Iterable[tuple[int, int]]:
    """Each pair with the smaller id first."""
    for one, other in pairs:
        if one == other:
            raise ValueError(f"image id:{one} is no pair with itself")
        yield (int(one), int(other)) if one < other else (int(other), int(one))
