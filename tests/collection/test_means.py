"""The mean tokens of places: against a mean by hand, the same by pieces and from the file, and kept while it grows."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from dinosearch import Collection
from dinosearch.collection.asking import means
from dinosearch.collection.asking.means import LEAST, SAMPLE, MeanTokens, sample
from tests.conftest import FakeEmbedder, write_photo


class Counted:
    """Token maps that anybody can make, of all images but some; counts how often it is asked."""

    def __init__(self, unreadable: Sequence[int] = ()) -> None:
        self.unreadable, self.asked = unreadable, list[int]()

    def __call__(self, ids: Sequence[int], side: int) -> list[np.ndarray]:
        self.asked += ids
        return [self.map(number, side) for number in ids if number not in self.unreadable]

    @staticmethod
    def map(number: int, side: int) -> np.ndarray:
        return np.random.default_rng([number, side]).normal(size=(3, 4, 5)).astype(np.float32)


class Named(FakeEmbedder):
    """An embedder whose tokens are those of a known program, so that its means are kept."""

    runtime = "test 1"


@pytest.fixture(scope="module")
def collection(tmp_path_factory: pytest.TempPathFactory) -> Collection:
    folder = tmp_path_factory.mktemp("means")
    for number in range(SAMPLE + 8):
        write_photo(folder / "photos" / f"{number:02}.png", seed=number)
    with Collection.open(folder / "home", create=True, embedder=FakeEmbedder()) as made:
        made.index(folder / "photos", workers=1)
        yield made


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DINOSEARCH_GRAPHS", str(tmp_path / "graphs"))
    return tmp_path / "graphs" / "means"


def made_by(collection: Collection, maps: Counted, embedder: FakeEmbedder | None = None) -> MeanTokens:
    return MeanTokens(collection._opened, embedder or Named(), maps)


def by_hand(ids: Sequence[int], side: int) -> np.ndarray:
    return np.mean([Counted.map(number, side) for number in ids], axis=0, dtype=np.float64)


def test_the_mean_is_that_of_the_sample_at_once_by_pieces_and_from_the_file(
    collection: Collection, folder: Path
) -> None:
    chosen = sample(collection.ids())
    assert len(chosen) == SAMPLE
    at_once, pieces, again = Counted(), Counted(), Counted()
    found = made_by(collection, at_once, FakeEmbedder()).of(64)
    assert np.allclose(found, by_hand(chosen, 64), atol=1e-6)
    assert not folder.exists(), "tokens of somebody's own embedder have no name"

    pauses: list[int] = []
    by_pieces = made_by(collection, pieces)
    by_pieces.prepare(64, lambda: pauses.append(len(pieces.asked)))
    assert pauses == list(range(SAMPLE)), "a pause before each image"
    assert np.array_equal(by_pieces.of(64), found) and pieces.asked == at_once.asked == chosen
    assert np.array_equal(made_by(collection, again).of(64), found) and not again.asked


def test_who_needs_it_now_makes_the_rest(collection: Collection) -> None:
    maps = Counted()
    made = made_by(collection, maps)
    found: list[np.ndarray | None] = []

    def hurried() -> None:
        if len(maps.asked) == 5 and not found:
            asking = threading.Thread(target=lambda: found.append(made.of(64)))
            asking.start()
            asking.join(20)

    made.prepare(64, hurried)
    assert np.allclose(found[0], by_hand(sample(collection.ids()), 64), atol=1e-6)
    assert len(maps.asked) == SAMPLE, "no image twice"


def test_a_damaged_file_is_made_again(collection: Collection, folder: Path) -> None:
    found = made_by(collection, Counted()).of(64)
    (file,) = folder.iterdir()
    whole = file.read_bytes()
    for damaged in (b"", whole[:-40], whole[:200] + bytes([whole[200] ^ 1]) + whole[201:]):
        file.write_bytes(damaged)
        maps = Counted()
        assert np.array_equal(made_by(collection, maps).of(64), found)
        assert len(maps.asked) == SAMPLE
    assert file.read_bytes() == whole


def test_pictures_that_are_away_are_left_out_and_the_mean_is_not_kept(collection: Collection, folder: Path) -> None:
    chosen = sample(collection.ids())
    found = made_by(collection, Counted(chosen[:10])).of(64)
    assert np.allclose(found, by_hand(chosen[10:], 64), atol=1e-6)
    assert made_by(collection, Counted(chosen[: SAMPLE - LEAST + 1])).of(64) is None
    assert not folder.exists()


def test_few_files_are_kept(collection: Collection, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(means, "KEPT", 3)
    for side in range(64, 70):
        made_by(collection, Counted()).of(side)
    assert len(list(folder.iterdir())) == 3


def test_the_sample_hardly_changes_while_a_collection_grows() -> None:
    ids = np.arange(1, 20_001)
    chosen = [set(sample(ids[:count])) for count in range(10_000, 20_001, 100)]
    changed = sum(len(after - before) for before, after in zip(chosen, chosen[1:], strict=False))
    # A new one of n is in a random sample of s by the chance s / n: about s log 2 while the collection doubles.
    assert changed <= 2 * SAMPLE
    assert all(len(one) == SAMPLE for one in chosen)
    quarters = np.histogram(sorted(chosen[-1]), bins=4, range=(0, 20_000))[0]
    assert quarters.min() >= SAMPLE // 8, "spread over the whole"
