"""From pixels to vectors: checkpoints, weights, backbones and the embedder. Importing it loads no torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dinosearch.embedding.checkpoints import CHECKPOINTS, Checkpoint, find_checkpoint
from dinosearch.embedding.load import open_embedder, resolve
from dinosearch.embedding.runtimes.graphs import graphs_folder
from dinosearch.embedding.runtimes.processor import has_bfloat16
from dinosearch.embedding.runtimes.programs import chosen_unasked
from dinosearch.embedding.weights.files import fetch, locate, offline, weights_folder
from dinosearch.lazy import later

if TYPE_CHECKING:
    from dinosearch.embedding.embedder import TorchEmbedder
    from dinosearch.embedding.facets import FacetReader, open_facets
    from dinosearch.embedding.runtimes.early import open_early
    from dinosearch.embedding.text.space import TextSpace, open_text_space

__all__ = [
    "CHECKPOINTS",
    "Checkpoint",
    "FacetReader",
    "TextSpace",
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
    "open_facets",
    "open_text_space",
    "resolve",
    "weights_folder",
]

__getattr__ = later(
    __name__,
    {
        "TorchEmbedder": ".embedder",
        **dict.fromkeys(("FacetReader", "open_facets"), ".facets"),
        "open_early": ".runtimes.early",
        **dict.fromkeys(("TextSpace", "open_text_space"), ".text.space"),
    },
)
