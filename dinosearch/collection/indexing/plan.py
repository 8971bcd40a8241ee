"""Compare what the sources hold with what the store knows: what is new, changed, gone or offline.

It opens no image: size and modification time decide, and the content hash later settles what they leave open.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import compress
from pathlib import Path
from typing import TYPE_CHECKING

from dinosearch.home import identity
from dinosearch.images import is_archive, scan, scan_tar
from dinosearch.records import FoundFile, Problem
from dinosearch.store import KnownFiles

if TYPE_CHECKING:
    from dinosearch.store import MetadataStore

_TELL_EVERY = 100  # files between two calls of `on_file`: a display that draws takes longer than a look at a file
_INVERTED = bytes([1]) + bytes(255)


@dataclass
class Plan:
    """What one `index` run has to do.

    Attributes:
        known: every file that the store knows.
        unchanged: files whose size and time are as the store knows them.
        to_read: files that are new or look changed, in the order of the sources.
        gone: known paths under the sources that are no longer there, with the ids of their images.
        offline: known paths kept because their whole root is not there.
        problems: what could not be read while looking, and failures remembered from earlier runs.
        forgotten: paths of remembered failures under the sources that are no longer there.
        roots: the sources that were there.
    """

    known: KnownFiles
    unchanged: int = 0
    to_read: list[FoundFile] = field(default_factory=list)
    gone: dict[str, int] = field(default_factory=dict)
    offline: int = 0
    problems: list[tuple[Problem, FoundFile | None]] = field(default_factory=list)
    forgotten: list[str] = field(default_factory=list)
    roots: list[str] = field(default_factory=list)


def make_plan(
    store: MetadataStore,
    sources: Iterable[str],
    *,
    exclude: Sequence[str] = (),
    follow_symlinks: bool = False,
    retry_failed: bool = False,
    on_file: Callable[[int], None] | None = None,
) -> Plan:
    """Look through the sources and sort every path.

    Args:
        store: the metadata store of the collection.
        sources: absolute paths of folders, image files or tar archives.
        exclude: glob patterns of what to leave out of folders.
        follow_symlinks: also walk into symbolic links to folders.
        retry_failed: read files again that failed before and have not changed since.
        on_file: called with the number of files seen so far, now and then.
    """
    known, waiting = store.known(), frozenset(store.waiting_ids().tolist())
    failed = {} if retry_failed else store.known_failures()
    plan, seen = Plan(known), _Seen(known)

    def is_same(path: str, size: int, mtime_ns: int) -> bool:
        # A file whose image waits for a vector is read though it has not changed.
        return known.is_same(path, size, mtime_ns) and not (waiting and known[path].image_id in waiting)

    def is_known(path: str, size: int, mtime_ns: int) -> bool:
        return is_same(path, size, mtime_ns) or failed.get(path, ())[:2] == (size, mtime_ns)

    for source in sources:
        unreadable: list[str] = []
        before, place = seen.count, identity(Path(source))
        for item in _look(source, exclude, follow_symlinks, is_known):
            if isinstance(item, Problem):
                plan.problems.append((item, None))
                unreadable.append(item.path)
                continue
            if not seen.add(item.path):
                continue
            if failed and failed.get(item.path, ())[:2] == (item.size, item.mtime_ns):
                plan.problems.append((Problem(item.path, failed[item.path][2]), item))
            elif is_same(item.path, item.size, item.mtime_ns):
                plan.unchanged += 1
            else:
                plan.to_read.append(item)
            if on_file and seen.count % _TELL_EVERY == 1:
                on_file(seen.count)
        # Renamed away or unplugged while it was looked at: what was not met then is not gone.
        left = seen.count == before or identity(Path(source)) != place
        inside = [root for root in store.roots() if root != source and under(root, source)]
        unreadable += [root for root in inside if not is_archive(root) and _is_empty(root)]
        _leave(source, failed, seen, unreadable, list(filter(is_archive, inside)), nothing_seen=left, plan=plan)
    if on_file:
        on_file(seen.count)
    return plan


class _Seen:
    """The paths met so far: a mark for each known one, the text of the others."""

    def __init__(self, known: KnownFiles) -> None:
        self._known = known
        self._marks = bytearray(len(known))
        self._new: set[str] = set()
        self.count = 0

    def add(self, path: str) -> bool:
        """Remember the path; False where it was met before."""
        place = self._known.places.get(path)
        if path in self._new or (place is not None and self._marks[place]):
            return False
        if place is None:
            self._new.add(path)
        else:
            self._marks[place] = 1
        self.count += 1
        return True

    def __contains__(self, path: str) -> bool:
        place = self._known.places.get(path)
        return path in self._new if place is None else bool(self._marks[place])

    def unseen(self) -> Iterator[str]:
        """The known paths that were not met."""
        return compress(self._known.places, self._marks.translate(_INVERTED))


def under(path: str, folder: str) -> bool:
    """Whether `path` is `folder`, lies inside it, or is a member of the archive `folder`."""
    if path == folder:
        return True
    return path.startswith(folder.rstrip(os.sep) + os.sep) or (is_archive(folder) and path.startswith(folder + "::"))


def _look(
    source: str, exclude: Sequence[str], follow_symlinks: bool, is_known: Callable[[str, int, int], bool]
) -> Iterator[FoundFile | Problem]:
    if os.path.isfile(source) and is_archive(source):
        return scan_tar(source, known=is_known)
    if os.path.lexists(source):
        return scan(source, exclude=exclude, follow_symlinks=follow_symlinks, known=is_known)
    return iter(())


def _is_empty(root: str) -> bool:
    """Whether the root is absent or an empty folder, as an unplugged drive leaves it."""
    try:
        with os.scandir(root) as entries:
            return next(entries, None) is None
    except NotADirectoryError:
        return False
    except OSError:
        return True


def _leave(
    source: str,
    failed: dict[str, tuple[int, int, str]],
    seen: _Seen,
    unreadable: list[str],
    archives: list[str],
    *,
    nothing_seen: bool,
    plan: Plan,
) -> None:
    """Decide about known paths of the source that were not seen: gone, or kept because they cannot be looked at."""
    single = source in plan.known or (os.path.isfile(source) and not is_archive(source))
    # One listed file is looked up; only a folder or an archive is worth a walk over everything that is known.
    if single:
        missing = [source] if source in plan.known and source not in seen else []
    else:
        missing = [path for path in seen.unseen() if under(path, source)]
        if archives:  # inside the folder, indexed by themselves: a walk through the folder does not look into them
            missing = [path for path in missing if not any(under(path, archive) for archive in archives)]
    # An unplugged drive leaves an absent or an empty folder; a file that is gone from a folder that is there is gone.
    if missing and nothing_seen and not (single and os.path.isdir(os.path.dirname(source))):
        plan.offline += len(missing)
        return
    if os.path.lexists(source):
        candidates = [source] if single else failed
        plan.forgotten.extend(
            path for path in candidates if path in failed and path not in seen and under(path, source)
        )
        if not single:
            plan.roots.append(source)
    elif not missing:
        plan.problems.append((Problem(source, "no such file or folder"), None))
    for path in missing:
        if any(under(path, folder) for folder in unreadable):
            plan.offline += 1
        else:
            plan.gone[path] = plan.known[path].image_id
