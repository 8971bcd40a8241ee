"""Measures `dinosearch curate`: thresholds, planted copies, retrieval for seeds, and time and memory; prints Markdown.

    scripts/bench_curate.py [--part thresholds|planted|retrieval|scale]... [--data FOLDER] [--homes FOLDER] [--write]

thresholds  `mini` on photos and copies of them that are made here; real DINOv2 ViT-S/14 vectors of different photos,
            of which copies cannot be made without the weights: how many of them have another that near
planted     the same DINOv2 vectors and copies of 500 of them, each turned away at random to a cosine uniform in
            0.93..1, white noise; what the self-deduplication takes away, and what of the others
retrieval   seeds of ten of the fifty classes; how many of the images that they bring are of these classes
scale       synthetic vectors (bench.vectors.Mixture, one in a hundred a copy, cosine 0.99), in a process of its own
            for each number of images; `--scale N` chooses the numbers

--data is `../shared/data` (its README says what lies there); --homes keeps the synthetic homes for the next run.
"""

from __future__ import annotations

import argparse
import io
import json
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter, ImageOps

from bench.report import machine, table, write_section
from bench.vectors import DIMENSION, Mixture, unit
from dinosearch import Collection
from dinosearch.analysis import CurationRecipe, curate
from dinosearch.analysis.curation import rows
from dinosearch.collection.keeping.transfer import write_vectors
from dinosearch.records import Fingerprint

CHECKOUT = Path(__file__).resolve().parents[1]
PARTS = ("thresholds", "planted", "retrieval", "scale")
SIMPLE1K = "descriptors/dinov2_vits14_simple1k"
COSINES = (0.99, 0.98, 0.97, 0.96, 0.95, 0.93, 0.9)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--part", choices=PARTS, action="append")
    parser.add_argument("--data", type=Path, default=CHECKOUT.parent / "shared" / "data")
    parser.add_argument("--homes", type=Path)
    parser.add_argument("--scale", type=int, action="append")
    parser.add_argument("--write", action="store_true", help="put it into docs/benchmarks.md")
    parser.add_argument("--one", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        one_of_scale(options.one)
        return
    head = machine("numpy", "faiss-gpu", "faiss-cpu")
    print(head, flush=True)
    for part in options.part or PARTS:
        if part != "scale" and not options.data.is_dir():
            print(f"\n{part}: skipped, there is no {options.data}; name it with --data")
            continue
        text = {
            "thresholds": lambda: thresholds(options.data),
            "planted": lambda: planted(options.data),
            "retrieval": lambda: retrieval(options.data),
            "scale": lambda: scale(options.homes, options.scale or [100_000, 1_000_000]),
        }[part]()
        print(f"\n{text}", flush=True)
        if options.write:
            write_section(f"bench_curate {part}", f"{head}\n\n{text}" if part == "scale" else text)


# thresholds


def _encoded(picture: Image.Image, quality: int) -> Image.Image:
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=quality)
    return Image.open(io.BytesIO(buffer.getvalue())).convert("RGB")


def _cropped(picture: Image.Image, share: float) -> Image.Image:
    width, height = picture.size
    left, top = round(width * (1 - share) / 2), round(height * (1 - share) / 2)
    return picture.crop((left, top, width - left, height - top))


def _captioned(picture: Image.Image) -> Image.Image:
    drawn = picture.copy()
    height = max(8, picture.height // 12)
    draw = ImageDraw.Draw(drawn)
    draw.rectangle((0, picture.height - height, picture.width, picture.height), fill="black")
    draw.text((height // 4, picture.height - height), "copy of the photo", fill="white", font_size=height * 0.8)
    return drawn


COPIES: dict[str, Callable[[Image.Image], Image.Image]] = {
    "JPEG quality 50": lambda p: _encoded(p, 50),
    "JPEG quality 15": lambda p: _encoded(p, 15),
    "half the size": lambda p: p.resize((max(1, p.width // 2), max(1, p.height // 2)), Image.Resampling.LANCZOS),
    "blurred (1 % of the side)": lambda p: p.filter(ImageFilter.GaussianBlur(max(p.size) / 100)),
    "brighter by 30 %": lambda p: ImageEnhance.Brightness(p).enhance(1.3),
    "caption over a twelfth": _captioned,
    "cropped to 90 %": lambda p: _cropped(p, 0.9),
    "cropped to 70 %": lambda p: _cropped(p, 0.7),
    "rotated by 5 degrees": lambda p: p.rotate(5, Image.Resampling.BICUBIC),
    "mirrored": ImageOps.mirror,
}


def thresholds(data: Path) -> str:
    """Copies by kind and different photos against the cosine from which they count as copies."""
    photos = [p for name in ("kodak", "cid22") for p in sorted((data / "photos" / name).iterdir())]
    photos = [p for p in photos if p.suffix.lower() in (".jpg", ".jpeg", ".png")]
    others = sorted((data / "training" / "caltech101").rglob("*.jpg"))
    others = [others[i] for i in np.random.default_rng(0).permutation(len(others))[:2000]]
    with tempfile.TemporaryDirectory() as folder, Collection.open(folder, create=True, model="mini") as mini:
        originals = embedded(mini, [opened(path) for path in photos])
        lines = []
        for name, copy in COPIES.items():
            copies = embedded(mini, [copy(opened(path)) for path in photos])
            cosines = np.einsum("nd,nd->n", originals, copies)
            lines.append([name, *(f"{np.mean(cosines >= at):.3f}" for at in COSINES)])
        strangers = np.concatenate([originals, embedded(mini, [opened(path) for path in others])])
    shares = [["different photos, `mini`", *near_others(strangers)]]
    real, _ = simple1k(data)
    paris = unit(np.load(data / SIMPLE1K / "feat_dinov2_Paris_val.npy").astype(np.float32))
    shares += [
        ["photos of 50 classes, DINOv2 ViT-S/14", *near_others(real)],
        ["photos of Paris, DINOv2 ViT-S/14", *near_others(paris)],
    ]
    head = [f"{at:g}" for at in COSINES]
    return "\n\n".join(
        [
            f"Copies of {len(photos)} photos (Kodak, CID22) that a cosine finds, `mini`:",
            table(["copy \\ from", *head], lines),
            f"Images that have another one that near: {len(strangers):,}, {len(real):,} and {len(paris):,} photos.",
            table(["set \\ from", *head], shares),
        ]
    )


def opened(path: Path) -> Image.Image:
    with Image.open(path) as image:
        return image.convert("RGB")


def embedded(collection: Collection, pictures: list[Image.Image]) -> np.ndarray:
    """(n, d) vectors of pictures."""
    parts = [collection.embed(*pictures[low : low + 64]) for low in range(0, len(pictures), 64)]
    return np.concatenate(parts)


def near_others(vectors: np.ndarray) -> list[str]:
    """Share of the vectors that have another one that near, for each of `COSINES`."""
    cosines = vectors @ vectors.T
    np.fill_diagonal(cosines, -1)
    nearest = cosines.max(axis=1)
    return [f"{np.mean(nearest >= at):.4f}" for at in COSINES]


def simple1k(data: Path) -> tuple[np.ndarray, np.ndarray]:
    """(1326, 384) vectors of unit length and their classes."""
    vectors = unit(np.load(data / SIMPLE1K / "feat_dinov2_simple1k.npy").astype(np.float32))
    lines = (data / SIMPLE1K / "simple1k_labels.tsv").read_text(encoding="utf-8").splitlines()[1:]
    return vectors, np.array([line.split("\t")[2] for line in lines])


# planted copies


def planted(data: Path) -> str:
    """What is left of copies, and what goes with them."""
    vectors, _ = simple1k(data)
    rng = np.random.default_rng(0)
    chosen = rng.choice(len(vectors), 500, replace=False)
    aims = rng.uniform(0.93, 1, len(chosen))
    copies = turned(rng, vectors[chosen], aims)
    lines = []
    for threshold in (0.99, 0.98, 0.97, 0.96, 0.95):
        with tempfile.TemporaryDirectory() as folder:
            alone = dropped(Path(folder) / "alone", vectors, threshold)
            both = dropped(Path(folder) / "both", np.concatenate([vectors, copies]), threshold)
        above = aims >= threshold
        # Of a pair one goes: the copy, or what it is a copy of.
        pairs = both[chosen] | both[len(vectors) :]
        strangers = np.setdiff1d(np.arange(len(vectors)), chosen)
        lines.append(
            [
                f"{threshold:g}",
                f"{int(pairs[above].sum())} of {int(above.sum())}",
                f"{int(pairs[~above].sum())} of {int((~above).sum())}",
                f"{int((both[strangers] & ~alone[strangers]).sum())} of {len(strangers)}",
                f"{int(alone.sum())} of {len(vectors)}",
            ]
        )
    head = ["threshold", "planted at it or above, gone", "planted below, gone", "others that go because of them"]
    return table([*head, "gone without planted ones"], lines)


def turned(rng: np.random.Generator, vectors: np.ndarray, cosines: np.ndarray) -> np.ndarray:
    """The vectors turned away in a direction of white noise to these cosines."""
    noise = rng.standard_normal(vectors.shape)
    noise -= np.einsum("nd,nd->n", noise, vectors)[:, None] * vectors
    noise /= np.linalg.norm(noise, axis=1, keepdims=True)
    return unit((cosines[:, None] * vectors + np.sqrt(1 - cosines**2)[:, None] * noise).astype(np.float32))


def dropped(folder: Path, vectors: np.ndarray, threshold: float) -> np.ndarray:
    """(n,) bool which images a self-deduplication drops."""
    with home_of(folder, vectors) as pool:
        curate(pool, folder / "out", CurationRecipe(threshold=threshold, against_threshold=threshold))
    return np.array([not row["kept"] for row in rows(folder / "out")])


class _Model:
    """Stands for a model that is never asked."""

    batch_size = 8

    def __init__(self, dimension: int) -> None:
        self.fingerprint = Fingerprint("dinov2_vits14", "0" * 64, "squash-224", "cls", dimension)


def home_of(folder: Path, vectors: np.ndarray) -> Collection:
    """A collection of images 1, 2, ... with these vectors."""
    folder.mkdir(parents=True, exist_ok=True)
    model = _Model(vectors.shape[1])
    write_vectors(
        folder / "export", model.fingerprint, [f"/nowhere/{n // 1000}/{n:07}.jpg" for n in range(len(vectors))], vectors
    )
    collection = Collection.open(folder / "home", create=True, embedder=model)  # type: ignore[arg-type]
    collection.import_(folder / "export")
    shutil.rmtree(folder / "export")
    return collection


# retrieval


def retrieval(data: Path) -> str:
    """Images of the seeds' classes among what is brought, with the Paris photos as further strangers."""
    vectors, labels = simple1k(data)
    paris = unit(np.load(data / SIMPLE1K / "feat_dinov2_Paris_val.npy").astype(np.float32))
    rng = np.random.default_rng(0)
    wanted = rng.choice(np.unique(labels), 10, replace=False)
    seeds = np.concatenate([rng.choice(np.flatnonzero(labels == name), 5, replace=False) for name in wanted])
    others = np.setdiff1d(np.arange(len(vectors)), seeds)
    pool = np.concatenate([vectors[others], paris])
    right = np.concatenate([np.isin(labels[others], wanted), np.zeros(len(paris), bool)])
    ways: dict[str, CurationRecipe] = {
        f"sample, {n} a seed": CurationRecipe(per_seed=n, threshold=1, against_threshold=1) for n in (1, 4, 16, 32)
    }
    for clusters in (50, 100, 204):
        ways[f"cluster, {clusters} clusters"] = CurationRecipe(
            method="cluster", clusters=clusters, threshold=1, against_threshold=1
        )
    lines = []
    with tempfile.TemporaryDirectory() as folder:
        home_of(Path(folder) / "seeds", vectors[seeds]).close()
        with home_of(Path(folder) / "pool", pool) as collection:
            for number, (name, recipe) in enumerate(ways.items()):
                curate(collection, Path(folder) / str(number), recipe, seeds=[Path(folder) / "seeds" / "home"])
                kept = np.array([row["kept"] for row in rows(Path(folder) / str(number))])
                share = f"{right[kept].mean():.3f}" if kept.any() else "none"
                lines.append(
                    [name, int(kept.sum()), share, f"{right.mean():.3f}", f"{right[kept].sum() / right.sum():.3f}"]
                )
    note = f"50 seeds of 10 of 50 classes; pool of {len(pool):,} images, {int(right.sum())} of these classes."
    head = ["method", "kept", "of the seeds' classes", "drawn at random", "of those classes found"]
    return f"{note}\n\n{table(head, lines)}"


# scale


def scale(homes: Path | None, counts: list[int]) -> str:
    """Seconds of each step and memory of the process, for synthetic pools."""
    lines = []
    with tempfile.TemporaryDirectory() as temporary:
        for count in counts:
            folder = (homes or Path(temporary)) / f"curation-{count}"
            if not (folder / "whole").is_file():
                made(folder, count)
            command = [sys.executable, __file__, "--one", str(folder)]
            told = json.loads(
                subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()[-1]
            )
            lines.append([f"{count:,}", *told])
    head = [
        "images",
        "looking at the collections",
        "copies",
        "references",
        "retrieval",
        "k-means",
        "clusters",
        "manifest",
        "in all",
        "peak memory",
        "without mapped files",
    ]
    note = "1,000 references, 10,000 seeds, `--method both`; seconds."
    return f"{note}\n\n{table(head, lines)}"


def made(folder: Path, count: int) -> None:
    """A pool of that many images, one in a hundred a copy; seeds and references of the same kind."""
    rng = np.random.default_rng(0)
    vectors = np.empty((count, DIMENSION), np.float32)
    low = 0
    for _, chunk in Mixture(count).chunks():
        vectors[low : low + len(chunk)] = chunk
        low += len(chunk)
    copied = rng.choice(count, count // 100, replace=False)
    vectors[copied] = turned(rng, vectors[(copied + 1) % count], np.full(len(copied), 0.99))
    for name, size in (("seeds", 10_000), ("references", 1_000)):
        near = rng.choice(count, size, replace=False)
        home_of(folder / name, turned(rng, vectors[near], np.full(size, 0.8))).close()
    home_of(folder / "pool", vectors).close()
    (folder / "whole").touch()


def one_of_scale(folder: Path) -> None:
    """The curation of one pool; the last line of stdout has the cells of its row.

    An interrupted one goes on with the next call, and the seconds of both count.
    """
    out, notes = folder / "out", folder / "seconds.json"
    spans: dict[str, float] = json.loads(notes.read_text()) if notes.is_file() else {}
    last = ["start", time.perf_counter()]

    def watch(stage: str, done: int = 0, total: int | None = None) -> None:
        now = time.perf_counter()
        before = 0.0 if last[0] == "start" else spans.get(str(last[0]), 0.0)  # every call looks at the collections
        spans[str(last[0])] = before + now - float(last[1])
        spans["own"] = max(spans.get("own", 0), memory("RssAnon"))
        last[:] = [stage, now]

    try:
        with Collection.open(folder / "pool" / "home", read_only=True) as pool:
            sets = {"against": [folder / "references" / "home"], "seeds": [folder / "seeds" / "home"]}
            summary = curate(pool, out, CurationRecipe(method="both"), **sets, progress=watch)  # type: ignore[arg-type]
    finally:
        watch("end")
        spans["peak"] = max(spans.get("peak", 0), memory("VmHWM"))
        notes.write_text(json.dumps(spans))
    print(summary, file=sys.stderr)
    notes.unlink()
    shutil.rmtree(out)
    peak, own = spans.pop("peak"), spans.pop("own")
    steps = [
        ("start",),
        ("copies",),
        ("references",),
        ("retrieve",),
        ("centres",),
        ("clusters", "seeded"),
        ("manifest",),
    ]
    cells = [f"{sum(spans.get(name, 0) for name in step):.1f}" for step in steps]
    print(json.dumps([*cells, f"{sum(spans.values()):.0f}", f"{peak:,.0f} MiB", f"{own:,.0f} MiB"]))


def memory(what: str) -> float:
    """MiB of this process by the system's name, 0 where it does not tell.

    `RssAnon` is now what no file is mapped into; `VmHWM` the most of all, which unlike `ru_maxrss` begins anew with a
    program and not with the memory of the one that started it.
    """
    try:
        status = Path("/proc/self/status").read_text(encoding="utf-8")
    except OSError:
        return 0.0
    found = re.search(rf"{what}:\s*(\d+) kB", status)
    return int(found[1]) / 1024 if found else 0.0


if __name__ == "__main__":
    main()
