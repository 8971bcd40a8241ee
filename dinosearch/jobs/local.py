"""The engine of one machine: this process reads and embeds, child processes decode, as in an index run."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import closing
from types import TracebackType

from dinosearch.collection.models.chosen import ModelChoice
from dinosearch.images import DecodePool
from dinosearch.jobs.engines import Recipe, Resources, open_embedder
from dinosearch.jobs.parts import EmbeddedPart, decoded, embedded
from dinosearch.jobs.reading import parts_of
from dinosearch.jobs.shards import Shard
from dinosearch.protocols import Embedder


class LocalEngine:
    """Fulfils `Engine`; shards are done one after the other, the next one being read meanwhile."""

    def __init__(self, model: ModelChoice, resources: Resources) -> None:
        self._model, self._resources = model, resources
        self._embedder: Embedder | None = None

    def __enter__(self) -> LocalEngine:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._embedder = None

    def recipe(self) -> Recipe:
        """See `Engine.recipe`."""
        return Recipe.of(self._opened())

    def run(self, shards: Sequence[Shard]) -> Generator[EmbeddedPart, None, None]:
        """See `Engine.run`."""
        embedder, recipe = self._opened(), self.recipe()
        parts = (part for shard in shards for part in parts_of(shard, recipe.batch))
        pool = DecodePool(recipe.preprocessing, recipe.patch, self._resources.workers, taken=recipe.batch)
        with pool, closing(decoded(parts, pool)) as prepared:
            for part in prepared:
                yield embedded(part, embedder)

    def _opened(self) -> Embedder:
        if self._embedder is None:
            self._embedder = open_embedder(self._model)
        return self._embedder
