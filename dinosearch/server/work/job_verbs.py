"""The verbs that a job may have: which arguments a client may give, and how each is run on a collection.

Arguments are those of the methods of `Collection` of the same names. Folders are only those that the collection knows
or the server was started with, also behind symbolic links.
"""

from __future__ import annotations

import dataclasses
import os
import re
from collections.abc import Callable
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError

from dinosearch.collection import Collection
from dinosearch.protocols import Progress
from dinosearch.records.wire import summary_to_dict
from dinosearch.server.wire.bodies import refusal
from dinosearch.server.wire.problems import Refused, invalid
from dinosearch.server.wire.schemas import Answered, Asked, Count, Number, Text

_Path = Annotated[Text, Field(min_length=1, max_length=4_096, pattern=r"^[^\x00]*$")]
_Recall = Annotated[Number | None, Field(gt=0, le=1)]
_Named = Annotated[Text | None, Field(min_length=1, max_length=200)]
_Workers = Annotated[Count | None, Field(ge=1, le=64)]
_ID = re.compile(r"id:\d{1,19}", re.ASCII)


class IndexArguments(Asked):
    """Arguments of the verb `index`."""

    paths: Annotated[list[_Path], Field(min_length=1, max_length=1_000)]
    exclude: Annotated[list[_Path] | None, Field(max_length=1_000)] = None
    follow_symlinks: bool | None = None
    retry_failed: bool | None = None
    recall: _Recall = None
    index_type: Literal["auto", "ivf-flat", "ivf-sq8", "ivf-pq"] | None = None
    workers: _Workers = None
    regions: bool | None = None
    keep_patches: bool | None = None
    text: bool | None = None


class RemoveArguments(Asked):
    """Arguments of the verb `remove`: paths of the collection, or `id:N`."""

    targets: Annotated[list[_Path], Field(min_length=1, max_length=10_000)]


class VerifyArguments(Asked):
    """Arguments of the verb `verify`."""

    repair: bool | None = None


class RefineArguments(Asked):
    """Arguments of the verb `refine`."""

    dimensions: Annotated[Count | None, Field(ge=1, le=16_384)] = None
    power: Annotated[Number | None, Field(ge=0, le=1)] = None
    shrinkage: Annotated[Number | None, Field(ge=0, le=100)] = None
    augment: Annotated[Count | None, Field(ge=0, le=1_000)] = None
    recall: _Recall = None


class DiffuseArguments(Asked):
    """Arguments of the verb `diffuse`."""

    edges: Annotated[Count | None, Field(ge=1, le=1_000)] = None
    truncation: Annotated[Count | None, Field(ge=1, le=100_000)] = None


class CalibrateArguments(Asked):
    """Arguments of the verb `calibrate`."""

    sample: Annotated[Count | None, Field(ge=20, le=100_000)] = None


class EstimateArguments(Asked):
    """Arguments of the verb `estimate_migration`: the model by its name, and what else makes its vectors."""

    model: _Named = None
    preprocessing: _Named = None
    pooling: _Named = None
    scales: _Named = None
    workers: _Workers = None


class MigrateArguments(EstimateArguments):
    """Arguments of the verb `migrate`."""

    restart: bool | None = None
    leave_behind: bool | None = None
    recall: _Recall = None


class MigrateBackArguments(Asked):
    """Arguments of the verb `migrate_back`."""

    leave_behind: bool | None = None
    workers: _Workers = None


class NoArguments(Asked):
    """`compact`, `unrefine` and `forget_kept` have none."""


Verb = Literal[
    "index",
    "remove",
    "compact",
    "verify",
    "refine",
    "diffuse",
    "unrefine",
    "calibrate",
    "migrate",
    "migrate_back",
    "estimate_migration",
    "forget_kept",
]


class JobWanted(Asked):
    """A job to begin."""

    verb: Verb
    arguments: dict[str, Any] = Field(
        default={}, description="Of the verb: see IndexArguments, RemoveArguments, VerifyArguments and so on."
    )


class JobProgress(Answered):
    """How far a job is."""

    stage: str
    doing: str = Field(description="The stage in words, such as `building the index`.")
    done: int
    total: int | None = Field(description="Null while nobody knows.")
    unit: str = Field(description="What is counted, in the plural, such as `images`.")
    rate: float | None = Field(description="Done a second, of the last seconds.")
    eta: float | None = Field(description="Seconds until the end of the stage.")


class JobShown(Answered):
    """A job."""

    id: str
    collection: str
    verb: str
    arguments: dict[str, Any]
    status: Literal["running", "done", "failed", "cancelled"]
    begun: str
    ended: str | None
    progress: JobProgress | None
    result: dict[str, Any] | None
    problem: dict[str, Any] | None


class JobsShown(Answered):
    """The jobs of the server, the newest first."""

    jobs: list[JobShown]


Work = Callable[[Collection, dict[str, Any], Progress], dict[str, Any]]


def _index(collection: Collection, given: dict[str, Any], progress: Progress) -> dict[str, Any]:
    return summary_to_dict(collection.index(*given.pop("paths"), **given, progress=progress))


def _remove(collection: Collection, given: dict[str, Any], progress: Progress) -> dict[str, Any]:
    return {"removed": collection.remove(*given["targets"])}


def _unrefine(collection: Collection, given: dict[str, Any], progress: Progress) -> dict[str, Any]:
    collection.unrefine()
    return {}


VERBS: dict[str, tuple[type[Asked], Work]] = {
    "index": (IndexArguments, _index),
    "remove": (RemoveArguments, _remove),
    "compact": (NoArguments, lambda collection, _, progress: collection.compact(progress=progress).to_dict()),
    "verify": (
        VerifyArguments,
        lambda collection, given, progress: collection.verify(**given, progress=progress).to_dict(),
    ),
    "refine": (
        RefineArguments,
        lambda collection, given, progress: dataclasses.asdict(collection.refine(**given, progress=progress)),
    ),
    "diffuse": (
        DiffuseArguments,
        lambda collection, given, progress: dataclasses.asdict(collection.diffuse(**given, progress=progress)),
    ),
    "unrefine": (NoArguments, _unrefine),
    "calibrate": (
        CalibrateArguments,
        lambda collection, given, progress: collection.calibrate(**given, progress=progress).to_dict(),
    ),
    "migrate": (
        MigrateArguments,
        lambda collection, given, progress: collection.migrate(**given, progress=progress).to_dict(),
    ),
    "migrate_back": (
        MigrateBackArguments,
        lambda collection, given, progress: collection.migrate_back(**given, progress=progress).to_dict(),
    ),
    "estimate_migration": (
        EstimateArguments,
        lambda collection, given, progress: collection.estimate_migration(**given).to_dict(),
    ),
    "forget_kept": (NoArguments, lambda collection, _, progress: {"freed": collection.forget_kept()}),
}
"""By name: the arguments, and what runs it and gives the result as JSON."""


def arguments_of(wanted: JobWanted, collection: Collection, roots: tuple[str, ...]) -> dict[str, Any]:
    """The arguments of a job, checked; those that are left to the library are left out.

    Args:
        wanted: the job.
        collection: whose folders may be indexed.
        roots: folders that may be indexed as well.

    Raises:
        Refused: 422 for what the verb does not take, 403 for a folder that may not be indexed.
    """
    try:
        given = VERBS[wanted.verb][0].model_validate(wanted.arguments).model_dump(exclude_none=True)
    except ValidationError as error:
        raise refusal(error) from None
    if wanted.verb == "index":
        allowed = [os.path.realpath(root) for root in (*roots, *(root.path for root in collection.info().roots))]
        for path in given["paths"]:
            if not os.path.isabs(path):
                raise invalid("it must be a whole path", "arguments.paths")
            if not any(_is_inside(os.path.realpath(path), root) for root in allowed):
                said = "only folders that the collection knows, or that the server was started with, can be indexed"
                raise Refused(403, "FolderNotAllowed", said)
    if wanted.verb == "remove":
        for target in given["targets"]:
            if not os.path.isabs(target) and not _ID.fullmatch(target):
                raise invalid("it is neither a whole path nor an id such as id:12", "arguments.targets")
    return given


def _is_inside(path: str, root: str) -> bool:
    return path == root or path.startswith(os.path.join(root, ""))
