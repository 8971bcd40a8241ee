"""`Collection.query` and its relatives against brute force over the collection's own vectors."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dinosearch import Collection
from dinosearch.errors import CollectionNotFoundError, FilterError, ImageNotFoundError, ImageUnreadableError
from tests.conftest import FakeEmbedder, write_photo


@pytest.fixture
def collection(tmp_path: Path, photo_folder: Path, fake_embedder: FakeEmbedder) -> Collection:
    collection = Collection.open(tmp_path / "home", create=True, embedder=fake_embedder)
    collection.index(photo_folder)
    return collection


def brute_force(collection: Collection, query: np.ndarray) -> list[tuple[float, str]]:
    ids, vectors = collection.vectors()
    names = {file["id"]: file["path"] for file in collection.files()}
    scores = vectors @ query
    return [(float(scores[i]), names[int(ids[i])]) for i in np.argsort(-scores, kind="stable")]


def test_ranking_and_scores_equal_brute_force(collection: Collection, tmp_path: Path) -> None:
    for seed in range(20, 25):
        photo = write_photo(tmp_path / f"q{seed}.png", seed)
        want = brute_force(collection, collection.embed(photo)[0])
        for exact in (False, True):
            hits = collection.query(photo, k=100, exact=exact, rerank="fast")
            assert [hit.path for hit in hits] == [path for _, path in want]
            np.testing.assert_allclose([hit.score for hit in hits], [score for score, _ in want], atol=1e-6)
            assert [hit.rank for hit in hits] == list(range(1, 13))


def test_the_queried_file_does_not_answer_itself_unless_asked(collection: Collection, photo_folder: Path) -> None:
    photo = photo_folder / "05.png"
    assert str(photo) not in [hit.path for hit in collection.query(photo, k=50)]
    best = collection.query(photo, k=50, include_self=True)[0]
    assert (best.path, best.width, best.height) == (str(photo), 64, 48)
    assert best.score == pytest.approx(1.0, abs=1e-5)
    assert len(collection.query(photo, k=50)) == 11


def test_every_form_of_an_image_gives_the_same_answer(collection: Collection, photo_folder: Path) -> None:
    photo = photo_folder / "03.png"
    forms = [photo, str(photo), photo.read_bytes(), Image.open(photo), np.asarray(Image.open(photo))]
    vectors = np.concatenate([collection.embed(form) for form in forms])
    np.testing.assert_allclose(vectors @ vectors[0], 1.0, atol=1e-5)
    image_id = next(file["id"] for file in collection.files() if file["path"] == str(photo))
    np.testing.assert_allclose(collection.embed(f"id:{image_id}")[0], vectors[0], atol=1e-6)
    hits = collection.query(f"id:{image_id}", k=20)
    assert [hit.path for hit in hits] == [hit.path for hit in collection.query(photo, k=20)]


def test_several_images_and_negatives(collection: Collection, photo_folder: Path) -> None:
    a, b, c = (collection.embed(photo_folder / f"0{i}.png")[0] for i in range(3))
    query = (a + b) / 2 - 0.5 * c
    query /= np.linalg.norm(query)
    used = {str(photo_folder / f"0{i}.png") for i in range(3)}
    want = [(score, path) for score, path in brute_force(collection, query) if path not in used]
    images = [photo_folder / f"0{i}.png" for i in range(3)]
    hits = collection.query(*images[:2], negative=images[2:], k=50, rerank="fast")
    assert [hit.path for hit in hits] == [path for _, path in want]
    np.testing.assert_allclose([hit.score for hit in hits], [score for score, _ in want], atol=1e-6)


def test_copies_are_separate_hits_unless_unique(collection: Collection, photo_folder: Path) -> None:
    data = (photo_folder / "07.png").read_bytes()
    (photo_folder / "copy.png").write_bytes(data)
    collection.index(photo_folder)
    names = [Path(hit.path).name for hit in collection.query(data, k=3)]
    assert names[:2] == ["07.png", "copy.png"]
    assert [Path(h.path).name for h in collection.query(photo_folder / "07.png", k=1)] == ["copy.png"]
    unique = collection.query(data, k=20, unique=True)
    assert len({hit.id for hit in unique}) == len(unique) == 12


def test_threshold_k_and_where(collection: Collection, photo_folder: Path, tmp_path: Path) -> None:
    write_photo(photo_folder / "wide.png", seed=40, size=(200, 50))
    collection.index(photo_folder)
    photo = write_photo(tmp_path / "q.png", 21)
    scores = [hit.score for hit in collection.query(photo, k=50, rerank="fast")]
    assert len(collection.query(photo, k=50, threshold=scores[4])) == 5
    assert len(collection.query(photo, k=4)) == 4
    assert [Path(h.path).name for h in collection.query(photo, where="width > 100")] == ["wide.png"]
    assert collection.query(photo, where="width > 1000") == []
    subset = {Path(h.path).name for h in collection.query(photo, k=50, where="name ~ '0*'", exact=True)}
    assert subset == {f"{i:02}.png" for i in range(10)}
    with pytest.raises(FilterError):
        collection.query(photo, where="width >")


def test_search_vectors_normalises_and_checks(collection: Collection) -> None:
    ids, vectors = collection.vectors()
    for hits, image_id in zip(collection.search_vectors(vectors * 3, k=2), ids.tolist(), strict=True):
        assert hits[0].id == image_id
        assert hits[0].score == pytest.approx(1.0, abs=1e-5)
    for wrong in (np.ones((1, 5)), np.zeros(96), np.full(96, np.nan)):
        with pytest.raises(ValueError, match="vector"):
            collection.search_vectors(wrong)


def test_threads_get_the_answers_of_one_thread(collection: Collection, photo_folder: Path) -> None:
    photos = sorted(photo_folder.iterdir()) * 4
    alone = [collection.query(photo, k=5) for photo in photos]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(lambda photo: collection.query(photo, k=5), photos))
    assert together == alone


def test_errors_are_sentences_with_the_next_step(collection: Collection, tmp_path: Path) -> None:
    with pytest.raises(ImageNotFoundError):
        collection.query(tmp_path / "absent.png")
    with pytest.raises(ImageNotFoundError, match="id:999"):
        collection.query("id:999")
    with pytest.raises(ImageUnreadableError):
        collection.query(b"no image")
    with pytest.raises(CollectionNotFoundError, match="dinosearch index"):
        Collection.open(tmp_path / "nowhere")
    empty = Collection.open(tmp_path / "empty", create=True, embedder=FakeEmbedder())
    with pytest.raises(CollectionNotFoundError, match="nothing has been indexed"):
        empty.query(np.zeros((8, 8, 3), np.uint8))


def test_the_default_ranking_is_balanced_and_a_threshold_sees_behind_the_last_rank(
    collection: Collection, tmp_path: Path
) -> None:
    photo = write_photo(tmp_path / "q.png", 30)
    assert collection.query(photo, k=12) == collection.query(photo, k=12, rerank="balanced")
    assert collection.query(photo, k=12, exact=True) == collection.query(photo, k=12, rerank="fast")
    hits = collection.query(photo, k=12)
    for k in (1, 3, 5):
        limit = sorted(hit.score for hit in hits)[6]
        expected = [hit.path for hit in hits if hit.score >= limit][:k]
        assert [hit.path for hit in collection.query(photo, k=k, threshold=limit)] == expected
