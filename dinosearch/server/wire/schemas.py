"""What clients may send, typed and bounded: the fields and the bodies of requests; `answers` has what they get."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

LARGEST_ID = 2**63 - 1
LONGEST_VECTOR = 16_384
MOST_EXAMPLES = 16
MOST_HITS = 1_000
DEEPEST = 10_000
"""Hits that can be paged through."""


def _whole(value: Any) -> Any:
    """JSON has one kind of number: 10.0 is 10."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def digits(value: Any) -> Any:
    """A number in an address is written in digits only, in one way."""
    if isinstance(value, str):
        if not (value.isascii() and value.isdecimal() and len(value) < 20 and str(int(value)) == value):
            raise ValueError("it is no number")
        return int(value)
    return value


def _length(value: Any) -> Any:
    """Text that can be stored and compared: without halves of characters."""
    if isinstance(value, str) and any("\ud800" <= c <= "\udfff" for c in value):
        raise ValueError("it has half a character")
    return value


_WHOLE = BeforeValidator(_whole, json_schema_input_type=int)
_TEXT = BeforeValidator(_length, json_schema_input_type=str)

Id = Annotated[int, _WHOLE, Field(ge=0, le=LARGEST_ID, description="Number of an image.")]
Count = Annotated[int, _WHOLE]
Number = Annotated[float, Field(allow_inf_nan=False)]
Text = Annotated[str, _TEXT]
_LARGEST_FLOAT32 = 3.4e38
Component = Annotated[float, Field(ge=-_LARGEST_FLOAT32, le=_LARGEST_FLOAT32, allow_inf_nan=False)]
Vector = Annotated[list[Component], Field(min_length=1, max_length=LONGEST_VECTOR)]
Where = Annotated[
    Text | None,
    Field(max_length=2_000, description="A filter, such as `taken >= 2020-01-01 and width > 1000`."),
]
Threshold = Annotated[Number | None, Field(ge=-1, le=1, description="Smallest score to answer.")]
Rerank = Annotated[
    Text | None,
    Field(max_length=200, description="`fast`, `balanced`, `thorough`, or stages joined by commas."),
]
Cursor = Annotated[Text | None, Field(max_length=400, description="`next` of the page before.")]
Page = Annotated[int, _WHOLE, Field(ge=1, le=MOST_HITS, description="Hits of a page.")]
Box = Annotated[
    list[Number] | None,
    Field(min_length=4, max_length=4, description="Left, top, right, bottom: pixels, or fractions if all are below 1."),
]
Url = Annotated[Text | None, Field(max_length=2_000, description="A web address, where the server allows it.")]
PathId = Annotated[
    int,
    BeforeValidator(digits),
    Field(ge=0, le=LARGEST_ID),
    WithJsonSchema({"type": "integer", "minimum": 0, "maximum": LARGEST_ID}),
]
QueryCount = Annotated[int, BeforeValidator(digits), Field(ge=1, le=MOST_HITS)]


class Asked(BaseModel):
    """A part of a request: nothing else may be in it."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


class Answered(BaseModel):
    """A part of an answer."""


class Example(Asked):
    """One picture to ask with: exactly one of id, vector, url and part."""

    id: Id | None = None
    vector: Vector | None = Field(default=None, description="A vector of `embed`.")
    url: Url = None
    part: Annotated[Count | None, Field(ge=0, lt=MOST_EXAMPLES, description="Which uploaded file, from 0.")] = None
    weight: Annotated[Number, Field(gt=0, le=1e6, description="How much it counts.")] = 1.0


Examples = Annotated[list[Example], Field(max_length=MOST_EXAMPLES)]


class Question(Asked):
    """A question to a collection: by examples, by a part of one, with conditions."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"examples": [{"id": 1}], "k": 10}]})

    examples: Examples = Field(default=[], description="What the answer shall be like.")
    negatives: Examples = Field(default=[], description="What the answer shall not be like.")
    box: Box = None
    k: Page = 10
    cursor: Cursor = None
    where: Where = None
    threshold: Threshold = None
    precision: Annotated[Number | None, Field(gt=0, lt=1, description="Share of hits that shall be right.")] = None
    exact: bool = Field(default=False, description="Compare with every vector.")
    include_self: bool = Field(default=False, description="Answer the asked images too.")
    unique: bool = Field(default=False, description="Answer identical files once.")
    rerank: Rerank = None
    regions: bool | None = Field(default=None, description="Search parts of the images.")


class VectorsQuestion(Asked):
    """A question by vectors, each answered on its own."""

    vectors: Annotated[list[Vector], Field(min_length=1, max_length=1_000)]
    k: Page = 10
    where: Where = None
    threshold: Threshold = None
    exact: bool = False
    unique: bool = False
    rerank: Annotated[Text, Field(max_length=200)] = "fast"


class TextsQuestion(Asked):
    """A question in words; what several texts have in common is looked for."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"texts": ["a red door"]}]})

    texts: Annotated[list[Annotated[Text, Field(min_length=1, max_length=1_000)]], Field(min_length=1, max_length=16)]
    k: Page = 10
    where: Where = None
    threshold: Threshold = None
    exact: bool = False
    unique: bool = False


class RankQuestion(Asked):
    """A ranking of ids by vectors."""

    vectors: Annotated[list[Vector], Field(min_length=1, max_length=1_000)]
    k: Page = 10
    ids: Annotated[list[Id] | None, Field(max_length=100_000, description="Images that may be answered.")] = None
    where: Where = None
    exact: bool = False
    rerank: Annotated[Text, Field(max_length=200)] = "fast"


class VectorsWanted(Asked):
    """Which stored vectors are wanted: those of ids, or a page of all."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"ids": [1, 2]}, {"limit": 100}]})

    ids: Annotated[list[Id] | None, Field(max_length=10_000)] = None
    limit: Annotated[int, _WHOLE, Field(ge=1, le=10_000)] = 1_000
    cursor: Cursor = None


class Result(Asked):
    """The image that is explained."""

    id: Id


class ExplainQuestion(Asked):
    """Two images to compare."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"query": {"id": 1}, "result": {"id": 2}}]})

    query: Example
    result: Result


class Login(Asked):
    """What opens a session."""

    token: Annotated[Text, Field(max_length=1_000)]
