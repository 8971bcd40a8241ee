"""Which index a Milvus collection gets, and which one it really has. It searches nothing.

What was seen, with pymilvus 3.0.2:

    type        Milvus 2.3.5    milvus-lite 3.2.2
    FLAT        yes             yes
    IVF_FLAT    yes             yes
    IVF_SQ8     yes             yes
    HNSW        yes             yes
    HNSW_SQ     no such type    yes
    IVF_PQ      not finished    accepted, then never built: searches are brute force and recall is 1.0
    DISKANN     not finished    the same
    SCANN       recall 0.50     the same
    IVF_RABITQ  no such type    the same

So milvus-lite gets only what it builds. A server is asked for anything that is named, and what it says that it has is
read back and shown.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dinosearch.errors import SettingError

EXACT_ROWS = 50_000
"""Up to here every vector is looked at, as in a folder."""
PLAIN_ROWS = 4_000_000
"""Up to here vectors are kept as they are: 6 GB at 384 numbers each; beyond, as a byte a number."""
SEGMENT_BYTES = 512 << 20
"""Milvus 2.3 cuts a collection into pieces of this size, each with an index of its own."""
SURE = 0.9995
"""Recall from which on only looking at every vector will do."""
_MIN_POINTS = 39
_GRAPH = {"M": 16, "efConstruction": 200}


@dataclass(frozen=True)
class Kind:
    """A type of index.

    Attributes:
        knob: what says how widely a search looks; None where it looks at everything.
        lite: milvus-lite builds it.
        widen: candidates taken for each hit wanted, scored again by the stored vectors: more than 1 where the index
            holds the vectors coarsely.
    """

    knob: str | None
    lite: bool
    widen: int = 1


KINDS: dict[str, Kind] = {
    "FLAT": Kind(None, True),
    "IVF_FLAT": Kind("nprobe", True),
    "IVF_SQ8": Kind("nprobe", True, 2),
    "HNSW": Kind("ef", True),
    "HNSW_SQ": Kind("ef", True, 2),
    "IVF_PQ": Kind("nprobe", False, 10),
    "IVF_RABITQ": Kind("nprobe", False, 10),
    "SCANN": Kind("nprobe", False, 10),
    "DISKANN": Kind("search_list", False, 2),
}
WIDEST = {"nprobe": 65_536, "ef": 32_768, "search_list": 65_535}
"""The largest value of each knob."""


@dataclass(frozen=True)
class Wanted:
    """An index to be built: its type, and its parameters in Milvus's words."""

    type: str
    parameters: Mapping[str, int]

    @property
    def kind(self) -> Kind:
        return KINDS[self.type]


def wanted_index(rows: int, dimension: int, recall: float, *, lite: bool, options: Mapping[str, str]) -> Wanted:
    """The index for so many rows, or the one that the address names by `index=` and `nlist=`.

    Raises:
        SettingError: no such type, one that milvus-lite does not build, or an nlist that is none.
    """
    name = options.get("index", "").upper()
    if name and (name not in KINDS or (lite and not KINDS[name].lite)):
        good = ", ".join(name for name, kind in KINDS.items() if kind.lite or not lite)
        why = "is accepted by milvus-lite but never built" if name in KINDS else "is no type of index here"
        raise SettingError(f"index={name} {why}; take one of {good}")
    if not name:
        if rows <= EXACT_ROWS or recall >= SURE:
            name = "FLAT"
        else:
            name = "IVF_FLAT" if rows <= PLAIN_ROWS else "IVF_SQ8"
    parameters: dict[str, int] = {}
    if KINDS[name].knob == "nprobe":
        parameters["nlist"] = _lists(options, rows, dimension)
        if name == "IVF_PQ":
            parameters["m"] = next(parts for parts in range(max(1, dimension // 4), 0, -1) if dimension % parts == 0)
    elif KINDS[name].knob == "ef":
        parameters.update(_GRAPH)
    return Wanted(name, parameters)


def _lists(options: Mapping[str, str], rows: int, dimension: int) -> int:
    """Inverted lists: 4 sqrt(n) of a segment's rows, with enough points for each."""
    if "nlist" in options:
        if not options["nlist"].isdigit() or not 1 <= int(options["nlist"]) <= WIDEST["nprobe"]:
            raise SettingError(f"nlist={options['nlist']} is none; take a number from 1 to {WIDEST['nprobe']}")
        return int(options["nlist"])
    held = max(1, min(rows, SEGMENT_BYTES // (4 * dimension)))
    return max(1, min(round(4 * math.sqrt(held)), held // _MIN_POINTS))


def described(found: Mapping[str, Any] | None) -> Wanted | None:
    """The index that the engine says it has been told to build; None where there is none."""
    if not found or "index_type" not in found:
        return None
    params = found.get("params")
    told = {**found, **(params if isinstance(params, Mapping) else {})}
    numbers = {name: int(told[name]) for name in ("nlist", "m", *_GRAPH) if str(told.get(name, "")).isdigit()}
    return Wanted(str(found["index_type"]).upper(), numbers)


def built_in_files(collection: Path) -> tuple[str | None, int, int]:
    """What milvus-lite has really built: it says "Finished" of every index, so that its files are looked at.

    Returns:
        the type of the index files, None where there is none; pieces with an index; pieces of data.
    """
    data = {path.stem for path in collection.glob("partitions/*/data/data_*.parquet")}
    types = {path.stem.partition(".")[0]: path.stem.rpartition(".")[2] for path in _index_files(collection)}
    built = {stem: name for stem, name in types.items() if stem in data}
    return (min(built.values()).upper() if built else None), len(built), len(data)


def _index_files(collection: Path) -> list[Path]:
    return sorted(collection.glob("partitions/*/indexes/*.vector.*.idx"))
