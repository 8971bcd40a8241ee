"""Each family from the command line: a small file of random weights, images indexed, and the queried one found."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from tests.cli.conftest import Run, objects
from tests.cli.test_migrate import real  # noqa: F401  a fixture
from tests.conftest import write_photo
from tests.embedding.tiny import FAMILIES, write_weights


@pytest.mark.parametrize("name", FAMILIES)
def test_index_and_query(run: Run, real: None, name: str, tmp_path: Path) -> None:  # noqa: F811
    kind, config = FAMILIES[name]
    weights = write_weights(tmp_path / "weights.safetensors", config, kind)
    folder = tmp_path / "photos"
    for seed in range(5):
        write_photo(folder / f"{seed}.png", seed, (120, 90))
    side = 3 * 32 if name != "dinov2" else 3 * 14
    chosen = ("--model", "mini", "--weights", weights, "--preprocessing", f"fit-{side}", "--pooling", "cls+mean")
    assert run("index", folder, *chosen, "--scales", "gem").exit_code == 0
    for seed in range(5):
        with Image.open(folder / f"{seed}.png") as photo:
            photo.save(tmp_path / "again.jpg", quality=90)  # a query that is indexed itself is left out of the answers
        first, second, *_ = objects(run("query", tmp_path / "again.jpg", "--json", "-k", "3", "--rerank", "fast"))
        assert Path(first["path"]).name == f"{seed}.png"
        assert first["score"] > second["score"]
    assert objects(run("info", "--json"))[0]["models"][0]["fingerprint"]["pooling"] == "cls+mean"


def test_side_that_is_no_multiple_of_the_patch(run: Run, real: None, tmp_path: Path) -> None:  # noqa: F811
    kind, config = FAMILIES["dinov3"]
    weights = write_weights(tmp_path / "weights.safetensors", config, kind)
    write_photo(tmp_path / "photos" / "1.png", 1, (120, 90))
    result = run("index", tmp_path / "photos", "--model", "mini", "--weights", weights, "--preprocessing", "squash-56")
    assert result.exit_code == 2
    assert "size 56 is no multiple of mini's patch of 16 pixels" in result.stderr


def test_gated_model_says_how_to_get_it(run: Run, real: None, tmp_path: Path) -> None:  # noqa: F811
    write_photo(tmp_path / "photos" / "1.png", 1, (120, 90))
    result = run("index", tmp_path / "photos", "--model", "dinov3_vits16")
    assert result.exit_code == 2
    assert "DINOv3 License: ask for them at https://ai.meta.com/" in result.stderr
    assert result.stderr.count("\n") == 1
