"""The JSON of answers as the records that `Collection` gives."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from dinosearch.records import Calibration, Fingerprint, Generation, IndexInfo, Problem
from dinosearch.records.wire import known_fields, summary_from_dict

if TYPE_CHECKING:
    from collections.abc import Callable

    from dinosearch.collection.reports import CollectionInfo, CompactReport, VerifyReport

    Reading = Callable[[Mapping[str, Any]], Any]


def info_of(data: Mapping[str, Any]) -> CollectionInfo:
    """What `CollectionInfo.to_dict` gave."""
    from dinosearch.collection.reports import CollectionInfo, DerivedInfo, ModelInfo, RootInfo

    return known_fields(
        CollectionInfo,
        {
            **data,
            "fingerprint": _maybe(Fingerprint.from_dict, data["fingerprint"]),
            "index": _maybe(IndexInfo.from_dict, data["index"]),
            "roots": tuple(known_fields(RootInfo, root) for root in data["roots"]),
            "derived": tuple(known_fields(DerivedInfo, derived) for derived in data["derived"]),
            "models": tuple(
                known_fields(ModelInfo, {**model, "fingerprint": Fingerprint.from_dict(model["fingerprint"])})
                for model in data["models"]
            ),
        },
    )


def generation_of(data: Mapping[str, Any]) -> Generation:
    """A generation of vectors."""
    fingerprint, index = Fingerprint.from_dict(data["fingerprint"]), _maybe(IndexInfo.from_dict, data["index"])
    return known_fields(Generation, {**data, "fingerprint": fingerprint, "index": index})


def verify_report_of(data: Mapping[str, Any]) -> VerifyReport:
    """What `VerifyReport.to_dict` gave."""
    from dinosearch.collection.reports import VerifyReport

    lists = {name: tuple(known_fields(Problem, one) for one in data[name]) for name in ("problems", "lost")}
    return known_fields(VerifyReport, {**data, **lists})


def compact_report_of(data: Mapping[str, Any]) -> CompactReport:
    """What `CompactReport.to_dict` gave."""
    from dinosearch.collection.reports import CompactReport

    return known_fields(CompactReport, data)


def ranking_of(data: Mapping[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    """Ids int64 and scores float32, -inf where there is none."""
    scores = [[-np.inf if score is None else score for score in row] for row in data["scores"]]
    return np.array(data["ids"], np.int64), np.array(scores, np.float32)


def calibration_of(data: Mapping[str, Any] | None) -> Calibration | None:
    """A calibration, or none."""
    return None if data is None else Calibration.from_dict(data)


RESULTS: dict[str, Reading] = {
    "index": summary_from_dict,
    "remove": lambda data: data["removed"],
    "verify": verify_report_of,
    "compact": compact_report_of,
    "refine": generation_of,
    "diffuse": generation_of,
    "unrefine": lambda data: None,
    "calibrate": calibration_of,
}
"""How the result of a job is read, by its verb."""


def _maybe(read: Reading, data: Mapping[str, Any] | None) -> Any:
    return None if data is None else read(data)
