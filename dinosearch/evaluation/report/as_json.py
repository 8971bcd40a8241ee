"""Runs as JSON-ready data and back, every float exactly; it reads and writes no files.

    schema   1
    runs     for each: label, dataset, recipe, queries (names), scores, loss, cost, worst, published

NaN is null. Values are shares in 0..1 (N-S: 0..4). The means and intervals stand there for other readers; they are
computed again from the values when the report is read back.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import numpy as np

from dinosearch.evaluation.result import Cost, Example, IndexLoss, Published, Run, Scores, Shown

SCHEMA = 1
VERDICTS = ("relevant", "wrong", "junk")
_RECALL_STEPS = 101

Data = dict[str, Any]
_T = TypeVar("_T")


def to_json(runs: Sequence[Run]) -> Data:
    """The whole report.

    Raises:
        TypeError: a data set or recipe fact that JSON does not know.
    """
    return {"schema": SCHEMA, "runs": [to_dict(run) for run in runs]}


def from_json(data: Any) -> list[Run]:
    """The runs of a report of this schema.

    Raises:
        KeyError: something is missing.
        TypeError: something is of the wrong type.
        ValueError: parts do not fit each other.
    """
    return [from_dict(run) for run in _take(data, "runs", list)]


def to_dict(run: Run) -> Data:
    """One run in JSON's types; raises as `to_json` does."""
    return {
        "label": run.label,
        "dataset": _plain(run.dataset),
        "recipe": _plain(run.recipe),
        "queries": list(run.queries),
        "scores": [_means(scores) | _scores_to_json(scores, run.queries) for scores in run.scores],
        "loss": run.loss
        and {
            "recall": {str(k): _plain(share) for k, share in run.loss.recall.items()},
            "exact": [_scores_to_json(scores, run.queries) for scores in run.loss.exact],
        },
        "cost": _plain(dataclasses.asdict(run.cost)),
        "worst": [_plain(dataclasses.asdict(example)) for example in run.worst],
        "published": [_plain(dataclasses.asdict(one)) for one in run.published],
    }


def from_dict(data: Any) -> Run:
    """Opposite of `to_dict`; raises as `from_json` does."""
    dataset = _take(data, "dataset", dict)
    _take(dataset, "name", str)
    loss = data["loss"]
    return Run(
        label=_take(data, "label", str),
        dataset=dataset,
        recipe=_take(data, "recipe", dict),
        scores=tuple(map(_scores_from_json, _take(data, "scores", list))),
        queries=_names(data, "queries"),
        cost=_cost_from_json(_take(data, "cost", dict)),
        loss=None if loss is None else _loss_from_json(loss, len(data["scores"])),
        worst=tuple(map(_example_from_json, _take(data, "worst", list))),
        published=tuple(map(_published_from_json, _take(data, "published", list))),
    )


def _means(scores: Scores) -> Data:
    found = {measure: scores.mean(measure) for measure in scores.measures}
    return {
        "means": {
            measure: _plain({"mean": mean.value, "low": mean.low, "high": mean.high, "queries": mean.queries})
            for measure, mean in found.items()
        }
    }


def _scores_to_json(scores: Scores, queries: Sequence[str]) -> Data:
    """Rows carry the names of their queries where there is one for each."""
    named = len(queries) == len(scores.values)
    rows = [dict(zip(scores.measures, map(_plain, row), strict=True)) for row in scores.values.tolist()]
    return {
        "setup": scores.setup,
        "measures": list(scores.measures),
        "seed": scores.seed,
        "precision": None if scores.precision is None else _plain(scores.precision),
        "values": [{"query": name} | row for name, row in zip(queries, rows, strict=True)] if named else rows,
    }


def _scores_from_json(data: Any) -> Scores:
    measures = _names(data, "measures")
    if not measures:
        raise ValueError("scores without measures")
    rows = _take(data, "values", list)
    values = np.array([[_number(row[measure]) for measure in measures] for row in rows], np.float64)
    precision = data["precision"]
    if precision is not None and len(precision) != _RECALL_STEPS:
        raise ValueError(f"precision has {len(precision)} steps and not {_RECALL_STEPS}")
    return Scores(
        setup=_take(data, "setup", str),
        measures=measures,
        values=values.reshape(len(rows), len(measures)),
        precision=None if precision is None else np.array([_number(value) for value in precision]),
        seed=_take(data, "seed", int),
    )


def _loss_from_json(data: Any, setups: int) -> IndexLoss:
    exact = tuple(map(_scores_from_json, _take(data, "exact", list)))
    if len(exact) != setups:
        raise ValueError(f"exact search has {len(exact)} setups and not {setups}")
    return IndexLoss({int(k): _number(share) for k, share in _take(data, "recall", dict).items()}, exact)


def _cost_from_json(data: Data) -> Cost:
    embed = data["query_embed_ms"]
    return Cost(
        embedded=_take(data, "embedded", int),
        index_seconds=_number(data["index_seconds"]),
        query_ms=_number(data["query_ms"]),
        query_embed_ms=None if embed is None else _number(embed),
        bytes_per_image=_number(data["bytes_per_image"]),
    )


def _example_from_json(data: Any) -> Example:
    box = data["box"]
    if box is not None and len(box) != 4:
        raise ValueError(f"a box has {len(box)} numbers and not 4")
    return Example(
        setup=_take(data, "setup", str),
        query=_take(data, "query", str),
        path=_take(data, "path", str),
        box=None if box is None else (_number(box[0]), _number(box[1]), _number(box[2]), _number(box[3])),
        value=_number(data["value"]),
        answers=tuple(map(_shown_from_json, _take(data, "answers", list))),
    )


def _shown_from_json(data: Any) -> Shown:
    verdict = _take(data, "verdict", str)
    if verdict not in VERDICTS:
        raise ValueError(f"{verdict!r} is no verdict")
    return Shown(_take(data, "path", str), _number(data["score"]), verdict)


def _published_from_json(data: Any) -> Published:
    texts = {name: _take(data, name, str) for name in ("setup", "measure", "source", "note")}
    return Published(value=_number(data["value"]), **texts)


def _take(data: Any, name: str, kind: type[_T]) -> _T:
    """The part of that name, which must be of that type."""
    if not isinstance(data, dict):
        raise TypeError(f"a {type(data).__name__} where an object with {name!r} should be")
    value = data[name]
    if not isinstance(value, kind) or isinstance(value, bool):
        raise TypeError(f"{name!r} is a {type(value).__name__} and not a {kind.__name__}")
    return value


def _names(data: Any, name: str) -> tuple[str, ...]:
    names = _take(data, name, list)
    if not all(isinstance(item, str) for item in names):
        raise TypeError(f"{name!r} has something else than text in it")
    return tuple(names)


def _number(value: Any) -> float:
    if value is None:
        return math.nan
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"a {type(value).__name__} where a number should be")
    return float(value)


def _plain(value: Any) -> Any:
    """The value in JSON's types: NaN as None, tuples and arrays as lists, NumPy numbers as Python's."""
    if isinstance(value, (np.ndarray, np.generic)):
        return _plain(value.tolist())
    if isinstance(value, Mapping):
        return {str(name): _plain(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return None if isinstance(value, float) and math.isnan(value) else value
