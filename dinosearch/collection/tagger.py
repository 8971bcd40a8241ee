"""The verbs of a collection about what is said of its images: labels, and pairs that are no duplicates."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timezone
from pathlib import Path

import numpy as np

from dinosearch.advice import run
from dinosearch.arguments import checked_verbs
from dinosearch.collection.reader import CollectionReader
from dinosearch.errors import ImageNotFoundError
from dinosearch.home import sha256_file
from dinosearch.records import Label

_ID = re.compile(r"id:\d{1,19}", re.ASCII)
_SHA256 = "sha256:"


@checked_verbs
class CollectionTagger(CollectionReader):
    """An opened collection whose images can be told what they are; one thread or process does so at a time."""

    def tag(
        self,
        ids: Sequence[int] | np.ndarray,
        labels: Sequence[str],
        confidence: Sequence[float] | np.ndarray | None = None,
        *,
        given: bool,
    ) -> int:
        """Remember what images are called, one label each; it is filtered by `label = ...` and `confidence >= ...`.

        A label that a person gave replaces any other; one that was voted leaves given ones as they are.

        Args:
            ids: (n,) images.
            labels: (n,) texts that are not empty.
            confidence: (n,) shares of the vote, 0..1; None for 1.
            given: whether a person said so.

        Returns:
            How many labels were written.

        Raises:
            ImageNotFoundError: an id that is not in the collection; nothing is written then.
            ValueError: an empty label, a confidence outside 0..1, or sequences of different lengths.
        """
        wanted = np.asarray(ids, dtype=np.int64)
        shares = np.ones(len(wanted)) if confidence is None else np.asarray(confidence, dtype=np.float64)
        now = datetime.now(timezone.utc)
        with self._opened.place.writer():
            self._require(wanted)
            rows = zip(wanted.tolist(), labels, shares.tolist(), strict=True)
            return self._opened.store.put_labels(Label(number, name, one, given, now) for number, name, one in rows)

    def untag(self, ids: Iterable[int] | None = None, *, given: bool | None = None) -> int:
        """Forget labels; returns how many.

        Args:
            ids: of these images; None for all.
            given: only those that people gave (True), or that were voted (False).
        """
        with self._opened.place.writer():
            return self._opened.store.drop_labels(ids, given=given)

    def tags(self, ids: Iterable[int] | None = None) -> dict[int, Label]:
        """What images are called, by id in rising order; those without a label are left out, None asks for all."""
        return self._opened.store.labels(ids)

    def ids_of(self, names: Sequence[str], *, by_content: bool = False) -> dict[str, int]:
        """Find images by name: the id of each name that names one, `id:N`, `sha256:HEX` or the path of a file.

        Args:
            names: a path is found as it was indexed; the digest is of the content of a file.
            by_content: read the files of paths that are not known, and find the same content under another path.
        """
        store, found = self._opened.store, dict[str, int]()
        numbers = {name: int(name[3:]) for name in names if _ID.fullmatch(name)}
        live = set(store.live_of(number for number in numbers.values() if number < 2**63).tolist())
        found.update((name, number) for name, number in numbers.items() if number in live)
        digests = {name: name.removeprefix(_SHA256) for name in names if name.startswith(_SHA256)}
        found.update(self._of_content(digests))
        others = (name for name in names if name not in numbers and name not in digests)
        paths = {name: os.path.abspath(os.path.expanduser(name)) for name in others}
        known = store.known_paths(paths.values())
        found.update((name, known[path].image_id) for name, path in paths.items() if path in known)
        if by_content:
            found.update(self._by_content({name: path for name, path in paths.items() if path not in known}))
        return found

    def ids_under(self, target: str) -> list[int]:
        """Ids of `id:N`, of a file, or of all images in a folder or archive, rising; empty where it names nothing."""
        found = set(self.ids_of([target]).values())
        if not found and not target.startswith("id:"):
            known = self._opened.store.known(os.path.abspath(os.path.expanduser(target)))
            found = {entry.image_id for entry in known.values()}
        return sorted(found)

    def _require(self, ids: Iterable[int] | np.ndarray) -> None:
        """Raise ImageNotFoundError for an id that is not in the collection."""
        store, wanted = self._opened.store, np.fromiter(ids, np.int64)
        unknown = np.setdiff1d(wanted, np.concatenate([store.live_of(wanted), store.waiting_ids()]))
        if len(unknown):
            raise ImageNotFoundError(
                f"id:{unknown[0]} is not in the collection; list what is: ",
                run("export", "-"),
                image_id=int(unknown[0]),
            )

    def _by_content(self, paths: dict[str, str]) -> dict[str, int]:
        hashes: dict[str, str] = {}
        for name, path in paths.items():
            with suppress(OSError):  # not there, which the caller notices
                hashes[name] = sha256_file(Path(path))
        return self._of_content(hashes)

    def _of_content(self, hashes: Mapping[str, str]) -> dict[str, int]:
        known = self._opened.store.ids_by_sha256(set(hashes.values())) if hashes else {}
        live = set(self._opened.store.live_of(known.values()).tolist()) if known else set()
        return {name: known[digest] for name, digest in hashes.items() if known.get(digest) in live}

    def say_not_duplicates(self, pairs: Iterable[tuple[int, int]], *, forget: bool = False) -> None:
        """Remember pairs of images that are no duplicates, in either order, or forget that they are none.

        Raises:
            ImageNotFoundError: an image that is not in the collection is to be remembered; nothing is written then.
            ValueError: an image with itself.
        """
        said = [(int(one), int(other)) for one, other in pairs]
        with self._opened.place.writer():
            if forget:
                self._opened.store.drop_not_duplicates(said)
                return
            self._require({number for pair in said for number in pair})
            self._opened.store.put_not_duplicates(said)

    def not_duplicates(self, ids: Iterable[int] | None = None) -> list[tuple[int, int]]:
        """Pairs that are no duplicates, the smaller id first, rising; with at least one of `ids`, None for all."""
        return self._opened.store.not_duplicates(ids)
