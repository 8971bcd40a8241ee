"""Classes of images: classifiers on frozen vectors, measured; and labels that neighbours vote for, kept as tags."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dinosearch.lazy import later

if TYPE_CHECKING:
    from dinosearch.analysis.classify.embedded import Vectors, embed, given, kept_folder
    from dinosearch.analysis.classify.examples import Examples, food101, read_examples
    from dinosearch.analysis.classify.experiment import Classification, MethodResult, classify
    from dinosearch.analysis.classify.measures import Figures, figures
    from dinosearch.analysis.classify.methods import METHODS, Wanted
    from dinosearch.analysis.classify.said import Said, read_said
    from dinosearch.analysis.classify.voting import Ballot, Outcome, hold_vote

__all__ = [
    "METHODS",
    "Ballot",
    "Classification",
    "Examples",
    "Figures",
    "MethodResult",
    "Outcome",
    "Said",
    "Vectors",
    "Wanted",
    "classify",
    "embed",
    "figures",
    "food101",
    "given",
    "hold_vote",
    "kept_folder",
    "read_examples",
    "read_said",
]

__getattr__ = later(
    __name__,
    {
        **dict.fromkeys(("Vectors", "embed", "given", "kept_folder"), ".embedded"),
        **dict.fromkeys(("Examples", "food101", "read_examples"), ".examples"),
        **dict.fromkeys(("Classification", "MethodResult", "classify"), ".experiment"),
        **dict.fromkeys(("Figures", "figures"), ".measures"),
        **dict.fromkeys(("METHODS", "Wanted"), ".methods"),
        **dict.fromkeys(("Said", "read_said"), ".said"),
        **dict.fromkeys(("Ballot", "Outcome", "hold_vote"), ".voting"),
    },
)
