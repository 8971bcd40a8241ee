"""Compare what the sources hold with what the store knows: what is new, changed, gone or offline.

It opens no image: size and modification time decide, and the content hash later settles what they leave open.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from dinosearch.images import is_archive, scan, scan_tar
from dinosearch.records import FoundFile, Problem

if TYPE_CHECKING:
    from dinosearch.store import KnownFile, MetadataStore


@dataclass
class Plan:
    """What one `index` run has to do.

    Attributes:
        unchanged: files whose size and time are as the store knows them.
        to_read: files that are new or look changed, in the order of the sources.
        gone: known paths under the sources that are no longer there.
        offline: known paths kept because their whole root is not there.
        problems: what could not be read while looking, and failures remembered from earlier runs.
        forgotten: paths of remembered failures under the sources that are no longer there.
        roots: the sources that were there.
    """

    unchanged: int = 0
    to_read: list[FoundFile] = field(default_factory=list)
    gone: dict[str, KnownFile] = field(default_factory=dict)
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
        on_file: called with the number of files seen so far.
    """
    plan = Plan()
    known = store.known()
    failed = {} if retry_failed else store.known_failures()
    seen: set[str] = set()

    def is_known(path: str, size: int, mtime_ns: int) -> bool:
        entry = known.get(path)
        if entry is not None:
            return entry.size == size and entry.mtime_ns == mtime_ns
        failure = failed.get(path)
        return failure is not None and failure[:2] == (size, mtime_ns)

    for source in sources:
        unreadable: list[str] = []
        before = len(seen)
        for item in _look(source, exclude, follow_symlinks, is_known):
            if isinstance(item, Problem):
                plan.problems.append((item, None))
                unreadable.append(item.path)
                continue
            if item.path in seen:
                continue
            seen.add(item.path)
            _sort(item, known, failed, plan)
            if on_file:
                on_file(len(seen))
        _leave(source, known, failed, seen, unreadable, nothing_seen=len(seen) == before, plan=plan)
    return plan


def under(path: str, folder: str) -> bool:
    """Whether `path` is `folder`, lies inside it, or is a member of the archive `folder`."""
    if path == folder:
        return True
    return path.startswith((folder.rstrip(os.sep) + os.sep, folder + "::"))


def _look(
    source: str, exclude: Sequence[str], follow_symlinks: bool, is_known: Callable[[str, int, int], bool]
) -> Iterator[FoundFile | Problem]:
    if os.path.isfile(source) and is_archive(source):
        return scan_tar(source, known=is_known)
    if os.path.lexists(source):
        return scan(source, exclude=exclude, follow_symlinks=follow_symlinks, known=is_known)
    return iter(())


def _sort(file: FoundFile, known: dict[str, KnownFile], failed: dict[str, tuple[int, int, str]], plan: Plan) -> None:
    entry = known.get(file.path)
    failure = failed.get(file.path)
    if failure is not None and failure[:2] == (file.size, file.mtime_ns):
        plan.problems.append((Problem(file.path, failure[2]), file))
    elif entry is not None and (entry.size, entry.mtime_ns) == (file.size, file.mtime_ns):
        plan.unchanged += 1
    else:
        plan.to_read.append(file)


def _leave(
    source: str,
    known: dict[str, KnownFile],
    failed: dict[str, tuple[int, int, str]],
    seen: set[str],
    unreadable: list[str],
    *,
    nothing_seen: bool,
    plan: Plan,
) -> None:
    """Decide about known paths of the source that were not seen: gone, or kept because they cannot be looked at."""
    single = source in known or (os.path.isfile(source) and not is_archive(source))
    # One listed file is looked up; only a folder or an archive is worth a walk over everything that is known.
    inside: Iterable[str] = [source] if single else (path for path in known if under(path, source))
    missing = [path for path in inside if path in known and path not in seen]
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
            plan.gone[path] = known[path]
