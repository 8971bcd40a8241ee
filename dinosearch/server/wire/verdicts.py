"""What clients say of results, and what they get of it: whether they show the same thing as the query."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import ConfigDict, Field

from dinosearch.server.wire.schemas import Answered, Asked, Id, Text

LISTED = 200
"""Results that may be named in an address."""
Sha256 = Annotated[
    Text | None,
    Field(pattern=r"^[0-9a-f]{64}$", description="Or the SHA-256 of its content: of a query that has no id."),
]


class VerdictsGiven(Asked):
    """What a person says about results."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"query": 1, "results": [2, 3], "same": True}]})

    query: Id
    results: Annotated[list[Id], Field(min_length=1, max_length=1_000)]
    same: bool


class Judged(Answered):
    """What the collection knows after a verdict."""

    calibration: dict[str, Any] | None


class VerdictSaid(Answered):
    """What was said of one query and one result, of which score, and when.

    `query` is the id of the query where it is an image of the collection; `generation` the number of the vectors that
    the score is of: the calibration follows only verdicts on those that answer now.
    """

    query: int | None
    query_sha256: str
    id: int
    same: bool
    score: float
    generation: int
    made: str


class VerdictsSaid(Answered):
    """A page of verdicts, in the order of the queries' digests and of ids."""

    verdicts: list[VerdictSaid]
    total: int = Field(description="Verdicts of all pages.")
    next: str | None


class VerdictsForgotten(Asked):
    """Which verdicts are taken back."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"query": 1, "results": [2]}]})

    query: Id | None = Field(default=None, description="Of this query; of all without it.")
    query_sha256: Sha256 = None
    results: Annotated[list[Id] | None, Field(max_length=10_000, description="On these images; on all without it.")] = (
        None
    )


class TakenBack(Judged):
    """How many verdicts were taken back, and what the collection knows without them."""

    written: int
    state: int
