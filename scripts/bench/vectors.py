"""Vectors for the search benchmark: two seeded sources streamed in chunks, their queries, and the exact answers.

`mixture` is the generator of the reference figures: clustered Gaussians of 384 numbers, sqrt(N) centres, deviations
falling as 1 / k^0.5, brought to unit length. The spread around a centre (1.1 of that between centres) and the move of
a query (0.45 of the unit length, with the same spectrum: a cosine of about 0.91) are set so that IVF1024,Flat over
100,000 rows has about the published recall@10: 0.69, 0.95, 0.99 and 0.997 at 1, 4, 16 and 64 lists. At 1,000,000 it is
then somewhat harder than that reference: IVF4096,Flat has 0.92, 0.974 and 0.993 at 4, 16 and 64 lists, there 0.949,
0.988 and 0.997.

`real` blows up 2,600 real DINOv2 ViT-S/14 vectors (photos of 50 classes and of Paris) to any number. 200 photos are
held out. A row is one of the others mixed with one of its 16 nearest neighbours (its own share uniform in 0.5..1),
brought to unit length, then turned away at random to a cosine uniform in 0.4..0.9, so that two rows of one photo are
about as far from each other as real photos of one motif. The direction is Gaussian with the covariance of what
distinguishes real photos from the mean of their 16 neighbours, so that the noise has the spectrum of real differences;
white noise would make all of them equally far. Queries are rows of another stream that is never stored.

Rows come in blocks of 4,096, each with a generator of its own, so that chunks of any size hold the same rows.
"""

from __future__ import annotations

import functools
import hashlib
import os
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

DIMENSION = 384
BLOCK = 4096
CHUNK = 1 << 15
STORED, UNSEEN, MOVED = 0, 1, 2
"""Streams of random numbers: rows that are stored, rows that never are, queries moved away from stored rows."""
RECIPE = 1
"""To be raised with every change of the code below that changes a row: what is kept of older ones is not used then."""
SPREAD, MOVE = 1.1, 0.45
NEIGHBOURS, HELD_OUT, COSINE = 16, 200, (0.4, 0.9)
DEPTH = 30
"""Exact answers kept for each query: more than the 10 that count, so that equal scores can be told."""
TIE = 1e-6
"""Float32 sums of 384 products of unit vectors taken in another order differ by less."""


class Source:
    """Rows 0..n-1 of unit length, made on demand; the same arguments give the same rows.

    Args:
        n: rows stored.
        seed: another seed is another collection.
    """

    name = ""
    usual = "held-out"
    """The kind of queries that the race asks."""

    def __init__(self, n: int, seed: int = 0) -> None:
        self.n, self.seed, self.dimension = n, seed, DIMENSION

    @property
    def key(self) -> str:
        """A name for files kept of it; another recipe is another name."""
        recipe = (RECIPE, self.name, self.dimension, SPREAD, MOVE, NEIGHBOURS, HELD_OUT, COSINE, BLOCK)
        return f"{self.name}-{self.n}-{self.seed}-{hashlib.sha256(repr(recipe).encode()).hexdigest()[:8]}"

    def block(self, number: int, stream: int = STORED) -> tuple[np.ndarray, np.ndarray]:
        """(BLOCK, dimension) float32 rows and (BLOCK,) the group that each belongs to."""
        raise NotImplementedError

    def rows(self, low: int, high: int, stream: int = STORED) -> np.ndarray:
        """(high - low, dimension) float32 rows."""
        parts = [self.block(number, stream)[0] for number in range(low // BLOCK, -(-high // BLOCK))]
        return np.concatenate(parts)[low % BLOCK :][: high - low]

    def groups(self) -> np.ndarray:
        """(n,) the group of each stored row."""
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            parts = pool.map(lambda number: self.block(number)[1], range(-(-self.n // BLOCK)))
            return np.concatenate(list(parts))[: self.n]

    def chunks(self, size: int = CHUNK) -> Iterator[tuple[int, np.ndarray]]:
        """Pairs of the first row's number and (at most size, dimension) rows, in order."""
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            for low in range(0, self.n, size):
                high = min(self.n, low + size)
                numbers = range(low // BLOCK, -(-high // BLOCK))
                rows = np.concatenate([rows for rows, _ in pool.map(self.block, numbers)])
                yield low, rows[low % BLOCK :][: high - low]

    def sample(self, count: int) -> np.ndarray:
        """About `count` stored rows for training: whole blocks from everywhere, as rows have no order."""
        blocks = -(-self.n // BLOCK)
        wanted = min(blocks, -(-count // BLOCK))
        numbers = np.unique(np.linspace(0, blocks - 1, wanted).astype(int)).tolist()
        rows = np.concatenate([self.rows(b * BLOCK, min(self.n, (b + 1) * BLOCK)) for b in numbers])
        return rows[:count]

    def queries(self, count: int, kind: str = "") -> np.ndarray:
        """(count, dimension) float32 queries.

        Args:
            count: how many.
            kind: `perturbed` members, or `held-out` rows that were never stored; empty for the usual kind.
        """
        if (kind or self.usual) == "held-out":
            return self.rows(0, count, UNSEEN)
        rng = np.random.default_rng((self.seed, MOVED, 0))
        blocks = rng.integers(0, -(-self.n // BLOCK), 32)  # of few blocks, as each is made for it
        members = (rng.choice(blocks, count) * BLOCK + rng.integers(0, BLOCK, count)) % self.n
        rows = np.empty((count, self.dimension), np.float32)
        for number in np.unique(members // BLOCK).tolist():
            here = members // BLOCK == number
            rows[here] = self.block(number)[0][members[here] % BLOCK]
        return self.moved(rows)

    def moved(self, rows: np.ndarray) -> np.ndarray:
        """The rows moved a little, each at random."""
        noise = self.noise(np.random.default_rng((self.seed, MOVED, 1)), len(rows))
        return unit(rows + MOVE * unit(noise))

    def noise(self, rng: np.random.Generator, count: int) -> np.ndarray:
        """(count, dimension) float32 random directions as this source varies."""
        raise NotImplementedError


class Mixture(Source):
    """Clustered Gaussians; see the module."""

    name = "mixture"
    usual = "perturbed"

    def __init__(self, n: int, seed: int = 0) -> None:
        super().__init__(n, seed)
        self._spectrum = (np.arange(1, DIMENSION + 1) ** -0.5).astype(np.float32)
        rng = np.random.default_rng((seed, 0xCE))
        self._centres = self.noise(rng, max(1, int(n**0.5)))

    def block(self, number: int, stream: int = STORED) -> tuple[np.ndarray, np.ndarray]:
        rng = np.random.default_rng((self.seed, stream, 1 + number))
        groups = rng.integers(0, len(self._centres), BLOCK)
        return unit(self._centres[groups] + SPREAD * self.noise(rng, BLOCK)), groups

    def noise(self, rng: np.random.Generator, count: int) -> np.ndarray:
        return rng.standard_normal((count, DIMENSION), dtype=np.float32) * self._spectrum


class Real(Source):
    """Real vectors blown up; see the module.

    Raises:
        FileNotFoundError: the real vectors are not on this machine.
    """

    name = "real"

    def __init__(self, n: int, seed: int = 0) -> None:
        super().__init__(n, seed)
        self.photos, base = _real_photos()
        """(200, dimension) float32 real vectors that no row is made from."""
        if seed:  # another collection: half of the photos
            base = base[1::2]
        self._base, self._near = base, np.empty((len(base), NEIGHBOURS), np.int64)
        for low in range(0, len(base), 256):
            scores = base[low : low + 256] @ base.T
            scores[np.arange(len(scores)), low + np.arange(len(scores))] = -1
            nearest_ones = np.argpartition(-scores, NEIGHBOURS, axis=1)[:, :NEIGHBOURS]
            self._near[low : low + 256] = np.sort(nearest_ones, axis=1)
        residual = (base - base[self._near].mean(axis=1)) / len(base) ** 0.5
        self._spread = np.linalg.qr(residual, mode="r")  # normal numbers times it have the covariance of the residuals

    def block(self, number: int, stream: int = STORED) -> tuple[np.ndarray, np.ndarray]:
        rng = np.random.default_rng((self.seed, stream, 1 + number))
        groups = rng.integers(0, len(self._base), BLOCK)
        near = self._near[groups, rng.integers(0, NEIGHBOURS, BLOCK)]
        share = rng.uniform(0.5, 1, (BLOCK, 1)).astype(np.float32)
        cosine = rng.uniform(*COSINE, (BLOCK, 1)).astype(np.float32)
        mixed = unit(share * self._base[groups] + (1 - share) * self._base[near])
        noise = self.noise(rng, BLOCK)
        noise = unit(noise - (noise * mixed).sum(axis=1, keepdims=True) * mixed)
        return unit(cosine * mixed + np.sqrt(1 - cosine**2) * noise), groups

    def queries(self, count: int, kind: str = "") -> np.ndarray:
        return self.photos[:count] if kind == "photos" else super().queries(count, kind)

    def noise(self, rng: np.random.Generator, count: int) -> np.ndarray:
        return np.asarray(rng.standard_normal((count, DIMENSION), dtype=np.float32) @ self._spread)


SOURCES: dict[str, type[Source]] = {"mixture": Mixture, "real": Real}


def unit(rows: np.ndarray) -> np.ndarray:
    """Rows brought to length 1."""
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)


def nearest(
    chunks: Iterable[tuple[np.ndarray, np.ndarray]], queries: np.ndarray, depth: int = DEPTH
) -> tuple[np.ndarray, np.ndarray]:
    """Exact answers by blocked brute force, never more than a chunk at a time.

    Args:
        chunks: pairs of (m,) int64 ids and (m, d) float32 rows.
        queries: (q, d) float32.
        depth: answers wanted.

    Returns:
        ids: (q, depth) int64, best first, ties by smaller id; -1 where there are fewer.
        scores: (q, depth) float32 dot products.
    """
    count = len(queries)
    ids, scores = np.full((count, depth), -1, np.int64), np.full((count, depth), -np.inf, np.float32)
    for names, rows in chunks:
        for low in range(0, len(rows), BLOCK):
            products = queries @ rows[low : low + BLOCK].T
            floor = scores[:, -1:]
            if products.shape[1] > depth and floor.min() == -np.inf:
                floor = np.maximum(floor, np.partition(products, -depth, axis=1)[:, [-depth]])
            query, column = np.nonzero(products >= floor)
            known = np.nonzero(ids >= 0)
            query = np.concatenate([known[0], query])
            name = np.concatenate([ids[known], names[low + column]])
            score = np.concatenate([scores[known], products[query[len(known[0]) :], column]])
            order = np.lexsort((name, -score, query))
            query, name, score = query[order], name[order], score[order]
            place = np.arange(len(query)) - np.searchsorted(query, query)
            kept = place < depth
            ids[query[kept], place[kept]], scores[query[kept], place[kept]] = name[kept], score[kept]
    return ids, scores


def truth(source: Source, count: int, kind: str = "", cache: Path | None = None) -> tuple[np.ndarray, ...]:
    """Queries of a source with their exact answers: (queries, ids, scores), kept in the folder `cache`."""
    queries = source.queries(count, kind)
    path = None if cache is None else cache / f"truth-{source.key}-{kind or source.usual}-{count}.npz"
    if path is not None and path.is_file():
        with np.load(path) as known:
            return queries, known["ids"], known["scores"]
    numbered = ((np.arange(low, low + len(rows)), rows) for low, rows in source.chunks())
    ids, scores = nearest(numbered, queries)
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        np.savez(path, ids=ids, scores=scores)
    return queries, ids, scores


def recall(found: np.ndarray, ids: np.ndarray, scores: np.ndarray, k: int = 10) -> float:
    """Mean share of the k nearest that were found; an answer as near as the k-th counts, whichever id it has.

    Args:
        found: (q, k) int64 answers, -1 for none.
        ids: (q, depth) exact answers.
        scores: (q, depth) their scores.
        k: answers that count.
    """
    shares = []
    for answer, exact, values in zip(found[:, :k].tolist(), ids, scores, strict=True):
        k_here = min(k, int((exact >= 0).sum()))
        good = set(exact[(values >= values[max(0, k_here - 1)] - TIE) & (exact >= 0)].tolist())
        shares.append(min(k_here, len(good & set(answer))) / max(1, k_here))
    return float(np.mean(shares))


@functools.cache
def _real_photos() -> tuple[np.ndarray, np.ndarray]:
    """(200, 384) and (2400, 384) unit float32: real vectors held out, and the others; looked for as the tests do."""
    named = os.environ.get("DINOSEARCH_TEST_DATA")
    folder = Path(named) if named else Path(__file__).resolve().parents[3] / "shared" / "data"
    folder = folder / "descriptors" / "dinov2_vits14_simple1k"
    names = ("feat_dinov2_simple1k.npy", "feat_dinov2_Paris_val.npy")
    if not all((folder / name).is_file() for name in names):
        raise FileNotFoundError("the real DINOv2 vectors are not here: set DINOSEARCH_TEST_DATA to the folder of data")
    rows = [np.load(folder / name, allow_pickle=False).astype(np.float32) for name in names]
    photos = unit(np.concatenate([part.reshape(len(part), -1) for part in rows]))
    photos = photos[np.random.default_rng(0).permutation(len(photos))]
    return photos[:HELD_OUT], photos[HELD_OUT:]
