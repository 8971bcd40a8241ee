"""One `index` run: from a plan to vectors, rows and a fresh vector index, batch by committed batch.

Every batch is one transaction whose vectors are on disk before it commits, so an interrupted run loses at most the
batches in hand, and the next run goes on from there. Three things go on at a time: child processes decode the images to
come, this thread embeds a batch, another one commits the batch before.
"""

from __future__ import annotations

import hashlib
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from dinosearch.collection.behind import Behind
from dinosearch.collection.plan import Plan, make_plan
from dinosearch.errors import DinosearchError
from dinosearch.images import DecodePool, is_member, iter_members, read_bytes, split_member
from dinosearch.protocols import Embedder, Progress
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
        self._embed(unknown, total, workers)
        self._drop_gone()
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
            with self._store.transaction() as tx:
                for file in chunk:
                    image_id = ids.get(hashes.get(file.path, ""))
                    if image_id is None:
                        rest.append(file)
                    else:
                        self._place(tx, file, image_id)
                        done += 1
                        self._progress("index", done, total)
        return rest

    def _embed(self, files: list[FoundFile], total: int, workers: int | None) -> None:
        """Decode, embed and commit what is left, one batch a transaction."""
        if not files:
            return
        embedder = self._embedder()
        preprocessing = embedder.preprocessing
        size = max(embedder.batch_size, min(_BATCH, _BATCH_BYTES // (3 * preprocessing.size**2)))
        done = total - len(files)
        in_hand: set[str] = set()  # contents that are being committed: the store may not know them yet
        with Behind() as behind, DecodePool(preprocessing, embedder.patch_size, workers=workers) as pool:
            for batch in _chunks(pool.prepare_all(with_members(files)), size):
                images = {item.sha256: item for _, item in batch if isinstance(item, PreparedImage)}
                known = self._store.ids_by_sha256(sorted(images)).keys() | in_hand
                fresh = [image for sha256, image in images.items() if sha256 not in known]
                vectors = self._embed_batches(fresh)
                behind.start(partial(self._commit, batch, fresh, vectors))  # which waits for the batch before
                in_hand = {image.sha256 for image in fresh}
                self._progress("index", done, total)
                done += len(batch)
            behind.wait()
        self._progress("index", done, total)

    def _commit(
        self, batch: list[tuple[FoundFile, PreparedImage | Problem]], fresh: list[PreparedImage], vectors: np.ndarray
    ) -> None:
        """Store a batch: all of it, or nothing when this raises."""
        ids = self._store.ids_by_sha256(sorted(item.sha256 for _, item in batch if isinstance(item, PreparedImage)))
        with self._store.transaction() as tx:
            for image in fresh:
                ids[image.sha256] = tx.add_image(image.sha256, image.info)
            if fresh:
                new = np.array([ids[image.sha256] for image in fresh], dtype=np.int64)
                self._opened.append(tx, new, vectors)
            for file, item in batch:
                if isinstance(item, Problem):
                    self._fail(tx, item, file)
                else:
                    self._place(tx, file, ids[item.sha256])
        self._counts["embedded"] += len(fresh)

    def _embed_batches(self, images: list[PreparedImage]) -> np.ndarray:
        if not images:
            return np.empty((0, 0), dtype=np.float32)
        return self._embedder().embed([image.pixels for image in images])

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
        if file is not None and problem.path in self._known:
            # The file changed into something unreadable: its old content is no longer at this path.
            tx.remove_locations([problem.path])

    def _drop_gone(self) -> None:
        gone = sorted(path for paths in self._gone_by_image.values() for path in paths)
        for chunk in _chunks(gone, _BULK):
            with self._store.transaction() as tx:
                tx.remove_locations(chunk)
        self._counts["removed"] += len(gone)


def with_members(files: Iterable[FoundFile]) -> Iterator[FoundFile | tuple[FoundFile, bytes]]:
    """Plain files as they are; members of an archive together with their bytes, in one pass over each archive."""
    members: dict[str, set[str]] = defaultdict(set)
    for file in files:
        if is_member(file.path):
            members[split_member(file.path)[0]].add(file.path)
        else:
            yield file
    for archive, wanted in members.items():
        for file, data in iter_members(archive):
            if file.path in wanted:
                yield file, data


def _sha256(path: str) -> str | None:
    try:
        return hashlib.sha256(read_bytes(path)).hexdigest()
    except DinosearchError:
        return None  # the decoder will meet the same fault and report it


def _chunks(items: Iterable[T], size: int) -> Iterator[list[T]]:
    iterator = iter(items)
    while chunk := list(islice(iterator, size)):
        yield chunk


def _silent(stage: str, done: int, total: int | None) -> None:
    pass
