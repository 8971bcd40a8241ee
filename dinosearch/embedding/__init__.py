"""From pixels to vectors: checkpoints, weights, backbones and the embedder. Importing it loads no torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dinosearch.embedding.checkpoints import CHECKPOINTS, Checkpoint, find_checkpoint
from dinosearch.embedding.files import fetch, locate, offline, weights_folder
from dinosearch.embedding.graphs import graphs_folder
from dinosearch.embedding.load import open_embedder, resolve
from dinosearch.embedding.processor import has_bfloat16
from dinosearch.embedding.runtimes import chosen_unasked
from dinosearch.lazy import later

if TYPE_CHECKING:
    from dinosearch.embedding.early import open_early
    from dinosearch.embedding.embedder import TorchEmbedder

__all__ = [
    "CHECKPOINTS",
    "Checkpoint",
    "TorchEmbedder",
    "chosen_unasked",
    "fetch",
    "find_checkpoint",
    "graphs_folder",
    "has_bfloat16",
    "locate",
    "offline",
    "open_early",
    "open_embedder",
    "resolve",
    "weights_folder",
]

__getattr__ = later(__name__, {"TorchEmbedder": ".embedder", "open_early": ".early"})
