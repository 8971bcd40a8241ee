"""What a query may be made of beside one picture: numbers, vectors, weights; and what a host program may look at."""

from __future__ import annotations

import io
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dinosearch import Collection
from dinosearch.errors import ImageNotFoundError, ImageUnreadableError, SettingError
from dinosearch.protocols import Embedder
from dinosearch.timing import STAGES, stage, watched
from tests.conftest import FakeEmbedder, write_photo


@pytest.fixture
def collection(tmp_path: Path, photo_folder: Path, fake_embedder: FakeEmbedder) -> Collection:
    collection = Collection.open(tmp_path / "home", create=True, embedder=fake_embedder)
    collection.index(photo_folder)
    return collection


def by_hand(collection: Collection, query: np.ndarray) -> list[int]:
    ids, vectors = collection.vectors()
    return ids[np.argsort(-(vectors @ query), kind="stable")].tolist()


def ids_of(collection: Collection, *images: object, **asked: object) -> list[int]:
    hits = collection.query(*images, k=50, rerank="fast", include_self=True, **asked)  # type: ignore[arg-type]
    return [hit.id for hit in hits]


def test_an_id_may_be_a_number(collection: Collection) -> None:
    assert collection.query(3, k=20) == collection.query("id:3", k=20)
    assert 3 not in [hit.id for hit in collection.query(3, k=20)]
    assert collection.query(np.int64(3), k=20) == collection.query(3, k=20)
    for number in (0, -1, 2**70):
        with pytest.raises(ImageNotFoundError):
            collection.query(number)


def test_a_vector_is_asked_like_an_image(collection: Collection, photo_folder: Path) -> None:
    photo = photo_folder / "05.png"
    vector = collection.embed(photo)[0]
    assert ids_of(collection, vector) == ids_of(collection, photo) == by_hand(collection, vector)
    assert ids_of(collection, 3 * vector) == ids_of(collection, vector)
    np.testing.assert_allclose(collection.embed(vector, 5)[0], vector, atol=1e-6)
    mixed = collection.embed(vector, 2, photo)
    assert ids_of(collection, vector, 2, photo) == by_hand(collection, mixed.mean(0))
    for wrong in (np.ones(5, np.float32), np.zeros(96, np.float32), np.full(96, np.nan, np.float32)):
        with pytest.raises(ValueError, match="vector"):
            collection.query(wrong)
    for what in ({"box": (0.0, 0.0, 0.5, 0.5)}, {"rerank": "geometry"}, {"regions": True}):
        with pytest.raises(SettingError, match="vectors have not"):
            collection.query(vector, **what)


def test_weights_are_those_of_a_weighted_mean(collection: Collection) -> None:
    rows = dict(zip(*collection.vectors(), strict=True))
    weights, against = [3.0, 0.5], [1.0, 4.0]
    wanted = (3.0 * rows[1] + 0.5 * rows[2]) / 3.5
    unwanted = (rows[3] + 4.0 * rows[4]) / 5.0
    assert ids_of(collection, 1, 2, weights=weights) == by_hand(collection, wanted)
    asked = {"negative": [3, 4], "weights": weights, "negative_weights": against}
    assert ids_of(collection, 1, 2, **asked) == by_hand(collection, wanted - 0.5 * unwanted)
    assert ids_of(collection, 1, 2, weights=[7, 7]) == ids_of(collection, 1, 2)
    assert ids_of(collection, 1, 2, weights=[1e308, 1e308]) == ids_of(collection, 1, 2)
    for wrong in ([1.0], [1.0, 0.0], [1.0, -2.0], [1.0, float("nan")], [1.0, float("inf")]):
        with pytest.raises(SettingError, match="weights"):
            collection.query(1, 2, weights=wrong)
    with pytest.raises(SettingError, match="without negatives"):
        collection.query(1, negative_weights=[1.0])


def test_the_stages_of_a_query_report_their_time(collection: Collection, tmp_path: Path) -> None:
    seen: Counter[str] = Counter()
    photo = write_photo(tmp_path / "q.png", 77)
    with watched(lambda name, seconds: seen.update({name: seconds})):
        collection.query(photo, rerank="balanced")
    assert set(seen) == set(STAGES)
    assert all(seconds >= 0 for seconds in seen.values())
    before = dict(seen)
    collection.query(photo)
    assert dict(seen) == before


def test_time_inside_another_stage_is_counted_once() -> None:
    seen: list[tuple[str, float]] = []
    with watched(lambda name, seconds: seen.append((name, seconds))), stage("re-rank"), stage("search"):
        np.linalg.svd(np.random.default_rng(0).normal(size=(200, 200)))
    (inner, taken), (outer, rest) = seen
    assert (inner, outer) == ("search", "re-rank")
    assert 0 <= rest < taken


def test_a_picture_is_small_upright_and_bare(collection: Collection, photo_folder: Path, tmp_path: Path) -> None:
    turned = Image.new("RGB", (80, 40), (200, 30, 30))
    exif = turned.getexif()
    exif[0x0112], exif[0x010F] = 6, "Secret camera"
    turned.save(tmp_path / "turned.jpg", exif=exif)
    collection.index(tmp_path / "turned.jpg")
    number = next(hit["id"] for hit in collection.files("path ~ '**/turned.jpg'"))
    data = collection.picture(number, 50)
    shown = Image.open(io.BytesIO(data))
    assert (shown.format, shown.size) == ("JPEG", (25, 50))
    assert not shown.getexif() and b"Secret" not in data
    (tmp_path / "turned.jpg").write_bytes((photo_folder / "01.png").read_bytes())
    with pytest.raises(ImageUnreadableError, match="changed"):
        collection.picture(number)
    (tmp_path / "turned.jpg").unlink()
    with pytest.raises(ImageUnreadableError, match="no longer|not there|does not exist|cannot be"):
        collection.picture(number)
    with pytest.raises(ImageNotFoundError):
        collection.picture(10**6)


def test_the_state_rises_with_every_commit(collection: Collection, photo_folder: Path) -> None:
    with Collection.open(collection.home, read_only=True, embedder=FakeEmbedder()) as other:
        before = other.state
        assert other.state == before
        collection.remove(photo_folder / "01.png")
        assert other.state > before


def test_the_model_may_be_wrapped(tmp_path: Path, photo_folder: Path) -> None:
    wrapped: list[Embedder] = []

    class Wrapped:
        def __init__(self, inner: Embedder) -> None:
            self.inner, self.asked = inner, 0
            wrapped.append(self)  # type: ignore[arg-type]

        def __getattr__(self, name: str) -> object:
            return getattr(self.inner, name)

        def embed(self, pixels: list[np.ndarray]) -> np.ndarray:
            self.asked += len(pixels)
            return self.inner.embed(pixels)

    home = tmp_path / "home"
    with Collection.open(home, create=True, embedder=FakeEmbedder(), wrap=Wrapped) as collection:
        collection.index(photo_folder)
        collection.query(photo_folder / "01.png")
        collection.migrate(embedder=FakeEmbedder("other"))
        collection.query(photo_folder / "01.png")
        assert [one.fingerprint.checkpoint for one in wrapped] == ["fake", "other"]
        # A migration embeds by the model itself; the queries after it go through what is around it.
        assert [one.asked for one in wrapped] == [13, 1]  # type: ignore[attr-defined]


@pytest.mark.parametrize("rerank", ["fast", "balanced"])
def test_more_hits_than_images_cost_no_memory(collection: Collection, rerank: str) -> None:
    every = collection.query(3, k=50, rerank=rerank)
    assert len(every) == len(collection.ids()) - 1
    assert collection.query(3, k=10**15, rerank=rerank) == every
    assert collection.search_vectors(collection.vectors()[1], k=10**15)[0] == collection.query(
        collection.vectors()[1][0], k=50, rerank="fast"
    )


@pytest.mark.parametrize("k", [1.5, "3", None])
def test_a_number_of_hits_is_whole(collection: Collection, k: object) -> None:
    with pytest.raises(TypeError, match="number of hits"):
        collection.query(3, k=k)  # type: ignore[arg-type]


def test_a_negative_that_is_no_list_is_not_taken_apart(collection: Collection) -> None:
    with pytest.raises(TypeError, match=r"negative=\['id:2'\]"):
        collection.query(3, negative="id:2")


@pytest.mark.parametrize("box", [(0, 0, 1), "a", ("0", "0", "1", "1"), (0, 0, 1, 1, 1), ()])
def test_a_box_has_four_numbers(collection: Collection, box: object) -> None:
    with pytest.raises(SettingError, match="is no box"):
        collection.query(3, box=box)  # type: ignore[arg-type]


def test_a_picture_without_pixels_is_refused(collection: Collection) -> None:
    with pytest.raises(ValueError, match="no pixels"):
        collection.query(Image.new("RGB", (0, 10)))
