"""The verbs of a collection on a server about what is said of its images: labels, and pairs that are no duplicates."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from dinosearch.arguments import checked_verbs
from dinosearch.client.answers import label_of
from dinosearch.client.asking import parts_of, split, whole_path
from dinosearch.client.lister import ClientLister
from dinosearch.home import sha256_file
from dinosearch.records import Label

_SAID = 100_000  # labels or pairs in one request
_WANTED = 10_000  # ids or names


@checked_verbs
class ClientTagger(ClientLister):
    """A collection on a server whose images can be told what they are, where it is writable."""

    def tag(
        self,
        ids: Sequence[int] | np.ndarray,
        labels: Sequence[str],
        confidence: Sequence[float] | np.ndarray | None = None,
        *,
        given: bool,
    ) -> int:
        """As `Collection.tag`; of more than 100,000 labels those before a wrong one are written."""
        numbers = np.asarray(ids, np.int64).reshape(-1).tolist()
        shares = [1.0] * len(numbers) if confidence is None else np.asarray(confidence, np.float64).tolist()
        rows = zip(numbers, labels, shares, strict=True)
        said = [{"id": number, "label": str(label), "confidence": share} for number, label, share in rows]
        return self._write("labels/say", ({"labels": part, "given": given} for part in split(said, _SAID)))

    def untag(self, ids: Iterable[int] | None = None, *, given: bool | None = None) -> int:
        """As `Collection.untag`."""
        return self._write("labels/forget", ({"ids": part, "given": given} for part in parts_of(ids, _WANTED)))

    def tags(self, ids: Iterable[int] | None = None) -> dict[int, Label]:
        """As `Collection.tags`."""
        found = (label_of(one) for page in self._said("labels", ids) for one in page["labels"])
        return {label.image_id: label for label in found}

    def say_not_duplicates(self, pairs: Iterable[tuple[int, int]], *, forget: bool = False) -> None:
        """As `Collection.say_not_duplicates`; of more than 100,000 pairs those before a wrong one are written."""
        said = [[int(one), int(other)] for one, other in pairs]
        verb = "forget" if forget else "say"
        self._write(f"not-duplicates/{verb}", ({"pairs": part} for part in split(said, _SAID)))

    def not_duplicates(self, ids: Iterable[int] | None = None) -> list[tuple[int, int]]:
        """As `Collection.not_duplicates`."""
        return sorted({(a, b) for page in self._said("not-duplicates", ids) for a, b in page["pairs"]})

    def ids_of(self, names: Sequence[str], *, by_content: bool = False) -> dict[str, int]:
        """As `Collection.ids_of`; paths are of the server's machine, and the content is of files of this one."""
        found = self._named({name: name if _is_no_path(name) else whole_path(name) for name in names})
        if by_content:
            digests: dict[str, str] = {}
            for name in names:
                if name not in found and not _is_no_path(name):
                    with suppress(OSError):  # not there, which the caller notices
                        digests[name] = f"sha256:{sha256_file(Path(os.path.expanduser(name)))}"
            found |= self._named(digests)
        return found

    def ids_under(self, target: str) -> list[int]:
        """As `Collection.ids_under`; the path is of the server's machine."""
        if _is_no_path(target):
            return sorted(self._named({target: target}).values())
        found: list[int] = self._ids(under=whole_path(target)).tolist()
        return found

    def _named(self, names: dict[str, str]) -> dict[str, int]:
        found: dict[str, int] = {}
        for part in split(list(names.values()), _WANTED):
            found |= self._transport.post(f"{self._path}/ids/named", {"names": part})["ids"]
        return {name: found[asked] for name, asked in names.items() if asked in found}

    def _said(self, what: str, ids: Iterable[int] | None) -> Iterator[Any]:
        """All pages of what was said, of some images or of all."""

        def ask(**asked: Any) -> Any:
            return self._transport.post(f"{self._path}/{what}", asked)

        for part in parts_of(ids, _WANTED):
            yield from self._pages(lambda part=part, **of: ask(ids=part, **of))

    def _write(self, what: str, bodies: Iterable[Any]) -> int:
        return sum(self._transport.post(f"{self._path}/{what}", body)["written"] for body in bodies)


def _is_no_path(name: str) -> bool:
    return name.startswith(("id:", "sha256:"))
