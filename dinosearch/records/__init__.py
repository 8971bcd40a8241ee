"""Frozen records that cross layers; they hold data and their text forms, nothing here reads, computes or stores."""

from dinosearch.records.answers import Hit, IndexSummary
from dinosearch.records.calibration import Calibration, Verdict
from dinosearch.records.explanation import Explanation
from dinosearch.records.files import FoundFile, ImageFacts, ImageInfo, ImageRecord, PreparedImage, Problem
from dinosearch.records.index import KINDS, BuiltIndex, Generation, IndexInfo, Published
from dinosearch.records.labels import Label
from dinosearch.records.model import (
    AGREEMENT,
    SCALES,
    Fingerprint,
    Pooling,
    PoolingPart,
    Preprocessing,
    ResizeMode,
    scales_named,
)

__all__ = [
    "AGREEMENT",
    "BuiltIndex",
    "Calibration",
    "Explanation",
    "Fingerprint",
    "FoundFile",
    "Generation",
    "Hit",
    "ImageFacts",
    "ImageInfo",
    "ImageRecord",
    "IndexInfo",
    "IndexSummary",
    "KINDS",
    "Label",
    "Pooling",
    "PoolingPart",
    "PreparedImage",
    "Preprocessing",
    "Problem",
    "Published",
    "ResizeMode",
    "SCALES",
    "Verdict",
    "scales_named",
]
