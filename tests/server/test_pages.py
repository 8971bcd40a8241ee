"""The files of the page, and the description of the API."""

from __future__ import annotations

import re

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from dinosearch.server.routes.pages import FOLDER, TYPES, page_routes
from dinosearch.server.wire.replies import ANYWHERE

PAGES = sorted(path for path in FOLDER.rglob("*") if path.is_file())


def test_each_file_is_served_with_its_type(served):
    assert FOLDER / "index.html" in PAGES
    for path in PAGES:
        assert path.suffix in TYPES, f"{path.name} has a type that is not served"
        answer = served.get(f"/{path.relative_to(FOLDER).as_posix()}")
        assert (answer.status_code, answer.content) == (200, path.read_bytes())
        assert answer.headers["content-type"] == TYPES[path.suffix]
    assert served.get("/").content == (FOLDER / "index.html").read_bytes()


def test_files_are_asked_for_again_but_not_sent_again(served):
    first = served.get("/")
    assert first.headers["cache-control"] == "no-cache"
    again = served.get("/", headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize("path", ["/../app.py", "/%2e%2e/app.py", "/..%2fapp.py", "/app.py", "/page/", "//etc/passwd"])
def test_nothing_else_is_served(served, path):
    assert served.get(path).status_code == 404


def test_nothing_comes_from_elsewhere():
    for path in PAGES:
        if path.suffix in (".html", ".css", ".js"):
            text = path.read_text(encoding="utf-8")
            assert not re.search(r"""(src|href|import|from|url)\s*[=(]?\s*["'(]?(https?:)?//""", text), path.name
            assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\son\w+=|\sstyle=", text) or path.suffix == ".js"


def test_without_the_page_the_api_still_works(tmp_path):
    app = FastAPI()
    app.include_router(page_routes(tmp_path / "none"))
    assert TestClient(app).get("/").status_code == 404


def test_a_changed_file_is_served_anew(tmp_path):
    (tmp_path / "index.html").write_text("one")
    app = FastAPI()
    app.include_router(page_routes(tmp_path))
    client = TestClient(app)
    one = client.get("/")
    import os

    (tmp_path / "index.html").write_text("two")
    os.utime(tmp_path / "index.html", (1, 1))
    two = client.get("/", headers={"If-None-Match": one.headers["etag"]})
    assert (one.text, two.text) == ("one", "two")


def test_the_description_is_whole(served):
    document = served.get("/v1/openapi.json").json()
    names, references = [], set(re.findall(r'"#/components/schemas/([^"]+)"', served.get("/v1/openapi.json").text))
    assert references <= document["components"]["schemas"].keys()
    for path, operations in document["paths"].items():
        for operation in operations.values():
            names.append(operation["operationId"])
            assert operation["summary"] and operation["description"]
            assert {str(status) for status in ANYWHERE} <= operation["responses"].keys(), path
            for status, response in operation["responses"].items():
                if int(status) >= 400:
                    assert list(response["content"]) == ["application/problem+json"], (path, status)
    assert len(set(names)) == len(names) >= 15
