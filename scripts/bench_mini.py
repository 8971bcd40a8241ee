"""Measures the bundled model against baselines on real photos and on `sample_images/`, and checks the project's bars.

It trains nothing, tunes nothing and downloads nothing: the setting (CLS token, whole image squashed to 224 x 224, raw
cosine) was fixed before the first training run.

    python scripts/bench_mini.py [--write]    # needs no network; photos: ../shared/data or DINOSEARCH_TEST_DATA

Protocol: leave one out. `photos` are BoofCV's `recognition/scene` (24 photos, 8 triplets) and `recognition/pixabay`
(kind of object by file name), OpenSfM `berlin` and `lund`, and `sacre_coeur`; photos of a group of one, CID22 and Kodak
are distractors, and distractors are never queries. Average precision is rectangular: the mean of the precisions at the
relevant ranks (the trapezoidal one, as in revisitop, is a little lower; it is printed for mini). `sem` are the pixabay
queries alone, `groups` is the mean over groups of the mean AP of a group.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import torch
from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
sys.path.insert(0, str(ROOT / "scripts"))

from mini import network, teacher  # noqa: E402

WEIGHTS = ROOT / "dinosearch" / "embedding" / "mini.safetensors"
SIDE = 224
MARK = ("<!-- bench_mini begin -->", "<!-- bench_mini end -->")
Describe = Callable[[list[Path]], np.ndarray]


@dataclass(frozen=True)
class Gallery:
    """Files and the group of each; a group name of None marks a distractor."""

    files: list[Path]
    groups: list[str | None]


@dataclass(frozen=True)
class Scores:
    """One row of the table; every figure lies in 0..1, NaN where the photos are not here."""

    photos_map: float
    photos_rank1: float
    groups_map: float
    sem_map: float
    samples_map: float
    samples_rank1: float
    trapezoid_map: float
    trapezoid_sem: float


def main() -> int:
    """Print the table and the bars; return 1 if a bar fails."""
    arguments = _arguments()
    data: Path = arguments.data
    photos = photo_gallery(data / "photos") if (data / "photos").is_dir() else None
    samples = sample_gallery(arguments.samples) if arguments.samples.is_dir() else None
    if photos is None:
        print(f"Photos not found in {data.name}/photos: measured on sample_images alone (set DINOSEARCH_TEST_DATA).\n")
    if samples is None:
        print("sample_images/ not found: measured on photos alone (run scripts/make_sample_images.py).\n")
    rows: dict[str, tuple[Scores, int]] = {}
    for name, describe in methods(arguments.weights, data / "weights").items():
        rows[name] = measure(describe, photos, samples)
    lines = _table(rows, photos, samples)
    if photos is not None:
        mini = rows["mini"][0]
        lines += ["", f"Trapezoidal AP of mini: photos {mini.trapezoid_map:.3f}, sem {mini.trapezoid_sem:.3f}."]
    text = "\n".join([*lines, "", *(line for line, _ in bars(rows))])
    print(text)
    if arguments.write:
        _write(arguments.write, text)
    return int(not all(held for _, held in bars(rows)))


def methods(weights: Path, teacher_folder: Path) -> dict[str, Describe]:
    """The methods by row name; the teacher only where its file is."""
    found: dict[str, Describe] = {
        "mini": lambda files: _tokens(network.load(weights), files),
        "random weights, same architecture": lambda files: _tokens(network.random_like(weights), files),
        "HSV histogram 8x4x4": _hsv,
        "HSV histogram, square root": lambda files: np.sqrt(_hsv(files)),
        "pHash 64 bit": _phash,
    }
    path = teacher_folder / "mobilenet_v1_1.0_224_quant_embedding_extractor.tflite"
    if path.is_file():
        net = teacher.MobileNet(path, SIDE)
        found["MobileNet v1 embedder (teacher)"] = lambda files: np.stack(
            [net.feature_map(_pixels(f)).mean(axis=0) for f in files]
        )
    return found


def measure(describe: Describe, photos: Gallery | None, samples: Gallery | None) -> tuple[Scores, int]:
    """Scores of one method and the size of its vectors."""
    nan = float("nan")
    values, size = {field.name: nan for field in fields(Scores)}, 0
    if photos is not None:
        vectors = describe(photos.files)
        precisions, hits, names, under = leave_one_out(vectors, photos.groups)
        sem = np.array([name.startswith("pixabay") for name in names])
        values |= {
            "photos_map": precisions.mean(),
            "photos_rank1": hits.mean(),
            "groups_map": np.mean([precisions[np.array(names) == name].mean() for name in sorted(set(names))]),
            "sem_map": precisions[sem].mean(),
            "trapezoid_map": under.mean(),
            "trapezoid_sem": under[sem].mean(),
        }
        size = vectors.shape[1]
    if samples is not None:
        vectors = describe(samples.files)
        precisions, hits, _, _ = leave_one_out(vectors, samples.groups)
        values |= {"samples_map": precisions.mean(), "samples_rank1": hits.mean()}
        size = vectors.shape[1]
    return Scores(**{key: float(value) for key, value in values.items()}), size


def leave_one_out(
    vectors: np.ndarray, groups: list[str | None]
) -> tuple[np.ndarray, np.ndarray, list[str], np.ndarray]:
    """Every photo with a partner is a query against all others, by cosine.

    Returns:
        Per query: rectangular average precision, whether rank 1 is right, group name, trapezoidal average precision.
    """
    unit = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    similarity = unit.astype(np.float64) @ unit.T.astype(np.float64)
    labels = np.array([name or f"distractor {i}" for i, name in enumerate(groups)])
    precisions, hits, names, under = [], [], [], []
    for i, name in enumerate(groups):
        relevant = labels == name
        if name is None or relevant.sum() < 2:
            continue
        order = np.argsort(-similarity[i], kind="stable")
        right = relevant[order[order != i]]
        rank, found = np.flatnonzero(right), np.arange(relevant.sum() - 1)  # both from 0
        here = (found + 1) / (rank + 1)
        before = np.where(rank == 0, 1.0, found / np.maximum(rank, 1))
        precisions.append(here.mean())
        under.append((here + before).mean() / 2)
        hits.append(right[0])
        names.append(name)
    return np.array(precisions), np.array(hits, dtype=float), names, np.array(under)


def photo_gallery(root: Path) -> Gallery:
    """The real photos below `root`, in a fixed order."""
    named: list[tuple[Path, str | None]] = []
    for path in _images(root / "boofcv/recognition/scene"):
        named.append((path, f"scene {int(re.sub(r'[^0-9]', '', path.stem)) // 3}"))
    for path in _images(root / "boofcv/recognition/pixabay"):
        named.append((path, f"pixabay {path.stem.rstrip('0123456789')}"))
    for place in ("berlin", "lund"):
        named += [(path, place) for path in _images(root / "opensfm/data" / place / "images")]
    named += [(path, "sacre_coeur") for path in _images(root / "sacre_coeur/mapping")]
    for folder in ("cid22", "kodak"):
        named += [(path, None) for path in _images(root / folder)]
    return _gallery(named)


def sample_gallery(root: Path) -> Gallery:
    """The rendered photos: group = folder below `root`, or the file name up to its last number."""
    named: list[tuple[Path, str | None]] = []
    for path in _images(root):
        name = path.parent.name if path.parent != root else re.sub(r"[-_ ]*\d+[^\d]*$", "", path.stem)
        named.append((path, None if name in {"other", "distractor", "distractors"} else name))
    return _gallery(named)


def bars(rows: dict[str, tuple[Scores, int]]) -> list[tuple[str, bool]]:
    """The project's bars, each with whether it holds; bars without photos to measure them are left out."""
    mini, untrained = rows["mini"][0], rows["random weights, same architecture"][0]
    hsv = rows["HSV histogram 8x4x4"][0]
    wanted = [
        ("photos mAP >= 0.60", mini.photos_map, 0.60),
        ("sem mAP >= 0.20", mini.sem_map, 0.20),
        ("average over groups >= 1.15 x HSV histogram", mini.groups_map, 1.15 * hsv.groups_map),
        ("average over groups >= 2 x random weights", mini.groups_map, 2 * untrained.groups_map),
        ("sample_images rank 1 >= 0.95", mini.samples_rank1, 0.95),
    ]
    return [
        (f"- {'holds' if value >= bar else 'FAILS'}: {name} ({value:.3f}, bar {bar:.3f})", value >= bar)
        for name, value, bar in wanted
        if value == value and bar == bar
    ]


def _tokens(net: torch.nn.Module, files: list[Path]) -> np.ndarray:
    out = []
    with torch.inference_mode():
        for start in range(0, len(files), 16):
            batch = np.stack([_pixels(f) for f in files[start : start + 16]]).transpose(0, 3, 1, 2)
            out.append(net(network.normalise(torch.from_numpy(batch).float() / 255)).cls.numpy())
    return np.concatenate(out)


def _hsv(files: list[Path]) -> np.ndarray:
    out = []
    for path in files:
        h, s, v = np.asarray(Image.fromarray(_pixels(path)).convert("HSV"), dtype=int).reshape(-1, 3).T
        out.append(np.bincount((h * 8 // 256) * 16 + (s * 4 // 256) * 4 + v * 4 // 256, minlength=128))
    rows: np.ndarray = np.stack(out).astype(float)
    shares: np.ndarray = rows / rows.sum(axis=1, keepdims=True)
    return shares


def _phash(files: list[Path]) -> np.ndarray:
    """64 signs (low 8 x 8 of a 32 x 32 DCT against their median) as -1 and 1, so that cosine orders as Hamming does."""
    k, n = np.mgrid[0:32, 0:32]
    cosines = np.cos(np.pi * (2 * n + 1) * k / 64)
    out = []
    for path in files:
        with Image.open(path) as opened:
            grey = np.asarray(opened.convert("L").resize((32, 32), Image.Resampling.LANCZOS), dtype=float)
        low = (cosines @ grey @ cosines.T)[:8, :8].ravel()
        out.append(np.where(low > np.median(low), 1.0, -1.0))
    return np.stack(out)


def _pixels(path: Path) -> np.ndarray:
    with Image.open(path) as opened:
        return np.asarray(opened.convert("RGB").resize((SIDE, SIDE), Image.Resampling.BICUBIC))


def _images(folder: Path) -> list[Path]:
    return sorted(p for p in folder.rglob("*") if p.suffix.lower() in {".jpg", ".jpeg", ".png", ".webp"})


def _gallery(named: Iterable[tuple[Path, str | None]]) -> Gallery:
    files, groups = zip(*named, strict=True)
    return Gallery(list(files), list(groups))


def _table(rows: dict[str, tuple[Scores, int]], photos: Gallery | None, samples: Gallery | None) -> list[str]:
    def count(gallery: Gallery | None) -> str:
        if gallery is None:
            return "not here"
        names = [n for n in gallery.groups if n is not None and gallery.groups.count(n) > 1]
        return f"{len(names)} queries, {len(set(names))} groups, {len(gallery.files)} images"

    lines = [
        f"photos: {count(photos)}; sample_images: {count(samples)}.",
        "Leave one out, squash to 224 x 224, raw cosine, rectangular AP.",
        "",
        "| method | photos mAP | rank 1 | mean over groups | sem mAP | sample_images mAP | rank 1 | vector size |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, (scores, size) in rows.items():
        cells = (getattr(scores, field.name) for field in fields(scores) if "trapezoid" not in field.name)
        lines.append(f"| {name} | " + " | ".join("-" if c != c else f"{c:.3f}" for c in cells) + f" | {size} |")
    return lines


def _write(path: Path, text: str) -> None:
    old = (
        path.read_text(encoding="utf-8")
        if path.exists()
        else f"# Benchmarks\n\n## Bundled model\n\n{MARK[0]}\n{MARK[1]}\n"
    )
    if MARK[0] not in old:
        old = f"{old.rstrip()}\n\n## Bundled model\n\n{MARK[0]}\n{MARK[1]}\n"
    head, rest = old.split(MARK[0], 1)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"{head}{MARK[0]}\n{text}\n{MARK[1]}{rest.split(MARK[1], 1)[1]}", encoding="utf-8")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    here = Path(os.environ.get("DINOSEARCH_TEST_DATA", ROOT.parent / "shared" / "data"))
    parser.add_argument("--data", type=Path, default=here, help="folder with photos/ and weights/")
    parser.add_argument("--samples", type=Path, default=ROOT / "sample_images", help="folder of the rendered photos")
    parser.add_argument("--weights", type=Path, default=WEIGHTS, help="safetensors file of the model")
    parser.add_argument("--write", type=Path, nargs="?", const=ROOT / "docs" / "benchmarks.md", help="update this file")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
