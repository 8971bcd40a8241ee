"""What every place for a collection has in common: formulas, limits that it must keep, and the verdict."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from dinosearch.sizing.quantity import size
from dinosearch.sizing.sheet import Formula, Line, Sheet


@dataclass(frozen=True)
class Limit:
    """Bytes that a place needs on one machine, against what the machine has.

    Attributes:
        need: name of a line.
        have: formula of what there is.
        what: the need, as the subject of a sentence.
        room: what it needs room in.
        remedy: a clause: what would help.
    """

    need: str
    have: str
    what: str
    room: str
    remedy: str


MEMORY, DISK = "machine_ram * usable", "machine_disk"


@dataclass(frozen=True)
class Place:
    """A place, planned.

    Attributes:
        name: `local`, `milvus` or `pgvector`.
        index: what is built there.
        fits: whether it can hold the collection.
        reasons: why not, or what to know; sentences.
        machines: that answer, all copies; 0 where it does not fit.
        memory: bytes of one copy that must lie in memory.
        disk: bytes of one copy on local disks.
        objects: bytes in object storage.
        load_hours: for the one writer to take in what was embedded.
        build_hours: to make the index on one copy, 0 where nothing says how long.
        queries: searches a second of all machines, an estimate.
        lines: the arithmetic.
    """

    name: str
    index: str
    fits: bool
    reasons: tuple[str, ...]
    machines: int
    memory: float
    disk: float
    objects: float
    load_hours: float
    build_hours: float
    queries: float
    lines: Sequence[Line] = field(default=(), repr=False)

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        values = {name: value for name, value in vars(self).items() if name != "lines"}
        return values | {"reasons": list(self.reasons), "steps": [line.to_dict() for line in self.lines]}


def broken(sheet: Sheet, limits: Sequence[Limit]) -> list[str]:
    """A sentence for each limit that is not kept."""
    found = []
    for number, limit in enumerate(limits):
        (have,) = sheet.add([Formula(f"_have_{limit.need}_{number}", limit.have, "B", "")])
        sheet.lines.pop(have.formula.key)
        if sheet[limit.need] > have.value:
            found.append(
                f"{limit.what} take {size(sheet[limit.need])}, and {limit.room} has {size(have.value)}: {limit.remedy}"
            )
    return found
