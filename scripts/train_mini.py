"""Train the bundled model `mini`: distil a MobileNet embedder into a small ConvNeXt on a few thousand photos.

    scripts/train_mini.py --data ../shared/data --work WORK --minutes 62

Student and teacher see exactly the same strong random view ("function matching", Beyer et al. 2021, arXiv:2106.05237):
crops, turns, perspective, colour, blur, and mixtures of photos. A process beside the training makes the views and the
teacher's features; the student learns from a rolling window of them. Its class token lives in the space of the
teacher's principal components, so that its raw cosine imitates the teacher's centred cosine. Muon and AdamW, averaged
weights, cosine schedule over the given minutes, view side rising from 80 to 144 pixels. Several processes of one thread
each share a batch. The order of views depends on timing, so a second run gives similar weights, not the same. Run it
again with the same --work to resume. Choices are made on held-out training photos alone (whole Caltech classes, every
20th flower).
"""

from __future__ import annotations

import argparse
import copy
import json
import os
import pickle
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor, nn

from dinosearch.embedding.convnext import ConvNeXt
from mini import held_out, losses, network, optimiser, photos, pool

ROOT = Path(__file__).resolve().parents[1]
WEIGHTS = {"cls": 1.0, "mean": 0.25, "cells": 0.5, "relation": 5.0, "pairs": 0.1}
SIDES = ((0.0, 80), (0.4, 112), (0.85, 144))
"""View side in pixels from this share of the run on."""
WINDOW = 21
"""Chunks of views in memory, all processes together."""
SAY_EVERY, SAVE_EVERY = 240.0, 180.0


def main() -> None:
    options = _arguments()
    work = Path(options.work)
    (work / "pool").mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    if options.make_views:
        make_views(options, work)
        return
    if options.rank:
        train(options, work)
        return
    options.meeting = options.meeting or str(work / f"meeting-{os.getpid()}")
    again = [sys.executable, __file__, *sys.argv[1:], "--meeting", options.meeting]
    one_thread = {**os.environ, "OMP_NUM_THREADS": "1"}
    roles = [["--make-views"], *(["--rank", str(rank)] for rank in range(1, options.processes))]
    helpers = [subprocess.Popen([*again, *role], env=one_thread) for role in roles]
    try:
        train(options, work)
    finally:
        for helper in helpers:
            helper.terminate()
            helper.wait()


def make_views(options: argparse.Namespace, work: Path) -> None:
    """Make chunk after chunk, never more than a few ahead of the training; give way to every other process."""
    os.nice(15)
    train_photos, _, basis = prepare(options, work)
    number = int((work / "used").read_text()) if (work / "used").exists() else 0
    while True:
        used = int((work / "used").read_text()) if (work / "used").exists() else 0
        if number > used + WINDOW + 4:
            time.sleep(1)
            continue
        pool.make_chunk(train_photos, _teacher(options), basis, options.seed, number, work / "pool")
        number += 1


def prepare(
    options: argparse.Namespace, work: Path
) -> tuple[photos.Photos, photos.Photos, tuple[np.ndarray, np.ndarray]]:
    """Photos and the teacher's principal components; kept in the work folder for a resumed run."""
    stored = work / "photos.pkl"
    if not stored.exists():
        train_photos, held = photos.read_training(Path(options.data) / "training")
        made = (train_photos, held, pool.make_basis(train_photos, _teacher(options), options.seed))
        partial = stored.with_suffix(f".{os.getpid()}")
        partial.write_bytes(pickle.dumps(made, protocol=4))
        partial.replace(stored)
    found: tuple[photos.Photos, photos.Photos, tuple[np.ndarray, np.ndarray]]
    found = pickle.loads(stored.read_bytes())  # our own file, from this run or the one that it resumes
    return found


def train(options: argparse.Namespace, work: Path) -> None:
    """Train until the minutes are used up; process 0 also measures, logs and writes the averaged weights."""
    dist.init_process_group(
        "gloo", init_method=f"file://{Path(options.meeting).resolve()}", rank=options.rank, world_size=options.processes
    )
    net = network.build(network.CONFIG, options.seed)
    mean = copy.deepcopy(net).eval()
    optimisers = optimiser.make_optimisers(net, options.muon, options.adam, options.decay)
    peaks = [[group["lr"] for group in one.param_groups] for one in optimisers]
    step, images, seconds, oldest = 0, 0, 0.0, 0
    if (work / "checkpoint.pt").exists():
        state = torch.load(work / "checkpoint.pt", weights_only=True)
        net.load_state_dict(state["net"])
        mean.load_state_dict(state["mean"])
        for one, values in zip(optimisers, state["optimisers"], strict=True):
            one.load_state_dict(values)
        step, seconds, oldest = state["step"], state["seconds"], state["oldest"]
        images = state.get("images", step * 64)
    turn = losses.rotation(pool.KEPT, network.CONFIG.widths[-1], options.seed)
    watcher = _Watcher(options, work, turn) if options.rank == 0 else None
    window = _Window(work / "pool", oldest, options)
    generator = torch.Generator().manual_seed(options.seed + 1 + step + 1_000_003 * options.rank)
    smooth: dict[str, float] = {}
    if watcher:
        watcher.say(
            f"# {sum(p.numel() for p in net.parameters()) / 1e6:.2f} M parameters, from step {step}, {images} views"
        )
    dist.barrier()
    started = time.monotonic() - seconds
    said = saved = time.monotonic()
    while True:
        clock = torch.tensor([(time.monotonic() - started) / 60 / options.minutes], dtype=torch.float64)
        dist.broadcast(clock, 0)
        progress = float(clock)
        if progress >= 1:
            break
        if step % 8 == 0:
            window.refresh()
        for one, rates in zip(optimisers, peaks, strict=True):
            for group, rate in zip(one.param_groups, rates, strict=True):
                group["lr"] = rate * optimiser.cosine(progress)
        side = max(value for share, value in SIDES if progress >= share)
        views, targets, single = window.batch(options.batch, side, generator)
        out = net(network.normalise(views))
        loss, terms = losses.student_loss(out.cls, out.patches, out.grid, targets @ turn, single, WEIGHTS)
        for one in optimisers:
            one.zero_grad()
        torch.autograd.backward(loss)
        _average_gradients(net)
        for one in optimisers:
            one.step()
        step, images = step + 1, images + options.batch * options.processes
        if not watcher:
            continue
        with torch.no_grad():
            for averaged, value in zip(mean.parameters(), net.parameters(), strict=True):
                averaged.lerp_(value, 1 - min(0.995, step / (step + 10)))
        for name, term in terms.items():
            smooth[name] = 0.98 * smooth.get(name, term) + 0.02 * term
        now = time.monotonic()
        if now - said > SAY_EVERY:
            said = now
            shown = " ".join(f"{name} {value:.3f}" for name, value in smooth.items())
            figures = watcher.measure(mean, 224)
            watcher.say(f"minute {(now - started) / 60:.1f} step {step} views {images} side {side} {shown} {figures}")
        if now - saved > SAVE_EVERY:
            saved = now
            watcher.save(mean, step, images)
            state = {"net": net.state_dict(), "mean": mean.state_dict(), "step": step, "images": images}
            state |= {"optimisers": [one.state_dict() for one in optimisers], "seconds": now - started}
            torch.save({**state, "oldest": window.oldest}, work / "checkpoint.pt")
    if watcher:
        watcher.save(mean, step, images)
        watcher.say(f"end: step {step}, {images} views, {watcher.measure(mean, 160)}, {watcher.measure(mean, 224)}")
    dist.barrier()
    dist.destroy_process_group()


def _average_gradients(net: nn.Module) -> None:
    gradients = [weight.grad for weight in net.parameters() if weight.grad is not None]
    joined = torch.cat([gradient.flatten() for gradient in gradients])
    dist.all_reduce(joined)
    joined /= dist.get_world_size()
    for gradient, average in zip(gradients, torch.split(joined, [g.numel() for g in gradients]), strict=True):
        gradient.copy_(average.view_as(gradient))


class _Window:
    """This process's share of the rolling pool: the chunks whose number leaves its rank over."""

    def __init__(self, folder: Path, oldest: int, options: argparse.Namespace) -> None:
        self._folder, self._step = folder, options.processes
        self._size = max(1, WINDOW // options.processes)
        self._main = options.rank == 0
        # Chunks may have been dropped after the checkpoint that a resumed run starts from: begin with what is there.
        here = (int(path.stem) for path in folder.glob("[0-9]*.npz"))
        mine = (number for number in here if number >= oldest and number % self._step == options.rank)
        self.oldest = min(mine, default=oldest + (options.rank - oldest) % self._step)
        self._chunks: list[tuple[Tensor, Tensor, Tensor]] = []
        while len(self._chunks) < options.first_chunks or (self._path().exists() and len(self._chunks) < self._size):
            self._chunks.append(pool.read_chunk(folder, self._number))

    @property
    def _number(self) -> int:
        return int(self.oldest + len(self._chunks) * self._step)

    def _path(self) -> Path:
        return self._folder / f"{self._number:05d}.npz"

    def refresh(self) -> None:
        """Take the next chunk if it is there, drop the oldest beyond the window."""
        if not self._path().exists():
            return
        self._chunks.append(pool.read_chunk(self._folder, self._number))
        if len(self._chunks) > self._size:
            self._chunks.pop(0)
            (self._folder / f"{self.oldest:05d}.npz").unlink(missing_ok=True)
            self.oldest += self._step
            if self._main:
                (self._folder.parent / "used").write_text(str(self.oldest))

    def batch(self, size: int, side: int, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
        """Pairs of views of `size // 2` photos, mirrored at random together with their targets."""
        parts = []
        for index in torch.randint(len(self._chunks), (4,), generator=generator).tolist():
            views, targets, single = self._chunks[index]
            rows = torch.randint(len(views) // 2, (size // 8,), generator=generator) * 2
            rows = torch.stack((rows, rows + 1), 1).flatten()
            parts.append((views[rows], targets[rows].float(), single[rows]))
        views, targets, single = (torch.cat(part) for part in zip(*parts, strict=True))
        images = nn.functional.interpolate(views.float() / 255, side, mode="bilinear", antialias=True)
        flip = torch.rand(len(images), generator=generator) < 0.5
        cells = round(targets.shape[1] ** 0.5)
        mirrored = targets.view(-1, cells, cells, targets.shape[-1]).flip(2).flatten(1, 2)
        images = torch.where(flip[:, None, None, None], images.flip(-1), images)
        return images, torch.where(flip[:, None, None], mirrored, targets), single


class _Watcher:
    """Measures on held-out photos, writes the log and the weights file."""

    def __init__(self, options: argparse.Namespace, work: Path, turn: Tensor) -> None:
        train_photos, held, basis = prepare(options, work)
        self._log, self._out, self._threads = Path(options.log), Path(options.out), options.processes
        self._held = held_out.HeldOut(held, basis, _teacher(options), turn, work / "held.npy")
        recipe = {name: getattr(options, name) for name in ("minutes", "processes", "batch", "muon", "adam", "decay")}
        self._facts = {
            "recipe": json.dumps({**recipe, "weights": WEIGHTS, "sides": SIDES}),
            "seed": str(options.seed),
            "data_sha256": train_photos.digest,
            "photos": str(len(train_photos.labels)),
            "licence": "Apache-2.0",
        }
        self.say(f"# teacher's held-out mAP {self._held.teacher_map:.3f}")

    def say(self, line: str) -> None:
        print(line, flush=True)
        with self._log.open("a", encoding="utf-8") as log:
            log.write(line + "\n")

    def measure(self, net: nn.Module, side: int) -> str:
        torch.set_num_threads(self._threads)  # the other processes wait meanwhile
        figures = self._held.measure(net, side)
        torch.set_num_threads(1)
        return figures

    def save(self, net: ConvNeXt, step: int, images: int) -> None:
        network.save(net, self._out, {**self._facts, "steps": str(step), "views": str(images)})


def _teacher(options: argparse.Namespace) -> Path:
    return Path(options.data) / "weights" / "mobilenet_v1_1.0_224_quant_embedding_extractor.tflite"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    data = ROOT.parent / "shared" / "data"
    parser.add_argument("--data", default=str(data), help="folder with training/ and weights/")
    parser.add_argument("--work", required=True, help="folder for views and the checkpoint (about 6 GB)")
    parser.add_argument("--out", default=str(ROOT / "dinosearch" / "embedding" / "mini.safetensors"))
    parser.add_argument("--log", default=str(ROOT / "docs" / "mini-training-log.txt"))
    parser.add_argument("--minutes", type=float, default=62.0, help="of training, resumed parts included")
    parser.add_argument("--processes", type=int, default=3, help="training processes of one thread each")
    parser.add_argument("--batch", type=int, default=32, help="views a step and process, a multiple of 8")
    parser.add_argument("--muon", type=float, default=1e-2, help="peak rate of Muon")
    parser.add_argument("--adam", type=float, default=1.5e-3, help="peak rate of AdamW")
    parser.add_argument("--decay", type=float, default=0.05)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--first-chunks", type=int, default=2, help="chunks of 2,048 views a process waits for")
    parser.add_argument("--make-views", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--rank", type=int, default=0, help=argparse.SUPPRESS)
    parser.add_argument("--meeting", default="", help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
