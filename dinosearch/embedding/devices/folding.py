"""A transformer's LayerScale folded into the weights before it: the same function with two passes over memory less.

A GPU multiplies matrices faster than it reads activations. Of about 22 times that a block of ViT reads or writes its
activations beside the matrix products, LayerScale's two multiplications are four.
"""

from __future__ import annotations

from typing import TypeVar

from torch import Tensor, nn

from dinosearch.embedding.families.parts import LayerScale

T = TypeVar("T", bound=nn.Module)


def fold_layer_scale(model: T) -> T:
    """Multiply each block's two scales into the last weights of its branches; other models stay as they are.

    Args:
        model: in float32, so that the product is rounded once, when it is brought to a shorter format.

    Returns:
        The same model; a block that was folded has nothing in the place of its scales.
    """
    for block in getattr(model, "blocks", ()):
        if not isinstance(getattr(block, "ls1", None), LayerScale):
            continue
        second = block.mlp.fc2 if hasattr(block.mlp, "fc2") else block.mlp.w3
        for name, last in (("ls1", block.attn.proj), ("ls2", second)):
            gamma = getattr(block, name).gamma
            # New tensors, as the old ones may lie in the mapped weight file.
            last.weight = _scaled(last.weight, gamma[:, None])
            last.bias = _scaled(last.bias, gamma)
            setattr(block, name, nn.Identity())
    return model


def _scaled(weights: Tensor, factor: Tensor) -> nn.Parameter:
    return nn.Parameter(weights.detach() * factor.detach(), requires_grad=False)
