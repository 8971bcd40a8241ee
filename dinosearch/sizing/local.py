"""A folder on one machine: the vector file, the index of our own ladder, and SQLite."""

from __future__ import annotations

from dinosearch.sizing.place import DISK, MEMORY, Limit, Place, broken
from dinosearch.sizing.sheet import Assumption, Formula, Sheet
from dinosearch.vectors.ladder import rung_for

_CODES = {
    True: Formula("local_code", "4 * dimension", "B", "a vector in the index, as it is"),
    False: Formula("local_code", "ceil(turned / 4)", "B", "a vector in the index, 4 bits for every two numbers"),
}
_TIMES = {
    True: Formula("local_ms", "images * 4 * dimension / (scan_gb_s * 1e6)", "ms", "a search: every vector is compared"),
    False: Formula(
        "local_ms",
        "(search_fixed_ms + search_list_us / 1000 * lists * dimension / 384) * recall_time",
        "ms",
        "a search: the lists are compared, some visited",
    ),
}
_BYTES = (
    Formula("local_vectors", "4096 + ceil(images / 256) * 256 * (4 * dimension + 12)", "B", "vector file"),
    Formula(
        "local_index",
        "images * (local_code + 8) + lists * (list_padding * local_code + 4 * max(turned, dimension))"
        " + 4 * turned * (dimension + 16)",
        "B",
        "index file: codes and row numbers, centres of the lists, rotation",
    ),
    Formula("local_metadata", "images * (sqlite_row + sqlite_path * path_bytes)", "B", "metadata.sqlite"),
    Formula("local_disk", "local_vectors + 2 * local_index + local_metadata", "B", "disk; a new index beside the old"),
    Formula("local_ram", "local_index + images * row_tables + process", "B", "memory that cannot be dropped"),
    Formula(
        "local_unread",
        "1 - min(1, max(0, machine_ram * usable - local_ram) / local_vectors)",
        "",
        "share of the vector file that finds no room in the rest of the memory",
    ),
)
_WORK = (
    Formula("local_load_hours", "images / local_load_rate / 3600", "h", "taking in what was embedded"),
    Formula("local_wait_ms", "candidates * local_unread * disk_read_ms", "ms", "vectors read from the disk"),
    Formula(
        "local_queries",
        "replicas * machine_cores * core_share * 1000 / (local_ms + local_wait_ms)",
        "/s",
        "searches a second of all copies, a process for each core",
    ),
    Formula(
        "local_build_hours",
        "images * (build_row_us / 1e6 * dimension / 384 + 2 * lists * max(turned, dimension) / (build_core_gigaflops"
        " * 1e9)) / machine_cores / 3600",
        "h",
        "building the index",
    ),
)
_LIMITS = (
    Limit(
        "local_ram",
        MEMORY,
        "index and row tables",
        "the usable memory of one machine",
        "take a larger machine, or Milvus, which spreads them",
    ),
    Limit(
        "local_disk",
        DISK,
        "vector file, index and metadata",
        "the disk of one machine",
        "take a larger disk, or Milvus with object storage",
    ),
)
LONG_BUILD = 48
"""Hours from which building the index is worth a warning."""


def givens(images: int, dimension: int) -> tuple[Assumption, ...]:
    """What the ladder says for so many images."""
    rung = rung_for(images)
    factory = rung.factory(images, dimension)
    source = f"dinosearch/vectors/ladder.py: {factory}"
    turned = int(factory.partition(",")[0].removeprefix("RR")) if factory.startswith("RR") else 0
    return (
        Assumption("lists", rung.nlist(images), "", "inverted lists", source),
        Assumption("turned", turned, "", "numbers of a vector after the rotation; 0 for none", source),
        Assumption(
            "list_padding", 16 if turned else 0, "", "codes by which a list is filled up to blocks of 32", source
        ),
    )


def local(sheet: Sheet) -> Place:
    """Plan it, on a sheet that holds `givens`."""
    images, exact = int(sheet["images"]), not sheet["turned"]
    lines = sheet.add([_CODES[exact], *_BYTES, _TIMES[exact], *_WORK])
    reasons = broken(sheet, _LIMITS)
    fits = not reasons
    if sheet["local_build_hours"] > LONG_BUILD:
        reasons.append(f"building the index takes {sheet['local_build_hours']:,.0f} hours on one machine")
    if fits and sheet["local_unread"] > 0:
        reasons.append("the vector file finds no room in memory beside the index: put it on an NVMe disk")
    return Place(
        "local",
        rung_for(images).factory(images, int(sheet["dimension"])),
        fits,
        tuple(reasons),
        int(sheet["replicas"]) if fits else 0,
        sheet["local_ram"],
        sheet["local_disk"],
        0,
        sheet["local_load_hours"],
        sheet["local_build_hours"],
        sheet["local_queries"] if fits else 0,
        lines,
    )
