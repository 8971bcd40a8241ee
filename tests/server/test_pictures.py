"""Pictures by id: right, small, without secrets, and made once."""

from __future__ import annotations

import io
import os

import numpy as np
import pytest
from PIL import Image

from dinosearch.server.work.picture_cache import PictureCache
from tests.server.conftest import HERE
from tests.server.test_search import assert_problem


def portrait(collection) -> int:
    (row,) = collection.files("name = portrait.jpg")
    return row["id"]


def opened(answer) -> Image.Image:
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "image/jpeg"
    image = Image.open(io.BytesIO(answer.content))
    assert image.format == "JPEG"
    return image


def test_upright_small_and_without_metadata(served, collection):
    number = portrait(collection)
    answer = served.get(f"{HERE}/images/{number}/picture", params={"size": 160})
    image = opened(answer)
    assert image.size == (80, 160)  # 400 x 200 on its side
    assert not image.getexif() and b"Secretmaker" not in answer.content
    pixels = np.asarray(image.convert("RGB")).astype(int)
    # Turned right by a quarter, the blue left half is on top.
    assert pixels[20, 40, 2] > 150 > pixels[20, 40, 0] and pixels[140, 40, 0] > 150 > pixels[140, 40, 2]


def test_the_right_image(served, collection, indexed):
    for row in collection.files('name ~ "0*.png"'):
        shown = opened(served.get(f"{HERE}/images/{row['id']}/picture"))
        with Image.open(row["path"]) as image:
            expected = np.asarray(image.convert("RGB")).astype(int)
        assert shown.size == (64, 48)  # not enlarged
        assert np.abs(np.asarray(shown).astype(int) - expected).mean() < 10


def test_etag(served):
    url = f"{HERE}/images/1/picture"
    first = served.get(url)
    etag = first.headers["etag"]
    for given in (etag, f"W/{etag}", f'"x", {etag}', "*"):
        again = served.get(url, headers={"If-None-Match": given})
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", etag)
    assert served.get(url, headers={"If-None-Match": '"x"'}).status_code == 200
    assert served.get(url, params={"size": 640}).headers["etag"] != etag
    assert served.get(f"{HERE}/images/2/picture").headers["etag"] != etag
    assert "private" in first.headers["cache-control"]


def test_head(served):
    got, head = (served.request(method, f"{HERE}/images/1/picture") for method in ("GET", "HEAD"))
    assert (head.status_code, head.content) == (200, b"")
    for name in ("etag", "content-type", "content-length"):
        assert head.headers[name] == got.headers[name]


@pytest.mark.parametrize("given", ["bytes=0-1", "bytes=9-1", "bytes=-", "lines=1", "bytes=0-0,1-1,2-2"])
def test_a_range_is_ignored(served, given):
    answer = served.get(f"{HERE}/images/1/picture", headers={"Range": given})
    assert (answer.status_code, answer.content) == (200, served.get(f"{HERE}/images/1/picture").content)


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("images/999/picture", 404),
        (f"images/{2**63 - 1}/picture", 404),
        (f"images/{2**63}/picture", 422),
        ("images/-1/picture", 422),
        ("images/1.0/picture", 422),
        ("images/01/picture", 422),
        ("images/1_0/picture", 422),
        ("images/%2Fetc%2Fpasswd/picture", 404),
        ("images/1/picture?size=161", 422),
        ("images/1/picture?size=", 422),
        ("images/1/picture?size=320&size=-1", 422),
        ("images/999", 404),
    ],
)
def test_refused(served, indexed, path, status):
    assert_problem(served.get(f"{HERE}/{path}"), status, indexed)


def test_a_file_that_is_gone(serve, collection, indexed, tmp_path):
    number = portrait(collection)
    path = indexed.photos / "more" / "portrait.jpg"
    url = f"{HERE}/images/{number}/picture"
    memory = serve()
    assert memory.get(url).status_code == 200
    os.rename(path, tmp_path / "away.jpg")
    try:
        assert memory.get(url).status_code == 200  # it was made before
        assert_problem(memory.get(url, params={"size": 640}), 404, indexed)
        assert memory.get(f"{HERE}/images/{number}").status_code == 200  # the collection still knows it
        path.write_bytes((indexed.photos / "00.png").read_bytes())
        assert_problem(memory.get(url, params={"size": 640}), 404, indexed)  # another picture is not shown for it
    finally:
        os.rename(tmp_path / "away.jpg", path)


def test_made_once_and_kept_on_the_disk(serve, collection, monkeypatch, tmp_path):
    made = []
    make = type(collection).picture
    monkeypatch.setattr(type(collection), "picture", lambda self, *args: made.append(args) or make(self, *args))
    folder = tmp_path / "cache"
    url = f"{HERE}/images/2/picture"
    first = serve(disk_cache=str(folder))
    one, two = first.get(url), first.get(url)
    other = serve(disk_cache=str(folder)).get(url)
    assert made == [(2, 320)]
    assert one.content == two.content == other.content
    (file,) = (path for path in folder.rglob("*") if path.is_file())
    file.write_bytes(file.read_bytes()[:100])  # what a lost power leaves
    assert serve(disk_cache=str(folder)).get(url).content == one.content


def test_cache_is_bounded(tmp_path):
    picture = b"\xff\xd8" + b"x" * 996 + b"\xff\xd9"
    cache = PictureCache(4000, None, 0)
    for name in "abcdef":
        cache.put(name, picture)
        cache.get("a")
    assert [name for name in "abcdef" if cache.get(name)] == ["a", "d", "e", "f"]
    cache.put("large", picture * 2)  # half of all memory for one
    assert cache.get("large") is None


def test_cache_on_the_disk_is_bounded(tmp_path):
    picture = b"\xff\xd8" + b"x" * 996 + b"\xff\xd9"
    cache = PictureCache(0, str(tmp_path), 100_000)
    for number in range(502):  # it looks at the size each 500 pictures
        cache.put(f"{number:04}", picture)
    assert 70 <= len(list(tmp_path.rglob("*.jpg"))) <= 110
    assert cache.get("0501") == picture and cache.get("0000") is None
