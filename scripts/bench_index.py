"""Measures an index run: images/s against the loop of the tutorials, memory, and the rescan of what is unchanged.

    scripts/bench_index.py [--part rate|memory|rescan] [--cache DIR] [--write]

rate: photos of 2 and 12 megapixels (scripts/bench/photos.py; each picture several times, with a number behind its end,
so that every file has a content of its own). Each round runs, one after the other and each in a process of its own: the
tutorial's loop (PIL, torchvision, Hugging Face in float32, DataLoader with batches of 8 and 3 workers; the model is
loaded, and warm, before the clock starts), `dinosearch index` in a fresh home as a user calls it, and our decoding and
our forward pass alone. Medians over the rounds. Both models have the same numbers. Decoding and the forward pass need
the same cores: "of both" is the share of 1 / (1 / decode + 1 / forward), the most that the two can reach together.
memory: the peak over the process and its children, every 0.2 s, one run before to have the graph compiled. What counts
is the anonymous memory: pages of mapped files, such as the vectors that are read again for the index, leave when others
need the room.
rescan: a store and a tree of a million files that have not changed, `dinosearch index` on it.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

SCRIPTS = Path(__file__).resolve().parent
sys.path[:0] = [str(SCRIPTS), str(SCRIPTS.parent)]

from bench.footprint import empty_files, fill_store, peak, small_photos  # noqa: E402
from bench.photos import SIZES, make_folder  # noqa: E402
from bench.report import machine, table, write_section  # noqa: E402
from bench.weights import random_weights  # noqa: E402
from dinosearch import Collection  # noqa: E402

PARTS = ("rate", "memory", "rescan")
MODEL = "dinov2_vits14"
SMALL = {MODEL: "squash-28", "mini": "squash-64"}
"""Pixels few enough that the model is not what takes the time."""
PICTURES, COPIES = {"0.2mp": 8, "2mp": 64, "12mp": 32}, {"0.2mp": 2, "2mp": 24, "12mp": 24}
TUTORIAL = {"0.2mp": 16, "2mp": 128, "12mp": 64}
"""Different pictures, files of each, and how many of the files the tutorial's loop gets: it is slow."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--part", choices=PARTS, action="append", help="repeatable; default: all")
    parser.add_argument("--cache", type=Path, help="keep photos and weights here")
    parser.add_argument("--sizes", default="2mp,12mp", help=f"of {', '.join(SIZES)}")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=3, help="that a stage alone is measured")
    parser.add_argument("--images", type=int, action="append", help="files for memory; default: 1000 and 100000")
    parser.add_argument("--files", type=int, default=1_000_000, help="files for rescan")
    parser.add_argument("--quick", action="store_true", help="everything small, with the bundled model: a smoke test")
    parser.add_argument("--write", action="store_true", help="put each part into its place in docs/benchmarks.md")
    options = parser.parse_args()
    if options.quick:
        options.sizes, options.rounds, options.seconds, options.images, options.files = "0.2mp", 1, 0.3, [20], 1000
    parts = options.part or PARTS
    with tempfile.TemporaryDirectory() as temporary:
        bench = Bench(options, Path(temporary))
        for part in parts:
            text = f"{getattr(bench, part)()}\n\n{bench.recipe(part)}"
            print(text, end="\n\n")
            if options.write:
                write_section(f"bench_index {part}", text)


class Bench:
    """The parts, each of which gives its paragraph of the report.

    Args:
        options: of the command line.
        temporary: a folder for homes.
    """

    def __init__(self, options: argparse.Namespace, temporary: Path) -> None:
        self.options, self.temporary = options, temporary
        self.cache = options.cache or temporary / "cache"
        self.model = "mini" if options.quick else MODEL
        self.weights = "" if options.quick else str(random_weights(self.cache, MODEL))
        self.homes = 0

    def recipe(self, part: str) -> str:
        """The machine and what ran."""
        command = f"`scripts/bench_index.py --part {part}" + (" --quick`" if self.options.quick else "`")
        packages = ("torch", "transformers", "openvino", "onnxruntime", "pillow")
        return f"{command}, {self.model}. {machine(*packages)}."

    def rate(self) -> str:
        """Images/s by size of the photos."""
        rows, notes = [], []
        for size in self.options.sizes.split(","):
            row, note = self._rate(size)
            rows.append(row)
            notes.append(note)
        head = [
            "photos", "tutorial /s", "dinosearch /s", "ratio", "with start-up /s", "decode alone /s",
            "forward alone /s", "of the slower", "of both", "store + index",
        ]  # fmt: skip
        return f"**Images/s.** Medians of {self.options.rounds}.\n\n{table(head, rows)}\n\n" + "\n".join(notes)

    def memory(self) -> str:
        """Peak memory by number of files."""
        small, rows = SMALL[self.model], []
        counts = sorted(self.options.images or [1000, 100_000])
        for count in counts:
            folder = self.temporary / f"small-{count}"
            small_photos(folder, count)
            if count == counts[0]:
                peak(self._command(folder, small))
            for preprocessing in ["squash-224", small] if count == counts[0] else [small]:
                found = peak(self._command(folder, preprocessing))
                rows.append([f"{count:,}", preprocessing, *(f"{value:,.0f}" for value in found)])
        head = ["files", "preprocessing", "anonymous MiB", "of files MiB", "together MiB", "seconds"]
        note = f"Peaks of process and children. {small} makes the model fast; what grows with the files stays."
        return f"**Memory.** {note}\n\n{table(head, rows)}"

    def rescan(self) -> str:
        """Seconds of a run over files that are unchanged."""
        count, home, tree = self.options.files, self._home(), self.temporary / "tree"
        with Collection.open(home, create=True, model="mini") as collection:
            empty = self.temporary / "empty"
            empty.mkdir()
            collection.index(empty)
        fill_store(home / "metadata.sqlite", tree, count)
        empty_files(tree, count)
        rows = []
        for _ in range(self.options.rounds):
            started = time.perf_counter()
            summary = self._index(tree, home, model=False)
            wall = time.perf_counter() - started
            if summary["unchanged"] != count:
                raise RuntimeError(f"{summary['unchanged']} of {count} files are unchanged: {summary}")
            rows.append((wall, summary["seconds"]))
        most = peak([sys.executable, "-m", "dinosearch", "index", tree, "--home", home]).whole
        wall, inside = (statistics.median(column) for column in zip(*rows, strict=True))
        text = f"{wall:.1f} s ({inside:.1f} s without start-up), peak {most:,.0f} MiB"
        return (
            f"**Rescan** of {count:,} unchanged files in {-(-count // 1000):,} folders, disk cache warm, mini: {text}."
        )

    def _rate(self, size: str) -> tuple[list[object], str]:
        folder, pictures = self._photos(size)
        files = sorted(str(path) for path in folder.glob("*.jpg"))
        tutorial: list[float] = []
        ours: list[tuple[float, float]] = []
        stages: list[dict[str, float]] = []
        peer = "" if self.weights else "the tutorial's loop is left out: it has no weights of this model"
        for _ in range(self.options.rounds):
            if not peer:
                found = self._python("bench.tutorial", "rate", self.weights, *files[: TUTORIAL[size]])
                tutorial.append(found["images"] / found["seconds"])
            home, started = self._home(), time.perf_counter()
            summary = self._index(folder, home)
            wall = time.perf_counter() - started
            ours.append((summary["embedded"] / summary["seconds"], summary["embedded"] / wall))
            seconds = str(self.options.seconds)
            stages.append(self._python("bench.stages", folder, self._home(), self.model, self.weights, seconds))
        rate, whole = (statistics.median(column) for column in zip(*ours, strict=True))
        middle = {name: statistics.median(stage[name] for stage in stages) for name in stages[0]}
        base = statistics.median(tutorial) if tutorial else float("nan")
        both = 1 / (1 / middle["decode"] + 1 / middle["forward"])
        row: list[object] = [
            size, f"{base:.1f}", f"{rate:.1f}", f"{rate / base:.2f}", f"{whole:.1f}", f"{middle['decode']:.1f}",
            f"{middle['forward']:.1f}", f"{rate / min(middle['decode'], middle['forward']):.0%}", f"{rate / both:.0%}",
            f"{middle['commit'] + middle['build']:.1%}",
        ]  # fmt: skip
        note = f"{size}: {len(files)} files of {pictures} pictures"
        storing = f"committing {middle['commit']:.1%} of the run at work, {middle['beside']:.1%} with the waits for the"
        storing += f" disk, which pass beside the model; vector index {middle['build']:.1%}"
        return row, f"- {note}; {storing}; {peer or self._fidelity(home, files[:pictures])}"

    def _fidelity(self, home: Path, files: list[str]) -> str:
        """Cosine of what is stored to the float32 reference on photos decoded in full."""
        found = self._python("bench.tutorial", "reference", self.weights, *files)
        with Collection.open(home, read_only=True) as collection:
            ids, vectors = collection.vectors()
            by_path = {file["path"]: file["id"] for file in collection.files()}
        rows = dict(zip(ids.tolist(), vectors.astype(np.float64), strict=True))
        cosines = [
            float(rows[by_path[path]] @ np.array(row)) for path, row in zip(files, found["vectors"], strict=True)
        ]
        low, mean = min(cosines), statistics.fmean(cosines)
        return (
            f"cosine to torch in float32 on the photos decoded in full: mean {mean:.6f}, lowest {low:.6f} "
            f"(torch in float32 to Hugging Face on the same pixels: lowest {found['same']['224']:.7f} at 224, "
            f"{found['same']['518']:.7f} at 518)"
        )

    def _photos(self, size: str) -> tuple[Path, int]:
        """A folder of files that all differ, and the number of pictures among them, which come first."""
        folder, pictures = self.cache / f"index-{size}", PICTURES[size]
        base = make_folder(self.cache / f"photos-{size}", pictures, SIZES[size])
        folder.mkdir(exist_ok=True)
        for copy in range(COPIES[size]):
            for number, path in enumerate(base):
                target = folder / f"{copy}-{number:05d}.jpg"
                if not target.is_file():
                    target.write_bytes(path.read_bytes() + bytes([copy]))
        return folder, pictures

    def _home(self) -> Path:
        self.homes += 1
        return self.temporary / f"home-{self.homes}"

    def _command(self, folder: Path, preprocessing: str = "squash-224") -> list[str | Path]:
        chosen = ["--model", self.model, "--preprocessing", preprocessing]
        chosen += ["--weights", self.weights] if self.weights else []
        return [sys.executable, "-m", "dinosearch", "index", folder, "--quiet", "--home", self._home(), *chosen]

    def _index(self, folder: Path, home: Path, model: bool = True) -> dict[str, Any]:
        """The summary of `dinosearch index`."""
        command: list[str | Path] = [sys.executable, "-m", "dinosearch", "index", folder, "--home", home]
        command += ["--json", "--quiet"]
        if model:
            command += ["--model", self.model, *(["--weights", self.weights] if self.weights else [])]
        return _last_object(command)

    def _python(self, module: str, *arguments: str | Path) -> dict[str, Any]:
        command: list[str | Path] = [sys.executable, "-m", module, *arguments]
        return _last_object(command)


def _last_object(command: list[str | Path]) -> dict[str, Any]:
    paths = os.pathsep.join([str(SCRIPTS), str(SCRIPTS.parent)])
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": paths})
    if done.returncode:
        raise RuntimeError(f"{' '.join(map(str, command[:6]))} ended with exit code {done.returncode}: {done.stderr}")
    found: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return found


if __name__ == "__main__":
    main()
