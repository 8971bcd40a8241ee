"""Frozen records that cross layers; they hold data and their text forms, nothing here reads, computes or stores."""

from dinosearch.records.answers import Hit, IndexSummary
from dinosearch.records.explanation import Explanation
from dinosearch.records.files import FoundFile, ImageInfo, ImageRecord, PreparedImage, Problem
from dinosearch.records.index import Generation, IndexInfo, Published
from dinosearch.records.model import POOLINGS, Fingerprint, Preprocessing, ResizeMode, pooling_parts

__all__ = [
    "Explanation",
    "Fingerprint",
    "FoundFile",
    "Generation",
    "Hit",
    "ImageInfo",
    "ImageRecord",
    "IndexInfo",
    "IndexSummary",
    "POOLINGS",
    "PreparedImage",
    "Preprocessing",
    "Problem",
    "Published",
    "ResizeMode",
    "pooling_parts",
]
