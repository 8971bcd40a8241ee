"""One `index` run: from a plan to vectors, rows and a fresh vector index, batch by committed batch.

Every batch is one transaction whose vectors are on disk before it commits, so an interrupted run loses at most the
batches in hand, and the next run goes on from there. Three things go on at a time: child processes decode the images to
come, this thread embeds a batch, another one commits the batch before.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Generator, Iterable, Iterator, Sequence
from contextlib import closing
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from dinosearch.capacity import give_back_memory
from dinosearch.collection.indexing.behind import Behind
from dinosearch.collection.indexing.encoded import Answer, DeviceDecoding, EmbeddedImage, vectors_of
from dinosearch.collection.indexing.plan import Plan, make_plan
from dinosearch.collection.indexing.trial import chosen
from dinosearch.collection.keeping.sweeping import sweep
from dinosearch.errors import DinosearchError
from dinosearch.images import DecodePool, is_member, iter_members, read_bytes, split_member
from dinosearch.protocols import Embedder, EncodedEmbedder, Progress, Resting
from dinosearch.records import FoundFile, IndexSummary, PreparedImage, Problem
from dinosearch.store import KnownFiles

if TYPE_CHECKING:
    from dinosearch.collection.opened import OpenedHome
    from dinosearch.store import Transaction

T = TypeVar("T")

_BULK = 1000  # rows of a transaction that carries no vectors
_BATCH = 32  # images a commit: enough that the two syncs of the disk stay small beside the forward passes
_BATCH_BYTES = 32 << 20  # of their pixels, of which three batches may be held: to come, in hand, being committed


class IndexRun:
    """The state of one run; `run()` does the steps in reading order.

    Args:
        opened: the home, held by the writer's lock.
        embedder: opens what makes the vectors; called when there is something to embed.
        progress: told about the stages `scan`, `index` and `build`.
    """

    def __init__(self, opened: OpenedHome, embedder: Callable[[], Embedder], progress: Progress | None = None) -> None:
        self._opened = opened
        self._store = opened.store
        self._embedder = embedder
        self._progress = progress or _silent
        self._counts: Counter[str] = Counter()
        self._failures: list[Problem] = []
        self._gone_by_image: dict[int, list[str]] = defaultdict(list)
        self._known = KnownFiles()
        self._waiting = set(self._store.waiting_ids().tolist())  # images that have a row in the store but no vector

    def run(
        self,
        sources: Sequence[str],
        *,
        exclude: Sequence[str],
        follow_symlinks: bool,
        retry_failed: bool,
        recall: float,
        workers: int | None,
    ) -> IndexSummary:
        """Bring the collection up to the sources; see `Collection.index` for the meaning of the arguments."""
        started = time.monotonic()
        plan = make_plan(
            self._store,
            sources,
            exclude=exclude,
            follow_symlinks=follow_symlinks,
            retry_failed=retry_failed,
            on_file=lambda seen: self._progress("scan", seen, None),
        )
        self._known = plan.known
        for path, image_id in plan.gone.items():
            self._gone_by_image[image_id].append(path)
        self._counts.update(unchanged=plan.unchanged, offline=plan.offline)
        self._note_problems(plan)
        total = len(plan.to_read)
        unknown = self._recognise(plan.to_read, total)
        plan.to_read.clear()
        self._embed(unknown, total, workers)
        self._drop_gone()
        del plan  # what was known of a million files makes room for training an index
        self._known = KnownFiles()
        give_back_memory()
        sweep(self._opened)
        self._opened.update_index(recall, self._progress, self._opened.searched)
        seconds = round(time.monotonic() - started, 3)
        return IndexSummary(**self._counts, seconds=seconds, failures=tuple(self._failures))

    def _note_problems(self, plan: Plan) -> None:
        with self._store.transaction() as tx:
            tx.clear_failures(plan.forgotten)
            for root in plan.roots:
                tx.add_root(root)
            for problem, file in plan.problems:
                self._fail(tx, problem, file)

    def _recognise(self, files: list[FoundFile], total: int) -> list[FoundFile]:
        """Settle by content hash what has the size of a known file: moved, copied, only touched. Returns the rest."""
        sizes = {file.size for file in files}
        if sizes:
            sizes = sizes.intersection(self._known.sizes) | sizes.intersection(self._store.removed_sizes())
        candidates: list[FoundFile] = []
        rest: list[FoundFile] = []
        for file in files:
            (candidates if file.size in sizes and not is_member(file.path) else rest).append(file)
        done = 0
        for chunk in _chunks(candidates, _BULK):
            hashes = {file.path: digest for file in chunk if (digest := _sha256(file.path)) is not None}
            ids = self._store.ids_by_sha256(sorted(set(hashes.values())))
            self._opened.make_refined(ids.values())
            with self._store.transaction() as tx:
                for file in chunk:
                    image_id = ids.get(hashes.get(file.path, ""))
                    if image_id is None or image_id in self._waiting:
                        rest.append(file)
                    else:
                        self._place(tx, file, image_id)
                        done += 1
            self._progress("index", done, total)  # once they are committed: what was told is kept
        return rest

    def _embed(self, files: list[FoundFile], total: int, workers: int | None) -> None:
        """Decode, embed and commit what is left, one batch a transaction; empties the list."""
        if not files:
            return
        embedder = self._embedder()
        preprocessing, size = embedder.preprocessing, batch_of(embedder)
        done = total - len(files)
        in_hand: set[str] = set()  # contents that are being committed: the store may not know them yet
        with Behind() as behind, DecodePool(preprocessing, embedder.patch_size, workers, taken=size) as pool:
            batches: Generator[list[tuple[FoundFile, Answer]], None, None] = (
                _chunks(pool.prepare_all(with_members(_drained(files))), size)
                if (device := chosen(embedder)) is None
                else DeviceDecoding(device, pool, self._stored).batches(with_members(_drained(files)))
            )
            with closing(batches):  # its threads end here, and not when an error that holds it is forgotten
                for batch in batches:
                    images = {item.sha256: item for _, item in batch if not isinstance(item, Problem)}
                    known = in_hand | self._stored(images)
                    fresh = [image for sha256, image in images.items() if sha256 not in known]
                    vectors = vectors_of(embedder, fresh)
                    behind.start(partial(self._commit, batch, fresh, vectors))  # which waits for the batch before
                    in_hand = {image.sha256 for image in fresh}
                    self._progress("index", done, total)
                    done += len(batch)
            behind.wait()
        if isinstance(embedder, Resting):
            embedder.rest()  # training an index takes as much memory as the model did
        self._progress("index", done, total)

    def _commit(
        self,
        batch: list[tuple[FoundFile, Answer]],
        fresh: list[PreparedImage | EmbeddedImage],
        vectors: np.ndarray,
    ) -> None:
        """Store a batch: all of it, or nothing when this raises."""
        ids = self._store.ids_by_sha256(sorted(item.sha256 for _, item in batch if not isinstance(item, Problem)))
        self._opened.make_refined(ids.values())
        with self._store.transaction() as tx:
            for image in fresh:
                if image.sha256 not in ids:
                    ids[image.sha256] = tx.add_image(image.sha256, image.info)
            if fresh:
                new = np.array([ids[image.sha256] for image in fresh], dtype=np.int64)
                self._opened.append(tx, new, vectors)
            for file, item in batch:
                if isinstance(item, Problem):
                    self._fail(tx, item, file)
                else:
                    self._place(tx, file, ids[item.sha256])
        self._waiting.difference_update(ids[image.sha256] for image in fresh)
        self._counts["embedded"] += len(fresh)

    def _stored(self, contents: Collection[str]) -> set[str]:
        """Those of the contents that have their vectors."""
        ids = self._store.ids_by_sha256(sorted(contents))
        return {sha256 for sha256, image_id in ids.items() if image_id not in self._waiting}

    def _place(self, tx: Transaction, file: FoundFile, image_id: int) -> None:
        """Write where an image lies, and count what that means."""
        if file.path in self._known:
            self._counts["unchanged" if self._known[file.path].image_id == image_id else "changed"] += 1
        elif self._gone_by_image.get(image_id):
            tx.remove_locations([self._gone_by_image[image_id].pop()])
            self._counts["moved"] += 1
        else:
            self._counts["added"] += 1
        tx.put_location(file, image_id)

    def _fail(self, tx: Transaction, problem: Problem, file: FoundFile | None) -> None:
        tx.put_failure(problem, file.size if file else 0, file.mtime_ns if file else 0)
        self._counts["failed"] += 1
        self._failures.append(problem)
        if file is not None and problem.path in self._known and (is_member(file.path) or os.path.lexists(file.path)):
            # The file changed into something unreadable: its old content is no longer at this path.
            tx.remove_locations([problem.path])

    def _drop_gone(self) -> None:
        gone = sorted(path for paths in self._gone_by_image.values() for path in paths)
        for chunk in _chunks(gone, _BULK):
            with self._store.transaction() as tx:
                tx.remove_locations(chunk)
        self._counts["removed"] += len(gone)


def batch_of(embedder: Embedder) -> int:
    """Images that are embedded and committed together."""
    wanted = embedder.call_size if isinstance(embedder, EncodedEmbedder) else embedder.batch_size
    return max(wanted, min(_BATCH, _BATCH_BYTES // (3 * embedder.preprocessing.size**2)))


def with_members(files: Iterable[FoundFile]) -> Iterator[FoundFile | tuple[FoundFile, bytes]]:
    """Plain files as they are; members of an archive together with their bytes, in one pass over each archive."""
    members: dict[str, set[str]] = defaultdict(set)
    for file in files:
        archive = split_member(file.path)[0] if is_member(file.path) else None
        # A plain file may have such a name too.
        if archive is not None and (archive in members or os.path.isfile(archive)):
            members[archive].add(file.path)
        else:
            yield file
    for archive, wanted in members.items():
        for file, data in iter_members(archive):
            if file.path in wanted:
                yield file, data


def _drained(files: list[FoundFile]) -> Iterator[FoundFile]:
    """The files in their order, each of them forgotten by the list: a million take a fifth of a gigabyte."""
    files.reverse()
    while files:
        yield files.pop()


def _sha256(path: str) -> str | None:
    try:
        return hashlib.sha256(read_bytes(path)).hexdigest()
    except DinosearchError:
        return None  # the decoder will meet the same fault and report it


def _chunks(items: Iterable[T], size: int) -> Generator[list[T], None, None]:
    iterator = iter(items)
    while chunk := list(islice(iterator, size)):
        yield chunk


def _silent(stage: str, done: int, total: int | None) -> None:
    pass
