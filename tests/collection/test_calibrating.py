"""Calibration of a collection and users' verdicts, with an embedder that needs no weights."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dinosearch import Collection
from dinosearch.errors import DinosearchError, HomeLockedError, ImageNotFoundError
from tests.conftest import FakeEmbedder, write_photo

PHOTOS = 48


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for i in range(PHOTOS):
        write_photo(tmp_path / "photos" / f"{i:02}.png", seed=i, size=(160, 120))
    return tmp_path / "photos"


@pytest.fixture
def photos(folder: Path, tmp_path: Path) -> Iterator[Collection]:
    with Collection.open(tmp_path / "index", create=True, embedder=FakeEmbedder()) as collection:
        collection.index(folder)
        yield collection


def test_it_tells_copies_from_strangers(photos: Collection, folder: Path) -> None:
    learned = photos.calibrate()
    assert (learned.positives, learned.negatives) == (2 * PHOTOS, 2 * PHOTOS * (PHOTOS - 1))
    assert (learned.unreadable, learned.rivals) == (0, PHOTOS - 1)
    assert learned.confidence(1.0) > 0.9
    with Image.open(folder / "00.png") as image:
        smaller = image.resize((80, 60))
    hits = photos.query(smaller, k=PHOTOS)
    assert [hit.confidence for hit in hits] == [pytest.approx(learned.confidence(hit.score)) for hit in hits]
    assert hits[0].confidence is not None
    assert hits[0].confidence > 0.9
    assert hits[-1].confidence is not None
    assert hits[-1].confidence < 0.05


def test_hits_have_no_confidence_before(photos: Collection, folder: Path) -> None:
    assert {hit.confidence for hit in photos.query(folder / "00.png")} == {None}


def test_it_is_the_same_every_time_and_kept(photos: Collection, folder: Path, tmp_path: Path) -> None:
    first, again = photos.calibrate(sample=30), photos.calibrate(sample=30)
    assert (first.scores, first.log_odds, first.right) == (again.scores, again.log_odds, again.right)
    assert first.positives == 60
    shown = [hit.confidence for hit in photos.query(folder / "03.png", k=20)]
    with Collection.open(tmp_path / "index", read_only=True, embedder=FakeEmbedder()) as other:
        assert [hit.confidence for hit in other.query(folder / "03.png", k=20)] == shown


def test_progress_counts_the_sample(photos: Collection) -> None:
    seen: list[tuple[str, int, int | None]] = []
    photos.calibrate(sample=25, progress=lambda stage, done, total: seen.append((stage, done, total)))
    assert seen == [("calibrate", i, 25) for i in range(1, 26)]


def test_files_that_are_gone_are_counted_and_too_few_are_refused(photos: Collection, folder: Path) -> None:
    for i in range(10):
        (folder / f"{i:02}.png").unlink()
    learned = photos.calibrate()
    assert (learned.unreadable, learned.positives) == (10, 2 * (PHOTOS - 10))
    for i in range(10, PHOTOS - 5):
        (folder / f"{i:02}.png").write_bytes(b"no picture")
    with pytest.raises(DinosearchError, match="only 5 can be read; index more with: dinosearch index"):
        photos.calibrate()
    assert photos.query("id:1")[0].confidence is not None  # the earlier calibration stays


def test_a_sample_below_the_least_is_refused(photos: Collection) -> None:
    with pytest.raises(ValueError, match="at least 20"):
        photos.calibrate(sample=5)


def middling(photos: Collection, query: Path) -> tuple[float, list[str]]:
    """Score and names of ten neighbours somewhere in the middle of the ranking."""
    hits = photos.query(query, k=PHOTOS)[5:15]
    return float(np.median([hit.score for hit in hits])), [f"id:{hit.id}" for hit in hits]


def test_confirmed_results_raise_confidence_and_rejected_ones_lower_it(photos: Collection, folder: Path) -> None:
    query = folder / "07.png"
    learned = photos.calibrate()
    score, results = middling(photos, query)
    raised = photos.confirm(query, *results)
    assert raised is not None
    assert (raised.confirmed, raised.rejected) == (10, 0)
    assert raised.confidence(score) > learned.confidence(score) + 0.1
    lowered = photos.reject(query, *results)  # the same pairs: these verdicts replace the others
    assert lowered is not None
    assert (lowered.confirmed, lowered.rejected) == (0, 10)
    assert lowered.confidence(score) < raised.confidence(score) - 0.1
    assert photos.query(query, k=9)[8].confidence == pytest.approx(
        lowered.confidence(photos.query(query, k=9)[8].score)
    )


def test_verdicts_before_the_calibration_count_once_it_is_there(photos: Collection, folder: Path) -> None:
    query = folder / "07.png"
    score, results = middling(photos, query)
    assert photos.confirm(query, *results) is None
    learned = photos.calibrate()
    assert learned.confirmed == 10
    assert photos.reject(query, *results) is not None
    assert photos.calibrate().confidence(score) < learned.confidence(score)


def test_one_image_named_in_three_ways_is_one_query(photos: Collection, folder: Path) -> None:
    photos.calibrate()
    own = next(file["id"] for file in photos.files() if file["path"] == str(folder / "07.png"))
    target = str(folder / "09.png")
    counts = []
    for query in (folder / "07.png", f"id:{own}", (folder / "07.png").read_bytes()):
        found = photos.confirm(query, target)
        assert found is not None
        counts.append(found.confirmed)
    assert counts == [1, 1, 1]
    with Image.open(folder / "07.png") as image:
        found = photos.confirm(np.asarray(image), target)
    assert found is not None
    assert found.confirmed == 2  # pixels have no file: another query


def test_what_was_said_is_taken_back(photos: Collection, folder: Path, tmp_path: Path) -> None:
    """Also of images that have left the collection, and beside a calibration that says nothing of these scores."""
    target = next(file["id"] for file in photos.files() if file["path"] == str(folder / "09.png"))
    assert photos.confirm(folder / "07.png", folder / "09.png") is None
    assert photos.forget_verdicts(folder / "07.png") == 1 and photos.calibration is None
    learned = photos.calibrate()
    before = photos.state
    assert photos.forget_verdicts() == 0 and photos.forget_verdicts(folder / "07.png", [target]) == 0
    assert photos.calibration == learned
    photos.confirm(folder / "07.png", folder / "09.png")
    photos.remove(folder / "07.png", folder / "09.png")
    (said,) = photos.verdicts()
    assert (said.query_id, said.image_id, said.same) == (None, target, True) and photos.state > before
    assert photos.verdicts(f"sha256:{said.query_sha256}") == photos.verdicts(results=[target]) == [said]
    assert photos.forget_verdicts(f"sha256:{said.query_sha256}", [target]) == 1
    assert photos.verdicts() == [] and photos.calibration == learned


def test_a_word_taken_back_stays_so_when_a_model_comes_back(photos: Collection, folder: Path) -> None:
    """The calibration lay aside meanwhile, with the word in it."""
    learned = photos.calibrate(sample=20)
    photos.confirm(folder / "07.png", folder / "09.png")
    photos.migrate(model="mini")
    assert photos.calibration is None and len(photos.verdicts()) == 1
    photos.forget_verdicts()
    photos.migrate_back()
    assert photos.calibration == learned


def test_mistakes_record_nothing(photos: Collection, folder: Path, tmp_path: Path) -> None:
    photos.calibrate()
    outside = write_photo(tmp_path / "outside.png", seed=99)
    for query, results, why in (
        (folder / "07.png", ["id:1", outside], "outside.png is not in the collection"),
        (folder / "07.png", ["id:999"], "there is no image id:999"),
        (folder / "07.png", [999], "there is no image id:999"),
        (tmp_path / "absent.png", ["id:1"], "absent.png"),
        ("id:999", ["id:1"], "there is no image id:999"),
    ):
        with pytest.raises(ImageNotFoundError, match=why):
            photos.reject(query, *results)
    with pytest.raises(ValueError, match="at least one result"):
        photos.reject(folder / "07.png")
    assert photos.calibrate().rejected == 0


def test_both_outlive_compact(photos: Collection, folder: Path) -> None:
    photos.calibrate()
    learned = photos.confirm(folder / "07.png", folder / "09.png")
    assert learned is not None
    before = [hit.confidence for hit in photos.query(folder / "07.png")]
    photos.compact()
    assert [hit.confidence for hit in photos.query(folder / "07.png")] == before
    found = photos.confirm(folder / "07.png", folder / "11.png")
    assert found is not None
    assert found.confirmed == 2


def test_writing_needs_the_lock(photos: Collection, folder: Path) -> None:
    photos.calibrate()
    with photos._opened.home.writer():
        for write in (
            photos.calibrate,
            lambda: photos.confirm(folder / "07.png", "id:1"),
            lambda: photos.forget_verdicts("id:1"),
        ):
            with pytest.raises(HomeLockedError):
                write()
