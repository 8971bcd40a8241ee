"""Weights of the published shapes without training, in the layout of the official files, for measuring speed.

DINOv2's weights cannot be had on every machine; a forward pass takes as long with random ones. They are drawn so that
activations keep their size through all the blocks, and different pictures get different vectors.
"""

from __future__ import annotations

from pathlib import Path


def random_weights(folder: Path, model: str = "dinov2_vits14", seed: int = 0) -> Path:
    """A weight file for `--weights FILE --model NAME`, made where it is not yet there."""
    import torch
    from safetensors.torch import save_file

    from dinosearch.embedding.checkpoints import find_checkpoint
    from dinosearch.embedding.transformer import TransformerConfig, VisionTransformer

    path = folder / f"{model}-random-{seed}.safetensors"
    if path.is_file():
        return path
    folder.mkdir(parents=True, exist_ok=True)
    shape = find_checkpoint(model).shape
    if shape is None:
        raise ValueError(f"{model} is no DINOv2 checkpoint")
    network = VisionTransformer(TransformerConfig(**shape))
    generator = torch.Generator().manual_seed(seed)
    state = {}
    for name, tensor in network.state_dict().items():
        if name.endswith("gamma"):
            state[name] = torch.full_like(tensor, 0.3)
        elif tensor.ndim < 2:
            state[name] = torch.ones_like(tensor) if name.endswith("weight") else torch.zeros_like(tensor)
        else:
            fan = tensor[0].numel() if tensor.ndim > 1 else tensor.numel()
            spread = 0.02 if "token" in name or "pos" in name else fan**-0.5
            state[name] = torch.randn(tensor.shape, generator=generator) * spread
    save_file(state, path)
    return path
