"""What is said of collections over HTTP is what the library says of them."""

from __future__ import annotations

import dataclasses
import json
from collections import Counter

import numpy as np
import pytest
from starlette.testclient import TestClient

from dinosearch import Collection
from dinosearch.records import Explanation
from dinosearch.records.wire import explanation_from_dict
from dinosearch.server.app import create_app
from dinosearch.server.settings import Settings
from tests.conftest import FakeEmbedder
from tests.server.conftest import ADDRESS, HERE, NAME, make_home
from tests.server.test_search import assert_problem


def test_list(served, collection):
    (one,) = served.get("/v1/collections").json()["collections"]
    info = collection.info()
    assert (one["name"], one["images"], one["files"]) == (NAME, info.images, info.files)
    assert (one["model"], one["dimension"], one["state"]) == ("fake", 96, collection.state)
    assert (one["writable"], one["calibrated"], one["regions"]) == (False, False, False)


def test_info(served, collection):
    answer = served.get(HERE).json()
    expected = {**collection.info().to_dict(), "name": NAME, "state": collection.state, "writable": False}
    expected["images_state"] = collection.images_state
    expected |= {"calibration": None, "is_refined": False}
    assert answer == json.loads(json.dumps(expected))


def test_a_collection_whose_home_is_gone_does_not_hide_the_others(indexed, tmp_path):
    homes = {name: tmp_path / name for name in ("one", "two")}
    for home in homes.values():
        Collection.open(home, create=True).close()
    app = create_app(Settings(homes=tuple((name, str(home)) for name, home in homes.items())))
    with TestClient(app, base_url=ADDRESS) as client:
        homes["one"].rename(tmp_path / "away")
        assert [one["name"] for one in client.get("/v1/collections").json()["collections"]] == ["two"]
        answer = client.get("/v1/collections/one")
        assert_problem(answer, 503, indexed)
        assert str(tmp_path) not in answer.text and answer.headers["retry-after"]


def test_nothing_shows_hidden_paths(serve, indexed):
    client = serve(hide_paths=True)
    secret = indexed.photos.parent.name
    for path in ("", "/facets", "/files", "/images/1", "/images/13"):
        assert secret not in client.get(f"{HERE}{path}").text, path
    assert client.get(f"{HERE}/facets").json()["folders"] == []
    assert_problem(client.get(f"{HERE}/files", params={"where": 'path ~ "/t*"'}), 422, indexed)
    assert_problem(client.get(f"{HERE}/duplicates", params={"within": "/tmp"}), 422, indexed)


def test_files_page_by_page(served, collection):
    rows, cursor = [], None
    while True:
        answer = served.get(f"{HERE}/files", params={"limit": 4, **({"cursor": cursor} if cursor else {})}).json()
        assert len(answer["files"]) <= 4
        rows += answer["files"]
        cursor = answer["next"]
        if cursor is None:
            break
    assert rows == list(collection.files())
    assert len({row["id"] for row in rows}) < len(rows)  # pages end between files of one image too


def test_files_with_a_filter(served, collection, indexed):
    where = "name = 03.png or name = copy.png or id = 1"
    first = served.get(f"{HERE}/files", params={"where": where, "limit": 2}).json()
    rest = served.get(f"{HERE}/files", params={"where": where, "limit": 2, "cursor": first["next"]}).json()
    assert first["files"] + rest["files"] == list(collection.files(where)) and rest["next"] is None
    assert served.get(f"{HERE}/files", params={"where": "id = 1", "cursor": first["next"]}).status_code == 422
    for wrong in ("width >", "id > 1) or (id < 9", "x" * 2001):
        assert_problem(served.get(f"{HERE}/files", params={"where": wrong}), 422, indexed)


def test_facets(served, collection):
    rows = list(collection.files())
    answer = served.get(f"{HERE}/facets").json()
    folders = Counter(row["path"].rpartition("/")[0] for row in rows)
    assert {one["path"]: one["files"] for one in answer["folders"]} == folders
    assert {one["format"]: one["files"] for one in answer["formats"]} == Counter(row["format"] for row in rows)
    assert answer["cameras"] == [{"camera": "Secretmaker Model 7", "files": 1}]
    assert answer["taken"] == {"first": "2020-05-17T10:11:12", "last": "2020-05-17T10:11:12"}
    for name in ("width", "height", "size"):
        values = [row[name] for row in rows]
        assert answer[name] == {"min": min(values), "max": max(values)}


def test_image(served, collection):
    (one,) = collection.files("name = copy.png")
    answer = served.get(f"{HERE}/images/{one['id']}").json()
    assert answer["files"] == list(collection.files(f"id = {one['id']}")) and len(answer["files"]) == 2
    assert (answer["id"], answer["width"], answer["height"]) == (one["id"], one["width"], one["height"])


def test_vectors(served, collection):
    answer = served.post(f"{HERE}/vectors", json={"ids": [5, 2, 5]}).json()
    assert answer["ids"] == [5, 2, 5] and answer["next"] is None
    assert np.array_equal(np.array(answer["vectors"], np.float32), collection.vectors([5, 2, 5])[1])


def test_all_vectors_page_by_page(served, collection):
    ids, rows, cursor = [], [], None
    while True:
        answer = served.post(f"{HERE}/vectors", json={"limit": 5, "cursor": cursor}).json()
        ids += answer["ids"]
        rows += answer["vectors"]
        cursor = answer["next"]
        if cursor is None:
            break
    expected_ids, expected = collection.vectors()
    assert ids == expected_ids.tolist()
    assert np.array_equal(np.array(rows, np.float32), expected)


@pytest.mark.parametrize(
    ("body", "status"),
    [({"ids": [999]}, 404), ({"ids": list(range(10_001))}, 422), ({"limit": 0}, 422), ({"cursor": "x"}, 422)],
)
def test_vectors_refused(served, indexed, body, status):
    assert_problem(served.post(f"{HERE}/vectors", json=body), status, indexed)


def test_no_vectors(served):
    assert served.post(f"{HERE}/vectors", json={"ids": []}).json() == {"ids": [], "vectors": [], "next": None}


def test_embed(served, collection, indexed):
    images = [indexed.photo(3), indexed.photo(8)]
    answer = served.post(f"{HERE}/embed", files=[("image", ("a", data)) for data in images]).json()
    assert np.array_equal(np.array(answer["vectors"], np.float32), collection.embed(*images))
    assert_problem(served.post(f"{HERE}/embed", files={"image": ("a", b"x")}), 422, indexed)
    assert_problem(served.post(f"{HERE}/embed", files={"other": ("a", b"x")}), 422, indexed)


def waited(client, path, **params):
    """What a background computation gives in the end."""
    import time

    for _ in range(600):
        answer = client.get(path, params=params)
        if answer.status_code != 202:
            return answer
        assert int(answer.headers["retry-after"]) >= 1 and answer.json()["status"] == "computing"
        time.sleep(0.02)
    raise AssertionError("it was never done")


def test_map(served, collection):
    answer = waited(served, f"{HERE}/map").json()
    points = np.array(answer["points"])
    assert points[:, 0].astype(int).tolist() == collection.ids().tolist()
    assert (points[:, 1:] >= 0).all() and (points[:, 1:] <= 1).all() and np.ptp(points[:, 1:]) > 0.5
    assert answer["state"] == collection.state


def test_duplicates(served, collection, indexed):
    answer = waited(served, f"{HERE}/duplicates", threshold=0.9999).json()
    exact = [sorted(file["path"] for file in group["files"]) for group in answer["groups"] if group["kind"] == "exact"]
    assert exact == [[str(indexed.photos / "03.png"), str(indexed.photos / "more" / "copy.png")]]
    assert all(file["score"] == pytest.approx(1, abs=1e-6) for file in answer["groups"][0]["files"])


def test_near_duplicates_page_by_page(served, collection):
    whole = waited(served, f"{HERE}/duplicates", threshold=0.01).json()["groups"]
    (near,) = [group for group in whole if group["kind"] == "near"]
    ids = [file["id"] for file in near["files"]]
    vectors = collection.vectors(ids)[1]
    assert [file["score"] for file in near["files"]] == pytest.approx((vectors @ vectors[0]).tolist(), abs=1e-5)
    pages, cursor = [], None
    while True:
        params = {"threshold": 0.01, "limit": 1, **({"cursor": cursor} if cursor else {})}
        answer = served.get(f"{HERE}/duplicates", params=params).json()
        pages += answer["groups"]
        cursor = answer["next"]
        if cursor is None:
            break
    assert pages == whole


def test_duplicates_within_a_folder(served, indexed):
    params = {"threshold": 0.9999, "within": str(indexed.photos / "more")}
    assert len(waited(served, f"{HERE}/duplicates", **params).json()["groups"]) == 1
    params["within"] = str(indexed.photos / "mo")
    assert waited(served, f"{HERE}/duplicates", **params).json()["groups"] == []


@pytest.mark.parametrize("threshold", ["0", "1.1", "nan", "inf", "x", ""])
def test_thresholds_that_are_none(served, indexed, threshold):
    assert_problem(served.get(f"{HERE}/duplicates", params={"threshold": threshold}), 422, indexed)


def test_answers_follow_the_collection(serve, tmp_path):
    indexed = make_home(tmp_path, embedder=FakeEmbedder())
    with (
        Collection.open(indexed.home, embedder=FakeEmbedder()) as writer,
        Collection.open(indexed.home, read_only=True, embedder=FakeEmbedder()) as reader,
    ):
        client = serve({"kept": reader})
        here = "/v1/collections/kept"
        before = client.get(here).json()
        assert client.get(f"{here}/facets").json()["formats"][0]["format"] == "JPEG"
        waited(client, f"{here}/map")
        writer.remove(str(indexed.photos / "more"))
        after = client.get(here).json()
        assert after["files"] < before["files"] and after["state"] > before["state"]
        assert [one["format"] for one in client.get(f"{here}/facets").json()["formats"]] == ["PNG"]
        for _ in range(600):
            drawn = waited(client, f"{here}/map").json()
            if drawn["state"] == after["state"]:
                break
        assert len(drawn["points"]) == after["images"]


def test_an_empty_collection(serve, indexed, tmp_path):
    with Collection.open(tmp_path / "empty", create=True, embedder=FakeEmbedder()) as empty:
        client = serve({"empty": empty})
        here = "/v1/collections/empty"
        assert client.get(here).json()["images"] == 0
        assert client.get(f"{here}/facets").json()["taken"] == {"first": None, "last": None}
        assert client.get(f"{here}/files").json() == {"files": [], "next": None}
        answer = client.post(f"{here}/search", json={"examples": [{"vector": [1.0] * 96}]})
        assert_problem(answer, 503, indexed)
        assert answer.headers["retry-after"]
        assert waited(client, f"{here}/duplicates").json()["groups"] == []


def test_explain(served, collection, indexed, monkeypatch):
    rng = np.random.default_rng(3)
    made = Explanation(
        *(0.75, 0.25, 17, 9, rng.random((5, 4), np.float32), rng.random((4, 2), np.float32), (0.1, 0.2, 0.5, 0.75)),
        heat=(rng.random((3, 4), np.float32), rng.random((4, 3), np.float32)),
        colours=(rng.integers(0, 256, (3, 4, 3), np.uint8), rng.integers(0, 256, (4, 3, 3), np.uint8)),
    )
    asked: list[tuple[object, object]] = []
    kind = type(collection)
    monkeypatch.setattr(kind, "explain", lambda self, *images: asked.append(images) or made)
    monkeypatch.setattr(kind, "draw_explanation", lambda self, *images: asked.append(images) or (made, b"PNG"))
    question = {"query": {"id": 1}, "result": {"id": 2}}
    files, data = {"image": ("a.png", indexed.photo(0))}, {"result": "2"}
    one = served.post(f"{HERE}/explain", json=question)
    other = served.post(f"{HERE}/explain/upload", files=files, data=data)
    for answer in (one, other):
        found = dataclasses.asdict(explanation_from_dict(answer.json()))
        for name, value in dataclasses.asdict(made).items():
            parts = zip(found[name], value, strict=True) if name in ("heat", "colours") else [(found[name], value)]
            assert all(np.array_equal(got, expected) for got, expected in parts), name
    drawn = served.post(f"{HERE}/explain", json=question, headers={"Accept": "image/png"})
    assert (drawn.headers["content-type"], drawn.content) == ("image/png", b"PNG")
    assert asked == [(1, 2), (indexed.photo(0), 2), (1, 2)]


def test_explain_refused(served, indexed):
    for body, status in (
        ({"query": {"vector": [1.0]}, "result": {"id": 1}}, 422),
        ({"query": {"id": 1}}, 422),
        ({"query": {"part": 0}, "result": {"id": 1}}, 422),
        ({"query": {"id": 1}, "result": {"id": 2}}, 422),  # this embedder has no patch tokens
    ):
        assert_problem(served.post(f"{HERE}/explain", json=body), status, indexed)
    for data in ({}, {"result": "x"}, {"result": "1}{"}, {"result": "/etc/passwd"}):
        answer = served.post(f"{HERE}/explain/upload", files={"image": ("a", indexed.photo(1))}, data=data)
        assert_problem(answer, 422, indexed)


def test_ready(served):
    assert served.get("/v1/ready").json() == {"status": "ready"}
