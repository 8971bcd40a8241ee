"""Turn errors of the database into dinosearch errors with a sentence: the one place where this happens.

It mends nothing, and leaves errors alone that only a bug can cause (a violated constraint, wrong SQL).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import DBAPIError, MultipleResultsFound, NoResultFound
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from dinosearch.advice import Sentence, filled, run
from dinosearch.errors import CollectionNotFoundError, DamagedHomeError, DinosearchError, HomeLockedError

ANEW = Sentence("restore it from a backup, or delete its folder and run: ", run("index", "FOLDER"))
"""What is left where a database cannot even be opened."""
_SALVAGE = Sentence("save what can be saved with: ", run("verify", "--repair"), ", or ", ANEW)

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
        "{name} is damaged or not a dinosearch database ({said}); {advice}",
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
        "then run: {verify}",
    ),
)

_ANSWERS: tuple[tuple[tuple[str, ...], type[DinosearchError], str], ...] = (
    (
        ("28",),
        DinosearchError,
        "{name} refuses this user or password ({said}); give them in the URL, in PGPASSWORD or in ~/.pgpass",
    ),
    (
        ("3D000",),
        CollectionNotFoundError,
        "{name} is not there ({said}); make the database with: createdb NAME, or name another",
    ),
    (
        ("53300",),
        DinosearchError,
        "{name} has no connection left ({said}); close some, or raise max_connections of the server",
    ),
    (
        ("53100", "53200"),
        DinosearchError,
        "the server of {name} is out of space ({said}); nothing of this step was stored; free some, then run the same "
        "command again",
    ),
    (
        ("42501",),
        DinosearchError,
        "{name} does not let this user do that ({said}); grant it, or name a database of one's own",
    ),
    (
        ("25006",),
        DinosearchError,
        "{name} cannot be written: it is a replica or set to read-only ({said}); name the primary server",
    ),
    (
        ("54000",),
        DinosearchError,
        "{name} cannot hold so long a path: 2,600 bytes are the most in an index of PostgreSQL ({said}); leave it out "
        "with --exclude",
    ),
    (
        ("42P01", "42703", "3F000", "XX001", "XX002", "58030"),
        DamagedHomeError,
        "{name} is damaged or not a dinosearch database ({said}); restore it from the server's backup",
    ),
    (
        ("40001", "40P01", "55P03"),
        HomeLockedError,
        "{name} is being changed by another process ({said}); run the same command again",
    ),
    (
        ("08", "57P", "58", ""),
        DinosearchError,
        "{name} does not answer ({said}); nothing of this step was stored: see that the server runs and the address is "
        "right, then run the same command again",
    ),
)
"""What PostgreSQL says, by the beginning of its code (postgresql.org/docs/current/errcodes-appendix.html); errors
without one come from the connection."""

_WITHOUT_CODE = (
    ("password authentication failed", "28"),
    ("no password supplied", "28"),
    ("no pg_hba.conf entry", "28"),
    ('role "', "28"),
    ('database "', "3D000"),
    ("too many clients", "53300"),
    ("remaining connection slots", "53300"),
)
"""Refusals of a connection come without a code: what they say, and the code that they would have."""
_NO_CODE = object()


@contextmanager
def translated(name: str, advice: str = _SALVAGE) -> Iterator[None]:
    """Run statements on the database called `name`; `advice` is for one that is damaged.

    Raises:
        HomeLockedError: another connection holds the write lock for longer than the busy time-out.
        DamagedHomeError: the file is malformed, or no database.
        DinosearchError: disk full, read-only, input/output error.
    """
    try:
        yield
    except (DBAPIError, sqlite3.Error) as error:
        translation = _translate(error, name, advice)
        if translation is None:
            raise
        raise translation from error
    except UnicodeDecodeError as error:  # what SQLite quotes in its message is not text
        raise DamagedHomeError(f"{name} is damaged (its definitions cannot be read); ", ANEW) from error
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
            f"{name} holds damaged rows ({type(error).__name__}); mend it with: ", run("verify", "--repair")
        ) from error


def told(error: Exception, name: str) -> DinosearchError | None:
    """The error of a server's answer that came past SQLAlchemy; None for those that only a bug can cause."""
    return _answered(str(getattr(error, "sqlstate", "") or ""), str(error), name, type(error).__name__)


def _translate(error: DBAPIError | sqlite3.Error, name: str, advice: str) -> DinosearchError | None:
    cause = error.orig if isinstance(error, DBAPIError) else error
    if isinstance(cause, sqlite3.IntegrityError):
        return None
    code = getattr(cause, "sqlstate", _NO_CODE)
    if code is not _NO_CODE:
        return _answered(str(code or ""), str(cause), name, type(cause).__name__)
    said = str(cause)
    for signs, kind, sentence in _FAULTS:
        if any(sign in said.lower() for sign in signs):
            return kind(filled(sentence, name=name, said=said, advice=advice, verify=run("verify")))
    return None


def _answered(code: str, said: str, name: str, kind: str) -> DinosearchError | None:
    """The error of a server's answer; None for those that only a bug can cause."""
    if not code and kind not in ("OperationalError", "InterfaceError", "ConnectionTimeout"):
        return None
    line = " ".join(said.split("\n")[0].split()) or kind
    if not code and "FATAL" in line:
        code = next((code for sign, code in _WITHOUT_CODE if sign in line), "")
    for codes, error, sentence in _ANSWERS:
        if any(code.startswith(begin) if begin else not code for begin in codes):
            return error(sentence.format(name=name, said=line))
    return None
