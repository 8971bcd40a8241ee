"""Move the files that may go to the system's trash: each is checked right before, and so is the one that stays.

Nothing is deleted. A file goes only while it is the file that was indexed, and while the one that is kept of its group
has the content that was indexed. What went leaves the collection, also when the run is interrupted, and is in a log.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, TextIO

from dinosearch.analysis.duplicates.group import DuplicateGroup, Member
from dinosearch.analysis.duplicates.standing import obstacle, stands
from dinosearch.errors import SettingError
from dinosearch.protocols import Progress
from dinosearch.records import Problem

if TYPE_CHECKING:
    from dinosearch.collection import Collection

_AT_ONCE = 1000
"""Files that leave the collection together, as each time all paths are looked through."""


@dataclass(frozen=True)
class Trashed:
    """What was done.

    Attributes:
        paths: files that are in the trash and out of the collection now.
        size: their bytes.
        problems: files that were to go and stayed, each with the reason.
    """

    paths: tuple[str, ...]
    size: int
    problems: tuple[Problem, ...]


def trash(
    collection: Collection,
    groups: Sequence[DuplicateGroup],
    log: str | os.PathLike[str],
    progress: Progress | None = None,
) -> Trashed:
    """Move what may go of each group to the trash.

    Args:
        collection: opened for writing.
        groups: as `find_duplicates` gave them.
        log: file that gets lines behind those that it has: a JSON object for each file that is about to be moved, that
            was moved, or that stayed.
        progress: told about the stage `trash`, in files.

    Raises:
        SettingError: send2trash is not installed.
    """
    with open(log, "a", encoding="utf-8") as lines:
        moving = _Moving(collection, lines, _mover())
        total = sum(len(group.going) for group in groups)
        try:
            for group in groups:
                reason = stands(group.kept)
                for member in group.going:
                    if progress:
                        progress("trash", moving.done, total)
                    moving.move(group, member, reason and f"{group.kept.path}, which would be kept, {reason}")
        finally:
            moving.leave()
    if progress:
        progress("trash", total, total)
    return Trashed(
        tuple(member.path for member in moving.moved),
        sum(member.size for member in moving.moved),
        tuple(moving.problems),
    )


class _Moving:
    def __init__(self, collection: Collection, lines: TextIO, move: Callable[[str], None]) -> None:
        self._collection, self._lines, self._move = collection, lines, move
        self.moved: list[Member] = []
        self.problems: list[Problem] = []
        self._leaving: list[str] = []

    @property
    def done(self) -> int:
        return len(self.moved) + len(self.problems)

    def move(self, group: DuplicateGroup, member: Member, reason: str | None) -> None:
        """Move one file, unless there is a reason not to."""
        reason = reason or obstacle(group.kept, member)
        if reason is None:
            self._write("moving", group, member)
            try:
                self._move(member.path)
            except OSError as error:
                reason = f"the trash did not take it ({error.strerror or error})"
            finally:  # whatever ended it, Ctrl-C included: what is no longer there went
                if not os.path.lexists(member.path):
                    self.moved.append(member)
                    self._leaving.append(member.path)
                    self._write("moved", group, member)
        if reason is not None and member.path not in self._leaving[-1:]:
            self.problems.append(Problem(member.path, reason))
            self._write("stayed", group, member, reason=reason)
        if len(self._leaving) >= _AT_ONCE:
            self.leave()

    def leave(self) -> None:
        """Take what was moved out of the collection."""
        leaving, self._leaving = self._leaving, []
        if leaving:
            self._collection.remove(*leaving)

    def _write(self, what: str, group: DuplicateGroup, member: Member, **more: Any) -> None:
        facts = {"path": member.path, "kept": group.kept.path, "tier": group.tier, "score": member.score}
        moment = datetime.now(timezone.utc).isoformat(timespec="seconds")
        line = {"at": moment, "what": what, **facts, "size": member.size, "sha256": member.sha256, **more}
        self._lines.write(json.dumps(line) + "\n")
        self._lines.flush()


def _mover() -> Callable[[str], None]:
    try:
        from send2trash import send2trash
    except ImportError:
        raise SettingError(
            "send2trash, which moves files to the trash, is not installed; run: pip install 'dinosearch[analysis]'"
        ) from None
    moved: Callable[[str], None] = send2trash
    return moved
