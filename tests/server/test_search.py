"""What is searched over HTTP is what the collection answers."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from starlette.testclient import TestClient

from dinosearch import Collection
from dinosearch.records.wire import hit_from_dict
from tests.server.conftest import HERE, Indexed, Serve


def hits(answer: Any) -> list[Any]:
    """The hits of an answer as the library's records."""
    assert answer.status_code == 200, answer.text
    return [hit_from_dict(hit) for hit in answer.json()["hits"]]


def ask(served: TestClient, **question: Any) -> Any:
    return served.post(f"{HERE}/search", json=question)


QUESTIONS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "plain": ({}, {}),
    "few": ({"k": 3}, {"k": 3}),
    "exact": ({"exact": True}, {"exact": True}),
    "self": ({"include_self": True}, {"include_self": True}),
    "unique": ({"unique": True, "include_self": True}, {"unique": True, "include_self": True}),
    "threshold": ({"threshold": 0.2}, {"threshold": 0.2}),
    "filter": ({"where": "format = png and width < 65"}, {"where": "format = png and width < 65"}),
    "fast": ({"rerank": "fast"}, {"rerank": "fast"}),
    "stages": ({"rerank": "k-reciprocal"}, {"rerank": "k-reciprocal"}),
}


@pytest.mark.parametrize("case", QUESTIONS)
def test_by_id(served, collection, case):
    question, arguments = QUESTIONS[case]
    expected = collection.query(4, **arguments)
    assert expected or case == "threshold"
    assert hits(ask(served, examples=[{"id": 4}], **question)) == expected


def test_several_with_weights_and_negatives(served, collection):
    found = ask(
        served,
        examples=[{"id": 1, "weight": 3}, {"id": 2}],
        negatives=[{"id": 5, "weight": 2}, {"id": 6}],
        k=20,
    )
    expected = collection.query(1, 2, weights=[3, 1], negative=[5, 6], negative_weights=[2, 1], k=20)
    assert hits(found) == expected
    assert [hit.id for hit in expected] != [hit.id for hit in collection.query(1, 2, negative=[5, 6], k=20)]


def test_by_vector(served, collection):
    vector = collection.vectors([7])[1][0]
    assert hits(ask(served, examples=[{"vector": vector.tolist()}])) == collection.query(vector)


def test_by_box(served, collection):
    box = (0.25, 0.0, 1.0, 0.5)
    assert hits(ask(served, examples=[{"id": 4}], box=box)) == collection.query(4, box=box)
    assert collection.query(4, box=box)[0].score != collection.query(4)[0].score


def test_upload(served, collection, indexed):
    data = indexed.photo(5)
    found = served.post(f"{HERE}/search/upload", files={"image": ("../../etc/passwd", data)})
    assert hits(found) == collection.query(data)
    assert found.json()["took"].keys() >= {"decode", "embed", "search", "total"}


def test_upload_with_question(served, collection, indexed):
    question = {
        "examples": [{"part": 1, "weight": 2}, {"part": 0}, {"id": 3}],
        "negatives": [{"part": 0}],
        "k": 4,
        "where": "height > 1",
    }
    files = [
        ("image", ("a", indexed.photo(0))),
        ("image", ("b", indexed.photo(1))),
        ("negative", ("c", indexed.photo(2))),
    ]
    found = served.post(f"{HERE}/search/upload", files=files, data={"question": json.dumps(question)})
    zero, one, two = (indexed.photo(number) for number in range(3))
    assert hits(found) == collection.query(one, zero, 3, weights=[2, 1, 1], negative=[two], k=4, where="height > 1")


def test_pages_are_the_whole(served, collection):
    whole = collection.query(4, k=1000)
    question: dict[str, Any] = {"examples": [{"id": 4}], "k": 4}
    pages = []
    while True:
        answer = ask(served, **question)
        pages += hits(answer)
        question["cursor"] = answer.json()["next"]
        if question["cursor"] is None:
            break
    assert len(whole) > 8
    assert pages == whole


def test_a_cursor_fits_its_question_only(serve, served):
    question: dict[str, Any] = {"examples": [{"id": 4}], "k": 4}
    cursor = ask(served, **question).json()["next"]
    assert ask(served, **question, cursor=cursor).status_code == 200
    assert ask(served, examples=[{"id": 4}], k=2, cursor=cursor).status_code == 200  # a page may have another length
    changed = {"examples": [{"id": 5}]}, {"where": "width > 1"}, {"exact": True}, {"negatives": [{"id": 1}]}
    for change in changed:
        assert ask(served, **{**question, **change}, cursor=cursor).status_code == 422, change
    flipped = ("A" if cursor[0] != "A" else "B") + cursor[1:]
    for wrong in ("", "x", "é", cursor[:-1], cursor + "AA", flipped):
        assert ask(served, **question, cursor=wrong).status_code in ((200,) if wrong == "" else (422,)), wrong
    assert ask(serve(), **question, cursor=cursor).status_code == 422  # another server, another secret


def test_search_vectors(served, collection):
    vectors = collection.vectors([1, 2, 3])[1]
    answer = served.post(
        f"{HERE}/search/vectors", json={"vectors": vectors.tolist(), "k": 3, "where": "width > 1", "exact": True}
    )
    expected = collection.search_vectors(vectors, 3, where="width > 1", exact=True)
    assert [[hit_from_dict(hit) for hit in row] for row in answer.json()["answers"]] == expected
    assert answer.json()["state"] == collection.state


def test_rank(served, collection):
    vectors = collection.vectors([1, 2])[1]
    answer = served.post(f"{HERE}/rank", json={"vectors": vectors.tolist(), "k": 4, "ids": [3, 4, 5]}).json()
    ids, scores = collection.rank(vectors, 4, ids=np.array([3, 4, 5]))
    assert answer["ids"] == ids.tolist()
    assert [row[:3] for row in answer["scores"]] == [row[:3] for row in scores.tolist()]
    assert [row[3] for row in answer["scores"]] == [None, None] and (ids[:, 3] == -1).all()


REFUSED: dict[str, tuple[int, dict[str, Any]]] = {
    "no example": (422, {}),
    "two things": (422, {"examples": [{"id": 1, "part": 0}]}),
    "nothing": (422, {"examples": [{}]}),
    "no such file": (422, {"examples": [{"part": 0}]}),
    "address": (403, {"examples": [{"url": "http://example.org/a.jpg"}]}),
    "no such id": (404, {"examples": [{"id": 10**6}]}),
    "largest id": (404, {"examples": [{"id": 2**63 - 1}]}),
    "id beyond int64": (422, {"examples": [{"id": 2**63}]}),
    "negative id": (422, {"examples": [{"id": -1}]}),
    "a path": (422, {"examples": ["/etc/passwd"]}),
    "a path as id": (422, {"examples": [{"id": "/etc/passwd"}]}),
    "k 0": (422, {"examples": [{"id": 1}], "k": 0}),
    "k 1001": (422, {"examples": [{"id": 1}], "k": 1001}),
    "k true": (422, {"examples": [{"id": 1}], "k": True}),
    "unknown field": (422, {"examples": [{"id": 1}], "path": "/"}),
    "filter": (422, {"examples": [{"id": 1}], "where": "width >"}),
    "stage": (422, {"examples": [{"id": 1}], "rerank": "magic"}),
    "flat box": (422, {"examples": [{"id": 1}], "box": [0.5, 0.5, 0.5, 0.9]}),
    "box of two": (422, {"examples": [{"id": 1}, {"id": 2}], "box": [0, 0, 1, 1]}),
    "weight 0": (422, {"examples": [{"id": 1, "weight": 0}]}),
    "zero vector": (422, {"examples": [{"vector": [0.0] * 96}]}),
    "short vector": (422, {"examples": [{"vector": [1.0] * 95}]}),
    "huge number": (422, {"examples": [{"vector": [1e300] * 96}]}),
    "precision": (422, {"examples": [{"id": 1}], "precision": 0.9}),
    "regions": (422, {"examples": [{"id": 1}], "regions": True}),
    "seventeen": (422, {"examples": [{"id": 1}] * 17}),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused(served, indexed, case):
    status, question = REFUSED[case]
    answer = ask(served, **question)
    assert_problem(answer, status, indexed)


TEXTS = {
    "NaN": b'{"examples":[{"id":1}],"threshold":NaN}',
    "Infinity": b'{"examples":[{"vector":[Infinity]}]}',
    "overflow": b'{"examples":[{"id":1}],"threshold":1e999}',
    "half a character": b'{"examples":[{"id":1}],"where":"name = \\"\\ud800\\""}',
    "deep": b'{"examples":' + b"[" * 100_000,
    "deep objects": b'{"a":' * 50_000,
    "no JSON": b"{",
    "nothing": b"",
    "not UTF-8": b'{"where":"\xff"}',
    "a list": b"[]",
    "null": b"null",
}


@pytest.mark.parametrize("case", TEXTS)
def test_texts_that_are_no_question(served, indexed, case):
    answer = served.post(f"{HERE}/search", content=TEXTS[case], headers={"Content-Type": "application/json"})
    assert_problem(answer, 422, indexed)


def test_numbers_as_json_has_them(served, collection):
    content = b'{"examples":[{"id":4.0}],"k":3.0,"threshold":-1}'
    answer = served.post(f"{HERE}/search", content=content, headers={"Content-Type": "application/json; charset=utf-8"})
    assert hits(answer) == collection.query(4, k=3)


UPLOADS: dict[str, tuple[int, dict[str, Any]]] = {
    "no picture": (422, {"files": {"image": ("a.png", b"not an image")}}),
    "empty file": (422, {"files": {"image": ("a.png", b"")}}),
    "a path in a file": (422, {"files": {"image": ("a.png", b"/etc/hosts")}}),
    "unknown part": (422, {"files": {"picture": ("a.png", b"x")}}),
    "no file": (422, {"files": {"question": (None, "{}")}}),
    "two questions": (422, {"files": [("question", (None, "{}")), ("question", (None, "{}"))]}),
    "broken question": (422, {"files": {"question": (None, "{")}}),
    "too many": (422, {"files": [("image", (f"{n}", b"x")) for n in range(17)]}),
    "far too many": (400, {"files": [("image", (f"{n}", b"x")) for n in range(65)]}),
    "JSON": (415, {"json": {}}),
    "form": (415, {"data": {"question": "{}"}}),
    "no boundary": (400, {"content": b"x", "headers": {"Content-Type": "multipart/form-data"}}),
    "cut off": (
        422,
        {
            "content": b'--b\r\nContent-Disposition: form-data; name="image"\r\n\r\nabc',
            "headers": {"Content-Type": "multipart/form-data; boundary=b"},
        },
    ),
}


@pytest.mark.parametrize("case", UPLOADS)
def test_uploads_that_are_refused(served, indexed, case):
    status, request = UPLOADS[case]
    assert_problem(served.post(f"{HERE}/search/upload", **request), status, indexed)


def test_json_needs_its_content_type(served, indexed):
    for kind in ("text/plain", "", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"):
        answer = served.post(f"{HERE}/search", content=b"{}", headers={"Content-Type": kind})
        assert_problem(answer, 415, indexed)


def test_a_name_that_is_no_utf_8(served, collection):
    found = [hit.path for hit in collection.query(1, k=100) if "caf" in hit.path]
    if not found:
        pytest.skip("this file system knows names in UTF-8 only")
    answered = [hit.path for hit in hits(ask(served, examples=[{"id": 1}], k=100)) if "caf" in hit.path]
    assert answered == found


def test_hidden_paths(serve: Serve, collection: Collection, indexed: Indexed):
    client = serve(hide_paths=True)
    answer = ask(client, examples=[{"id": 4}], k=100)
    expected = [hit.path.rpartition("/")[2] for hit in collection.query(4, k=100)]
    assert [hit["path"] for hit in answer.json()["hits"]] == expected
    assert str(indexed.photos.parent) not in answer.text
    for field in ('path ~ "*"', 'folder = "/"', 'not (PATH ~ "/a*")'):
        assert ask(client, examples=[{"id": 4}], where=field).status_code == 422
    assert ask(client, examples=[{"id": 4}], where="name ~ *.png").status_code == 200


def assert_problem(answer: Any, status: int, indexed: Indexed) -> None:
    """An error as it is promised: its type, no path, no trace."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["status"] == status
    assert problem["type"].startswith("urn:dinosearch:")
    assert problem["request_id"] == answer.headers["x-request-id"] != ""
    assert problem["detail"] and problem["title"]
    for secret in (str(indexed.photos.parent), "Traceback", ".py"):
        assert secret not in answer.text
