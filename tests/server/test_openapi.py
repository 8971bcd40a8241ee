"""Requests made from the OpenAPI document, right ones and wrong ones: every answer is documented, none a server error.

The full run is `scripts/fuzz_server.py --cases 10000`; here are fewer cases, and more with DINOSEARCH_FUZZ_CASES.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from dinosearch import Collection
from tests.conftest import FakeEmbedder, write_photo

fuzz_server = pytest.importorskip("fuzz_server")  # needs schemathesis

CASES = int(os.environ.get("DINOSEARCH_FUZZ_CASES", "500"))


@pytest.fixture
def collection(tmp_path: Path) -> Iterator[Collection]:
    for number in range(30):
        write_photo(tmp_path / "photos" / f"{number:02}.png", number)
    with Collection.open(tmp_path / "home", create=True, embedder=FakeEmbedder()) as collection:
        collection.index(tmp_path / "photos")
        yield collection


@pytest.mark.filterwarnings("ignore")  # of the libraries that make the requests
@pytest.mark.parametrize("kind", fuzz_server.KINDS)
def test_every_answer_is_documented(collection: Collection, kind: str):
    settings, share = fuzz_server.KINDS[kind], CASES // len(fuzz_server.KINDS)
    with fuzz_server.running(collection, **settings) as url:
        outcome = fuzz_server.fuzz(url, share, 7, settings.get("token"))
        headers = {"Authorization": f"Bearer {fuzz_server.TOKEN}"}
        assert requests.get(f"{url}/v1/ready", headers=headers, timeout=30).status_code == 200
    assert outcome.failures == {}
    assert outcome.server_errors == 0
    assert outcome.cases >= share
    assert outcome.statuses[200] > 0 and outcome.statuses[422] > 0


@pytest.mark.filterwarnings("ignore")
def test_a_fault_would_be_found(collection: Collection, monkeypatch: pytest.MonkeyPatch):
    """A route that answers what it does not document, and one that fails."""

    def broken(*arguments: object, **named: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(type(collection), "search_vectors", broken)
    with fuzz_server.running(collection) as url:
        outcome = fuzz_server.fuzz(url, 120, 3)
    assert outcome.server_errors > 0
    assert any("search/vectors" in name for name in outcome.failures)
