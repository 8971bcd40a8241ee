"""From a checkpoint and its weight file to a network; every key and every shape must fit. It fetches nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from dinosearch.embedding.checkpoints import CHECKPOINTS, Checkpoint
from dinosearch.embedding.families import family
from dinosearch.embedding.families.backbone import Backbone, Family, State
from dinosearch.embedding.weights.names import official_keys
from dinosearch.embedding.weights.reading import read_state
from dinosearch.errors import DamagedWeightsError

_LARGEST, _DEEPEST = 1 << 16, 1000
"""Of a number in the metadata, and of blocks: far above anything published, and built in no time."""


def load_model(checkpoint: Checkpoint, path: Path) -> Backbone:
    """Build the checkpoint's model and fill it, float32, in evaluation mode.

    Raises:
        DamagedWeightsError: the file cannot be read, or its keys or shapes are not the model's.
    """
    state, metadata = read_state(path)
    if checkpoint.shape is not None:
        kind = family(checkpoint.family)
        config = kind.config(**checkpoint.shape)
    else:
        kind, config = _from_metadata(metadata, path)
    network, fitting = _fitted(state, kind, config)
    reason = misfit(network, fitting)
    if reason is not None:
        raise _does_not_fit(path, reason, checkpoint, state)
    network.load_state_dict({key: value.float() for key, value in fitting.items()}, assign=True)
    return network.eval().requires_grad_(False)


def misfit(network: Backbone, state: State) -> str | None:
    """What is wrong with these tensors for that network; None where all of them fit."""
    wanted = network.state_dict()
    for what, keys in (("lacks", wanted.keys() - state.keys()), ("has the unknown", state.keys() - wanted.keys())):
        if keys:
            return f"it {what} {min(keys)}" + (f" and {len(keys) - 1} more" if len(keys) > 1 else "")
    for key, value in state.items():
        if value.shape != wanted[key].shape:
            return f"{key} has shape {tuple(value.shape)}, not {tuple(wanted[key].shape)}"
    return None


def recognised(state: State) -> list[str]:
    """Names of the published models that these tensors fit."""
    shapes = {key: value.to("meta") for key, value in state.items()}
    sides = {side for value in state.values() for side in value.shape}
    found = []
    for checkpoint in CHECKPOINTS.values():
        if checkpoint.shape is not None and checkpoint.dimension in sides:
            kind = family(checkpoint.family)
            try:
                network, fitting = _fitted(shapes, kind, kind.config(**checkpoint.shape))
            except (RuntimeError, ValueError, IndexError):  # parts that cannot be joined: another family's
                continue
            if misfit(network, fitting) is None:
                found.append(checkpoint.name)
    return found


def _fitted(state: State, kind: Family, config: Any) -> tuple[Backbone, State]:
    """The network, without storage until it is filled, and the tensors by its names.

    The giant would need its 4.5 GB twice else, and no random number is drawn.
    """
    with torch.device("meta"):
        network = kind.network(config)
    return network, official_keys(dict(state), kind, config)


def _from_metadata(metadata: dict[str, str], path: Path) -> tuple[Family, Any]:
    try:
        config = json.loads(metadata["config"])
        deep = {key: value for key, value in config.items() if key.startswith("depth")}
        if max(_numbers(config), default=0) > _LARGEST or sum(_numbers(deep)) > _DEEPEST:
            raise ValueError("a model larger than any")
        kind = family(config.pop("family"))
        shape = {key: tuple(value) if isinstance(value, list) else value for key, value in config.items()}
        found = kind.config(**shape)
        with torch.device("meta"):
            kind.network(found)
        return kind, found
    except (KeyError, ValueError, TypeError, AttributeError, RuntimeError, ArithmeticError) as error:
        raise _misfit(path, f"its metadata names no architecture ({error})") from None


def _numbers(value: Any) -> Iterator[float]:
    if isinstance(value, (int, float)):
        yield value
    elif isinstance(value, (list, dict)):
        for part in value.values() if isinstance(value, dict) else value:
            yield from _numbers(part)


def _does_not_fit(path: Path, reason: str, checkpoint: Checkpoint, state: State) -> DamagedWeightsError:
    names = [name for name in recognised(state) if name != checkpoint.name]
    return _misfit(path, f"{reason} ({checkpoint.name} is asked for)", " or ".join(names) or "NAME")


def _misfit(path: Path, reason: str, name: str = "NAME") -> DamagedWeightsError:
    return DamagedWeightsError(
        f"{path} does not fit the model: {reason}; name the model of these weights with: --model {name}"
    )
