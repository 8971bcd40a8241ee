"""What clients get: models that describe the answers in the OpenAPI document. They check nothing at run time."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import ConfigDict, Field

from dinosearch.server.wire.schemas import Answered

_IMAGES_STATE = "Rises where images, files or vectors may have changed, and not with what is said of images."


class Hit(Answered):
    """One file that was found."""

    rank: int
    score: float = Field(description="Cosine, -1 to 1.")
    id: int
    path: str
    width: int
    height: int
    format: str
    size: int
    taken: str | None
    camera: str | None
    box: list[float] | None
    confidence: float | None
    label: str | None
    label_confidence: float | None = Field(description="Share of the vote for the label; 1 where a person gave it.")


class Answer(Answered):
    """A page of hits, best first."""

    hits: list[Hit]
    next: str | None = Field(description="Cursor of the next page.")
    state: int = Field(description="Rises with every change of the collection.")
    took: dict[str, float] = Field(description="Milliseconds of each stage.")


class VectorsAnswer(Answered):
    """Hits of each vector."""

    answers: list[list[Hit]]
    state: int


class Ranking(Answered):
    """Ids of each vector, -1 where fewer exist, and their scores."""

    ids: list[list[int]]
    scores: list[list[float | None]]


class Embedded(Answered):
    """Vectors of uploaded images, of unit length."""

    vectors: list[list[float]]


class VectorsGiven(Answered):
    """Stored vectors."""

    ids: list[int]
    vectors: list[list[float]]
    next: str | None


class Brief(Answered):
    """One collection of the server."""

    name: str
    images: int
    files: int
    model: str | None
    dimension: int | None = Field(description="Numbers of a vector.")
    state: int
    images_state: int = Field(description=_IMAGES_STATE)
    writable: bool
    calibrated: bool
    regions: bool


class Collections(Answered):
    """The collections of the server."""

    collections: list[Brief]


class Info(Answered):
    """What a collection holds and how well its index finds."""

    model_config = ConfigDict(extra="allow")

    name: str
    state: int
    images_state: int = Field(description=_IMAGES_STATE)
    writable: bool
    home: str
    images: int
    files: int
    removed: int
    failed: int
    rows: int
    bytes: int
    fingerprint: dict[str, Any] | None
    roots: list[dict[str, Any]]
    derived: list[dict[str, Any]]
    models: list[dict[str, Any]]
    calibration: dict[str, Any] | None
    is_refined: bool = Field(description="Whether refined vectors are searched in place of the model's own.")


class File(Answered):
    """One file of the collection."""

    id: int
    path: str
    sha256: str
    width: int
    height: int
    format: str
    size: int
    modified: str
    added: str
    taken: str | None
    camera: str | None
    label: str | None = Field(default=None, description="There with what follows where the image has one.")
    label_confidence: float | None = None
    label_given: bool | None = None


class Files(Answered):
    """A page of files, in the order of id and path."""

    files: list[File]
    next: str | None


class Facets(Answered):
    """What filters can be made of."""

    folders: list[dict[str, Any]]
    formats: list[dict[str, Any]]
    cameras: list[dict[str, Any]]
    labels: list[dict[str, Any]]
    taken: dict[str, str | None]
    width: dict[str, int | None]
    height: dict[str, int | None]
    size: dict[str, int | None]


class ImageFacts(Answered):
    """One image and its files."""

    id: int
    width: int
    height: int
    files: list[File]


class Array(Answered):
    """Numbers, as base64 of their little-endian bytes."""

    dtype: str
    shape: list[int]
    data: str


class Explained(Answered):
    """Why two images match, and where; places are fractions of the upright images."""

    score: float
    without: float | None
    inliers: int
    bound: int
    matched: bool
    pairs: Array = Field(description="(n, 4) x and y in the query, x and y in the result.")
    outline: Array | None = Field(description="(4, 2) corners of the query in the result.")
    box: list[float] | None
    heat: list[Array] = Field(description="Two (h, w), of the query and of the result.")
    colours: list[Array] = Field(description="Two (h, w, 3), of the query and of the result.")


class Map(Answered):
    """A place in the plane for each image."""

    state: int
    points: list[list[float]] = Field(description="id, x, y; x and y 0 to 1.")
    method: str


class Computing(Answered):
    """It is being made; ask again after the seconds of Retry-After."""

    status: Literal["computing"] = "computing"
    doing: str = Field(description="What is being done, in words.")
    progress: float | None = Field(description="How much of that is done, 0..1; null while nobody knows.")


class Copy(File):
    """One file of a group."""

    score: float = Field(description="Cosine with the first image of the group.")


class Group(Answered):
    """Files that are equal, or near to each other."""

    kind: Literal["exact", "near"]
    score: float = Field(description="Smallest cosine by which an image joined the group.")
    files: list[Copy]


class Groups(Answered):
    """A page of duplicates."""

    state: int
    groups: list[Group]
    next: str | None


class Status(Answered):
    """How the server is."""

    status: str


class Problem(Answered):
    """An error (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: str
    request_id: str
