"""`dinosearch refine`: what it says and does; the figures are tested in tests/collection."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import Run, objects
from tests.conftest import write_photo


@pytest.fixture
def many(run: Run, tmp_path: Path) -> Path:
    for seed in range(30):
        write_photo(tmp_path / "photos" / f"{seed:02d}.png", seed)
    assert run("index", tmp_path / "photos").exit_code == 0
    return tmp_path / "photos"


def test_refined_walked_and_back_again(run: Run, many: Path) -> None:
    before = run("query", many / "03.png").stdout
    result = run("refine", "--dimensions", "3", "--augment", "2", "--diffuse", "--edges", "4")
    assert (result.exit_code, result.stdout) == (0, "30 vectors refined\n30 walks prepared\n")
    info = run("info").stdout
    assert "refined: 30 rows" in info
    assert "diffusion: 30 rows" in info
    assert run("query", many / "03.png").stdout != before
    assert run("query", many / "03.png", "--rerank", "diffusion").exit_code == 0
    assert run("refine", "--off").stdout == "the model's own vectors are searched again\n"
    assert run("query", many / "03.png").stdout == before


def test_json_and_refusals(run: Run, many: Path) -> None:
    (made,) = objects(run("refine", "--dimensions", "2", "--power", "0.5", "--json"))
    assert made["made"][0]["recipe"]["power"] == 0.5
    result = run("refine")
    assert (result.exit_code, "nothing to refine by" in result.stderr) == (2, True)
    result = run("refine", "--dimensions", "50")
    assert (result.exit_code, "needs at least 500 vectors" in result.stderr) == (2, True)
