"""From query vectors to a ranking, and from a first ranking to the answer; it reads no file and no image."""

from dinosearch.retrieval.colours import shared_colours
from dinosearch.retrieval.combine import combine
from dinosearch.retrieval.matching import heat
from dinosearch.retrieval.maxsim import maxsim
from dinosearch.retrieval.patches import Patches, describe
from dinosearch.retrieval.rerank import PRESETS, Pictures, Rerank, rerank
from dinosearch.retrieval.verification import Match, verify_all

__all__ = [
    "PRESETS",
    "Match",
    "Patches",
    "Pictures",
    "Rerank",
    "combine",
    "describe",
    "heat",
    "maxsim",
    "rerank",
    "shared_colours",
    "verify_all",
]
