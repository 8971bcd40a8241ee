"""Turn errors of the database into dinosearch errors with a sentence: the one place where this happens.

It mends nothing, and leaves errors alone that only a bug can cause (a violated constraint, wrong SQL).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import DBAPIError, MultipleResultsFound, NoResultFound
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from dinosearch.errors import DamagedHomeError, DinosearchError, HomeLockedError

# What SQLite says (sqlite.org/rescode.html), the error it becomes, and the sentence. The texts and not the result codes
# decide, because Python 3.10 does not give the codes.
_FAULTS: tuple[tuple[tuple[str, ...], type[DinosearchError], str], ...] = (
    (
        ("locked", "busy"),
        HomeLockedError,
        "{name} is being written by another process; wait until it ends, then run the same command again",
    ),
    (
        ("is full",),
        DinosearchError,
        "the disk of {name} is full; nothing of this step was stored; free some space, then run the same command again",
    ),
    (
        (
            "malformed",
            "not a database",
            "no such table",
            "no such column",
            "file is encrypted",
            "unsupported file format",
            "duplicate column",  # an upgrade of what is upgraded already: the format version is damaged
            "already exists",
            "decode to utf-8",
            "user-defined function",
        ),
        DamagedHomeError,
        "{name} is damaged or not a dinosearch database ({said}); save what can be saved with: dinosearch verify "
        "--repair, or restore it from a backup, or delete its folder and run: dinosearch index FOLDER",
    ),
    (
        ("readonly", "read-only"),
        DinosearchError,
        "{name} cannot be written: the file, its folder or its disk is read-only; "
        "allow writing, or copy the home and name the copy by --home",
    ),
    (
        ("unable to open",),
        DinosearchError,
        "{name} cannot be opened: its folder is missing, or this user may not read or write it; "
        "check the permissions, or name another home by --home",
    ),
    (
        ("i/o error",),
        DinosearchError,
        "the disk of {name} reported an error ({said}); nothing of this step was stored; check the disk, "
        "then run: dinosearch verify",
    ),
)


@contextmanager
def translated(name: str) -> Iterator[None]:
    """Run statements on the database called `name`.

    Raises:
        HomeLockedError: another connection holds the write lock for longer than the busy time-out.
        DamagedHomeError: the file is malformed, or no database.
        DinosearchError: disk full, read-only, input/output error.
    """
    try:
        yield
    except (DBAPIError, sqlite3.Error) as error:
        translation = _translate(error, name)
        if translation is None:
            raise
        raise translation from error
    except UnicodeDecodeError as error:  # what SQLite quotes in its message is not text
        raise DamagedHomeError(
            f"{name} is damaged (its definitions cannot be read); restore it from a backup, or delete its folder and "
            "run: dinosearch index FOLDER"
        ) from error
    except PoolTimeoutError as error:
        raise HomeLockedError(
            f"{name} has too many readers at once in this process; close some, then try again"
        ) from error


@contextmanager
def readable(name: str) -> Iterator[None]:
    """Read values that a column cannot mean as damage: what is written is checked before.

    Raises:
        DamagedHomeError: a stored value is no JSON, no date, no text, or a row is missing or there twice.
    """
    try:
        yield
    except DinosearchError:  # which may be a ValueError too
        raise
    except (
        ValueError,  # no JSON, no UTF-8, a text where a number was
        TypeError,
        AttributeError,  # a number where a text was
        KeyError,
        OverflowError,
        NoResultFound,  # where there is always exactly one row
        MultipleResultsFound,
    ) as error:
        raise DamagedHomeError(
            f"{name} holds damaged rows ({type(error).__name__}); mend it with: dinosearch verify --repair"
        ) from error


def _translate(error: DBAPIError | sqlite3.Error, name: str) -> DinosearchError | None:
    cause = error.orig if isinstance(error, DBAPIError) else error
    if isinstance(cause, sqlite3.IntegrityError):
        return None
    said = str(cause)
    for signs, kind, sentence in _FAULTS:
        if any(sign in said.lower() for sign in signs):
            return kind(sentence.format(name=name, said=said))
    return None
