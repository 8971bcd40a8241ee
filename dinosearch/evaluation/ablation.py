"""One run for every combination of what an ablation varies; which axes there are is a table."""

from __future__ import annotations

import hashlib
import itertools
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from dinosearch.arguments import checked
from dinosearch.collection import Collection
from dinosearch.collection.derived.refining import Refinement
from dinosearch.embedding import resolve
from dinosearch.errors import SettingError
from dinosearch.evaluation.dataset import Dataset
from dinosearch.evaluation.measuring import Options
from dinosearch.evaluation.result import Run
from dinosearch.evaluation.run import run
from dinosearch.protocols import Progress
from dinosearch.records import Pooling, Preprocessing, scales_named
from dinosearch.retrieval import Rerank
from dinosearch.vectors.ladder import LADDERS


@dataclass(frozen=True)
class Plan:
    """One run to do: how the collection is opened, what the run varies, what it is called.

    Attributes:
        model: keyword arguments of `Collection.open`; what decides the vectors decides the home.
        options: of the run.
        label: its row in the tables.
    """

    model: dict[str, Any]
    options: Options
    label: str


def _size(plan: Plan, value: str) -> Plan:
    pixels = Preprocessing.parse(str(plan.model.get("preprocessing") or Preprocessing()))
    if not value.isdecimal():
        raise SettingError(f"size {value!r} is not a number of pixels, such as 448")
    return _model("preprocessing", plan, f"{pixels.mode}-{value}")


def _model(name: str, plan: Plan, value: str) -> Plan:
    return replace(plan, model={**plan.model, name: value})


def _preprocessing(plan: Plan, value: str) -> Plan:
    try:
        return _model("preprocessing", plan, str(Preprocessing.parse(value)))
    except ValueError as error:
        raise SettingError(str(error)) from None


def _recall(plan: Plan, value: str) -> Plan:
    try:
        target = float(value)
    except ValueError:
        target = 0.0
    if not 0 < target <= 1:
        raise SettingError(f"recall {value!r} is not a share such as 0.98")
    return replace(plan, options=replace(plan.options, recall=target))


def _pooling(plan: Plan, value: str) -> Plan:
    try:
        return _model("pooling", plan, str(Pooling.parse(value)))
    except ValueError as error:
        raise SettingError(str(error)) from None


def _scales(plan: Plan, value: str) -> Plan:
    try:
        scales_named(value)
    except ValueError as error:
        raise SettingError(str(error)) from None
    return _model("scales", plan, value)


def _index(plan: Plan, value: str) -> Plan:
    exact = value == "exact"
    if not exact and value not in LADDERS:
        raise SettingError(f"index {value!r} is not one of {', '.join(LADDERS)}, exact")
    return replace(plan, options=replace(plan.options, exact=exact, index_type=None if exact else value))


def _crop(plan: Plan, value: str) -> Plan:
    if value not in ("none", "bbx"):
        raise SettingError(f"query-crop {value!r} is neither none nor bbx")
    return replace(plan, options=replace(plan.options, query_crop=value == "bbx"))


def _rerank(plan: Plan, value: str) -> Plan:
    # values are separated by commas, so stages are joined by plus signs here
    stages = value.replace("+", ",")
    try:
        Rerank.parse(stages)
    except ValueError as error:
        raise SettingError(str(error)) from None
    return replace(plan, options=replace(plan.options, rerank=stages))


def _refine(plan: Plan, value: str) -> Plan:
    try:
        Refinement.parse(value)
    except ValueError as error:
        raise SettingError(str(error)) from None
    return replace(plan, options=replace(plan.options, refine=value))


AXES: dict[str, Callable[[Plan, str], Plan]] = {
    "model": lambda plan, value: _model("model", plan, value),
    "preprocessing": _preprocessing,
    "size": _size,
    "pooling": _pooling,
    "scales": _scales,
    "index": _index,
    "recall": _recall,
    "rerank": _rerank,
    "refine": _refine,
    "query-crop": _crop,
}
"""What `--ablate AXIS=VALUE,VALUE` can vary: a function that sets one value."""


@checked
def plans(model: dict[str, Any], options: Options, axes: Sequence[tuple[str, Sequence[str]]]) -> Iterator[Plan]:
    """Every combination of the axes' values, the last axis fastest; one plan where there are none.

    Raises:
        SettingError: an axis or value that there is not.
    """
    for name, values in axes:
        if name not in AXES:
            raise SettingError(f"there is no axis {name!r} to vary; known are {', '.join(AXES)}")
        if not values:
            raise SettingError(f"axis {name} has no values; write --ablate {name}=VALUE,VALUE")
    for combination in itertools.product(*(values for _, values in axes)):
        plan = Plan(model, options, "")
        words = []
        for (name, _), value in zip(axes, combination, strict=True):
            plan = AXES[name](plan, value)
            words.append(value if name in ("model", "preprocessing") else f"{name} {value}")
        yield replace(plan, label=", ".join(words))


@checked
def run_plans(
    dataset: Dataset,
    base: Path,
    planned: Sequence[Plan],
    notify: Callable[[str], None] | None = None,
    progress: Progress | None = None,
) -> Iterator[Run]:
    """Do the runs one after the other; runs with equal vectors share a home, so nothing is embedded twice.

    Args:
        dataset: what to measure on.
        base: folder for the homes; kept, so that the next benchmark embeds nothing.
        planned: what `plans` gave.
        notify: told the sentences of `Collection.open`.
        progress: told about the stages.
    """
    # `auto` is settled first, so that a home never keeps the bundled model when better weights have come; and all of it
    # before the first run, so that a wrong name does not show after hours
    found = [
        resolve(plan.model.get("model") or "auto", plan.model.get("weights"), notify, progress) for plan in planned
    ]
    for plan, (checkpoint, _) in zip(planned, found, strict=True):
        model = {**plan.model, "model": checkpoint.name}
        home = base / home_name(model)
        with Collection.open(home, create=True, notify=notify, progress=progress, **model) as collection:
            yield run(dataset, collection, base, plan.options, plan.label or _label(model), progress)


def home_name(model: dict[str, Any]) -> str:
    """A folder's name for what decides the vectors: model, preprocessing, pooling, several scales, weights by hand."""
    words = [str(model.get(name) or default) for name, default in _VECTORS]
    if model.get("scales") not in (None, "1"):
        words.append(f"scales-{model['scales']}")
    if model.get("weights"):
        words.append(hashlib.sha256(os.path.abspath(model["weights"]).encode()).hexdigest()[:8])
    return "-".join(word.replace("/", "_") for word in words)


_VECTORS = (("model", "auto"), ("preprocessing", "squash-224"), ("pooling", "cls"))


def _label(model: dict[str, Any]) -> str:
    return " ".join(str(model.get(name) or default) for name, default in _VECTORS[:2])
