"""A shard: a part of the sources that is embedded and stored as one file, named by what it is made of.

Where a shard of files ends is decided by the names of the files themselves (content-defined chunking, as backup
programs cut files): a file that comes or goes changes its own shard and leaves those behind it as they are.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from dinosearch.records import AGREEMENT, Fingerprint, FoundFile, Problem

FILES, ARCHIVE, TABLE = "files", "archive", "table"
_VERSION = "dinosearch-shard-1"
"""Part of every name: it rises when the same shard would get another content."""


@dataclass(frozen=True)
class Shard:
    """What one output file is made of.

    Attributes:
        kind: `files`, or one `archive` or `table`.
        members: the files in their order, problems met while looking for them included; the one container otherwise.
        groups: row groups of a table.
        count: rows it will have; None where only reading tells.
        column: of a table that holds the images; None chooses.
        id: 24 hexadecimal digits; empty until `named`.
    """

    kind: str
    members: tuple[FoundFile | Problem, ...]
    groups: tuple[int, ...] = ()
    count: int | None = None
    column: str | None = None
    id: str = ""

    @property
    def file(self) -> str:
        """Name of its output file."""
        return f"shards/{self.id}.parquet"

    @property
    def note(self) -> str:
        """Name of the file that says that its output is finished."""
        return f"shards/{self.id}.json"

    def named(self, fingerprint: Fingerprint) -> Shard:
        """The same with its id: the hash of what it is made of and what its vectors are made with."""
        lines = [_VERSION, key_of(fingerprint), self.kind, *map(str, self.groups), f"column {self.column}"]
        for member in self.members:
            state = member.reason if isinstance(member, Problem) else f"{member.size}\0{member.mtime_ns}"
            lines.append(f"{member.path}\0{state}")
        text = "\n".join(lines).encode("utf-8", "surrogatepass")
        return replace(self, id=hashlib.sha256(text).hexdigest()[:24])


def key_of(fingerprint: Fingerprint) -> str:
    """What a shard's vectors are made with: families that may be mixed are one, so that another machine goes on."""
    mixed = fingerprint.agreement >= AGREEMENT
    parts = replace(fingerprint, numbers="float32" if mixed else fingerprint.numbers, agreement=1.0 if mixed else 0.0)
    return "\0".join(f"{name}={value}" for name, value in sorted(parts.to_dict().items()))


def shards_of_files(members: Iterable[FoundFile | Problem], size: int) -> Iterator[Shard]:
    """Cut files into shards of `size` on average, at least half and at most twice as many, the last one excepted."""
    least, share = max(1, size // 2), max(1, size - size // 2)
    held: list[FoundFile | Problem] = []
    for member in members:
        held.append(member)
        if len(held) >= 2 * size or (len(held) >= least and _draw(member.path) % share == 0):
            yield Shard(FILES, tuple(held), count=len(held))
            held = []
    if held:
        yield Shard(FILES, tuple(held), count=len(held))


def shards_of_table(table: FoundFile, rows: Iterable[int], size: int, column: str | None) -> Iterator[Shard]:
    """Cut a table between its row groups, into shards of at least `size` rows, the last one excepted.

    Args:
        table: the file.
        rows: of each row group.
        size: rows of a shard.
        column: that holds the images.
    """
    groups: list[int] = []
    count = 0
    for group, number in enumerate(rows):
        groups.append(group)
        count += number
        if count >= size:
            yield Shard(TABLE, (table,), tuple(groups), count, column)
            groups, count = [], 0
    if groups:
        yield Shard(TABLE, (table,), tuple(groups), count, column)


def _draw(path: str) -> int:
    """A number that the path decides, as good as random."""
    return int.from_bytes(hashlib.blake2b(path.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big")
