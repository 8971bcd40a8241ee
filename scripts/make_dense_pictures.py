"""Make the pictures of docs/dense.md: `mini` on sample_images, and for attention a transformer of random weights.

The random one shows what the sheet looks like, not what DINO looks at.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

from PIL import Image
from safetensors.torch import save_file

from bench.random_tensors import random_network
from dinosearch.embedding.families import family
from dinosearch.embedding.families.dinov2 import TransformerConfig

ROOT = Path(__file__).resolve().parents[1]
CHURCHES = [f"sample_images/church/church_{number}.jpg" for number in (1, 3, 4, 6)]
PICTURES = {
    "pca": ["pca", *CHURCHES],
    "match": ["match", CHURCHES[0], CHURCHES[2], "-n", "8"],
    "cosegment": ["cosegment", *CHURCHES],
    "parts": ["parts", *CHURCHES, "-n", "3"],
    "attention": ["attention", CHURCHES[0], "--stride", "7"],
}
WIDTH = 880  # of the pictures in the documentation


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=ROOT / "docs")
    folder = parser.parse_args().folder
    with tempfile.TemporaryDirectory() as temporary:
        random = Path(temporary) / "random-vit.safetensors"
        config = TransformerConfig(dimension=48, depth=3, heads=3, grid=9, registers=4, interpolation="antialias")
        metadata = {"config": json.dumps({"family": "dinov2", **asdict(config)})}
        save_file(random_network(family("dinov2"), config).state_dict(), random, metadata=metadata)
        for name, words in PICTURES.items():
            weights = ["--weights", str(random)] if name == "attention" else []
            target = folder / f"dense-{name}.png"
            command = [sys.executable, "-m", "dinosearch", "dense", *words, "--model", "mini", *weights, "--quiet"]
            subprocess.run([*command, "-o", str(target)], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
            with Image.open(target) as sheet:
                small = sheet.resize((WIDTH, round(sheet.height * WIDTH / sheet.width)), Image.Resampling.LANCZOS)
            small.quantize(palette=small.quantize(256), dither=Image.Dither.FLOYDSTEINBERG).save(target, optimize=True)


if __name__ == "__main__":
    main()
