"""What clients say of images, and what they get of it: labels, pairs that are no duplicates."""

from __future__ import annotations

from typing import Annotated

from pydantic import ConfigDict, Field

from dinosearch.server.wire.schemas import Answered, Asked, Cursor, Id, Number, Page, Text

MOST = 100_000
"""Labels, or pairs, that are said at once."""
_Some = Annotated[list[Id] | None, Field(max_length=10_000, description="Of these images; of all without it.")]


class SaidWanted(Asked):
    """What is asked for of what was said, page by page."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"ids": [1, 2]}, {"limit": 100}]})

    ids: _Some = None
    limit: Page = 1_000
    cursor: Cursor = None


class LabelGiven(Asked):
    """What one image is called."""

    id: Id
    label: Annotated[Text, Field(min_length=1, max_length=1_000)]
    confidence: Annotated[Number, Field(ge=0, le=1, description="Share of a vote; 1 where a person says it.")] = 1.0


class LabelsGiven(Asked):
    """What images are called; one that is named twice is called what was said last."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"labels": [{"id": 1, "label": "lighthouse"}], "given": True}]}
    )

    labels: Annotated[list[LabelGiven], Field(max_length=MOST)]
    given: bool = Field(description="Whether a person says so; a vote never replaces what a person said.")


class LabelsForgotten(Asked):
    """Whose labels are forgotten."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"ids": [1]}]})

    ids: _Some = None
    given: bool | None = Field(default=None, description="Only those that people gave, or only those that were voted.")


class PairsGiven(Asked):
    """Pairs of two images, in either order."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"pairs": [[1, 2]]}]})

    pairs: Annotated[
        list[Annotated[list[Id], Field(min_length=2, max_length=2)]],
        Field(max_length=MOST),
    ]


class LabelSaid(Answered):
    """What one image is called, by whom and since when."""

    id: int
    label: str
    confidence: float
    given: bool
    made: str


class LabelsSaid(Answered):
    """A page of labels, in the order of ids."""

    labels: list[LabelSaid]
    next: str | None


class PairsSaid(Answered):
    """A page of pairs that are no duplicates, the smaller id first, in rising order."""

    pairs: list[list[int]]
    total: int = Field(description="Pairs of all pages.")
    next: str | None


class Written(Answered):
    """How much was written, or forgotten."""

    written: int
    state: int
