"""What a curation reads: its pool, reference sets and seed sets, each an opened collection at a known state."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from dinosearch.advice import run
from dinosearch.analysis.curation.ledger import digest_of
from dinosearch.collection import Collection
from dinosearch.errors import FingerprintMismatchError, ImageNotFoundError, SettingError
from dinosearch.protocols import Progress
from dinosearch.records import Fingerprint

ROLES = {"against": "reference set", "seeds": "seed set"}
_FACTS = ("id", "path", "sha256", "width", "height", "size", "modified", "taken")


@dataclass(frozen=True)
class Source:
    """A collection that is read.

    Attributes:
        name: as it was given, absolute.
        collection: opened.
        ids: (n,) int64, rising.
        digest: SHA-256 of what decides the curation: the ids, paths, contents and dates of its files, and the model.
        failed: files of a folder that could not be read.
        state: of the collection when it was looked at.
        where: the filter that leaves these images; None without one.
    """

    name: str
    collection: Collection
    ids: np.ndarray
    digest: str
    state: int
    where: str | None = None
    failed: int = 0

    @property
    def among(self) -> np.ndarray | None:
        """The ids that `Collection.rank` may answer; None for all."""
        return None if self.where is None else self.ids

    def to_dict(self) -> dict[str, Any]:
        """What of it stands in the plan."""
        return {"name": self.name, "images": len(self.ids), "digest": self.digest}

    def check(self) -> None:
        """Raise SettingError where the collection was changed since it was looked at."""
        if self.collection.state != self.state and _digest(self.collection, self.where) != self.digest:
            raise SettingError(
                f"{self.name} was changed while it was curated; what is finished is kept, start again with: --restart"
            )


def pool_of(collection: Collection, where: str | None) -> Source:
    """The pool: the images of a collection, or those that match a filter.

    Raises:
        ImageNotFoundError: it has none.
    """
    source = _source(str(collection.home), collection, where)
    if not len(source.ids):
        raise ImageNotFoundError(
            f"{source.name} has no image{' that matches; ask for more with --where' if where else ''}, so there is "
            "nothing to curate; index some with: ",
            run("index", "FOLDER"),
        )
    return source


def sources_of(
    names: Sequence[str | os.PathLike[str]],
    role: str,
    pool: Collection,
    out: Path,
    stack: ExitStack,
    progress: Progress | None,
) -> list[Source]:
    """Open the sets of a role: homes as they are, folders of images by embedding them into a home inside `out`.

    Args:
        names: homes, or folders, images and archives.
        role: `against` or `seeds`.
        pool: its model embeds, and must have made the homes.
        out: folder of the curation.
        stack: closes what is opened.
        progress: told about the stages of indexing.

    Raises:
        FingerprintMismatchError: a home of another model.
        ImageNotFoundError: nothing is there, or no image is.
        SettingError: a set is the pool itself.
    """
    return [_opened(os.fspath(name), role, pool, out, stack, progress) for name in names]


def changed_since(sources: Sequence[Source]) -> None:
    """Raise SettingError where one of them was changed since it was looked at."""
    for source in sources:
        source.check()


def _opened(name: str, role: str, pool: Collection, out: Path, stack: ExitStack, progress: Progress | None) -> Source:
    if "://" not in name:
        name = os.path.abspath(os.path.expanduser(name))
    if name == str(pool.home):
        raise SettingError(
            f"{name} is the pool itself, so every image would be its own {ROLES[role]}; name another collection"
        )
    if Collection.exists(name):
        collection = stack.enter_context(Collection.open(name, read_only=True))
        _check_model(name, collection, pool)
        source = _source(name, collection, None)
    elif os.path.exists(name):
        home = out / f"{role}-{digest_of([name, str(_fingerprint(pool))])[:12]}.index"
        collection = stack.enter_context(Collection.open(home, create=True, embedder=pool.embedder))
        collection.index(name, progress=progress)
        source = _source(name, collection, None, collection.info().failed)
    else:
        raise ImageNotFoundError(f"{name} is neither a folder of images nor a collection; check the {ROLES[role]}")
    if not len(source.ids):
        raise ImageNotFoundError(f"the {ROLES[role]} {name} has no image that could be read; leave it out")
    return source


def _check_model(name: str, collection: Collection, pool: Collection) -> None:
    theirs, ours = _fingerprint(collection), _fingerprint(pool)
    if theirs is not None and ours is not None and not ours.matches(theirs):
        raise FingerprintMismatchError(
            f"{name} holds vectors of {theirs}, but {pool.home} holds {ours}, and they cannot be compared; name its "
            "folder of images instead, which is then embedded with the model of the pool"
        )


def _fingerprint(collection: Collection) -> Fingerprint | None:
    return collection.info().fingerprint


def _source(name: str, collection: Collection, where: str | None, failed: int = 0) -> Source:
    while True:  # until nobody commits in between
        state = collection.state
        digest, ids = _digest(collection, where), collection.ids(where)
        if collection.state == state:
            return Source(name, collection, ids, digest, state, where, failed)


def _digest(collection: Collection, where: str | None) -> str:
    digest = hashlib.sha256(str(_fingerprint(collection)).encode())
    for line in _lines(collection, where):
        digest.update(line)
    return digest.hexdigest()


def _lines(collection: Collection, where: str | None) -> Iterator[bytes]:
    for file in collection.files(where):
        yield "\0".join(str(file[name]) for name in _FACTS).encode("utf-8", "surrogateescape") + b"\n"
