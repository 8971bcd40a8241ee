"""From query vectors to a ranking, and from a first ranking to the answer; it reads no file and no image."""

from dinosearch.retrieval.colours import shared_colours
from dinosearch.retrieval.combine import combine
from dinosearch.retrieval.matching import heat
from dinosearch.retrieval.patches import Patches, describe
from dinosearch.retrieval.rerank import GEOMETRY, PRESETS, Rerank, rerank
from dinosearch.retrieval.verification import Match, verify_all

__all__ = [
    "GEOMETRY",
    "PRESETS",
    "Match",
    "Patches",
    "Rerank",
    "combine",
    "describe",
    "heat",
    "rerank",
    "shared_colours",
    "verify_all",
]
