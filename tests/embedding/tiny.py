"""Transformers of random weights that a weight file describes by itself, small enough to be exported in a second."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

from safetensors.torch import save_file

from dinosearch.embedding import export, quantise
from dinosearch.embedding.transformer import TransformerConfig
from tests.embedding.random_weights import random_transformer

PLAIN = TransformerConfig(dimension=48, depth=3, heads=3, grid=9)
REGISTERS = TransformerConfig(dimension=48, depth=2, heads=3, grid=9, registers=4, interpolation="antialias")


def write_weights(path: Path, config: TransformerConfig = PLAIN) -> Path:
    """A file for the model `mini`, whose files say themselves what they hold; equal bytes for equal shapes."""
    metadata = {"config": json.dumps({"family": "vit", **asdict(config)})}
    save_file(random_transformer(config).state_dict(), path, metadata=metadata)
    return path


def run_here(module: str, *arguments: str) -> None:
    """What a child process of `graphs.run_child` does, in this one, which has torch already."""
    if module == "dinosearch.embedding.export":
        export.main(list(arguments))
    else:
        assert module == "dinosearch.embedding.quantise"
        quantise.quantise(*map(Path, arguments))
