"""The contract of what is said of images and of what is asked about them, over `Collection` and over a server."""

from __future__ import annotations

import json
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from dinosearch import Collection
from dinosearch.client import Client
from dinosearch.errors import DinosearchError, ExportError, ImageNotFoundError, ServerError, SettingError
from tests.client.conftest import COUNT, Writable
from tests.conftest import FakeEmbedder
from tests.serving import served

HERE_ONLY = {
    "device": "where the model runs, which is the server's business",
    "embedder": "the model itself",
    "import_": "what is imported names the paths of its images, and a server would show these files to anybody",
    "prepare_explaining": "a server does so while nobody asks",
}


def public(kind: type) -> set[str]:
    return {name for name in dir(kind) if not name.startswith("_")}


def test_the_client_has_every_verb_of_collection() -> None:
    assert public(Collection) - public(Client) == set(HERE_ONLY)
    assert public(Client) <= public(Collection)


def test_pairs_that_are_no_duplicates(photos: Writable) -> None:
    either = photos.either
    either.say_not_duplicates(combinations([9, 4, 7], 2))
    assert either.not_duplicates() == photos.known.not_duplicates() == [(4, 7), (4, 9), (7, 9)]
    assert either.not_duplicates([9]) == [(4, 9), (7, 9)]
    assert either.not_duplicates([1]) == either.not_duplicates([]) == []
    either.say_not_duplicates([(9, 7), (1, 2)], forget=True)
    assert photos.known.not_duplicates() == [(4, 7), (4, 9)]
    for wrong, error in (([(1, 2), (3, 999)], ImageNotFoundError), ([(1, 2), (5, 5)], (ValueError, SettingError))):
        with pytest.raises(error):
            either.say_not_duplicates(wrong)
    assert photos.known.not_duplicates() == [(4, 7), (4, 9)]


def test_many_pairs_come_page_by_page(photos: Writable, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dinosearch.client.tagger._SAID", 100)
    monkeypatch.setattr("dinosearch.client.lister.PAGE", 7)
    pairs = list(combinations(range(1, COUNT + 1), 2))
    photos.either.say_not_duplicates(pairs)
    assert photos.either.not_duplicates() == pairs


def test_labels(photos: Writable) -> None:
    either = photos.either
    assert either.tag([3, 1], ["mill", "Größe \u6a39"], given=True) == 2
    assert either.tag(np.array([3, 5]), ["tower", "tower"], [0.5, 0.75], given=False) == 1  # a vote replaces no person
    found = either.tags()
    assert found == photos.known.tags()
    assert [(one.image_id, one.label, one.confidence, one.given) for one in found.values()] == [
        (1, "Größe \u6a39", 1.0, True),
        (3, "mill", 1.0, True),
        (5, "tower", 0.75, False),
    ]
    assert list(either.tags([5, 2])) == [5] and either.tags([]) == {}
    assert [file["id"] for file in either.files("label = tower")] == [5]
    assert either.untag([1, 5], given=False) == 1 and either.untag() == 2
    assert photos.known.tags() == {}
    with pytest.raises(ImageNotFoundError):
        either.tag([1, 999], ["a", "b"], given=True)
    for labels, share in ((["a", ""], 1), (["a", "b"], 1.5)):
        with pytest.raises((ValueError, SettingError)):
            either.tag([1, 2], labels, [1, share], given=False)
    assert photos.known.tags() == {}


def test_verdicts_are_listed_and_taken_back(photos: Writable) -> None:
    """By query and by result, in each form; the estimates are then what they were before."""
    either, known = photos.either, photos.known
    assert either.verdicts() == [] and either.forget_verdicts() == 0
    learned = either.calibrate(sample=20)
    confirmed = either.confirm("id:3", 4, "id:9")
    either.reject(5, "id:4")
    outside = np.random.default_rng(1).integers(0, 255, (40, 50, 3), np.uint8)
    known.reject(outside, "id:9")  # a query that is no image of the collection
    said = either.verdicts()
    assert said == known.verdicts() == sorted(said, key=lambda one: (one.query_sha256, one.image_id))
    assert {(one.query_id, one.image_id, one.same) for one in said} == {
        (3, 4, True),
        (3, 9, True),
        (5, 4, False),
        (None, 9, False),
    }
    scores = {hit.id: hit.score for hit in known.query(3, k=COUNT, rerank="fast")}
    assert [one.score for one in either.verdicts(3)] == pytest.approx([scores[4], scores[9]], abs=1e-6)
    digest = known.files("id = 3").__next__()["sha256"]
    file = photos.folder / "02.png"
    for query in ("id:3", np.int64(3), f"sha256:{digest}", f"sha256:{digest.upper()}", file, file.read_bytes()):
        assert [one.image_id for one in either.verdicts(query)] == [4, 9]
    assert [one.image_id for one in either.verdicts(outside)] == [9]
    assert {(one.query_id, one.image_id) for one in either.verdicts(results=[4, 999])} == {(3, 4), (5, 4)}
    assert either.verdicts(3, [9])[0].image_id == 9
    assert either.verdicts(results=[]) == either.verdicts(4) == either.verdicts(f"sha256:{64 * '0'}") == []

    assert either.forget_verdicts(results=[]) == either.forget_verdicts(3, [5]) == 0 and either.verdicts() == said
    assert either.forget_verdicts(outside) == 1 and either.forget_verdicts(results=[4]) == 2
    assert [(one.query_id, one.image_id) for one in either.verdicts()] == [(3, 9)]
    assert confirmed is not None and (either.calibration.confirmed, either.calibration.rejected) == (1, 0)
    assert either.forget_verdicts() == 1 and either.verdicts() == []
    assert either.calibration == known.calibration == learned != confirmed
    for verb in (either.verdicts, either.forget_verdicts):
        for wrong in (999, "id:999", photos.folder / "never.png"):
            with pytest.raises(ImageNotFoundError):
                verb(wrong)


def test_many_verdicts_come_page_by_page(photos: Writable, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dinosearch.client.lister.PAGE", 7)
    monkeypatch.setattr("dinosearch.client.judge._LISTED", 10)
    monkeypatch.setattr("dinosearch.client.judge._FORGOTTEN", 10)
    ids = list(range(2, COUNT + 1))
    for query in (1, 2):
        photos.either.confirm(query, *(f"id:{number}" for number in ids if number != query))
    assert photos.either.verdicts() == photos.known.verdicts(results=ids) == photos.either.verdicts(results=ids)
    assert len(photos.either.verdicts()) == 2 * COUNT - 3
    assert photos.either.forget_verdicts(1, ids) == COUNT - 1
    assert {one.query_id for one in photos.either.verdicts()} == {2}


def test_names_lead_to_ids(photos: Writable, tmp_path: Path) -> None:
    either, first = photos.either, photos.folder / "00.png"
    moved = tmp_path / "moved.png"
    moved.write_bytes(first.read_bytes())
    names = [str(first), "id:2", "id:999", f"id:{2**63}", "id:" + 30 * "9", "/nowhere.png", str(moved)]
    assert either.ids_of(names) == {str(first): 1, "id:2": 2}
    assert either.ids_of(names, by_content=True) == {str(first): 1, "id:2": 2, str(moved): 1}
    digest = photos.known.files("id = 3").__next__()["sha256"]
    assert either.ids_of([f"sha256:{digest}", f"sha256:{64 * '0'}"]) == {f"sha256:{digest}": 3}
    assert either.ids_under(str(photos.folder)) == list(range(1, COUNT + 1))
    assert either.ids_under(str(first)) == [1] and either.ids_under("id:7") == [7]
    assert either.ids_under(str(photos.folder / "0")) == either.ids_under("id:999") == []


def test_what_there_is(photos: Writable) -> None:
    either, known = photos.either, photos.known
    assert either.ids().tolist() == known.ids().tolist() == list(range(1, COUNT + 1))
    assert either.ids("id > 28").tolist() == [29, 30] and either.ids("id > 999").shape == (0,)
    assert either.facets() == known.facets()
    assert either.picture(4, 160) == known.picture(4, 160)
    before = either.state
    assert before == known.state and either.images_state == known.images_state
    assert either.calibration is None and either.is_refined is False
    either.refine(augment=2)
    assert either.is_refined and either.state > before
    with pytest.raises(ImageNotFoundError):
        either.picture(999)


def test_ids_come_page_by_page(photos: Writable, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dinosearch.client.lister._IDS", 7)
    assert photos.either.ids().tolist() == list(range(1, COUNT + 1))
    assert photos.either.ids_under(str(photos.folder)) == list(range(1, COUNT + 1))


def test_an_export_can_be_taken_in(photos: Writable, tmp_path: Path) -> None:
    """What either wrote is the same, and another home takes it."""
    photos.known.tag([3], ["mill"], given=True)
    stages = []
    wrote = photos.either.export(tmp_path / "out", progress=lambda *state: stages.append(state))
    assert wrote == COUNT == photos.known.export(tmp_path / "oracle") and stages[-1] == ("export", COUNT, COUNT)
    for name in ("images.jsonl", "vectors.npy"):
        assert (tmp_path / "out" / name).read_bytes() == (tmp_path / "oracle" / name).read_bytes()
    manifests = [json.loads((tmp_path / name / "manifest.json").read_text()) for name in ("out", "oracle")]
    assert manifests[0] == manifests[1]
    with Collection.open(tmp_path / "second", create=True, embedder=FakeEmbedder()) as second:
        assert second.import_(tmp_path / "out").added == COUNT
    with pytest.raises(ExportError):
        photos.either.export(tmp_path / "out")


def test_a_model_is_changed_and_the_one_before_comes_back(photos: Writable) -> None:
    """From the tests' own model to the bundled one; images are of its size, so that no weights are fetched."""
    either, before = photos.either, photos.known.info().fingerprint
    assert before is not None
    cost = either.estimate_migration(model="mini")
    assert (cost.model.checkpoint, cost.images, cost.unreadable) == ("mini", COUNT, 0)
    done = either.migrate(model="mini")
    assert (done.outcome, done.ok, done.embedded, done.left) == ("answering", True, COUNT, ())
    now = either.info()
    assert now.fingerprint is not None and now.fingerprint.checkpoint == "mini" == done.model.checkpoint
    assert [hit.id for hit in either.query(1, k=3, rerank="fast")] == [
        hit.id for hit in photos.known.query(1, k=3, rerank="fast")
    ]
    assert either.migrate(model="mini").outcome == "already"
    assert either.forget_kept() > 0
    with pytest.raises(DinosearchError):
        either.migrate_back()
    with pytest.raises(DinosearchError):
        either.migrate(model="no such model")


def test_a_server_loads_its_own_models_only(photos: Writable) -> None:
    if isinstance(photos.either, Collection):
        pytest.skip("of servers only")
    for wrong in ({"weights": "/etc/passwd"}, {"embedder": FakeEmbedder()}):
        with pytest.raises(SettingError, match="its own models"):
            photos.either.migrate(**wrong)
    with pytest.raises(SettingError, match="320"):
        photos.either.picture(1, 300)


def test_a_server_that_changes_nothing_refuses(photos: Writable) -> None:
    if isinstance(photos.either, Collection):
        pytest.skip("of servers only")
    with served({"photos": photos.known}) as url, Client(url) as client:
        assert client.tags() == {} and client.not_duplicates() == client.verdicts() == []
        assert Client.exists(f"{url}/photos") and not Client.exists(f"{url}/others")
        for verb in (
            lambda: client.tag([1], ["a"], given=True),
            lambda: client.untag(),
            lambda: client.say_not_duplicates([(1, 2)]),
            lambda: client.say_not_duplicates([(1, 2)], forget=True),
            lambda: client.forget_verdicts(1),
            lambda: client.migrate(model="mini"),
        ):
            with pytest.raises(ServerError, match="--writable"):
                verb()


def test_hidden_paths_are_not_found_out_by_names(photos: Writable) -> None:
    if isinstance(photos.either, Collection):
        pytest.skip("of servers only")
    with served({"photos": photos.known}, hide_paths=True) as url, Client(url) as client:
        assert client.ids_of(["id:1"]) == {"id:1": 1}
        for ask in (client.ids_under, lambda path: client.ids_of([path])):
            with pytest.raises(SettingError, match="hides folders"):
                ask(str(photos.folder / "00.png"))
