"""Training and batch search on a CUDA device, and by the host where there is none, against Faiss on the host."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import pytest

from dinosearch.records import Fingerprint, Generation
from dinosearch.vectors import LADDERS, LocalVectorSearch, VectorFile, on_gpu
from dinosearch.vectors.on_gpu import MANY, MOST, BatchSearch, DeviceCopy, available, refusal, training

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


class FalseDevice:
    """Stands for Faiss on a GPU: copies lie on the host, know no selectors, and may run out of memory.

    Attributes:
        copies: how many were made.
        asked: queries that were answered.
        error: raised by the next copies and searches.
    """

    def __init__(self) -> None:
        self.copies = self.asked = 0
        self.error: RuntimeError | None = None

    def copied(self, resources: Any, place: int, index: faiss.Index, options: Any = None) -> Any:
        if self.error is not None:
            raise self.error
        self.copies += 1
        copy, device = faiss.clone_index(index), self

        class Copy:
            def search(self, queries: np.ndarray, k: int, params: Any = None) -> Any:
                if device.error is not None:
                    raise device.error
                assert params is None or params.sel is None, "a device knows no selectors"
                device.asked += len(queries)
                return copy.search(queries, k, params=params)

        return Copy()


@pytest.fixture
def device(monkeypatch: pytest.MonkeyPatch) -> FalseDevice:
    made = FalseDevice()
    monkeypatch.setattr(on_gpu, "available", lambda: True)
    monkeypatch.setattr(on_gpu, "_resources", lambda: None)
    monkeypatch.setattr(on_gpu, "_free_bytes", lambda: None)
    monkeypatch.setattr(faiss, "index_cpu_to_gpu", made.copied)
    return made


def stored(folder: Path, kind: str, points: np.ndarray) -> LocalVectorSearch:
    """A search over the points, whose ids are 1, 2, ..., with an index of that kind."""
    VectorFile.create(folder / "vectors", DIMENSION, 1).close()
    search = LocalVectorSearch(
        folder / "vectors",
        lambda number, sha256: folder / f"index-{number}-{sha256[:12]}",
        Generation(1, Fingerprint("test", "0" * 64, "squash-224", "cls", DIMENSION), 0),
        LADDERS[kind],
    )
    count = search.upsert(np.arange(1, len(points) + 1), points)
    search.refresh(replace(search.generation, rows=count))
    search.update_index(0.98)
    return search


@pytest.fixture(params=["ivf-flat", "ivf-sq8", "ivf-pq"])
def search(request: pytest.FixtureRequest, tmp_path: Path, device: FalseDevice) -> Iterator[LocalVectorSearch]:
    # Training is not what is tested here: the device is there from the first search on.
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(on_gpu, "available", lambda: False)
        made = stored(tmp_path, request.param, rows(ROWS))
    yield made
    made.close()


def exact_share(search: LocalVectorSearch, queries: np.ndarray, k: int = 10) -> float:
    """Recall of a search, whose scores must be those of the stored vectors."""
    ids, scores = search.search(queries, k)
    found = search.vectors(ids.reshape(-1)).reshape(*ids.shape, -1)
    np.testing.assert_allclose(scores, np.einsum("nd,nkd->nk", queries, found), atol=1e-6)
    return agree(ids, search.search(queries, k, exact=True)[0])


def test_many_queries_are_answered_by_the_device_and_ranked_exactly(
    search: LocalVectorSearch, device: FalseDevice
) -> None:
    queries = rows(MANY, seed=1)
    few = search.search(queries[:20], 10)
    assert (device.copies, device.asked) == (0, 0)
    assert exact_share(search, queries) >= 0.95
    assert (device.copies, device.asked) == (1, MANY)
    ids, scores = search.search(queries, 10)
    np.testing.assert_array_equal(ids[:20], few[0])
    np.testing.assert_array_equal(scores[:20], few[1])
    assert device.copies == 1
    asked = device.asked
    search.search(queries, 10, allowed=np.arange(1, 3000))
    search.search(queries, 10, exact=True)
    assert device.asked == asked, "a filter and an exact search are the host's"


def test_removed_and_new_rows_are_known_to_the_device(search: LocalVectorSearch, device: FalseDevice) -> None:
    queries = rows(MANY, seed=1)
    gone = np.unique(search.search(queries, 3)[0])
    search.set_removed(gone)
    assert exact_share(search, queries) >= 0.95
    assert not np.isin(search.search(queries, 10)[0], gone).any()
    copies = device.copies
    more = rows(1500, seed=2)
    count = search.upsert(np.arange(ROWS + 1, ROWS + 1501), more)
    search.refresh(replace(search.generation, rows=count))
    ids, _ = search.search(more[:MANY], 1)
    assert (ids[:, 0] == np.arange(ROWS + 1, ROWS + 1 + MANY)).all()
    assert exact_share(search, queries) >= 0.95
    assert device.copies == copies + 1, "the index has grown"


def test_a_device_that_fails_is_left_with_one_sentence(
    search: LocalVectorSearch, device: FalseDevice, caplog: pytest.LogCaptureFixture
) -> None:
    queries = rows(MANY, seed=1)
    expected = search.search(queries, 10)
    device.error = RuntimeError("Error in cudaMalloc: out of memory")
    for _ in range(3):
        found = search.search(queries, 10)
        np.testing.assert_array_equal(found[0], expected[0])
        np.testing.assert_array_equal(found[1], expected[1])
    assert [record.getMessage() for record in caplog.records] == [
        "searching on the processor, as Faiss cannot on the GPU: Error in cudaMalloc: out of memory"
    ]


def test_a_copy_that_cannot_be_made_is_not_tried_again(device: FalseDevice, caplog: pytest.LogCaptureFixture) -> None:
    index, queries = index_of("IVF16,Flat", rows(ROWS)), rows(MANY, seed=1)
    device.error = RuntimeError("out of memory")
    copy = DeviceCopy(index)
    assert copy.candidates(queries, 10, 4) is None
    device.error = None
    assert copy.candidates(queries, 10, 4) is None and len(caplog.records) == 1
    copy.forget()
    found = copy.candidates(queries, 10, 4)
    assert found is not None and found.shape == (MANY, 10)
    unlike = DeviceCopy(faiss.index_factory(DIMENSION, "HNSW8", faiss.METRIC_INNER_PRODUCT))
    assert unlike.candidates(queries, 10, 4) is None and len(caplog.records) == 1, "in silence"
