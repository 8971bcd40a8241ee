"""Walk a folder and offer its image files in a fixed order; it opens files only to look at their first bytes."""

from __future__ import annotations

import os
import stat
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from operator import itemgetter

from dinosearch.images.finding.ignore import IGNORE_FILE, IgnoreRules
from dinosearch.images.finding.sniff import HEAD, kind
from dinosearch.records import FoundFile, Problem

#: Asked with (path, size, mtime_ns); True spares the file the look at its first bytes.
Known = Callable[[str, int, int], bool]

# A file that calls itself an image but is none is offered too, so that it becomes a reported failure.
IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".gif", ".tif", ".tiff", ".bmp", ".heic", ".heif", ".avif")


#: Links to one folder that are followed: links to folders of links to folders multiply.
MAX_LINKED = 100
#: Largest ignore file, in bytes.
MAX_RULES = 1 << 20


@dataclass
class _Folder:
    """One folder on the way down: what is left of it, and what its descendants must respect."""

    path: str
    entries: list[tuple[str, os.DirEntry[str], bool]]  # those still to come, the next one last
    identity: tuple[int, int] | None
    rules: list[tuple[str, IgnoreRules]]  # the first that decides wins
    linked: bool = False  # a link led here


def scan(
    root: str,
    *,
    exclude: Sequence[str] = (),
    follow_symlinks: bool = False,
    known: Known | None = None,
) -> Iterator[FoundFile | Problem]:
    """Find the images in and below a folder, ordered by path.

    Hidden files and folders (and with them AppleDouble's `._*`) are left out, as is what a `.dinosearchignore` file
    says; FIFOs, sockets and devices are never opened. Files whose content is no image are passed over in silence unless
    their suffix claims otherwise.

    Args:
        root: folder, or one file, which is then offered whatever it holds; itself it may be a symbolic link.
        exclude: patterns in the language of gitignore, relative to root; they win over ignore files.
        follow_symlinks: follow symbolic links below root, also those that lead out of it; loops are survived. Without
            it links are passed over, files and folders alike. A file of several names is offered by each of them.
        known: files for which it says True are offered without being opened.

    Yields:
        Found files with absolute paths, and a problem for each file or folder that could not be looked at.
    """
    root = os.path.abspath(root)
    try:
        status = os.stat(root)
    except OSError as error:
        yield Problem(root, error_clause(error))
        return
    if stat.S_ISREG(status.st_mode):
        yield FoundFile(root, status.st_size, status.st_mtime_ns)
        return
    if not stat.S_ISDIR(status.st_mode):
        yield Problem(root, "not a regular file or folder")
        return
    # Without patterns nothing is matched: a million files are looked at in seconds.
    rules = [(root, IgnoreRules(exclude))] if exclude else []
    yield from _walk(root, rules, follow_symlinks, known or _nothing_known)


def error_clause(error: OSError) -> str:
    """Say an operating-system error as a short clause, without path and number."""
    if isinstance(error, FileNotFoundError):
        return "no longer there"
    return (error.strerror or type(error).__name__).lower()


def is_hidden(name: str) -> bool:
    """Whether a file or folder name is hidden by the custom of Unix; covers AppleDouble's `._*`."""
    return name.startswith(".")


def _nothing_known(path: str, size: int, mtime_ns: int) -> bool:
    return False


def _walk(root: str, rules: list[tuple[str, IgnoreRules]], follow: bool, known: Known) -> Iterator[FoundFile | Problem]:
    # An explicit stack: folders may be nested deeper than Python's recursion limit.
    opened = _open(root, rules, len(rules), follow)
    if isinstance(opened, Problem):
        yield opened
        return
    stack = [opened]
    visits: Counter[tuple[int, int]] = Counter()
    while stack:
        folder = stack[-1]
        if not folder.entries:
            stack.pop()
            continue
        _, entry, is_folder = folder.entries.pop()
        if folder.rules and _left_out(entry.path, is_folder, folder.rules):
            continue
        if not is_folder:
            found = _look_at(entry, follow, known)
            if found is not None:
                yield found
            continue
        opened = _open(entry.path, folder.rules, len(rules), follow)
        if isinstance(opened, Problem):
            yield opened
        elif opened.identity is None:
            stack.append(opened)
        elif all(opened.identity != above.identity for above in stack):
            opened.linked = folder.linked or entry.is_symlink()
            visits[opened.identity] += opened.linked
            if opened.linked and visits[opened.identity] > MAX_LINKED:
                yield Problem(entry.path, f"more than {MAX_LINKED} links lead to this folder; the rest are left out")
            else:
                stack.append(opened)


def _open(path: str, rules: list[tuple[str, IgnoreRules]], first: int, follow: bool) -> _Folder | Problem:
    """List a folder; its own ignore file takes precedence after the `first` of the rules from above."""
    entries = []
    own = None
    try:
        # Only links can close a loop, so that the identity is needed only when they are followed.
        status = os.stat(path) if follow else None
        with os.scandir(path) as listing:
            for entry in listing:
                name = entry.name
                if not is_hidden(name):
                    is_folder = _is_folder(entry, follow)
                    # With "/" behind folders this is the order of the full paths as text.
                    entries.append((name + "/" if is_folder else name, entry, is_folder))
                elif name == IGNORE_FILE and _is_file(entry):
                    own = _read_rules(entry.path)
    except OSError as error:
        return Problem(path, error_clause(error))
    entries.sort(key=itemgetter(0), reverse=True)
    identity = (status.st_dev, status.st_ino) if status else None
    return _Folder(path, entries, identity, [*rules[:first], (path, own), *rules[first:]] if own else rules)


def _is_folder(entry: os.DirEntry[str], follow: bool) -> bool:
    try:
        return entry.is_dir(follow_symlinks=follow)
    except OSError:
        return False


def _is_file(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_file()
    except OSError:  # links in a circle
        return False


def _read_rules(file: str) -> IgnoreRules:
    # A photo folder may be anybody's: no FIFO that blocks, no device without an end, no gigabyte of patterns.
    descriptor = os.open(file, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
    with open(descriptor, encoding="utf-8-sig", errors="surrogateescape") as lines:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or status.st_size > MAX_RULES:
            raise OSError(0, f"{IGNORE_FILE} is no file of at most {MAX_RULES} bytes")
        return IgnoreRules(lines)


def _left_out(path: str, is_folder: bool, rules: list[tuple[str, IgnoreRules]]) -> bool:
    for folder, ignore in rules:
        relative = os.path.relpath(path, folder) if os.sep != "/" else path[len(folder.rstrip("/")) + 1 :]
        decision = ignore.decide(relative.replace(os.sep, "/"), is_folder)
        if decision is not None:
            return decision
    return False


def _look_at(entry: os.DirEntry[str], follow: bool, known: Known) -> FoundFile | Problem | None:
    claims = entry.name.lower().endswith(IMAGE_SUFFIXES)
    try:
        if entry.is_symlink() and not follow:
            return None
        status = entry.stat(follow_symlinks=follow)
        if not stat.S_ISREG(status.st_mode):
            return None
        file = FoundFile(entry.path, status.st_size, status.st_mtime_ns)
        if claims or known(file.path, file.size, file.mtime_ns) or kind(_head(file.path)) is not None:
            return file
        return None
    except FileNotFoundError as error:  # a dangling link, or a file that left since the listing
        return Problem(entry.path, error_clause(error)) if claims and follow else None
    except OSError as error:
        return Problem(entry.path, error_clause(error))


def _head(path: str) -> bytes:
    # Between the listing and this call the file may have become a FIFO, which must not block the walk.
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    try:
        return os.read(descriptor, HEAD)
    finally:
        os.close(descriptor)
