"""Weights of the published shapes without training, by the names of the official files, for measuring speed.

The published weights cannot be had on every machine; a forward pass takes as long with random ones. They are drawn so
that activations keep their size through all the blocks, and different pictures get different vectors.
"""

from __future__ import annotations

from pathlib import Path


def random_weights(folder: Path, model: str = "dinov2_vits14", seed: int = 0) -> Path:
    """A weight file for `--weights FILE --model NAME`, made where it is not yet there."""
    import torch
    from safetensors.torch import save_file

    from dinosearch.embedding.checkpoints import find_checkpoint
    from dinosearch.embedding.families import family

    path = folder / f"{model}-random-{seed}.safetensors"
    if path.is_file():
        return path
    folder.mkdir(parents=True, exist_ok=True)
    checkpoint = find_checkpoint(model)
    if checkpoint.shape is None:
        raise ValueError(f"the shape of {model} is in its file only")
    kind = family(checkpoint.family)
    network = kind.network(kind.config(**checkpoint.shape))
    generator = torch.Generator().manual_seed(seed)
    state = {}
    for name, tensor in network.state_dict().items():
        if name.endswith("periods"):
            continue  # of DINOv3's positions: computed where a file has none
        if name.endswith("gamma"):
            state[name] = torch.full_like(tensor, 0.3)
        elif tensor.ndim < 2:
            state[name] = torch.ones_like(tensor) if name.endswith(("weight", "_var")) else torch.zeros_like(tensor)
        else:
            fan = tensor[0].numel() if tensor.ndim > 1 else tensor.numel()
            spread = 0.02 if "token" in name or "pos" in name else fan**-0.5
            state[name] = torch.randn(tensor.shape, generator=generator) * spread
    save_file(state, path)
    return path
