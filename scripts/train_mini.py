"""Train the bundled model `mini`: distil a MobileNet embedder into a small ConvNeXt on a few thousand photos.

    scripts/train_mini.py --data ../shared/data --work WORK --minutes 110

Student and teacher see exactly the same strong random view ("function matching", Beyer et al. 2021, arXiv:2106.05237):
crops, turns, perspective, colour, blur, and mixtures of photos. Beside the photos there are rendered scenes, several
views of each. A process beside the training makes the views and the teacher's features; the student learns from a
rolling window of them. Its class token lives in the space of the teacher's principal components, so that its raw
cosine imitates the teacher's centred cosine. Muon and AdamW, averaged weights, cosine schedule over the given minutes,
view side rising from 96 to 192 pixels, bfloat16 where the processor has it. The order of views depends on timing, so a
second run gives similar weights, not the same. Run it again with the same --work to resume. Choices are made on held-
out training photos alone (whole Caltech classes, every 20th flower).
"""

from __future__ import annotations

import argparse
import copy
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import torch
from torch import nn

from mini import held_out, losses, network, optimiser, pool, sources
from mini.window import Window

ROOT = Path(__file__).resolve().parents[1]
WEIGHTS = {"cls": 1.0, "mean": 0.25, "cells": 0.5, "relation": 5.0, "pairs": 0.1}
SIDES = ((0.0, 96), (0.3, 128), (0.6, 160), (0.86, 192))
"""View side in pixels from this share of the run on."""
WINDOW = 21
"""Chunks of views in memory."""
SAY_EVERY, SAVE_EVERY = 240.0, 180.0


def main() -> None:
    options = _arguments()
    work = Path(options.work)
    (work / "pool").mkdir(parents=True, exist_ok=True)
    if options.make_views is not None:
        make_views(options, work)
        return
    torch.set_num_threads(options.threads)
    sources.prepare(Path(options.data), work, options.scenes, options.seed)  # once, before the makers want it too
    again = [sys.executable, __file__, *sys.argv[1:]]
    one_thread = {**os.environ, "OMP_NUM_THREADS": "1"}
    makers = [subprocess.Popen([*again, "--make-views", str(first)], env=one_thread) for first in range(options.makers)]
    try:
        train(options, work)
    finally:
        for maker in makers:
            maker.terminate()
            maker.wait()


def make_views(options: argparse.Namespace, work: Path) -> None:
    """Make every `makers`-th chunk, never more than a few ahead of the training; give way to every other process."""
    os.nice(15)
    torch.set_num_threads(1)
    found = sources.prepare(Path(options.data), work, options.scenes, options.seed)
    number = _used(work) + options.make_views
    while True:
        if number > _used(work) + WINDOW + 4:
            time.sleep(1)
            continue
        pool.make_chunk(found.train, sources.teacher_file(Path(options.data)), found.basis, options.seed, number, work)
        number += options.makers


def _used(work: Path) -> int:
    return int((work / "used").read_text()) if (work / "used").exists() else 0


def train(options: argparse.Namespace, work: Path) -> None:
    """Train until the minutes are used up; measure, log and write the averaged weights on the way."""
    net = network.build(network.ARCHITECTURES[options.architecture], options.seed)
    mean = copy.deepcopy(net).eval()
    precision = torch.bfloat16 if options.bfloat16 else torch.float32
    optimisers = optimiser.make_optimisers(net, options.muon, options.adam, options.decay, precision)
    peaks = [[group["lr"] for group in one.param_groups] for one in optimisers]
    step, images, seconds, oldest = 0, 0, 0.0, 0
    if (work / "checkpoint.pt").exists():
        state = torch.load(work / "checkpoint.pt", weights_only=True)
        net.load_state_dict(state["net"])
        mean.load_state_dict(state["mean"])
        for one, values in zip(optimisers, state["optimisers"], strict=True):
            one.load_state_dict(values)
        step, images, seconds, oldest = state["step"], state["images"], state["seconds"], state["oldest"]
    turn = losses.rotation(pool.KEPT, net.dimension, options.seed)
    watcher = _Watcher(options, work, turn)
    window = Window(work, oldest, WINDOW, options.first_chunks)
    generator = torch.Generator().manual_seed(options.seed + 1 + step)
    smooth: dict[str, float] = {}
    size = sum(weight.numel() for weight in net.parameters()) / 1e6
    watcher.say(f"# {options.architecture}, {size:.2f} M parameters, from step {step}, {images} views")
    started = time.monotonic() - seconds
    said = saved = time.monotonic()
    while (progress := (time.monotonic() - started) / 60 / options.minutes) < 1:
        if step % 8 == 0:
            window.refresh()
        for one, rates in zip(optimisers, peaks, strict=True):
            for group, rate in zip(one.param_groups, rates, strict=True):
                group["lr"] = rate * optimiser.cosine(progress)
        side = max(value for share, value in SIDES if progress >= share)
        views, targets, single = window.batch(options.batch, side, generator)
        with torch.autocast("cpu", dtype=precision, enabled=options.bfloat16):
            out = net(network.normalise(views))
        loss, terms = losses.student_loss(
            out.cls.float(), out.patches.float(), out.grid, targets @ turn, single, WEIGHTS
        )
        for one in optimisers:
            one.zero_grad()
        torch.autograd.backward(loss)
        for one in optimisers:
            one.step()
        step, images = step + 1, images + len(views)
        with torch.no_grad():
            for averaged, value in zip(mean.parameters(), net.parameters(), strict=True):
                averaged.lerp_(value, 1 - min(0.998, step / (step + 10)))
        for name, term in terms.items():
            smooth[name] = 0.98 * smooth.get(name, term) + 0.02 * term
        now = time.monotonic()
        if now - said > SAY_EVERY:
            said = now
            shown = " ".join(f"{name} {value:.3f}" for name, value in smooth.items())
            watcher.say(
                f"minute {(now - started) / 60:.1f} step {step} views {images} side {side} chunks {window.made} "
                f"{shown} {watcher.measure(mean, 224)}"
            )
        if now - saved > SAVE_EVERY:
            saved = now
            watcher.save(mean, step, images)
            state = {"net": net.state_dict(), "mean": mean.state_dict(), "step": step, "images": images}
            state |= {"optimisers": [one.state_dict() for one in optimisers], "seconds": now - started}
            torch.save({**state, "oldest": window.oldest}, work / "checkpoint.pt")
    watcher.save(mean, step, images)
    watcher.say(f"end: step {step}, {images} views, {watcher.measure(mean, 160)}, {watcher.measure(mean, 224)}")


class _Watcher:
    """Measures on held-out photos, writes the log and the weights file."""

    def __init__(self, options: argparse.Namespace, work: Path, turn: torch.Tensor) -> None:
        data = Path(options.data)
        found = sources.prepare(data, work, options.scenes, options.seed)
        self._log, self._out = Path(options.log), Path(options.out)
        stored = work / "held.npy"
        self._held = held_out.HeldOut(found.held, found.basis, sources.teacher_file(data), turn, stored)
        names = ("minutes", "threads", "batch", "muon", "adam", "decay", "bfloat16", "scenes")
        recipe = {name: getattr(options, name) for name in names}
        self._facts = {
            "recipe": json.dumps({**recipe, "weights": WEIGHTS, "sides": SIDES}),
            "seed": str(options.seed),
            "data_sha256": found.train.digest,
            "photos": str(len(found.train.labels)),
            "licence": "Apache-2.0",
        }
        self.say(f"# teacher's held-out mAP {self._held.teacher_map:.3f}")

    def say(self, line: str) -> None:
        print(line, flush=True)
        with self._log.open("a", encoding="utf-8") as log:
            log.write(line + "\n")

    def measure(self, net: nn.Module, side: int) -> str:
        return self._held.measure(net, side)

    def save(self, net: nn.Module, step: int, images: int) -> None:
        network.save(net, self._out, {**self._facts, "steps": str(step), "views": str(images)})


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--data", default=str(ROOT.parent / "shared" / "data"), help="folder with training/ and weights/")
    add("--work", required=True, help="folder for views and the checkpoint (about 6 GB)")
    add("--out", default=str(ROOT / "dinosearch" / "embedding" / "mini.safetensors"))
    add("--log", default=str(ROOT / "docs" / "mini-training-log.txt"))
    add("--architecture", choices=sorted(network.ARCHITECTURES), default="convnext")
    add("--minutes", type=float, default=110.0, help="of training, resumed parts included")
    add("--threads", type=int, default=max(1, (os.cpu_count() or 2) - 1), help="threads of the training process")
    add("--makers", type=int, default=1, help="processes of one thread that make views")
    add("--batch", type=int, default=128, help="views a step, a multiple of 8")
    add("--muon", type=float, default=1e-2, help="peak rate of Muon")
    add("--adam", type=float, default=1.5e-3, help="peak rate of AdamW")
    add("--decay", type=float, default=0.05)
    add("--scenes", type=int, default=800, help="rendered scenes of eight views each")
    add("--bfloat16", action=argparse.BooleanOptionalAction, default=network.has_bfloat16(), help="mixed precision")
    add("--seed", type=int, default=0)
    add("--first-chunks", type=int, default=2, help="chunks of 2,048 views to wait for")
    add("--make-views", type=int, help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
