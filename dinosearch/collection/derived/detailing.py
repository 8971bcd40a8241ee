"""What is kept of each image beside its vector: vectors of its windows, its patch tokens, its vector among words.

They are made from one forward pass an image, at their own size, after the images themselves are indexed. They are
derived: what an interrupted run did not reach, or `verify` found damaged, the next run makes.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from itertools import islice
from typing import Any, TypeGuard

import numpy as np

from dinosearch.collection.derived import details as of_tokens
from dinosearch.collection.derived.basis import Basis
from dinosearch.collection.derived.details import DETAILS, Rows
from dinosearch.collection.derived.worded import Worded
from dinosearch.collection.indexing.run import with_members
from dinosearch.collection.kinds import IMAGES, row_ids
from dinosearch.collection.opened import OpenedHome
from dinosearch.errors import SettingError
from dinosearch.images import DecodePool
from dinosearch.protocols import Embedder, Progress
from dinosearch.records import FoundFile, Generation, ImageRecord, PreparedImage, Preprocessing, Problem

_BATCH = 32


class Detailing:
    """Brings regions, patches and vectors among words up to the images.

    Args:
        opened: the home, held by the writer's lock.
        embedder: opens the model; called when there is something to do.
        progress: told about the stages `learn`, `describe` and `build`.
        side: which model's images: what the names of the kinds begin with in the store.
    """

    def __init__(
        self, opened: OpenedHome, embedder: Callable[[], Embedder], progress: Progress | None, side: str = ""
    ) -> None:
        self._opened = opened
        self._side_of = side
        self._embedder = embedder
        self._progress = progress or _silent

    def run(self, wanted: dict[str, bool | None], recall: float, workers: int | None = None) -> int:
        """Make what is missing.

        Args:
            wanted: for kinds of `DETAILS` and `text`: True begins to keep it, False drops it, None goes on as before.
            recall: recall that an index over the rows shall reach.
            workers: decoding processes.

        Returns:
            Images described.

        Raises:
            SettingError: the embedder gives no patch tokens, or belongs to no words.
            WeightsUnavailableError: the files of words are not there.
        """
        for kind, keep in wanted.items():
            if keep is False and self._opened.generation_of(self._side_of + kind) is not None:
                self._opened.drop_generation(self._side_of + kind)
        known: list[Rows] = [*DETAILS.values(), Worded(self._opened, self._side_of)]
        kept = [d for d in known if wanted.get(d.kind) or self._generation(d)]
        described = 0
        for side in sorted({detail.side for detail in kept}):
            described += self._describe([detail for detail in kept if detail.side == side], side, workers)
        for detail in kept:
            if detail.indexed:
                self._opened.update_index(recall, self._progress, self._side_of + detail.kind)
        return described

    def _describe(self, details: Sequence[Rows], side: int, workers: int | None) -> int:
        """Make the rows of some kinds that share a size; returns the number of images."""
        live = self._opened.live_ids(self._side_of)
        for detail in details:
            self._prepare(detail, len(live))
        missing = {detail.kind: self._missing(detail, live) for detail in details}
        todo = np.array(sorted(set().union(*missing.values())), np.int64)
        done = 0
        with closing(self._tokens(todo, side, workers, "describe")) as batches:
            for batch in batches:
                with self._opened.store.transaction() as tx:
                    for detail in details:
                        mine = [(i, tokens) for i, tokens in batch if i in missing[detail.kind]]
                        if mine:
                            generation = self._opened.search(self._side_of + detail.kind).generation
                            basis = self._opened.basis(self._side_of + detail.kind) or Basis()
                            rows = np.concatenate([detail.rows(tokens, basis) for _, tokens in mine])
                            ids = row_ids(np.array([i for i, _ in mine]), generation)
                            self._opened.append(tx, ids, rows, self._side_of + detail.kind)
                done += len(batch)
        return done

    def _prepare(self, detail: Rows, images: int) -> None:
        """Make the empty generation, where there is none or it was begun with far too little."""
        generation = self._generation(detail)
        if generation is not None and detail.is_current(generation, images):
            return
        begun = detail.begin(lambda: self._sample(detail.side))
        if begun is None:
            return
        fingerprint = replace(
            self._opened.search(self._side_of + IMAGES).generation.fingerprint,
            preprocessing=str(Preprocessing("squash", self._side(detail.side))),
            pooling=detail.kind,
            dimension=begun.dimension,
        )
        kind = self._side_of + detail.kind
        self._opened.add_generation(kind, fingerprint, begun.recipe, begun.basis, coding="int8")
        self._opened.drop_other_files()

    def _sample(self, side: int) -> tuple[list[Any], int]:
        """Tokens of images from everywhere in the collection, and how many images were asked for."""
        live = self._opened.live_ids(self._side_of)
        if len(live):
            live = live[np.unique(np.linspace(0, len(live) - 1, of_tokens.SAMPLE).round().astype(int))]
        return [tokens for batch in self._tokens(live, side, None, "learn") for _, tokens in batch], len(live)

    def _generation(self, detail: Rows) -> Generation | None:
        return self._opened.generation_of(self._side_of + detail.kind)

    def _missing(self, detail: Rows, live: np.ndarray) -> set[int]:
        if self._generation(detail) is None:
            return set()
        search = self._opened.search(self._side_of + detail.kind)
        each = int(search.generation.recipe["rows"])
        held, counts = np.unique(search.ids() // each, return_counts=True)
        return set(np.setdiff1d(live, held[counts == each]).tolist())

    def _tokens(
        self, ids: np.ndarray, side: int, workers: int | None, stage: str
    ) -> Generator[list[tuple[int, Any]], None, None]:
        """Image ids with their tokens, in batches; what cannot be read is left out."""
        if not len(ids):
            return
        embedder = self._embedder()
        tokens: Any = getattr(embedder, "tokens", None)
        if tokens is None:
            raise SettingError(
                "this collection's embedder gives no patch tokens to describe parts of pictures by; leave out "
                "--regions, --keep-patches and --text"
            )
        preprocessing = Preprocessing("squash", self._side(side))
        wanted: dict[str, ImageRecord] = {}
        with DecodePool(preprocessing, embedder.patch_size, workers=workers) as pool:
            prepared, done = pool.prepare_all(with_members(self._files(ids, wanted))), 0
            while batch := list(islice(prepared, _BATCH)):
                known = [(wanted.pop(file.path), image) for file, image in batch]
                read = [(record.id, image) for record, image in known if _is_still(image, record)]
                of_images = tokens([image.pixels for _, image in read]) if read else []
                done += len(batch)
                self._progress(stage, done, len(ids))
                yield [(image_id, found) for (image_id, _), found in zip(read, of_images, strict=True)]

    def _files(self, ids: np.ndarray, wanted: dict[str, ImageRecord]) -> Iterator[FoundFile]:
        """The first file of each image; notes in `wanted` which it is."""
        for low in range(0, len(ids), 1000):
            records = self._opened.store.records(ids[low : low + 1000].tolist())
            for record in {record.id: record for record in reversed(records)}.values():
                wanted[record.path] = record
                yield FoundFile(record.path, record.size, 0)

    def _side(self, side: int) -> int:
        """The multiple of the model's patch that is nearest to a side in pixels."""
        patch = self._embedder().patch_size
        return max(1, round(side / patch)) * patch


def _is_still(image: PreparedImage | Problem, record: ImageRecord) -> TypeGuard[PreparedImage]:
    """Whether the file was readable and has the content that the collection knows."""
    return isinstance(image, PreparedImage) and image.sha256 == record.sha256


def _silent(stage: str, done: int, total: int | None) -> None:
    pass
