"""Measures a GPU: forward passes, indexing from files to vectors, k-means and batch search.

    scripts/bench_gpu.py [--part forward|end|search] [--cache DIR] [--write]
    scripts/bench_gpu.py --device cpu --quick        the same code, tiny, on a processor: a smoke test

forward: images/s of DINOv2's shapes with random weights on pixels that lie on the device, launched one by one and
replayed from a recorded graph, and the share that this is of a product of 8192 x 8192 matrices timed in the same
rounds.
end: JPEG files of 2 megapixels to vectors, from memory and from disk, decoded on the device and on the host, and whole
index runs into a fresh home (as `dinosearch index` with DINOSEARCH_DECODE=gpu and without), against the loop of the
tutorials (PIL, torchvision, Hugging Face in float32 on the same device, DataLoader with batches of 8 and 3 workers),
and both of our stages alone; each with the share of the matmul peak that its forward passes are.
search: training the lists of an index and answering batches, on the device and on the host, with the same arguments.
What is compared takes turns in every round; medians of the rounds.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import torch

SCRIPTS = Path(__file__).resolve().parent
sys.path[:0] = [str(SCRIPTS), str(SCRIPTS.parent)]

from bench import gpu_index  # noqa: E402
from bench.device import gflop, interleaved, matmul_tflops  # noqa: E402
from bench.gpu_forward import HEAD, measure  # noqa: E402
from bench.photos import SIZES, make_folder  # noqa: E402
from bench.report import machine, table, write_section  # noqa: E402
from bench.weights import random_weights  # noqa: E402
from dinosearch.embedding import find_checkpoint, open_embedder  # noqa: E402
from dinosearch.embedding.devices.decoder import DeviceDecoder  # noqa: E402
from dinosearch.embedding.embedder import TorchEmbedder  # noqa: E402
from dinosearch.embedding.families.dinov2 import TransformerConfig  # noqa: E402
from dinosearch.images import DecodePool  # noqa: E402
from dinosearch.records import FoundFile, PreparedImage  # noqa: E402

PARTS = ("forward", "end", "search")
MODELS = ("dinov2_vits14", "dinov2_vitb14", "dinov2_vitl14", "dinov2_vitg14")
LARGE, PEAK_SHARE, TIMES, STAGE_SHARE = "dinov2_vitl14", 0.60, 5.0, 0.85
"""The targets: share of the matmul peak of ViT-L, times the loop of the tutorials, share of the slower stage."""


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--part", choices=PARTS, action="append", help="repeatable; default: all")
    parser.add_argument("--device", default="cuda", help="cuda or cpu")
    parser.add_argument("--models", default=",".join(MODELS), help="of forward, by commas")
    parser.add_argument("--model", default=MODELS[0], help="of end")
    parser.add_argument("--sizes", default="224,448", help="sides in pixels, by commas")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--files", type=int, default=4096, help="files of end")
    parser.add_argument("--rows", type=int, default=1_000_000, help="vectors of search")
    parser.add_argument("--compile", action="store_true", help="also torch.compile, which takes minutes a shape")
    parser.add_argument("--cache", type=Path, help="keep photos and weights here")
    parser.add_argument("--quick", action="store_true", help="everything tiny: a smoke test")
    parser.add_argument("--write", action="store_true", help="put the tables into docs/benchmarks.md")
    options = parser.parse_args(arguments)
    device = torch.device(options.device)
    if device.type == "cuda" and not torch.cuda.is_available():
        parser.error("torch sees no GPU here; to try the code on a processor: --device cpu --quick")
    if options.write and (device.type != "cuda" or options.quick):
        parser.error("--write is for figures of a GPU, measured without --quick")
    if options.quick:
        options.models, options.sizes, options.rounds = MODELS[0], "28", 1
        options.files, options.rows = 6, 6000
    with tempfile.TemporaryDirectory() as temporary:
        bench = Bench(options, device, options.cache or Path(temporary))
        text = "\n\n".join([bench.recipe(), *(getattr(bench, part)() for part in options.part or PARTS)])
    print(text)
    if options.write:
        write_section("bench_gpu", text)


class Bench:
    """The parts, each of which gives its paragraph of the report.

    Args:
        options: of the command line.
        device: that is measured.
        cache: a folder for photos and weights.
    """

    def __init__(self, options: argparse.Namespace, device: torch.device, cache: Path) -> None:
        self.options, self.device, self.cache = options, device, cache

    def recipe(self) -> str:
        """The machine and what ran."""
        there = self.device.type == "cuda"
        name = torch.cuda.get_device_name(self.device) if there else "**no GPU was there; these are no figures of one**"
        command = f"`scripts/bench_gpu.py{' --quick' if self.options.quick else ''}`"
        return f"{command}, {name}. {machine('torch', 'torchvision', 'faiss-gpu', 'transformers')}."

    def forward(self) -> str:
        """Images/s by model and size."""
        rows, verdicts, options = [], [], self.options
        for model in options.models.split(","):
            for side in map(int, options.sizes.split(",")):
                found = measure(model, side, self.device, options.rounds, quick=options.quick, compiled=options.compile)
                rows.append(found.row())
                if model == LARGE:
                    what = f"{model} at {side}, share of the matmul peak"
                    verdicts.append(self.verdict(what, found.share, PEAK_SHARE))
        return "\n\n".join(["**Forward.**", table(HEAD, rows), *(["\n".join(verdicts)] if verdicts else [])])

    def end(self) -> str:
        """Images/s from files to vectors."""
        weights = random_weights(self.cache, self.options.model)
        chosen = {"device": str(self.device), "runtime": "torch", "batch": 4 if self.options.quick else None}
        embedder: Any = open_embedder(self.options.model, weights=weights, **chosen)
        size = "0.2mp" if self.options.quick else "2mp"
        pictures = make_folder(self.cache / f"photos-{size}", min(64, self.options.files), SIZES[size])
        folder = self.cache / f"photos-{size}-{self.options.files}"
        paths = gpu_index.distinct(pictures, folder, self.options.files)
        held = [path.read_bytes() for path in paths[: 16 * embedder.batch_size]]
        pixels = prepared(embedder, paths[: 4 * embedder.batch_size])
        decoder, step = DeviceDecoder(embedder.preprocessing, self.device), embedder.batch_size
        few = paths[: max(4, len(paths) // 8)]  # the loop is slow
        ways: dict[str, tuple[int, Callable[[], Any]]] = {
            "tutorial loop, from disk": (len(few), tutorial(weights, few, self.device, 0 if self.options.quick else 3)),
            "decoded on the device, from memory": (len(held), lambda: whole(embedder.embed_encoded(held))),
            "decoded on the device, from disk": (len(paths), lambda: from_disk(embedder, paths)),
            "decoded on the host, from disk": (len(few), lambda: embedder.embed(prepared(embedder, few))),
            "index run, DINOSEARCH_DECODE=gpu": (len(paths), gpu_index.index_run(embedder, folder, len(paths), "gpu")),
            "index run, default": (len(paths), gpu_index.index_run(embedder, folder, len(paths), None)),
            "decoding on the device alone": (len(held), lambda: [decoder.prepare(part) for part in parts(held, step)]),
            "forward alone, with the upload": (len(pixels), lambda: embedder.embed(pixels)),
        }
        reason = gpu_index.refusal(embedder)
        if reason is not None:
            del ways["index run, DINOSEARCH_DECODE=gpu"]  # it would be the other one
        times = interleaved({name: way for name, (_, way) in ways.items()}, self.options.rounds, self.device)
        rates = {name: count / times[name] for name, (count, _) in ways.items()}
        loop, memory, disk, host = list(rates.values())[:4]
        decode, forward = list(rates.values())[-2:]
        product, usual = rates.get("index run, DINOSEARCH_DECODE=gpu", 0.0), rates["index run, default"]
        config = TransformerConfig(**(find_checkpoint(self.options.model).shape or {}))
        matrix, repeats = (8192, 16) if self.device.type == "cuda" else (256, 2)
        peak = matmul_tflops(self.device, embedder.dtype, matrix, repeats)
        work = gflop(config, embedder.preprocessing.size) / 1000 / peak
        shares = {name: f"{rate * work:.1%}" for name, rate in rates.items() if not name.startswith("decoding")}
        rows = [[name, f"{rate:,.1f}", f"{rate / loop:.2f}", shares.get(name, "")] for name, rate in rates.items()]
        slower = min(decode, forward)
        verdicts = [
            self.verdict("from disk, times the loop", disk / loop, TIMES),
            self.verdict("the better index run, times the loop", max(product, usual) / loop, TIMES),
            self.verdict("from memory, of the slower stage alone", memory / slower, STAGE_SHARE),
            self.verdict("from disk, of the slower stage alone", disk / slower, STAGE_SHARE),
            self.verdict("index run on the device, of the slower stage alone", product / slower, STAGE_SHARE),
            f"- the better way here: decoding on the {'device' if disk >= host else 'host'}; for an index run, on the "
            f"{'device' if product >= usual else 'host'}",
            *([f"- DINOSEARCH_DECODE=gpu is not followed here: {reason}"] if reason else []),
        ]
        recipe = f"{self.options.model}, {embedder.preprocessing}, {embedder.fingerprint.numbers}, {len(paths)} files"
        head = f"**From {size} JPEG files to vectors**, {recipe}."
        columns = ["way", "/s", "times the loop", f"share of the matmul peak, {peak:,.1f} TFLOP/s"]
        return "\n\n".join([head, table(columns, rows), "\n".join(verdicts)])

    def search(self) -> str:
        """k-means and batches of queries."""
        from bench import gpu_search

        options = self.options
        lines, reason = gpu_search.measure(options.rows, self.device, options.rounds, quick=options.quick)
        note = f" The host did the device's part: {reason}." if reason else ""
        head = f"**k-means and batch search** over {options.rows:,} clustered vectors of 384 numbers.{note}"
        return f"{head}\n\n{table(gpu_search.HEAD, lines)}"

    def verdict(self, what: str, found: float, bar: float) -> str:
        """One line: whether a target was reached; on a processor none is."""
        if self.device.type != "cuda":
            return f"- not judged without a GPU: {what} (bar {bar:g})"
        return f"- {'holds' if found >= bar else 'missed'}: {what} {found:.2f} (bar {bar:g})"


def tutorial(weights: Path, paths: list[Path], device: torch.device, workers: int) -> Callable[[], None]:
    """The loop of the tutorials on that device; a reason is raised where its packages are missing."""
    from torch.utils.data import DataLoader

    from bench.tutorial import BATCH, Photos, open_model

    model = open_model(str(weights)).to(device)

    def run() -> None:
        with torch.no_grad():
            loader: Any = DataLoader(Photos([str(path) for path in paths]), batch_size=BATCH, num_workers=workers)
            for images in loader:
                model(images.to(device)).last_hidden_state[:, 0].cpu().numpy()

    return run


def from_disk(embedder: TorchEmbedder, paths: list[Path]) -> np.ndarray:
    """Vectors of files that threads read while those before are embedded."""
    found: list[np.ndarray | None] = []
    with ThreadPoolExecutor(4) as readers:
        for part in parts(readers.map(Path.read_bytes, paths), 4 * embedder.batch_size):
            found += embedder.embed_encoded(part)
    return whole(found)


def whole(found: list[np.ndarray | None]) -> np.ndarray:
    """All the vectors; the photos of this benchmark are such that none is left to the host."""
    if any(vector is None for vector in found):
        raise RuntimeError("the device left files to the host: is torchvision there, with nvJPEG?")
    return np.stack([vector for vector in found if vector is not None])


def prepared(embedder: TorchEmbedder, paths: list[Path]) -> list[np.ndarray]:
    """Pixels by the decoders of an index run."""
    with DecodePool(embedder.preprocessing, embedder.patch_size) as pool:
        answers = [answer for _, answer in pool.prepare_all(FoundFile(str(path), 0, 0) for path in paths)]
    return [answer.pixels for answer in answers if isinstance(answer, PreparedImage)]


def parts(items: Any, size: int) -> Iterator[list[Any]]:
    """Lists of at most so many items."""
    held: list[Any] = []
    for item in items:
        held.append(item)
        if len(held) == size:
            yield held
            held = []
    if held:
        yield held


if __name__ == "__main__":
    main()
