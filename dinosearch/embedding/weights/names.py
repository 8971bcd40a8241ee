"""Bring the tensors of a weight file to the names and the form that a family's network has."""

from __future__ import annotations

import re
from typing import Any

import torch

from dinosearch.embedding.families.backbone import Family, State

_PART = re.compile(r"\.(qkv|w12)\.(\d)\.")


def official_keys(state: State, family: Family, config: Any) -> State:
    """Rename the keys of other libraries and join what is one tensor here; official keys stay as they are.

    Args:
        state: as read.
        family: whose network it is for.
        config: its shape.
    """
    renamed: State = {}
    for key, value in state.items():
        for pattern, replacement in family.renamed:
            key = re.sub(pattern, replacement, key)
        renamed[key] = value
    whole: State = {}
    parts: dict[str, dict[int, torch.Tensor]] = {}
    for key, value in family.adapt(renamed, config).items():
        part = _PART.search(key)
        if part:
            parts.setdefault(key.replace(part[0], f".{part[1]}."), {})[int(part[2])] = value
        else:
            whole[key] = value
    for key, pieces in parts.items():
        whole[key] = torch.cat([pieces[number] for number in sorted(pieces)])
    return whole
