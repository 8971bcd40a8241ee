"""What a search for duplicates answers: groups of files, each with the file that is proposed to be kept."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from datetime import datetime
from typing import Any

EXACT, NEAR_COPY, SAME_INSTANCE = "exact", "near-copy", "same-instance"
TIERS = (EXACT, NEAR_COPY, SAME_INSTANCE)
"""From the surest to the loosest: files of one content; pictures made from one another; photos of one thing."""


@dataclass(frozen=True)
class Member:
    """One file of a group.

    Attributes:
        id: of the image: files of one content share it.
        path: of the file.
        width: in pixels.
        height: in pixels.
        size: bytes of the file.
        sha256: of the content, hex.
        modified: when the file was written, UTC with zone.
        taken: when the photo was taken by the camera's clock, as ISO 8601 text; None where that is not known.
        score: cosine to the image that is kept; 1 for the same content.
        change: what makes it a copy of the one that is kept, such as `mirrored`, empty where nothing is known.
        goes: whether it may go: it is not the one that is kept, and was itself found to be a duplicate of that.
    """

    id: int
    path: str
    width: int
    height: int
    size: int
    sha256: str
    modified: datetime
    taken: str | None
    score: float
    change: str = ""
    goes: bool = False


@dataclass(frozen=True)
class DuplicateGroup:
    """Files that are duplicates of each other.

    Attributes:
        tier: one of `TIERS`.
        members: the files; the one that is proposed to be kept first, the others by path.
        smallest: the smallest cosine of all pairs that the group holds together by; 1 for `exact`.
        mean: the mean cosine of these pairs.
    """

    tier: str
    members: tuple[Member, ...]
    smallest: float
    mean: float

    @property
    def kept(self) -> Member:
        return self.members[0]

    @property
    def going(self) -> tuple[Member, ...]:
        """The files that may go."""
        return tuple(member for member in self.members if member.goes)

    @property
    def ids(self) -> tuple[int, ...]:
        """Of the images, rising."""
        return tuple(sorted({member.id for member in self.members}))

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready form."""
        members = [
            {**dataclasses.asdict(member), "modified": member.modified.isoformat(), "kept": member is self.kept}
            for member in self.members
        ]
        return {"tier": self.tier, "smallest": self.smallest, "mean": self.mean, "files": members}


@dataclass(frozen=True)
class Found:
    """All that a search found.

    Attributes:
        groups: the tiers in order, in each the surest first.
        thresholds: the cosine from which pairs of a tier were looked at, by tier.
        hidden: groups that were left out because all of their pairs were said to be no duplicates.
        checked: pairs whose pictures were compared.
        unchecked: pairs near enough whose pictures were not compared, as each image is compared with so many others
            only; they count as different.
        unread: paths of images that could not be read, whose pairs count as different.
    """

    groups: tuple[DuplicateGroup, ...]
    thresholds: dict[str, float]
    hidden: int = 0
    checked: int = 0
    unchecked: int = 0
    unread: tuple[str, ...] = ()

    @property
    def going(self) -> int:
        """Files that may go."""
        return sum(len(group.going) for group in self.groups)

    @property
    def size(self) -> int:
        """Bytes of the files that may go."""
        return sum(member.size for group in self.groups for member in group.going)
