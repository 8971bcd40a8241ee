"""Times as the database keeps them: whole microseconds since 1970.

It formats nothing and knows no zone but UTC.
"""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

_EPOCH = datetime(1970, 1, 1)
_MICROSECOND = timedelta(microseconds=1)


def to_microseconds(moment: datetime) -> int:
    """Whole microseconds since 1970; a moment with a zone is counted in UTC, one without as it stands."""
    if moment.tzinfo is not None:
        moment = moment.astimezone(timezone.utc).replace(tzinfo=None)
    return (moment - _EPOCH) // _MICROSECOND


def from_microseconds(count: int) -> datetime:
    """The moment, without a zone, `count` microseconds after 1970."""
    return _EPOCH + timedelta(microseconds=count)
