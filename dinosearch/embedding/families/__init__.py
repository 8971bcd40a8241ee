"""Architectures, one module each: shape, network, and what its published tensors are called elsewhere.

A new one is a module with a `FAMILY`, a row of the table here, and the rows of its weights in `checkpoints`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dinosearch.embedding.families.backbone import Family

FAMILIES = {
    "dinov1": ".dinov1",
    "dinov2": ".dinov2",
    "dinov3": ".dinov3",
    "convnext": ".convnext",
    "resnet": ".resnet",
    "vit": ".dinov2",
}
"""Modules by the name in `Checkpoint.family`, or in a weight file's metadata, which may say `vit` for DINOv2's."""


def family(name: str) -> Family:
    """The family of that name; loads torch.

    Raises:
        KeyError: no such family.
    """
    found: Family = import_module(FAMILIES[name], __name__).FAMILY
    return found
