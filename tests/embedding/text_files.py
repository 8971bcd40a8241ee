"""The three files of a small text space with random numbers, as dino.txt's are laid out."""

from __future__ import annotations

import gzip
from collections import Counter
from itertools import pairwise
from pathlib import Path

import torch
from safetensors.torch import save_file

from bench.random_tensors import random_state
from dinosearch.embedding.text.spaces import VOCABULARY
from dinosearch.embedding.text.tokenizer import Tokenizer
from dinosearch.embedding.text.tower import TextTower, TowerConfig
from dinosearch.embedding.text.vision_head import HeadConfig, VisionHead

WORDS = """a photo of the red door and the old house with a blue window it's the windmill's sail they're near the
harbour 12 boats in 1987 we'll see her on the bridge the bridges the bridged river in winter and a red boat""".split()


def merges(count: int = 150) -> list[tuple[str, str]]:
    """Pairs learned on `WORDS`: the most frequent first, as in Sennrich et al. 2016 (arXiv:1508.07909)."""
    words = [[*word[:-1], word[-1] + "</w>"] for word in WORDS]
    learned: list[tuple[str, str]] = []
    for _ in range(count):
        counts = Counter(pair for word in words for pair in pairwise(word))
        if not counts:
            break
        best = min(counts, key=lambda pair: (-counts[pair], pair))
        learned.append(best)
        for word in words:
            place = 0
            while place < len(word) - 1:
                if (word[place], word[place + 1]) == best:
                    word[place : place + 2] = ["".join(best)]
                place += 1
    return learned


def write_vocabulary(path: Path) -> Path:
    lines = ["#version: of the tests", *(" ".join(pair) for pair in merges())]
    path.write_bytes(gzip.compress("\n".join(lines).encode(), mtime=0))
    return path


def write_text_files(folder: Path, dimension: int = 64, seed: int = 0) -> Path:
    """A folder with the files for a backbone whose tokens have that length."""
    folder.mkdir(parents=True, exist_ok=True)
    words = Tokenizer(write_vocabulary(folder / VOCABULARY)).size
    with torch.device("meta"):
        head = VisionHead(HeadConfig(dimension, 2, 192))
        tower = TextTower(TowerConfig(words, 77, 128, 3, 2 * dimension))
    state = random_state(head.state_dict(), seed)
    save_file({k.replace("blocks.", "block_list.", 1): v for k, v in state.items()}, folder / "vision_head.safetensors")
    state = random_state(tower.state_dict(), seed + 1)
    named = {k if k.startswith("head.") else f"backbone.{k}": v for k, v in state.items()}
    save_file(named, folder / "text_tower.safetensors")
    return folder
