"""The JSON of answers as the records that `Collection` gives."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from dinosearch.records import Calibration, Fingerprint, Generation, IndexInfo, Label, Problem, Verdict
from dinosearch.records.wire import known_fields, summary_from_dict

if TYPE_CHECKING:
    from collections.abc import Callable

    from dinosearch.collection.reports import (
        CollectionInfo,
        CompactReport,
        MigrationEstimate,
        MigrationReport,
        VerifyReport,
    )
    from dinosearch.records.facets import Facets

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


def migration_report_of(data: Mapping[str, Any]) -> MigrationReport:
    """What `MigrationReport.to_dict` gave."""
    from dinosearch.collection.reports import MigrationReport

    lists = {name: tuple(known_fields(Problem, one) for one in data[name]) for name in ("left", "dropped")}
    model = Fingerprint.from_dict(data["model"])
    return known_fields(MigrationReport, {**data, **lists, "model": model, "made": tuple(data["made"])})


def migration_estimate_of(data: Mapping[str, Any]) -> MigrationEstimate:
    """What `MigrationEstimate.to_dict` gave."""
    from dinosearch.collection.reports import MigrationEstimate

    return known_fields(MigrationEstimate, {**data, "model": Fingerprint.from_dict(data["model"])})


def facets_of(data: Mapping[str, Any]) -> Facets:
    """What filters can be made of."""
    from dinosearch.records.facets import Facets, Span

    def counted(name: str, key: str) -> dict[str, int]:
        return {one[key]: one["files"] for one in data[name]}

    def span(name: str) -> Span[int]:
        return Span(data[name]["min"], data[name]["max"])

    first, last = (datetime.fromisoformat(text) if (text := data["taken"][end]) else None for end in ("first", "last"))
    return Facets(
        counted("folders", "path"),
        counted("formats", "format"),
        counted("cameras", "camera"),
        counted("labels", "label"),
        Span(first, last),
        span("width"),
        span("height"),
        span("size"),
    )


def label_of(data: Mapping[str, Any]) -> Label:
    """What one image is called."""
    made = datetime.fromisoformat(data["made"])
    return Label(data["id"], data["label"], data["confidence"], data["given"], made)


def verdict_of(data: Mapping[str, Any]) -> Verdict:
    """What was said of one query and one result."""
    made, generation = datetime.fromisoformat(data["made"]), data["generation"]
    return Verdict(data["query_sha256"], data["id"], data["same"], data["score"], generation, made, data["query"])


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
    "migrate": migration_report_of,
    "migrate_back": migration_report_of,
    "estimate_migration": migration_estimate_of,
    "forget_kept": lambda data: data["freed"],
}
"""How the result of a job is read, by its verb."""


def _maybe(read: Reading, data: Mapping[str, Any] | None) -> Any:
    return None if data is None else read(data)
