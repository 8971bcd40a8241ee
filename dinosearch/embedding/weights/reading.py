"""From a weight file to tensors by name: official `.pth` or safetensors; nothing in a file is executed."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from torch import Tensor

from dinosearch.errors import DamagedWeightsError

_SHARED = 4
"""Times the bytes of a file that its tensors may have in all: some may share their numbers."""
_TABLES = ("teacher", "state_dict", "model")
"""Where a file of a whole training keeps the tensors: DINO's evaluates the teacher (eval_knn.py, checkpoint_key)."""
_WRAPPERS = re.compile(r"^(module\.|backbone\.)+")
"""Put before names by torch's parallel training and by DINO's pair of backbone and head."""


def read_state(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Tensors by the names in the file, without what training put around them, and the file's metadata.

    A `.pth` is read with `weights_only`, so nothing in it is executed.

    Raises:
        DamagedWeightsError: the file cannot be read.
    """
    try:
        if path.suffix == ".safetensors":
            with safe_open(str(path), framework="pt") as file:
                state: Any = {key: file.get_tensor(key) for key in file.keys()}
                metadata = dict(file.metadata() or {})
        else:
            _refuse_bombs(path)
            state, metadata = _inner(torch.load(path, map_location="cpu", weights_only=True)), {}
    except Exception as error:  # a damaged file raises whatever its reader stumbles over
        reason = (str(error) or type(error).__name__).splitlines()[0][:200]
        raise DamagedWeightsError(
            f"{path} cannot be read as weights ({reason}); fetch the file again, or name another with: --weights FILE"
        ) from None
    if not isinstance(state, Mapping) or not all(isinstance(value, Tensor) for value in state.values()):
        raise DamagedWeightsError(
            f"{path} holds no plain table of tensors; name an official weight file with: --weights FILE"
        )
    if sum(value.numel() * value.element_size() for value in state.values()) > _SHARED * path.stat().st_size:
        raise DamagedWeightsError(
            f"{path} names more numbers than it holds; name an official weight file with: --weights FILE"
        )
    return {_WRAPPERS.sub("", key): value for key, value in state.items()}, metadata


def _inner(loaded: Any) -> Any:
    """The table of tensors in what was loaded; itself where it is one."""
    for name in _TABLES:
        if isinstance(loaded, Mapping) and isinstance(loaded.get(name), Mapping):
            return loaded[name]
    return loaded


def _refuse_bombs(path: Path) -> None:
    """Torch writes its archives uncompressed; one that unpacks to more than it has was made to fill the memory."""
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            if sum(member.file_size for member in archive.infolist()) > path.stat().st_size:
                raise ValueError("it unpacks to more than it has bytes")
