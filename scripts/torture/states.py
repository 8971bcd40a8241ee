"""Every committed state of a home, logged by its writer outside the home: the oracle of the readers.

The log has a line before each commit (`coming`, with the whole state) and one behind it (`done`). A reader that looks
at the log before and after its query knows all the states that its answer may be of: from the last that was done before
to the last that was coming after.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from dinosearch.store import MetadataStore, Transaction

_ROWS = "SELECT path, image_id, sha256 FROM locations JOIN images ON images.id = image_id ORDER BY path"


@dataclass(frozen=True)
class State:
    """What is live: (path, image id, number of the picture) of every file, by path."""

    files: tuple[tuple[str, int, int], ...]

    @cached_property
    def numbers(self) -> dict[int, int]:
        """The number of the picture of each image id."""
        return {image: number for _, image, number in self.files}

    @cached_property
    def paths(self) -> dict[int, list[str]]:
        """The paths of each image id, ascending."""
        found: dict[int, list[str]] = {}
        for path, image, _ in self.files:
            found.setdefault(image, []).append(path)
        return found


class Log:
    """The writer's side; `attach` makes every commit of this process logged.

    Args:
        path: the log file.
        numbers: the number of the picture of each SHA-256.
    """

    def __init__(self, path: Path, numbers: dict[str, int]) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        self._numbers = numbers
        self._last: list[Any] = []
        self.states = 0

    @contextmanager
    def attached(self) -> Iterator[None]:
        """Log the transactions of all stores of this process."""
        original, log = MetadataStore.transaction, self

        @contextmanager
        def transaction(store: MetadataStore) -> Iterator[Transaction]:
            with store._database.write() as connection:
                inside = Transaction(connection)
                yield inside
                inside.flush()
                rows = connection.exec_driver_sql(_ROWS).all()
                changed = log._coming([[path, image, log._numbers[sha.hex()]] for path, image, sha in rows])
            if changed:
                log._write({"done": log.states})

        MetadataStore.transaction = transaction  # type: ignore[assignment, method-assign]
        try:
            yield
        finally:
            MetadataStore.transaction = original  # type: ignore[method-assign]

    def _coming(self, files: list[Any]) -> bool:
        if files == self._last and self.states:
            return False  # a commit that leaves the files as they are is no other state to a reader
        self.states += 1
        self._last = files
        self._write({"coming": self.states, "files": files})
        return True

    def _write(self, line: dict[str, Any]) -> None:
        data = json.dumps(line).encode() + b"\n"
        assert os.write(self._file, data) == len(data)


class Tail:
    """A reader's side; one for each reader."""

    def __init__(self, path: Path) -> None:
        self._file = open(path, "rb")
        self._rest = b""
        self._lines: dict[int, bytes] = {}
        self._done = self._coming = 0

    def before(self) -> int:
        """The newest state that is surely committed; older ones are forgotten."""
        self._read()
        self._lines = {number: line for number, line in self._lines.items() if number >= self._done}
        return self._done

    def since(self, first: int) -> list[State]:
        """The states from `first` to the newest that may be committed by now."""
        self._read()
        lines = (json.loads(self._lines[number]) for number in range(first, self._coming + 1))
        return [State(tuple((path, image, number) for path, image, number in line["files"])) for line in lines]

    def _read(self) -> None:
        *lines, self._rest = (self._rest + self._file.read()).split(b"\n")
        for line in lines:
            if line.startswith(b'{"done"'):
                self._done = json.loads(line)["done"]
            else:
                self._coming = int(line[11 : line.index(b",")])
                self._lines[self._coming] = line
