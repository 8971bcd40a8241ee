"""The same networks as other people wrote them, with the same random weights: transformers, timm, torchvision.

Each gives the tokens (n, 1 + registers + patches, d) of images, in our order.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from bench.random_tensors import random_network, random_state
from dinosearch.embedding.checkpoints import find_checkpoint
from dinosearch.embedding.families import family
from dinosearch.embedding.families.backbone import Backbone, Family
from dinosearch.embedding.weights.names import official_keys

Run = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Pair:
    """A network of ours beside another's with the same weights.

    Attributes:
        ours: ours.
        theirs: the other as it is.
        tokens: what the other makes of images.
    """

    ours: Backbone
    theirs: nn.Module
    tokens: Run


def pair(model: str, library: str, **changed: Any) -> Pair:
    """Both networks of a checkpoint's shape.

    Args:
        model: name of a checkpoint.
        library: a name in `LIBRARIES`.
        changed: what is to be other than in the checkpoint's shape: fewer blocks, a smaller width.
    """
    checkpoint = find_checkpoint(model)
    kind = family(checkpoint.family)
    config = kind.config(**{**dict(checkpoint.shape or {}), **changed})
    return LIBRARIES[library][checkpoint.family](model, kind, config)


def compare(both: Pair, height: int, width: int, count: int = 1, seed: int = 1) -> tuple[float, float]:
    """Largest difference of a number, in standard deviations of theirs, and least cosine of a token."""
    images = torch.randn(count, 3, height, width, generator=torch.Generator().manual_seed(seed))
    with torch.inference_mode():
        found, theirs = both.ours(images), both.tokens(images)
    ours = torch.cat((found.cls[:, None], found.registers, found.patches), dim=1)
    if ours.shape != theirs.shape:
        raise ValueError(f"tokens {tuple(ours.shape)} beside {tuple(theirs.shape)}")
    spread = theirs.std().item()
    if not spread > 0.05:
        raise ValueError("the random weights are degenerate, the comparison would prove nothing")
    cosine = torch.cosine_similarity(ours, theirs, dim=-1).min().item()
    return (ours - theirs).abs().max().item() / spread, cosine


def _meta(build: Callable[[], nn.Module], seed: int = 0) -> nn.Module:
    """A network of another library with random weights; what it computes itself (RoPE) is left to it."""
    network = build().eval().requires_grad_(False)
    network.load_state_dict(random_state(network.state_dict(), seed))
    return network


def _from_theirs(theirs: nn.Module, kind: Family, config: Any) -> Backbone:
    """Our network with the weights of a network of transformers, brought over by its names."""
    with torch.device("meta"):
        network = kind.network(config)
    network.load_state_dict(official_keys(dict(theirs.state_dict()), kind, config), assign=True)
    return network.eval().requires_grad_(False)


def _hidden(theirs: nn.Module, **more: Any) -> Run:
    return lambda images: theirs(images, **more).last_hidden_state


def _transformers_dinov1(model: str, kind: Family, config: Any) -> Pair:
    from transformers import ViTConfig, ViTModel

    settings = ViTConfig(
        hidden_size=config.dimension,
        intermediate_size=4 * config.dimension,
        num_hidden_layers=config.depth,
        num_attention_heads=config.heads,
        image_size=config.grid * config.patch,
        patch_size=config.patch,
        layer_norm_eps=1e-6,  # DINO's; transformers' default is 1e-12
    )
    theirs = _meta(lambda: ViTModel(settings, add_pooling_layer=False))
    # It resizes positions to the size and without antialias.
    ours = _from_theirs(theirs, kind, replace(config, interpolation="size"))
    return Pair(ours, theirs, _hidden(theirs, interpolate_pos_encoding=True))


def _transformers_dinov2(model: str, kind: Family, config: Any) -> Pair:
    from transformers import Dinov2Config, Dinov2Model, Dinov2WithRegistersConfig, Dinov2WithRegistersModel

    shape = {
        "hidden_size": config.dimension,
        "num_hidden_layers": config.depth,
        "num_attention_heads": config.heads,
        "image_size": config.grid * config.patch,
        "patch_size": config.patch,
        "use_swiglu_ffn": config.ffn == "swiglu",
    }
    if config.registers:
        settings = Dinov2WithRegistersConfig(num_register_tokens=config.registers, **shape)
        theirs = _meta(lambda: Dinov2WithRegistersModel(settings))
    else:
        theirs = _meta(lambda: Dinov2Model(Dinov2Config(**shape)))
        config = replace(config, interpolation="size")
    return Pair(_from_theirs(theirs, kind, config), theirs, _hidden(theirs))


def _transformers_dinov3(model: str, kind: Family, config: Any) -> Pair:
    from transformers import DINOv3ViTConfig, DINOv3ViTModel

    settings = DINOv3ViTConfig(
        hidden_size=config.dimension,
        intermediate_size=config.hidden,
        num_hidden_layers=config.depth,
        num_attention_heads=config.heads,
        num_register_tokens=config.registers,
        use_gated_mlp=config.gated,
        hidden_act="silu" if config.gated else "gelu",
        query_bias=config.qkv_bias,
        value_bias=config.qkv_bias,
    )
    theirs = _meta(lambda: DINOv3ViTModel(settings))
    return Pair(_from_theirs(theirs, kind, config), theirs, _hidden(theirs))


def _transformers_convnext(model: str, kind: Family, config: Any) -> Pair:
    from transformers import DINOv3ConvNextConfig, DINOv3ConvNextModel

    settings = DINOv3ConvNextConfig(hidden_sizes=list(config.widths), depths=list(config.depths))
    theirs = _meta(lambda: DINOv3ConvNextModel(settings))
    return Pair(_from_theirs(theirs, kind, config), theirs, _hidden(theirs))


def _timm(name: str, filter_by: str, ours: Backbone, **settings: Any) -> nn.Module:
    """A network of timm that has taken over our weights as it takes over the official ones."""
    from importlib import import_module

    import timm

    # Not on the meta device: it computes the places of patches as it is built.
    theirs = timm.create_model(name, num_classes=0, **settings)
    adopted = import_module(f"timm.models.{filter_by}").checkpoint_filter_fn(dict(ours.state_dict()), theirs)
    theirs.load_state_dict(adopted)
    return theirs.eval().requires_grad_(False)


def _timm_learned(model: str, kind: Family, config: Any) -> Pair:
    ours = random_network(kind, replace(config, interpolation="antialias"))  # timm's way for all
    size = {384: "small", 768: "base", 1024: "large", 1536: "giant"}
    if config.layer_scale:
        width = find_checkpoint(model).dimension
        name = f"vit_{size[width]}_patch{config.patch}{'_reg4' if config.registers else ''}_dinov2"
        more: dict[str, Any] = {}
    else:
        name = f"vit_{size[find_checkpoint(model).dimension]}_patch{config.patch}_224"
        more = {"img_size": config.grid * config.patch}
    shape = {"depth": config.depth, "embed_dim": config.dimension, "num_heads": config.heads}
    theirs = _timm(name, "vision_transformer", ours, dynamic_img_size=True, **shape, **more)
    return Pair(ours, theirs, theirs.forward_features)  # type: ignore[arg-type]


def _timm_dinov3(model: str, kind: Family, config: Any) -> Pair:
    ours = random_network(kind, config)
    aliases = find_checkpoint(model).aliases
    name = next(alias for alias in aliases if alias.startswith("vit_")).partition(".")[0]
    name += "_qkvb" if config.qkv_bias else ""
    shape = {"depth": config.depth, "embed_dim": config.dimension, "num_heads": config.heads}
    theirs = _timm(name, "eva", ours, dynamic_img_size=True, **shape)
    return Pair(ours, theirs, theirs.forward_features)  # type: ignore[arg-type]


def _timm_convnext(model: str, kind: Family, config: Any) -> Pair:
    ours = random_network(kind, config)
    name = next(alias for alias in find_checkpoint(model).aliases if ".dinov3" in alias).partition(".")[0]
    theirs: Any = _timm(name, "convnext", ours, dims=config.widths, depths=config.depths)

    def run(images: Tensor) -> Tensor:
        cells = theirs.forward_features(images)
        tokens = torch.cat((cells.mean(dim=(2, 3))[..., None], cells.flatten(2)), dim=2)
        normed: Tensor = theirs.head.norm(tokens[..., None])[..., 0].transpose(1, 2)
        return normed

    return Pair(ours, theirs, run)


def _torchvision_resnet(model: str, kind: Family, config: Any) -> Pair:
    from torchvision.models import ResNet
    from torchvision.models._utils import IntermediateLayerGetter
    from torchvision.models.resnet import Bottleneck

    theirs = _meta(lambda: ResNet(Bottleneck, list(config.depths)))
    body = IntermediateLayerGetter(theirs, {"layer4": "cells", "avgpool": "cls"}).eval()

    def run(images: Tensor) -> Tensor:
        found = body(images)
        return torch.cat((found["cls"].flatten(2), found["cells"].flatten(2)), dim=2).transpose(1, 2)

    return Pair(_from_theirs(theirs, kind, config), theirs, run)


LIBRARIES: Mapping[str, Mapping[str, Callable[[str, Family, Any], Pair]]] = {
    "transformers": {
        "dinov1": _transformers_dinov1,
        "dinov2": _transformers_dinov2,
        "dinov3": _transformers_dinov3,
        "convnext": _transformers_convnext,
    },
    "timm": {
        "dinov1": _timm_learned,
        "dinov2": _timm_learned,
        "dinov3": _timm_dinov3,
        "convnext": _timm_convnext,
    },
    "torchvision": {"resnet": _torchvision_resnet},
}
"""What makes a pair, by library and family."""
