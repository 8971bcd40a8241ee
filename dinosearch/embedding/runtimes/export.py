"""Make the runtime graph of a model: pixels in, vectors and tokens out, as ONNX; the child process of `graphs`.

python -m dinosearch.embedding.runtimes.export CHECKPOINT WEIGHTS POOLING FOLDER

It runs in a process of its own, so that the program that wants the graph never loads torch, nor keeps its memory.
"""

from __future__ import annotations

import json
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dinosearch.embedding.checkpoints import Checkpoint, find_checkpoint
from dinosearch.embedding.families.backbone import Backbone
from dinosearch.embedding.pooling import pool
from dinosearch.embedding.probe import probe_images
from dinosearch.embedding.tokens import Tokens
from dinosearch.embedding.weights.models import load_model
from dinosearch.records import Pooling

_LARGEST = 4096  # of a batch, and of the patches along a side


class Graph(nn.Module):
    """A backbone between raw pixels and vectors: normalisation and pooling are part of it.

    Args:
        network: the backbone, float32, in evaluation mode.
        checkpoint: gives mean and deviation of the pixels.
        pooling: how tokens become a vector.
    """

    def __init__(self, network: Backbone, checkpoint: Checkpoint, pooling: Pooling) -> None:
        super().__init__()
        self.network, self.pooling = network, pooling
        self.mean = torch.tensor(checkpoint.mean).view(1, 3, 1, 1) * 255
        self.deviation = torch.tensor(checkpoint.deviation).view(1, 3, 1, 1) * 255

    def forward(self, images: Tensor, cells: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Vectors and tokens of a batch.

        Args:
            images: (n, h, w, 3) uint8.
            cells: (1, gh, gw, c) of `Positions.cells`; None for a backbone without.

        Returns:
            vectors (n, D), not of unit length, and tokens (n, t, d) after the final norm: class, registers, patches.
        """
        pixels = (images.permute(0, 3, 1, 2).float() - self.mean) / self.deviation
        last: list[Tokens] = []

        def watched() -> Iterator[Tokens]:
            for tokens in self.network.last_blocks(pixels, self.pooling.blocks, cells):
                last[:] = [tokens]
                yield tokens

        vectors = pool(self.pooling, watched())
        return vectors, torch.cat((last[0].cls[:, None], last[0].registers, last[0].patches), dim=1)


def export(checkpoint: Checkpoint, weights: Path, pooling: Pooling, folder: Path) -> None:
    """Write graph.onnx with its weights, facts.json, probe.npy and, where the model has one, positions.npy."""
    network = load_model(checkpoint, weights)
    graph = Graph(network, checkpoint, pooling).eval()
    patch, positions = network.patch_size, network.positions()
    facts: dict[str, Any] = {
        "patch": patch,
        "width": network.dimension,
        "depth": network.depth,
        "registers": network.registers,
        "interpolation": positions and positions.scheme,
    }
    batch, rows, columns = (torch.export.Dim(name, min=1, max=_LARGEST) for name in ("n", "gh", "gw"))
    # Unlike numbers of rows and columns, so that the exporter does not take them for the same.
    arguments = [torch.zeros((2, 5 * patch, 6 * patch, 3), dtype=torch.uint8)]
    shapes = [{0: batch, 1: patch * rows, 2: patch * columns}]
    if positions:
        np.save(folder / "positions.npy", positions.table)
        arguments.append(torch.from_numpy(positions.cells((5, 6))))
        shapes.append({1: rows, 2: columns})
    with torch.inference_mode():
        reference = F.normalize(graph(torch.from_numpy(probe_images(patch)))[0], dim=-1)
    np.save(folder / "probe.npy", reference.numpy())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            graph,
            tuple(arguments),
            str(folder / "graph.onnx"),
            input_names=["images", "cells"][: len(arguments)],
            output_names=["vectors", "tokens"],
            dynamic_shapes=tuple(shapes),
            dynamo=True,
            external_data=True,
            verbose=False,
        )
    (folder / "facts.json").write_text(json.dumps(facts), encoding="utf-8")


def main(arguments: list[str]) -> None:
    """Export what the arguments name."""
    name, weights, pooling, folder = arguments
    export(find_checkpoint(name), Path(weights), Pooling.parse(pooling), Path(folder))


if __name__ == "__main__":
    main(sys.argv[1:])
