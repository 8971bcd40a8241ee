"""The part of the metadata store about what was said of images: verdicts, labels, pairs that are no duplicates."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from sqlalchemy import exists, func, or_, select

from dinosearch.records import Label, Verdict
from dinosearch.store.reading import CHUNK, Reader, chunks, damaged_row
from dinosearch.store.sums import Sound, is_sound
from dinosearch.store.tables import images, labels, locations, not_duplicates, verdicts

if TYPE_CHECKING:
    from dinosearch.store.transaction import Transaction

_HAS_A_FILE = exists().where(locations.c.image_id == images.c.id)
_VERDICTS = select(
    *(verdicts.c[name] for name in ("query_sha256", "image_id", "score", "generation", "made")),
    images.c.id.label("query_id"),
    verdicts.c.same,
    Sound(is_sound(verdicts)).label("sound"),
).select_from(verdicts.outerjoin(images, (images.c.sha256 == verdicts.c.query_sha256) & _HAS_A_FILE))
_LABELS = select(labels, Sound(is_sound(labels)).label("sound")).order_by(labels.c.image_id)


class Tagged(Reader):
    """What was said, read and written; each writing verb is a transaction of its own."""

    def transaction(self) -> AbstractContextManager[Transaction]:
        """Write several things as one."""
        raise NotImplementedError

    def put_verdicts(self, made: Iterable[Verdict]) -> None:
        """Remember verdicts; a later one on the same query and image replaces the earlier."""
        with self.transaction() as transaction:
            transaction.put_verdicts(made)

    def forget_verdicts(self, query_sha256: str | None = None, image_ids: Iterable[int] | None = None) -> int:
        """Forget verdicts; see `Saying.forget_verdicts`."""
        with self.transaction() as transaction:
            return transaction.forget_verdicts(query_sha256, image_ids)

    def verdicts(self, query_sha256: str | None = None, image_ids: Iterable[int] | None = None) -> list[Verdict]:
        """Verdicts by query and image, each with the id of its query where that has a file.

        Args:
            query_sha256: on this query; None for all.
            image_ids: on these images; None for all.
        """
        statement = _VERDICTS if query_sha256 is None else _VERDICTS.where(verdicts.c.query_sha256 == query_sha256)
        wanted = [None] if image_ids is None else chunks(sorted({int(image_id) for image_id in image_ids}), CHUNK)
        found: list[Verdict] = []
        with self._database.read() as connection:
            for part in wanted:
                asked = statement if part is None else statement.where(verdicts.c.image_id.in_(part))
                for *values, same, sound in connection.execute(asked):
                    if not sound:
                        raise damaged_row("a verdict")
                    digest, image_id, score, generation, made, query_id = values
                    found.append(Verdict(digest, image_id, bool(same), score, generation, made, query_id))
        return sorted(found, key=lambda verdict: (verdict.query_sha256, verdict.image_id))

    def put_labels(self, made: Iterable[Label]) -> int:
        """Remember what images are called; see `Saying.put_labels`."""
        with self.transaction() as transaction:
            return transaction.put_labels(made)

    def drop_labels(self, ids: Iterable[int] | None = None, *, given: bool | None = None) -> int:
        """Forget what images are called; see `Saying.drop_labels`."""
        with self.transaction() as transaction:
            return transaction.drop_labels(ids, given=given)

    def labels(self, ids: Iterable[int] | None = None) -> dict[int, Label]:
        """What images are called, by id in rising order; those without a label are left out.

        Args:
            ids: of these images; None for all.
        """
        found: dict[int, Label] = {}
        with self._database.read() as connection:
            wanted = [None] if ids is None else chunks(sorted({int(image_id) for image_id in ids}), CHUNK)
            for part in wanted:
                statement = _LABELS if part is None else _LABELS.where(labels.c.image_id.in_(part))
                for number, label, confidence, given, made, sound in connection.execute(statement):
                    if not sound:
                        raise damaged_row(f"the label of image id:{number}")
                    found[number] = Label(number, label, confidence, bool(given), made)
        return found

    def count_labels(self) -> dict[str, int]:
        """Number of images by label, the most frequent first."""
        number = func.count()
        statement = select(labels.c.label, number).group_by(labels.c.label).order_by(number.desc(), labels.c.label)
        with self._database.read() as connection:
            return {label: int(count) for label, count in connection.execute(statement)}

    def put_not_duplicates(self, pairs: Iterable[tuple[int, int]]) -> None:
        """Remember pairs of images that are no duplicates, in either order."""
        with self.transaction() as transaction:
            transaction.put_not_duplicates(pairs)

    def drop_not_duplicates(self, pairs: Iterable[tuple[int, int]]) -> None:
        """Forget that they are no duplicates."""
        with self.transaction() as transaction:
            transaction.drop_not_duplicates(pairs)

    def not_duplicates(self, ids: Iterable[int] | None = None) -> list[tuple[int, int]]:
        """Pairs that are no duplicates, the smaller id first, in rising order.

        Args:
            ids: pairs with at least one of these images; None for all.
        """
        first, second = not_duplicates.c.first_id, not_duplicates.c.second_id
        statement = select(first, second)
        with self._database.read() as connection:
            if ids is None:
                rows = connection.execute(statement).all()
            else:
                parts = chunks((int(image_id) for image_id in ids), CHUNK)
                rows = [
                    row
                    for part in parts
                    for row in connection.execute(statement.where(or_(first.in_(part), second.in_(part))))
                ]
        return sorted({(row[0], row[1]) for row in rows})
