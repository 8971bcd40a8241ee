"""What it takes to embed the images, and what it all costs: formulas, as data."""

from __future__ import annotations

from dinosearch.sizing.sheet import Formula

FORMS = (
    Formula("float32", "4 * dimension", "B", "float32, as embedded: the truth"),
    Formula("float16", "2 * dimension", "B", "half precision"),
    Formula("sq8", "dimension", "B", "a byte a number (SQ8)"),
    Formula("fast", "ceil(ceil(dimension / 2) / 2)", "B", "4 bits for two numbers (our index above 50,000)"),
    Formula("rabitq", "ceil(dimension / 8) + rabitq_factors", "B", "one bit a number (RaBitQ)"),
    Formula("product", "ceil(dimension / 8)", "B", "a byte for 8 numbers (PQ)"),
    Formula("row_number", "8", "B", "row number or id beside a code"),
    Formula("links", "2 * graph_m * link_bytes + 8", "B", "links in an HNSW graph"),
    Formula("metadata", "sqlite_row + sqlite_path * path_bytes", "B", "metadata, SQLite"),
)
"""Bytes a vector in each form, and what lies beside it."""

GPU_RATE = {
    True: Formula("gpu_rate", "gpu_measured", "images/s", "what a GPU was measured to compute"),
    False: Formula("gpu_rate", "gpu_teraflops * 1000 * gpu_share / gigaflop", "images/s", "what a GPU can compute"),
}
"""Whether it was measured."""

EMBEDDING = (
    Formula("decode_ms", "decode_fixed_ms + decode_mp_ms * megapixels", "ms", "decoding an image on one core"),
    Formula("feed_rate", "cores_per_gpu * 1000 / decode_ms", "images/s", "what the cores beside it can decode"),
    Formula("rate", "min(gpu_rate, feed_rate)", "images/s", "the slower of the two, of one GPU"),
    Formula("gpu_hours", "images / rate / 3600", "h", "GPU hours"),
    Formula("embed_hours", "gpu_hours / gpus", "h", "from first to last image on all GPUs"),
    Formula("decode_hours", "images * decode_ms / 3600e3", "h", "core hours of decoding, in these GPU hours"),
    Formula("feed_cores", "ceil(gpu_rate * decode_ms / 1000)", "", "cores that would keep a GPU busy"),
    Formula(
        "cpu_hours", "images * (gigaflop / core_gigaflops + decode_ms / 1000) / 3600", "h", "core hours without GPUs"
    ),
    Formula("network", "images * image_bytes", "B", "read once: the image files"),
    Formula("network_rate", "rate * image_bytes", "B", "read a second by one GPU's machine"),
    Formula("shards", "ceil(network / shard_bytes)", "", "reads of objects, images packed in shards"),
    Formula("single", "images", "", "reads of objects, one an image"),
)
COSTS = (
    Formula("cost_gpus", "gpu_hours * gpu_hour", "money", "embedding once"),
    Formula("cost_shards", "shards / 1000 * thousand_requests", "money", "reading shards once"),
    Formula("cost_single", "single / 1000 * thousand_requests", "money", "reading single images once instead"),
    Formula("cost_transfer", "network / 1e9 * transfer_gb", "money", "moving the image files once"),
    Formula("cost_images", "network / 1e9 * storage_gb_month", "money", "the image files, a month"),
)


def running(place: str, machines: int, objects: float) -> Formula:
    """A month of a place: its machines, and what it keeps in object storage."""
    return Formula(
        f"cost_{place}",
        f"{machines} * 730 * machine_hour + {objects:.6g} / 1e9 * storage_gb_month",
        "money",
        f"{place}, a month of 730 hours",
    )
