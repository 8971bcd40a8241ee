"""Records as JSON-ready dictionaries and back, for those who hand them to another process; `to_dict` stands in records.

Every reader takes what its writer gave through JSON, and ignores fields that it does not know: an older program may
read what a newer one wrote.
"""

from __future__ import annotations

import base64
import dataclasses
from collections.abc import Mapping
from datetime import datetime
from typing import Any, TypeVar

import numpy as np

from dinosearch.records.answers import Hit, IndexSummary
from dinosearch.records.explanation import Explanation
from dinosearch.records.files import Problem

T = TypeVar("T")
_ARRAYS = {"float32", "float64", "int64", "uint8"}
_MOST = 1 << 26
"""Numbers of an array that is read."""


def hit_from_dict(data: Mapping[str, Any]) -> Hit:
    """Read what `Hit.to_dict` gave."""
    taken, box = data.get("taken"), data.get("box")
    return known_fields(
        Hit,
        {
            **data,
            "taken": datetime.fromisoformat(taken) if taken else None,
            "box": tuple(map(float, box)) if box else None,
        },
    )


def summary_to_dict(summary: IndexSummary) -> dict[str, Any]:
    """All of a run, the failures included."""
    return {**summary.to_dict(), "failures": [dataclasses.asdict(problem) for problem in summary.failures]}


def summary_from_dict(data: Mapping[str, Any]) -> IndexSummary:
    """Read what `summary_to_dict` gave."""
    failures = tuple(known_fields(Problem, problem) for problem in data.get("failures", ()))
    return known_fields(IndexSummary, {**data, "failures": failures})


def explanation_to_dict(explanation: Explanation) -> dict[str, Any]:
    """Numbers as they are; arrays as base64 of their bytes, little-endian, with type and shape."""
    data: dict[str, Any] = {
        name: getattr(explanation, name) for name in ("score", "without", "inliers", "bound", "box", "matched")
    }
    for name in ("pairs", "outline"):
        data[name] = array_to_dict(getattr(explanation, name))
    for name in ("heat", "colours"):
        data[name] = [array_to_dict(one) for one in getattr(explanation, name)]
    return data


def explanation_from_dict(data: Mapping[str, Any]) -> Explanation:
    """Read what `explanation_to_dict` gave.

    Raises:
        ValueError: an array that is none.
    """
    arrays = {name: array_from_dict(data[name]) for name in ("pairs", "outline")}
    pairs = {name: tuple(array_from_dict(one) for one in data[name]) for name in ("heat", "colours")}
    box = tuple(map(float, data["box"])) if data["box"] else None
    return known_fields(Explanation, {**data, **arrays, **pairs, "box": box})


def array_to_dict(array: np.ndarray | None) -> dict[str, Any] | None:
    """An array as JSON can hold it; None stays None."""
    if array is None:
        return None
    if str(array.dtype) not in _ARRAYS:
        raise ValueError(f"arrays of {array.dtype} are not handed on")
    little = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
    return {"dtype": str(array.dtype), "shape": list(array.shape), "data": base64.b64encode(little.tobytes()).decode()}


def array_from_dict(data: Mapping[str, Any] | None) -> np.ndarray | None:
    """Read what `array_to_dict` gave; the array may be written to.

    Raises:
        ValueError: another type, or a shape that does not fit the bytes.
    """
    if data is None:
        return None
    shape = tuple(data["shape"])
    if data["dtype"] not in _ARRAYS or not all(type(side) is int and 0 <= side <= _MOST for side in shape):
        raise ValueError(f"{str(data['dtype'])[:20]!r} of shape {str(shape)[:40]} is no array that is handed on")
    content = base64.b64decode(data["data"], validate=True)
    little = np.frombuffer(content, np.dtype(data["dtype"]).newbyteorder("<"))
    return little.reshape(shape).astype(data["dtype"])


def known_fields(kind: type[T], data: Mapping[str, Any]) -> T:
    """A dataclass of the fields of `data` that it knows."""
    names = {field.name for field in dataclasses.fields(kind)}  # type: ignore[arg-type]
    return kind(**{name: value for name, value in data.items() if name in names})
