"""What a plan takes for granted: every number with its unit and where it comes from, all of them replaceable.

`measured` figures come from a script of this repository, run on the machine of docs/benchmarks.md; `published` ones
from the maker of the thing; `assumed` ones are guesses to be replaced by your own. Prices are always assumed: no price
list was looked up.
"""

from __future__ import annotations

from dinosearch.sizing.sheet import Assumption

_SEARCH = "measured by scripts/bench_search.py on 4 cores (docs/benchmarks.md, Search)"
_INDEXING = "measured by scripts/bench_index.py on 4 cores (docs/benchmarks.md, Indexing)"
_ENGINES = "measured by scripts/bench_engines.py on 4 cores (docs/benchmarks.md, Engines)"
_PRICE = "assumed; put your own price in"
_PAGES = "published: pgvector 0.8, layout of its pages; tests/sizing compares it with a real index"

MACHINE = (
    Assumption("machine_ram", 256e9, "B", "memory of one query machine", "assumed", "--machine-ram"),
    Assumption("machine_disk", 4e12, "B", "local disk of one machine", "assumed", "--machine-disk"),
    Assumption("machine_cores", 32, "", "cores of one machine", "assumed", "--machine-cores"),
    Assumption("usable", 0.7, "", "share of the memory that data may take", "assumed", "--usable"),
    Assumption("replicas", 2, "", "copies of everything that answers: 2 let one machine fail", "assumed", "--replicas"),
    Assumption("gpus", 16, "", "GPUs that embed at the same time", "assumed", "--gpus"),
)
IMAGES = (
    Assumption("image_bytes", 100e3, "B", "size of an image file", "assumed", "--image-bytes"),
    Assumption("megapixels", 0.25, "MP", "pixels of an image file", "assumed", "--megapixels"),
    Assumption("path_bytes", 60, "B", "length of a path", "assumed", "--path-bytes"),
)
PRICES = (
    Assumption("gpu_hour", 3.0, "money", "price of an hour of one GPU with its cores", _PRICE, "--gpu-hour"),
    Assumption(
        "machine_hour", 2.0, "money", "price of an hour of one query machine with its disk", _PRICE, "--machine-hour"
    ),
    Assumption(
        "storage_gb_month", 0.023, "money", "price of a month of 1 GB in object storage", _PRICE, "--storage-gb-month"
    ),
    Assumption("thousand_requests", 0.0004, "money", "price of 1,000 reads of objects", _PRICE, "--thousand-requests"),
    Assumption(
        "transfer_gb",
        0.0,
        "money",
        "price of 1 GB read from object storage; 0 within a region",
        _PRICE,
        "--transfer-gb",
    ),
)
EMBEDDING = (
    Assumption("gpu_teraflops", 989, "TFLOP/s", "peak of a GPU in bfloat16", "published: NVIDIA H100 SXM, dense"),
    Assumption("gpu_share", 0.2, "", "share of that peak which the forward pass reaches", "assumed; not measured yet"),
    Assumption(
        "gpu_measured",
        0,
        "images/s",
        "what a GPU was measured to compute; 0 takes a share of its peak",
        "assumed",
        "--gpu-rate",
    ),
    Assumption("cores_per_gpu", 16, "", "processor cores beside each GPU, which decode", "assumed", "--cores-per-gpu"),
    Assumption("decode_fixed_ms", 5.6, "ms", "processor time of an image, before its pixels", _INDEXING),
    Assumption("decode_mp_ms", 2.8, "ms", "processor time of a megapixel", _INDEXING),
    Assumption("core_gigaflops", 250, "GFLOP/s", "of a core that embeds, bfloat16 by OpenVINO", _INDEXING),
    Assumption("shard_bytes", 256e6, "B", "size of a tar or Parquet shard", "assumed"),
)
LOCAL = (
    Assumption("sqlite_row", 228, "B", "metadata of an image without its path, SQLite", "measured by tests/sizing"),
    Assumption("sqlite_path", 2.2, "", "times that SQLite keeps a byte of a path", "measured by tests/sizing"),
    Assumption("row_tables", 19, "B", "memory of a row beside the index: ids and what is live", _SEARCH),
    Assumption("process", 0.7e9, "B", "memory of a process with its model", _INDEXING),
    Assumption("search_fixed_ms", 0.14, "ms", "of a search, whatever the size; recall 0.98", _SEARCH),
    Assumption("search_list_us", 0.21, "us", "for each list there is, 384 numbers; recall 0.98", _SEARCH),
    Assumption("scan_gb_s", 20, "GB/s", "vectors compared exactly while there is one list", _SEARCH),
    Assumption("candidates", 40, "", "vectors scored exactly for an answer", _SEARCH),
    Assumption("disk_read_ms", 0.1, "ms", "a vector read from an SSD that is not in memory", "assumed"),
    Assumption("build_core_gigaflops", 28.8, "GFLOP/s", "of a core that sorts rows into lists", _SEARCH),
    Assumption("build_row_us", 36, "us", "processor time of a row, read, checked and coded", _SEARCH),
    Assumption("local_load_rate", 9250, "rows/s", "taken in by the one writer", f"{_ENGINES}, 1e6"),
    Assumption("core_share", 0.8, "", "of all cores that answer at once, against one", "assumed"),
)
MILVUS = (
    Assumption("graph_m", 16, "", "links of a row in an HNSW graph; twice as many on the ground level", "assumed"),
    Assumption("link_bytes", 4, "B", "a link in Milvus's graph", "published: hnswlib, whose layout it has"),
    Assumption("rabitq_factors", 8, "B", "beside the one bit a number of RaBitQ", "published: Faiss"),
    Assumption("diskann_share", 0.05, "", "of float32 that DiskANN keeps in memory", "assumed: 50 to 100 B at 384"),
    Assumption("diskann_degree", 56, "", "neighbours of a row in DiskANN", "published: Milvus, max_degree"),
    Assumption(
        "milvus_fields",
        80,
        "B",
        "a row's id, time stamp and eight numbers for filters",
        "computed: dinosearch/engines/milvus_schema.py",
    ),
    Assumption("milvus_load_rate", 2170, "rows/s", "taken in by the one writer", f"{_ENGINES}, 1e5, Milvus 2.3.5"),
    Assumption("milvus_copies", 2, "", "rows and index files in object storage, each of the rows' size", "assumed"),
    Assumption(
        "segment_bytes", 512 * 2**20, "B", "vectors of a segment, each of which is searched", "published: Milvus 2.3"
    ),
)
PGVECTOR = (
    Assumption("page", 8192, "B", "page of PostgreSQL", "published: PostgreSQL"),
    Assumption("page_head", 32, "B", "of a page that is not for rows", _PAGES),
    Assumption("element_head", 80, "B", "of a row in the graph beside its numbers", _PAGES),
    Assumption("link_pg", 6, "B", "a link in pgvector's graph", _PAGES),
    Assumption("tuple_head", 44, "B", "of a row in a table: header, pointer, id, length of the vector", _PAGES),
    Assumption("pg_index_row", 25, "B", "of a row in the table's own index by id", "published: PostgreSQL"),
    Assumption("pg_row", 530, "B", "metadata of an image without its path, PostgreSQL", "measured by tests/sizing"),
    Assumption("pg_path", 2.1, "", "times that PostgreSQL keeps a byte of a path", "measured by tests/sizing"),
    Assumption("pg_search_ms", 13.5, "ms", "of a search in 1e6 rows by index, with the store", f"{_ENGINES}, 1e6"),
    Assumption("pg_build_row_us", 1200, "us", "processor time of a row of 384 numbers in 1e6", f"{_ENGINES}, 1e5"),
    Assumption("pg_load_rate", 4180, "rows/s", "taken in by the one writer", f"{_ENGINES}, 1e6"),
)
ASSUMPTIONS = {
    assumption.key: assumption
    for part in (MACHINE, IMAGES, PRICES, EMBEDDING, LOCAL, MILVUS, PGVECTOR)
    for assumption in part
}
"""By name."""

RECALL_TIMES = ((0.9, 0.62), (0.95, 0.71), (0.98, 1.0), (0.99, 1.2), (0.995, 1.7), (0.997, 2.24), (0.999, 4.83))
"""Time of a search against that at recall 0.98, by recall: medians of 1,000,000 vectors, scripts/bench_search.py."""


def recall_time(recall: float) -> float:
    """How much longer a search takes than at recall 0.98: between two measured recalls in proportion."""
    low = RECALL_TIMES[0]
    for high in RECALL_TIMES[1:]:
        if recall <= high[0]:
            share = max(0.0, (recall - low[0]) / (high[0] - low[0]))
            return low[1] + share * (high[1] - low[1])
        low = high
    return low[1]
