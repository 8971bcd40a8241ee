"""Figures count what happened; the log has a line for each request, and nothing of what was asked."""

from __future__ import annotations

import io
import json
import logging
import sys

import pytest
from prometheus_client.parser import text_string_to_metric_families
from starlette.testclient import TestClient

from dinosearch.server.watching import logs
from tests.server.conftest import HERE, Indexed, Serve

SEARCH = "/v1/collections/{name}/search"


def figures(client: TestClient) -> dict[tuple[str, str], float]:
    """Samples by name and labels."""
    found = {}
    for family in text_string_to_metric_families(client.get("/metrics").text):
        for sample in family.samples:
            found[sample.name, ",".join(sample.labels[name] for name in sorted(sample.labels))] = sample.value
    return found


def test_requests_and_stages_are_counted(serve: Serve, indexed: Indexed) -> None:
    client = serve()
    for number in (1, 2, 3):
        assert client.post(f"{HERE}/search", json={"examples": [{"id": number}]}).status_code == 200
    data = indexed.photo(3)
    upload = client.post(f"{HERE}/search/upload", files={"image": data})
    assert client.post(f"{HERE}/search", json={"k": -1}).status_code == 422
    assert client.get("/no/such/page").status_code == 404
    found = figures(client)
    assert found["dinosearch_requests_total", f"POST,{SEARCH},200"] == 3
    assert found["dinosearch_requests_total", f"POST,{SEARCH},422"] == 1
    assert found["dinosearch_requests_total", "GET,other,404"] == 1
    assert found["dinosearch_request_seconds_count", SEARCH] == 4
    assert found["dinosearch_sent_bytes_total", f"{SEARCH}/upload"] == len(upload.content)
    assert len(data) < found["dinosearch_received_bytes_total", f"{SEARCH}/upload"] < len(data) + 1000
    assert {stage: found["dinosearch_stage_seconds_count", stage] for stage in ("queue", "search", "store")} == {
        "queue": 4,
        "search": 4,
        "store": 4,
    }
    assert found["dinosearch_stage_seconds_count", "decode"] == found["dinosearch_stage_seconds_count", "embed"] == 1
    assert found["dinosearch_requests_inside", ""] == found["dinosearch_requests_running", ""] == 0


def test_each_server_has_its_own_figures(serve: Serve) -> None:
    one, two = serve(), serve()
    one.get("/v1/health")
    assert ("dinosearch_requests_total", "GET,/v1/health,200") in figures(one)
    assert ("dinosearch_requests_total", "GET,/v1/health,200") not in figures(two)


def test_the_log_tells_of_requests_and_not_of_what_they_ask(
    serve: Serve, indexed: Indexed, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    kept = {name: (log.handlers, log.propagate, log.level) for name in ("dinosearch", "uvicorn") if (log := _log(name))}
    try:
        logs.configure("info")
        client = serve()
        headers = {"X-Request-Id": "mine-1"}
        question = {"examples": [{"id": 1}], "where": "path like '%Kathrin%'"}
        assert client.post(f"{HERE}/search", json=question, headers=headers).status_code in (200, 422)
        client.post(f"{HERE}/search/upload?token=Kathrin", files={"image": ("Kathrin.png", indexed.photo(3))})
        client.get("/v1/health")
        _log("dinosearch.server").error("something", exc_info=ValueError("two\nlines"))
    finally:
        for name, (handlers, propagate, level) in kept.items():
            _log(name).handlers, _log(name).propagate = handlers, propagate
            _log(name).setLevel(level)
    first, second, third = map(json.loads, stream.getvalue().splitlines())
    assert (first["request_id"], first["route"], first["collection"]) == ("mine-1", SEARCH, "photos")
    assert (second["status"], second["method"], second["level"]) == (200, "POST", "info")
    assert second["ms"] > 0 and second["received"] > len(indexed.photo(3)) and second["sent"] > 0
    assert third["message"] == "something" and "two\nlines" in third["trace"]
    assert "Kathrin" not in stream.getvalue()


def _log(name: str) -> logging.Logger:
    return logging.getLogger(name)
