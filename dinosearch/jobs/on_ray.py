"""The engine of a Ray cluster: Ray Data over the shards, a stage that reads, one that decodes, one that embeds.

Ray repeats what was lost with an actor or a node; the driver's death is the end of its job, and the next run goes on
from the finished shards. Parts travel as bytes in a column of one row each, so that Ray cannot cut or join them.
"""

from __future__ import annotations

import os
import pickle
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import replace
from types import TracebackType
from typing import Any

from dinosearch.collection.models.chosen import ModelChoice
from dinosearch.images import DecodePool
from dinosearch.jobs.cluster import Cluster, sentences
from dinosearch.jobs.engines import Recipe, Resources, open_embedder
from dinosearch.jobs.parts import EmbeddedPart, Part, decoded, embedded
from dinosearch.jobs.reading import parts_of
from dinosearch.jobs.shards import Shard

DECODES, READS, EMBEDS = 0.8, 0.1, 0.1
"""Cores that Ray shall count for an actor or task of each stage: one decoder for each core of a node, and what is left
for one that reads and one that embeds, so that a node of one core has room for all three. They bind nobody."""
_BLOCKS = 10_000  # that the list of shards is cut into, at most
_CARRIED = ("DINOSEARCH_", "OMP_NUM_THREADS")
"""Beginnings of the names of settings that the workers take over from the driver."""


class RayEngine:
    """Fulfils `Engine`."""

    def __init__(self, model: ModelChoice, resources: Resources) -> None:
        self._model, self._cluster = model, Cluster(resources)
        self._begins = f"asking the Ray cluster at {resources.address}" if resources.address else "starting Ray here"
        self._settings = {name: value for name, value in os.environ.items() if name.startswith(_CARRIED)}
        self._recipe: Recipe | None = None

    def __enter__(self) -> RayEngine:
        if self._model.notify is not None:
            self._model.notify(f"{self._begins}; that takes a while")
        self._cluster.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._cluster.__exit__(kind, error, trace)

    def recipe(self) -> Recipe:
        """See `Engine.recipe`; a worker looks, as the driver may have no GPU."""
        if self._recipe is None:
            import ray

            if not self._cluster.gpus and self._model.device is None:
                self._model = replace(self._model, device="cpu")
            self._model = replace(self._model, notify=None, progress=None, wrap=None, embedder=None)
            ask = ray.remote(num_cpus=EMBEDS, num_gpus=min(1, self._cluster.gpus))(_recipe_of)
            with sentences():
                self._recipe = ray.get(ask.remote(self._model, self._settings))
            self._model = replace(self._model, model=self._recipe.fingerprint.checkpoint)  # `auto` is settled
        return self._recipe

    def run(self, shards: Sequence[Shard]) -> Generator[EmbeddedPart, None, None]:
        """See `Engine.run`."""
        import ray.data

        cluster, told = self._cluster, {"recipe": self.recipe(), "settings": self._settings}
        alike: dict[str, Any] = {"batch_size": 1, "batch_format": "pyarrow"}
        with sentences(), cluster.quiet():
            orders = [{"part": pickle.dumps(shard)} for shard in shards]
            parts: Any = ray.data.from_items(orders, override_num_blocks=min(len(orders), _BLOCKS))
            parts = parts.map_batches(_read, fn_kwargs=told, concurrency=cluster.nodes, num_cpus=READS, **alike)
            parts = parts.map_batches(
                _Decode,
                fn_constructor_kwargs=told,
                compute=_pool_of(cluster.workers),
                num_cpus=DECODES * cluster.decoder_cores,
                **alike,
            )
            parts = parts.map_batches(
                _Embed,
                fn_constructor_kwargs={**told, "model": self._model},
                compute=_pool_of(cluster.embedders),
                num_cpus=EMBEDS,
                num_gpus=min(1, cluster.gpus),
                **alike,
            )
            for batch in parts.iter_batches(batch_size=None, batch_format="pyarrow", prefetch_batches=1):
                yield from _opened(batch)


def _pool_of(size: int) -> Any:
    """A pool that starts whole, and goes on with fewer when a node is gone."""
    from ray.data import ActorPoolStrategy

    return ActorPoolStrategy(min_size=1, max_size=size, initial_size=size)


def _recipe_of(model: ModelChoice, settings: Mapping[str, str]) -> Recipe:
    _take_over(settings)
    return Recipe.of(open_embedder(model))


def _read(batch: Any, recipe: Recipe, settings: Mapping[str, str]) -> Iterator[Any]:
    """The reading stage: from a shard to its parts."""
    _take_over(settings)
    for shard in _opened(batch):
        yield from map(_closed, parts_of(shard, recipe.batch))


class _Decode:
    """The decoding stage: an actor for each core, with one child process that a damaged file may crash."""

    def __init__(self, recipe: Recipe, settings: Mapping[str, str]) -> None:
        _take_over(settings)
        self._pool = DecodePool(recipe.preprocessing, recipe.patch, workers=1, taken=recipe.batch)

    def __call__(self, batch: Any) -> Iterator[Any]:
        yield from map(_closed, decoded(_opened(batch), self._pool))


class _Embed:
    """The embedding stage: an actor for each GPU, or for each node."""

    def __init__(self, recipe: Recipe, settings: Mapping[str, str], model: ModelChoice) -> None:
        _take_over(settings)
        self._embedder = open_embedder(model)
        recipe.check(self._embedder)

    def __call__(self, batch: Any) -> Iterator[Any]:
        yield from (_closed(embedded(part, self._embedder)) for part in _opened(batch))


def _closed(part: Part) -> Any:
    """A part as a table of one row."""
    import pyarrow as pa

    return pa.table({"part": pa.array([pickle.dumps(part, protocol=5)], pa.large_binary())})


def _opened(batch: Any) -> Iterator[Any]:
    """The parts in a batch; they are of this job's own making."""
    for value in batch.column("part") if batch.num_columns else ():
        yield pickle.loads(value.as_buffer())


def _take_over(settings: Mapping[str, str]) -> None:
    """Take the driver's settings; Ray's own idea of how many threads there are would leave a model with one."""
    os.environ.update(settings)
    if "OMP_NUM_THREADS" not in settings:
        os.environ.pop("OMP_NUM_THREADS", None)
