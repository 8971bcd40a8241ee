"""What filters of a collection can be made of."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Generic, TypeVar

T = TypeVar("T", int, datetime)


@dataclass(frozen=True)
class Span(Generic[T]):
    """The smallest and the largest value; None where there is none."""

    first: T | None = None
    last: T | None = None

    def with_(self, other: Span[T]) -> Span[T]:
        """The span of both."""
        firsts = [value for value in (self.first, other.first) if value is not None]
        lasts = [value for value in (self.last, other.last) if value is not None]
        return Span(min(firsts, default=None), max(lasts, default=None))


@dataclass(frozen=True)
class Facets:
    """Counts of files and spans of their numbers.

    Attributes:
        folders: files by the folder or archive that they lie in, not those of the folders below it.
        formats: files by format.
        cameras: files by camera, where that is known.
        labels: files by label, where there is one.
        taken: when, by the cameras' clocks.
        width, height: pixels.
        size: bytes of a file.
    """

    folders: dict[str, int]
    formats: dict[str, int]
    cameras: dict[str, int]
    labels: dict[str, int]
    taken: Span[datetime]
    width: Span[int]
    height: Span[int]
    size: Span[int]

    def with_labels(self, labels: dict[str, int]) -> Facets:
        """A copy with other labels, which shares no dictionary."""
        folders, formats, cameras = dict(self.folders), dict(self.formats), dict(self.cameras)
        return replace(self, folders=folders, formats=formats, cameras=cameras, labels=labels)
