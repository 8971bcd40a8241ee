"""From query vectors to a ranking, and from a first ranking to the answer; it reads no file and no image.

What compares pictures is imported when it is first asked for: most queries compare vectors only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dinosearch.lazy import later
from dinosearch.retrieval.combine import combine
from dinosearch.retrieval.maxsim import maxsim
from dinosearch.retrieval.rerank import PRESETS, Pictures, Rerank, rerank

if TYPE_CHECKING:
    from dinosearch.retrieval.colours import shared_colours
    from dinosearch.retrieval.matching import heat
    from dinosearch.retrieval.patches import Patches, describe
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

__getattr__ = later(
    __name__,
    {
        "Match": ".verification",
        "Patches": ".patches",
        "describe": ".patches",
        "heat": ".matching",
        "shared_colours": ".colours",
        "verify_all": ".verification",
    },
)
