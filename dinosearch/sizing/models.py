"""What a forward pass of a checkpoint costs, from its shape alone; it loads nothing."""

from __future__ import annotations

from dinosearch.embedding.checkpoints import Checkpoint

PATCH = 14
MINI_GIGAFLOP = 2.14
"""The bundled model at 224 pixels: its convolutions and products (docs/model-card-mini.md), two operations a
multiplication."""
MINI_SIDE = 224


def gigaflop(checkpoint: Checkpoint, side: int) -> float:
    """Operations of one image, in units of 1e9; a multiplication and its addition are two.

    12.25 for ViT-S/14 at 224 pixels, as performance.md, section A, has it.

    Args:
        checkpoint: a row of the table.
        side: of the square image, in pixels.
    """
    if checkpoint.shape is None:
        return MINI_GIGAFLOP * (side / MINI_SIDE) ** 2
    dimension, depth = int(checkpoint.shape["dimension"]), int(checkpoint.shape["depth"])
    patches = (side // PATCH) ** 2
    tokens = patches + 1 + int(checkpoint.shape.get("registers", 0))
    # Queries, keys, values and the way out are 4 products with the tokens, the two layers behind them 8 (SwiGLU's three
    # are as wide as that together); attention multiplies tokens with tokens twice.
    block = 2 * tokens * 12 * dimension**2 + 4 * tokens**2 * dimension
    return float(depth * block + 2 * patches * 3 * PATCH**2 * dimension) / 1e9
