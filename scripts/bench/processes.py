"""Fresh processes against the clock: one after the other in turn, so that what else the machine does hits all alike."""

from __future__ import annotations

import re
import resource
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median

PEER = """
import sys
import faiss, torch, transformers
from PIL import Image
from torchvision.transforms import v2
model = transformers.Dinov2Model(transformers.Dinov2Config(
    hidden_size=384, num_hidden_layers=12, num_attention_heads=6, image_size=518, patch_size=14)).eval()
prepare = v2.Compose([v2.Resize(256, interpolation=v2.InterpolationMode.BICUBIC), v2.CenterCrop(224), v2.ToImage(),
                      v2.ToDtype(torch.float32, scale=True),
                      v2.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))])
index = faiss.read_index(sys.argv[1])
with torch.no_grad():
    pixels = prepare(Image.open(sys.argv[2]).convert("RGB"))[None]
    vector = model(pixels).last_hidden_state[:, 0].numpy()
faiss.normalize_L2(vector)
print(index.search(vector, 10)[1])
"""
"""The query of the tutorials: Hugging Face's model, torchvision's transforms, a Faiss index in a file."""


@dataclass
class Runs:
    """What the runs of one command took.

    Attributes:
        wall: seconds from start to end.
        cpu: seconds of all of its threads.
    """

    wall: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)

    def row(self, name: str) -> list[str]:
        """Cells of a table: median and best wall, median processor time, in milliseconds."""
        return [name, *(f"{1000 * value:.0f}" for value in (median(self.wall), min(self.wall), median(self.cpu)))]


def race(
    commands: Mapping[str, Sequence[str]], rounds: int, environment: Mapping[str, str], *, warm: bool = True
) -> dict[str, Runs]:
    """Run each command in turn, `rounds` times, after one round that is not counted if `warm`.

    Raises:
        RuntimeError: a command failed; its last words are told.
    """
    runs = {name: Runs() for name in commands}
    for number in range(rounds + warm):
        for name, command in commands.items():
            before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
            done = subprocess.run(command, capture_output=True, text=True, env=dict(environment))
            wall, after = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
            if done.returncode:
                raise RuntimeError(f"{name} failed: {(done.stderr.strip().splitlines() or ['no words'])[-1]}")
            if number >= warm:
                runs[name].wall.append(wall)
                runs[name].cpu.append(after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime)
    return runs


def import_costs(command: Sequence[str], environment: Mapping[str, str], rounds: int = 3) -> dict[str, float]:
    """Milliseconds that a command spends importing each top-level package, its own code only; least of the rounds."""
    least: dict[str, float] = {}
    for _ in range(rounds):
        told = subprocess.run(
            [sys.executable, "-X", "importtime", *command], capture_output=True, text=True, env=dict(environment)
        ).stderr
        for own, module in re.findall(r"import time:\s+(\d+) \|\s+\d+ \|\s+(\S+)", told):
            least[module] = min(least.get(module, float("inf")), int(own) / 1000)
    costs: dict[str, float] = {}
    for module, spent in least.items():
        package = module.partition(".")[0].lstrip("_")
        costs[package] = costs.get(package, 0.0) + spent
    return dict(sorted(costs.items(), key=lambda cost: -cost[1]))


def problem_of(code: str, environment: Mapping[str, str]) -> str | None:
    """Why Python code cannot run here, None when it can."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=dict(environment))
    return None if not done.returncode else (done.stderr.strip().splitlines() or ["it failed"])[-1]
