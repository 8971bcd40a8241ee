"""The verbs of a collection on a server that change its model; they run there, as jobs."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from dinosearch.advice import run
from dinosearch.arguments import checked_verbs
from dinosearch.errors import SettingError
from dinosearch.protocols import Embedder, Progress
from dinosearch.records import Preprocessing

if TYPE_CHECKING:
    from dinosearch.collection.reports import MigrationEstimate, MigrationReport

Paths = str | os.PathLike[str]


@checked_verbs
class ClientMigrator:
    """A collection on a writable server whose model can be changed to another that the server has."""

    def migrate(
        self,
        *,
        model: str | None = None,
        weights: Paths | None = None,
        preprocessing: str | Preprocessing | None = None,
        pooling: str | None = None,
        scales: str | None = None,
        embedder: Embedder | None = None,
        restart: bool = False,
        leave_behind: bool = False,
        recall: float | None = None,
        workers: int | None = None,
        progress: Progress | None = None,
    ) -> MigrationReport:
        """As `Collection.migrate`, without `weights` and `embedder`: a server loads its own models by name."""
        wanted = _model(model, weights, preprocessing, pooling, scales, embedder)
        how = {"restart": restart or None, "leave_behind": leave_behind or None, "recall": recall, "workers": workers}
        found: MigrationReport = self._run("migrate", progress, **wanted, **how)
        return found

    def estimate_migration(
        self,
        *,
        model: str | None = None,
        weights: Paths | None = None,
        preprocessing: str | Preprocessing | None = None,
        pooling: str | None = None,
        scales: str | None = None,
        embedder: Embedder | None = None,
        workers: int | None = None,
    ) -> MigrationEstimate:
        """As `Collection.estimate_migration`, with what `migrate` takes."""
        wanted = _model(model, weights, preprocessing, pooling, scales, embedder)
        found: MigrationEstimate = self._run("estimate_migration", None, **wanted, workers=workers)
        return found

    def migrate_back(
        self,
        *,
        weights: Paths | None = None,
        embedder: Embedder | None = None,
        leave_behind: bool = False,
        workers: int | None = None,
        progress: Progress | None = None,
    ) -> MigrationReport:
        """As `Collection.migrate_back`, without `weights` and `embedder`."""
        _model(None, weights, None, None, None, embedder)
        asked = {"leave_behind": leave_behind or None, "workers": workers}
        found: MigrationReport = self._run("migrate_back", progress, **asked)
        return found

    def forget_kept(self) -> int:
        """As `Collection.forget_kept`."""
        found: int = self._run("forget_kept", None)
        return found

    def _run(self, verb: str, progress: Progress | None, **arguments: Any) -> Any:
        raise NotImplementedError


def _model(
    model: str | None,
    weights: Paths | None,
    preprocessing: str | Preprocessing | None,
    pooling: str | None,
    scales: str | None,
    embedder: Embedder | None,
) -> Mapping[str, Any]:
    if weights is not None or embedder is not None:
        raise SettingError("a server loads its own models; name one by model=, or run on its machine: ", run("migrate"))
    shape = None if preprocessing is None else str(preprocessing)
    return {"model": model, "preprocessing": shape, "pooling": pooling, "scales": scales}
