"""Fixtures for every test: where the shared data lies, small generated photos, an embedder without weights."""

from __future__ import annotations

import hashlib
import os
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from dinosearch.records import Fingerprint, Preprocessing

if TYPE_CHECKING:
    from torture.postgres_server import PostgresServer

# Embed by torch, which needs no export; the tests of the runtimes take this back. Here and not in a fixture, because
# fixtures of whole modules embed before those of a test are set up.
os.environ["DINOSEARCH_RUNTIME"] = "torch"

SLOW_FIRST = ("torture", "engines", "jobs", "browser", "server", "client", "embedding", "evaluation", "vectors")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the folders whose files take long, so that no worker starts one when the others are at their end."""
    tests = Path(__file__).parent
    rank = {tests / name: place for place, name in enumerate(SLOW_FIRST)}
    items.sort(key=lambda item: rank.get(next((p for p in item.path.parents if p in rank), tests), len(rank)))


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real photos and vectors; a test that needs it is skipped where it is absent."""
    named = os.environ.get("DINOSEARCH_TEST_DATA")
    folder = Path(named) if named else Path(__file__).resolve().parents[2] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("no ../shared/data here; set DINOSEARCH_TEST_DATA to run this test")
    return folder


@pytest.fixture(autouse=True)
def _decode_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Decode without child processes, which cost a second each; the tests of the pool and the command line take this
    back."""
    monkeypatch.setenv("DINOSEARCH_DECODE", "inline")


@pytest.fixture(scope="session")
def shared_graphs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for exported graphs, the same for all workers of a run, so that each graph is made once."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "graphs"
    folder.mkdir(exist_ok=True)
    return folder


@pytest.fixture
def by_graphs(shared_graphs: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Let the runtime be chosen as on a user's machine, with graphs in the shared folder, which is returned."""
    monkeypatch.delenv("DINOSEARCH_RUNTIME", raising=False)
    monkeypatch.delenv("DINOSEARCH_DEVICE", raising=False)
    monkeypatch.setenv("DINOSEARCH_GRAPHS", str(shared_graphs))
    return shared_graphs


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A PostgreSQL server with pgvector that ends with the tests; a test that needs it skips where it cannot be."""
    from torture.postgres_server import PostgresServer, missing  # programs that tests start import this file too

    why = missing()
    if why is not None:
        pytest.skip(why)
    with PostgresServer() as server:
        yield server


@pytest.fixture
def postgres_url(postgres: PostgresServer) -> str:
    """The address of a collection that no other test has, not made yet."""
    return postgres.collection(f"test_{uuid.uuid4().hex[:12]}")


class FakeEmbedder:
    """An embedder without weights: mean and spread of colour in a 4 x 4 grid, deterministic, 96 numbers.

    Attributes:
        images: how many images went through `embed`.
    """

    def __init__(self, name: str = "fake", batch_size: int = 8) -> None:
        self.fingerprint = Fingerprint(name, hashlib.sha256(name.encode()).hexdigest(), "squash-224", "cls", 96)
        self.preprocessing = Preprocessing()
        self.batch_size = batch_size
        self.patch_size = 14
        self.images = 0

    def embed(self, pixels: Sequence[np.ndarray]) -> np.ndarray:
        self.images += len(pixels)
        rows = []
        for image in pixels:
            height, width = (side // 4 * 4 for side in image.shape[:2])
            cells = image[:height, :width].astype(np.float32).reshape(4, height // 4, 4, width // 4, 3)
            row = np.concatenate([cells.mean(axis=(1, 3)).ravel(), cells.std(axis=(1, 3)).ravel()]) - 64.0
            rows.append(row / np.linalg.norm(row))
        return np.stack(rows).astype(np.float32)


@pytest.fixture
def fake_embedder() -> FakeEmbedder:
    return FakeEmbedder()


def write_photo(path: Path, seed: int, size: tuple[int, int] = (64, 48)) -> Path:
    """Write one small PNG of random colour blobs; another seed gives another content."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, size=(4, 4, 3), dtype=np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(coarse).resize(size, Image.Resampling.NEAREST).save(path)
    return path


@pytest.fixture
def photo_folder(tmp_path: Path) -> Path:
    """A folder of twelve different small photos: photos/00.png .. 11.png."""
    folder = tmp_path / "photos"
    for i in range(12):
        write_photo(folder / f"{i:02}.png", seed=i)
    return folder
