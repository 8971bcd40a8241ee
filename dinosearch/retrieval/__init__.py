"""From query vectors to a ranking, and from a first ranking to the answer; it reads no file and no image."""

from dinosearch.retrieval.combine import combine
from dinosearch.retrieval.rerank import PRESETS, Rerank, rerank

__all__ = ["PRESETS", "Rerank", "combine", "rerank"]
