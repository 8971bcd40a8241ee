"""Training and batch search on a CUDA device, and by the host where there is none, against Faiss on the host."""

from __future__ import annotations

import faiss
import numpy as np
import pytest

from dinosearch.vectors.on_gpu import MOST, BatchSearch, available, refusal, training

DIMENSION, ROWS, LISTS = 32, 4000, 16
STORED = {"flat": "IVF16,Flat", "sq": "IVF16,SQ8", "pq": "IVF16,PQ8"}

gpu = [pytest.mark.gpu, pytest.mark.skipif(not available(), reason="no CUDA device here")]
places = [pytest.param("here"), pytest.param("gpu", marks=gpu)]


def rows(count: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    centres = np.random.default_rng(99).standard_normal((24, DIMENSION))
    values = centres[rng.integers(0, 24, count)] + 0.7 * rng.standard_normal((count, DIMENSION))
    return (values / np.linalg.norm(values, axis=1, keepdims=True)).astype(np.float32)


def quick(factory: str) -> faiss.Index:
    """An untrained index that does not take long to train."""
    index = faiss.index_factory(DIMENSION, factory, faiss.METRIC_INNER_PRODUCT)
    ivf = faiss.try_extract_index_ivf(index)
    if ivf is not None and hasattr(ivf := faiss.downcast_index(ivf), "pq"):
        ivf.pq.cp.niter, ivf.do_polysemous_training = 4, False
    return index


def index_of(factory: str, points: np.ndarray) -> faiss.Index:
    index = quick(factory)
    index.train(points)
    index.add_with_ids(points, 3 * np.arange(len(points))) if factory != "Flat" else index.add(points)
    return index


def agree(found: np.ndarray, expected: np.ndarray) -> float:
    return float(
        np.mean([len(set(a) & set(b)) / len(b) for a, b in zip(found.tolist(), expected.tolist(), strict=True)])
    )


@pytest.mark.parametrize("place", places)
@pytest.mark.parametrize("kind", STORED)
def test_batches_are_answered_as_by_the_index(kind: str, place: str) -> None:
    points, queries = rows(ROWS), rows(50, seed=1)
    index = index_of(STORED[kind], points)
    search = BatchSearch(index)
    assert (search.reason is None) == available(), search.reason
    for k, nprobe in ((1, 1), (10, 4), (100, LISTS)):
        index.nprobe = nprobe
        assert agree(search.search(queries, k, nprobe), index.search(queries, k)[1]) >= 0.98
        index.nprobe = 1  # the asked number counts, not the one that the index happens to have
    everything = search.search(queries, ROWS, LISTS)
    assert everything.shape == (50, ROWS), "more than the device can give are given by the host"
    assert ROWS > MOST


@pytest.mark.parametrize("place", places)
def test_flat_search_is_brute_force(place: str) -> None:
    points, queries = rows(ROWS), rows(20, seed=1)
    search = BatchSearch(index_of("Flat", points))
    expected = np.argsort(-(queries @ points.T), axis=1, kind="stable")[:, :10]
    assert agree(search.search(queries, 10), expected) >= 0.999
    assert (search.search(queries, 10)[:, 0] == expected[:, 0]).mean() >= 0.95


@pytest.mark.parametrize("place", places)
@pytest.mark.parametrize("factory", ["IVF16,Flat", "RR32,IVF16,PQ8"])
def test_lists_are_trained_as_by_the_host(factory: str, place: str) -> None:
    points = rows(ROWS)

    def spread(on_device: bool) -> float:
        """Mean product of the points with the centre of their list."""
        index = quick(factory)
        ivf = faiss.downcast_index(faiss.extract_index_ivf(index))
        if on_device:
            with training(ivf) as reason:
                index.train(points)
            assert (reason is None) == available()
        else:
            index.train(points)
        turned = faiss.downcast_VectorTransform(index.chain.at(0)).apply(points) if factory[0] == "R" else points
        assert ivf.is_trained and ivf.quantizer.ntotal == LISTS
        assert ivf.clustering_index is None, "the borrowed index must not be left behind"
        return float(ivf.quantizer.search(turned, 1)[0].mean())

    assert spread(True) == pytest.approx(spread(False), rel=0.01)


def test_what_the_device_cannot_hold_is_named() -> None:
    points = rows(ROWS)
    for factory in STORED.values():
        assert refusal(index_of(factory, points), None) is None
        assert refusal(index_of(factory, points), 80 << 30) is None
    assert refusal(index_of("Flat", points), 80 << 30) is None
    for factory, word in {
        "IVF16,PQ16x4fs": "IndexIVFPQFastScan",
        "IVF16,PQ8x6": "PQ8x6",
        "IVF16,SQ4": "scalar quantizer",
        "HNSW8": "HNSW",
    }.items():
        index = faiss.index_factory(DIMENSION, factory, faiss.METRIC_INNER_PRODUCT)
        assert word in str(refusal(index, 80 << 30))


def test_a_copy_that_does_not_fit_is_refused() -> None:
    index = index_of("IVF16,Flat", rows(ROWS))
    enough = next(size for size in range(1 << 30, 1 << 32, 1 << 20) if refusal(index, size) is None)
    assert enough > ROWS * DIMENSION * 4
    assert "GiB are free on the device" in str(refusal(index, enough - (1 << 20)))


@pytest.mark.skipif(available(), reason="a CUDA device is here")
def test_without_a_device_the_reason_is_said() -> None:
    search = BatchSearch(index_of("IVF16,Flat", rows(ROWS)))
    assert search.reason == "Faiss sees no CUDA device"
    index = faiss.index_factory(DIMENSION, "IVF16,Flat", faiss.METRIC_INNER_PRODUCT)
    with training(index) as reason:
        index.train(rows(ROWS))
    assert reason == search.reason
    assert index.is_trained
