"""What a forward pass of a checkpoint costs, from its shape alone; it loads nothing."""

from __future__ import annotations

from dinosearch.embedding.checkpoints import Checkpoint

SIDE = 224
"""Of the images that `Checkpoint.gigaflop` is for, in pixels."""


def gigaflop(checkpoint: Checkpoint, side: int) -> float:
    """Operations of one image, in units of 1e9; a multiplication and its addition are two.

    12.25 for ViT-S/14 at 224 pixels, as performance.md, section A, has it.

    Args:
        checkpoint: a row of the table.
        side: of the square image, in pixels.
    """
    shape = checkpoint.shape
    if checkpoint.gigaflop is not None or shape is None:
        return float(checkpoint.gigaflop or 0) * (side / SIDE) ** 2
    dimension, depth = int(shape["dimension"]), int(shape["depth"])
    patches = (side // checkpoint.patch) ** 2
    tokens = patches + 1 + int(shape.get("registers", 0))
    # Queries, keys, values and the way out are 4 products with the tokens. The two layers behind them are 8 where their
    # middle is 4 times as wide; DINOv2's SwiGLU has three that are as wide as that together.
    middle = (3 if shape.get("gated") else 2) * int(shape.get("hidden", 4 * dimension)) / dimension
    # Attention multiplies tokens with tokens twice.
    block = 2 * tokens * (4 + middle) * dimension**2 + 4 * tokens**2 * dimension
    return float(depth * block + 2 * patches * 3 * checkpoint.patch**2 * dimension) / 1e9
