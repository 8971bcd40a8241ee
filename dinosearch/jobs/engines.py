"""Who reads, decodes and embeds the shards of a job: this process, or a Ray cluster. Both run the same stages.

An engine is opened, tells what it makes vectors with, and is then given shards; it answers their parts in any order,
and perhaps more than once.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from dinosearch.collection.indexing.run import batch_of
from dinosearch.collection.models.chosen import ModelChoice
from dinosearch.errors import FingerprintMismatchError
from dinosearch.jobs.parts import EmbeddedPart
from dinosearch.jobs.shards import Shard
from dinosearch.protocols import Embedder
from dinosearch.records import Fingerprint, Preprocessing

_PIXELS = 64 << 20  # bytes of a part's prepared images


@dataclass(frozen=True)
class Recipe:
    """What every stage of a job must know of the model.

    Attributes:
        fingerprint: what the vectors are marked with.
        preprocessing: how images are prepared.
        patch: sides of prepared images are multiples of it.
        batch: contents of a part.
    """

    fingerprint: Fingerprint
    preprocessing: Preprocessing
    patch: int
    batch: int

    @classmethod
    def of(cls, embedder: Embedder) -> Recipe:
        """What an embedder asks for."""
        most = max(1, _PIXELS // (3 * embedder.preprocessing.size**2))
        batch = min(batch_of(embedder), most)
        return cls(embedder.fingerprint, embedder.preprocessing, embedder.patch_size, batch)

    def check(self, embedder: Embedder) -> None:
        """Refuse an embedder whose vectors cannot be compared with those of the others.

        Raises:
            FingerprintMismatchError: it is another model, or another family of numbers.
        """
        if not self.fingerprint.matches(embedder.fingerprint):
            raise FingerprintMismatchError(
                f"one machine of the cluster embeds by {embedder.fingerprint}, another by {self.fingerprint}, and they "
                "cannot be compared; give all the same weights, and use: --dtype float32"
            )


@dataclass(frozen=True)
class Resources:
    """What a job may use.

    Attributes:
        workers: decoding processes; None takes one for each core.
        gpus: of a cluster, each with an embedder; None takes all there are, 0 embeds on processors.
        address: of a Ray cluster that runs already; None starts one here for as long as the job takes.
    """

    workers: int | None = None
    gpus: int | None = None
    address: str | None = None


class Engine(Protocol):
    """Opened by `with`, and of use inside it only."""

    def recipe(self) -> Recipe:
        """Look at the model where it will run."""
        ...

    def run(self, shards: Sequence[Shard]) -> Generator[EmbeddedPart, None, None]:
        """Embed named shards; to be closed when it is not drawn to its end."""
        ...


def _local(model: ModelChoice, resources: Resources) -> AbstractContextManager[Engine]:
    from dinosearch.jobs.local import LocalEngine

    return LocalEngine(model, resources)


def _ray(model: ModelChoice, resources: Resources) -> AbstractContextManager[Engine]:
    from dinosearch.jobs.on_ray import RayEngine

    return RayEngine(model, resources)


ENGINES: dict[str, Callable[[ModelChoice, Resources], AbstractContextManager[Engine]]] = {"local": _local, "ray": _ray}
"""By name."""


def open_embedder(model: ModelChoice) -> Embedder:
    """The embedder that every engine uses, that of `index`."""
    return model.embedder or model.load(None, model.weights)
