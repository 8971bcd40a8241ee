"""What is said of images over HTTP: it counts at once for groups of duplicates, and wrong requests change nothing."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from starlette.testclient import TestClient

from dinosearch import Collection
from dinosearch.collection.keeping.transfer import write_vectors
from dinosearch.server.app import create_app
from dinosearch.server.routes import maps
from dinosearch.server.settings import Settings
from tests.conftest import FakeEmbedder
from tests.server.conftest import ADDRESS, HERE, NAME

ALIKE = 300
"""More images of one group than a filter has values."""


@pytest.fixture
def alike(tmp_path: Path) -> Iterator[tuple[TestClient, Collection]]:
    """300 images around one vector, and four that are a group of their own, two of which have files of one content."""
    embedder, random = FakeEmbedder(), np.random.default_rng(5)
    centres = np.repeat(random.standard_normal((2, 96)), [ALIKE, 4], axis=0)
    vectors = (centres + 0.01 * random.standard_normal(centres.shape)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    paths = [f"/photos/{number:03}.png" for number in range(len(vectors))]
    write_vectors(tmp_path / "given", embedder.fingerprint, paths, vectors)
    with Collection.open(tmp_path / "home", create=True, embedder=embedder) as collection:
        collection.import_(tmp_path / "given")
        store = collection._opened.store
        with store.transaction() as transaction:  # the same content under a second name
            found = store.known_paths(["/photos/300.png"])["/photos/300.png"]
            file = type("File", (), {"path": "/photos/copy.png", "size": 0, "mtime_ns": 0, "source": None})()
            transaction.put_location(file, found.image_id)
        with TestClient(create_app(Settings(writable=True), {NAME: collection}), base_url=ADDRESS) as client:
            yield client, collection


def groups(client: TestClient, **params: Any) -> list[tuple[str, list[str]]]:
    for _ in range(600):
        answer = client.get(f"{HERE}/duplicates", params={"threshold": 0.9, **params})
        if answer.status_code != 202:
            assert answer.status_code == 200, answer.text
            shown = answer.json()["groups"]
            return [(one["kind"], [Path(file["path"]).name for file in one["files"]]) for one in shown]
        time.sleep(0.02)
    raise AssertionError("it was never done")


def test_a_large_group_is_shown_whole(alike: tuple[TestClient, Collection]) -> None:
    found = sorted(groups(alike[0]), key=lambda group: len(group[1]))
    assert [(kind, len(names)) for kind, names in found] == [("near", 5), ("near", ALIKE)]


def test_what_is_said_counts_at_once(alike: tuple[TestClient, Collection], monkeypatch: pytest.MonkeyPatch) -> None:
    """Though the search for duplicates that would know it never ends; equal files stay a group."""
    client, collection = alike
    groups(client)
    ended = threading.Event()
    monkeypatch.setattr(maps, "find", lambda *_, **__: ended.wait(60))
    ids = [file["id"] for file in collection.files() if file["path"] > "/photos/3"]
    four = sorted(set(ids))
    assert len(ids) == 5 and len(four) == 4
    pairs = [list(pair) for pair in combinations(four, 2)]
    answer = client.post(f"{HERE}/not-duplicates/say", json={"pairs": pairs[1:]}).json()
    assert answer == {"written": 5, "state": collection.state}
    assert sorted(len(names) for _, names in groups(client)) == [5, ALIKE]
    client.post(f"{HERE}/not-duplicates/say", json={"pairs": [pairs[0][::-1]]})
    left = [group for group in groups(client) if len(group[1]) < ALIKE]
    assert left == [("exact", ["300.png", "copy.png"])]
    assert client.post(f"{HERE}/not-duplicates", json={"ids": [four[0]], "limit": 1}).json()["total"] == 3
    client.post(f"{HERE}/not-duplicates/forget", json={"pairs": pairs})
    assert sorted(len(names) for _, names in groups(client)) == [5, ALIKE]
    ended.set()


SAID = [
    ("labels/say", {"labels": [{"id": 1, "label": "tower"}], "given": True}),
    ("labels/forget", {}),
    ("verdicts", {"query": 1, "results": [2, 3], "same": True}),
    ("verdicts/forget", {"query": 1}),
    ("not-duplicates/say", {"pairs": [[1, 2]]}),
    ("not-duplicates/forget", {"pairs": [[1, 2]]}),
]


def test_what_is_said_makes_nothing_anew(alike: tuple[TestClient, Collection], monkeypatch: pytest.MonkeyPatch) -> None:
    """The map and the groups are made once for the images: every answer is of the newest state all the same."""
    client, collection = alike
    made: list[str] = []

    def counted(what: str) -> None:
        whole = getattr(maps, what)

        def make(*arguments: Any, **more: Any) -> Any:
            made.append(what)
            return whole(*arguments, **more)

        monkeypatch.setattr(maps, what, make)

    counted("find"), counted("project")

    def states() -> list[int]:
        groups(client)
        while (drawn := client.get(f"{HERE}/map")).status_code == 202:
            time.sleep(0.02)
        found = client.get(f"{HERE}/duplicates", params={"threshold": 0.9})
        return [drawn.json()["state"], found.json()["state"]]

    assert states() == [collection.state] * 2 and sorted(made) == ["find", "project"]
    images = collection.images_state
    for route, body in SAID:
        before = collection.state
        assert client.post(f"{HERE}/{route}", json=body).status_code == 200
        assert collection.state > before
        assert states() == [collection.state] * 2
    assert sorted(made) == ["find", "project"] and collection.images_state == images

    collection.remove("/photos/001.png")
    assert collection.images_state > images
    end = time.monotonic() + 60
    while states() != [collection.state] * 2:
        assert time.monotonic() < end
    assert sorted(made) == ["find"] * 2 + ["project"] * 2
    assert all("001.png" not in names for _, names in groups(client))


WRONG = [
    ("not-duplicates/say", {"pairs": [[1, 1]]}, 422),
    ("not-duplicates/say", {"pairs": [[1, 2, 3]]}, 422),
    ("not-duplicates/say", {"pairs": [[1]]}, 422),
    ("not-duplicates/say", {"pairs": [[1, -2]]}, 422),
    ("not-duplicates/say", {"pairs": [[1, 2**63]]}, 422),
    ("not-duplicates/say", {"pairs": [[1, True]]}, 422),
    ("not-duplicates/say", {"pairs": [[1, 9999]]}, 404),
    ("not-duplicates/say", {"pairs": [[1, 2]], "forget": True}, 422),
    ("not-duplicates/forget", {}, 422),
    ("labels/say", {"labels": [{"id": 1, "label": ""}], "given": True}, 422),
    ("labels/say", {"labels": [{"id": 1, "label": "\ud800"}], "given": True}, 422),
    ("labels/say", {"labels": [{"id": 1, "label": "a", "confidence": 1.01}], "given": False}, 422),
    ("labels/say", {"labels": [{"id": 9999, "label": "a"}], "given": True}, 404),
    ("verdicts", {"query": 1, "results": [2]}, 422),
    ("verdicts", {"query": 1, "results": [], "same": True}, 422),
    ("verdicts", {"query": 1, "results": [9999], "same": True}, 404),
    ("verdicts/forget", {"query": 9999}, 404),
    ("verdicts/forget", {"query": 1, "query_sha256": 64 * "0"}, 422),
    ("verdicts/forget", {"query_sha256": "0"}, 422),
    ("verdicts/forget", {"query_sha256": 64 * "0" + "\n"}, 422),
    ("verdicts/forget", {"results": [-1]}, 422),
    ("verdicts/forget", {"same": True}, 422),
    ("labels", {"cursor": "AAAA"}, 422),
    ("not-duplicates", {"ids": [1], "limit": 0}, 422),
    ("ids", {"under": "photos"}, 422),
    ("ids", {"under": "/photos", "where": "id > 1"}, 422),
    ("ids", {"where": "id >"}, 422),
    ("ids/named", {"names": ["../photos/001.png"]}, 422),
    ("ids/named", {"names": ["/photos/\0"]}, 422),
]


def test_wrong_requests_are_refused_and_write_nothing(alike: tuple[TestClient, Collection]) -> None:
    client, collection = alike
    before = collection.state
    for route, body, status in WRONG:
        answer = client.post(f"{HERE}/{route}", content=json.dumps(body), headers={"Content-Type": "application/json"})
        assert answer.status_code == status, (route, body, answer.text)
        assert answer.headers["content-type"] == "application/problem+json"
    assert collection.not_duplicates() == collection.verdicts() == [] and collection.tags() == {}
    assert collection.state == before


ODD = ["query=9999", "query=-1", "query=01", "query=x", "query_sha256=0", "results=x", "limit=0", "cursor=AAAA"]
ODD += [f"query=1&query_sha256={64 * '0'}", "&".join(f"results={number}" for number in range(201))]


def test_verdicts_are_listed_page_by_page(alike: tuple[TestClient, Collection]) -> None:
    client, collection = alike
    client.post(f"{HERE}/verdicts", json={"query": 7, "results": [1, 2, 3, 4, 5], "same": True})
    client.post(f"{HERE}/verdicts", json={"query": 8, "results": [2], "same": False})

    def listed(asked: str) -> tuple[list[tuple[int, int, bool]], int, str | None]:
        page = client.get(f"{HERE}/verdicts?{asked}").json()
        return [(one["query"], one["id"], one["same"]) for one in page["verdicts"]], page["total"], page["next"]

    first, total, more = listed("query=7&limit=3")
    assert (first, total) == ([(7, number, True) for number in (1, 2, 3)], 5)
    assert listed(f"query=7&limit=3&cursor={more}") == ([(7, 4, True), (7, 5, True)], 5, None)
    both, total, _ = listed("results=2&results=999")
    assert sorted(both) == [(7, 2, True), (8, 2, False)] and total == 2
    assert listed("query=8&results=1") == ([], 0, None)
    digest = next(collection.files("id = 8"))["sha256"]
    assert listed(f"query_sha256={digest}") == ([(8, 2, False)], 1, None)
    for odd in (*ODD, f"query=8&cursor={more}"):
        answer = client.get(f"{HERE}/verdicts?{odd}")
        assert answer.status_code == (404 if odd == "query=9999" else 422), odd
        assert answer.headers["content-type"] == "application/problem+json"
    taken = client.post(f"{HERE}/verdicts/forget", json={"query": 7, "results": [1, 2, 9]}).json()
    assert taken == {"written": 2, "state": collection.state, "calibration": None}
    assert listed("")[1] == 4


def test_a_cursor_is_of_one_question(alike: tuple[TestClient, Collection]) -> None:
    client, collection = alike
    collection.say_not_duplicates(combinations(range(1, 6), 2))
    first = client.post(f"{HERE}/not-duplicates", json={"limit": 3}).json()
    assert (first["total"], first["pairs"]) == (10, [[1, 2], [1, 3], [1, 4]])
    rest = client.post(f"{HERE}/not-duplicates", json={"limit": 9, "cursor": first["next"]}).json()
    assert rest["pairs"][0] == [1, 5] and len(rest["pairs"]) == 7 and rest["next"] is None
    for route, body in (("not-duplicates", {"ids": [1]}), ("labels", {}), ("ids", {})):
        assert client.post(f"{HERE}/{route}", json={**body, "cursor": first["next"]}).status_code == 422
