"""What patches of images show: colours by components, corresponding places, common subjects and their parts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dinosearch.lazy import later

if TYPE_CHECKING:
    from dinosearch.analysis.dense.components import Coloured, colour
    from dinosearch.analysis.dense.grids import DenseImage
    from dinosearch.analysis.dense.matches import Pair, match
    from dinosearch.analysis.dense.reading import DenseGroup, DenseReader
    from dinosearch.analysis.dense.segments import Segments, Subject, find_subject

__all__ = [
    "Coloured",
    "DenseImage",
    "DenseReader",
    "DenseGroup",
    "Pair",
    "Segments",
    "Subject",
    "colour",
    "find_subject",
    "match",
]

__getattr__ = later(
    __name__,
    {
        **dict.fromkeys(("Coloured", "colour"), ".components"),
        "DenseImage": ".grids",
        **dict.fromkeys(("Pair", "match"), ".matches"),
        **dict.fromkeys(("DenseGroup", "DenseReader"), ".reading"),
        **dict.fromkeys(("Segments", "Subject", "find_subject"), ".segments"),
    },
)
