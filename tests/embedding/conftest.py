"""Every test of this folder sees empty weight folders and no network."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def weight_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Point every place where weights are looked for into the test's own folder, and return that folder."""
    places = tmp_path / "places"
    places.mkdir()
    monkeypatch.setenv("HOME", str(places / "home"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(places / "cache"))
    monkeypatch.setenv("DINOSEARCH_WEIGHTS", str(places / "weights"))
    monkeypatch.setenv("TORCH_HOME", str(places / "torch"))
    monkeypatch.setenv("DINOSEARCH_OFFLINE", "1")
    monkeypatch.delenv("DINOSEARCH_DEVICE", raising=False)
    return places
