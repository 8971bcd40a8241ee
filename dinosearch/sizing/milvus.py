"""Milvus: rows and index files in object storage, indexes in the memory of as many query nodes as it takes."""

from __future__ import annotations

from dataclasses import dataclass

from dinosearch.sizing.place import Place
from dinosearch.sizing.quantity import size
from dinosearch.sizing.sheet import Formula, Sheet


@dataclass(frozen=True)
class Kind:
    """An index type of Milvus.

    Attributes:
        name: as Milvus has it.
        memory: bytes a vector in memory, as a formula.
        disk: bytes a vector on the query node's own NVMe, as a formula.
        reach: recall@10 that no search setting of it exceeds.
        segment_ms: of a search in 1e6 rows at recall 0.98, one thread.
        source: of `reach` and `segment_ms`.
        note: what to know; empty for nothing.
    """

    name: str
    memory: str
    disk: str
    reach: float
    segment_ms: float
    source: str
    note: str = ""


_FAISS = "measured: the same structure in Faiss, 1e6 x 384 (docs/benchmarks.md, Search)"
_NOT_RUN = "was not run here"
KINDS = (
    Kind("FLAT", "float32", "0", 1.0, 31.0, _FAISS),
    Kind("IVF_FLAT", "float32", "0", 0.9995, 0.4, _FAISS),
    Kind("IVF_SQ8", "sq8", "float32", 0.9995, 0.3, _FAISS),
    Kind("HNSW", "float32 + links", "0", 0.9995, 0.6, _FAISS),
    Kind("IVF_RABITQ", "rabitq", "float32", 0.9995, 0.3, _FAISS, f"needs Milvus 2.6, which {_NOT_RUN}"),
    Kind("DISKANN", "diskann_share * float32", "float32 + 4 * (diskann_degree + 1)", 0.99, 4.0, "assumed", _NOT_RUN),
)
"""Those that dinosearch takes by itself first; others are asked for by `index=` in the address. What is kept coarsely
is scored again by the stored vectors, which therefore lie on the query nodes' disks."""
_COMMON = (
    Formula(
        "milvus_ram",
        "images * (index_memory + row_number + milvus_fields)",
        "B",
        "memory of one copy: index, ids and fields",
    ),
    Formula("milvus_nvme", "images * index_disk", "B", "disks of the query nodes, one copy"),
    Formula(
        "milvus_copy_machines",
        "max(ceil(milvus_ram / (machine_ram * usable)), ceil(milvus_nvme / machine_disk), 1)",
        "machines",
        "query machines of one copy",
    ),
    Formula("milvus_machines", "milvus_copy_machines * replicas", "machines", "query machines"),
    Formula("milvus_load_hours", "images / milvus_load_rate / 3600", "h", "taking in what was embedded"),
    Formula("milvus_metadata", "images * (pg_row + pg_path * path_bytes)", "B", "metadata, in PostgreSQL beside it"),
    Formula("milvus_objects", "images * (float32 + row_number + milvus_fields) * milvus_copies", "B", "object storage"),
    Formula(
        "milvus_segments", "max(1, images * float32 / segment_bytes / milvus_copy_machines)", "", "segments a machine"
    ),
    Formula(
        "milvus_ms", "milvus_segments * segment_ms * recall_time", "ms", "processor time of a search, each machine"
    ),
    Formula(
        "milvus_queries",
        "replicas * machine_cores * core_share * 1000 / milvus_ms",
        "/s",
        "searches a second, all copies",
    ),
)


def milvus(sheet: Sheet, kind: Kind) -> Place:
    """Plan it with one kind of index, on a copy of the sheet of its own."""
    own = sheet.branch()
    formulas = [
        Formula("index_memory", kind.memory, "B", f"{kind.name}: a vector in memory"),
        Formula("index_disk", kind.disk, "B", f"{kind.name}: a vector on the query node's disk"),
        Formula("segment_ms", f"{kind.segment_ms:g}", "ms", f"a search in 1e6 rows by {kind.name} ({kind.source})"),
        *_COMMON,
    ]
    lines = own.add(formulas)
    fits = own["recall"] <= kind.reach
    reasons = [] if fits else [f"{kind.name} reaches a recall of {kind.reach:g} at most"]
    reasons.append(f"besides, PostgreSQL with {size(own['milvus_metadata'])} of metadata, etcd and coordinators")
    if kind.note:
        reasons.append(f"{kind.name} {kind.note}")
    return Place(
        "milvus",
        kind.name,
        fits,
        tuple(reasons),
        int(own["milvus_machines"]) if fits else 0,
        own["milvus_ram"],
        own["milvus_nvme"],
        own["milvus_objects"],
        own["milvus_load_hours"],
        0,
        own["milvus_queries"] if fits else 0,
        lines,
    )
