"""The built wheel, away from the checkout: holds what it needs, nothing else, and runs."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pytestmark = pytest.mark.slow

CHECKOUT = Path(__file__).parents[1]
SMALLEST_MODEL = 1_000_000  # bytes; the bundled model has millions of parameters, a forgotten one none


def run(*command: str | Path, cwd: Path, env: dict[str, str] | None = None) -> str:
    done = subprocess.run(
        command, cwd=cwd, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=240
    )
    assert done.returncode == 0, f"{command} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from a copy so that no left-over of the checkout gets in and none stays behind."""
    source = tmp_path_factory.mktemp("source")
    leave = shutil.ignore_patterns("__pycache__")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(CHECKOUT / name, source / name)
    for name in ("dinosearch", "tests", "scripts"):
        shutil.copytree(CHECKOUT / name, source / name, ignore=leave)
    for name in ("index", "sample_images"):  # decoys: folders beside the package that must not become packages
        (source / name).mkdir()
        (source / name / "__init__.py").touch()
    built = tmp_path_factory.mktemp("built")
    run(
        *(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"),
        *("--wheel-dir", built, source),
        cwd=source,
    )
    (found,) = built.glob("*.whl")
    return found


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of an environment that holds the wheel and borrows its dependencies from the running one."""
    folder = tmp_path_factory.mktemp("environment")
    run(sys.executable, "-m", "venv", "--without-pip", folder, cwd=folder)
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    run(
        *(sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--no-deps", "--no-index", wheel),
        cwd=folder,
    )
    # Only now, or pip would see the editable installation. Paths from a .pth file come last and their own .pth files
    # are not read, so the checkout stays out of sight.
    site = Path(run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", cwd=folder).strip())
    borrowed = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    (site / "borrowed.pth").write_text("\n".join(sorted(borrowed)) + "\n")
    return python


def test_wheel_holds_the_package_and_nothing_else(wheel):
    with zipfile.ZipFile(wheel) as archive:
        sizes = {entry.filename: entry.file_size for entry in archive.infolist()}
    tops = {name.partition("/")[0] for name in sizes}
    assert tops == {"dinosearch", next(top for top in tops if top.endswith(".dist-info"))}
    expected = {path.relative_to(CHECKOUT).as_posix() for path in (CHECKOUT / "dinosearch").rglob("*.py")}
    assert {name for name in sizes if name.endswith(".py")} == expected
    assert "dinosearch/py.typed" in sizes
    assert any(name.endswith("licenses/LICENSE") for name in sizes)
    models = [size for name, size in sizes.items() if name.endswith(".safetensors")]
    assert models and min(models) > SMALLEST_MODEL
    assert wheel.stat().st_size < 14_000_000  # the bundled model has at most 12 MB


def test_wheel_indexes_and_queries(installed, tmp_path):
    away = tmp_path / "away"
    away.mkdir()
    env = {name: value for name, value in os.environ.items() if not name.startswith(("DINOSEARCH_", "PYTHON"))}
    env |= {"HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / "cache"), "DINOSEARCH_OFFLINE": "1"}
    where = Path(run(installed, "-c", "import dinosearch; print(dinosearch.__file__)", cwd=away, env=env).strip())
    assert where.is_relative_to(installed.parents[1])

    photos = tmp_path / "photos"
    photos.mkdir()
    rng = np.random.default_rng(7)
    for i in range(6):
        coarse = Image.fromarray(rng.integers(0, 256, size=(6, 8, 3), dtype=np.uint8))
        coarse.resize((320, 240), Image.Resampling.BICUBIC).save(photos / f"{i}.png")
    copy = tmp_path / "copy.jpg"
    Image.open(photos / "3.png").resize((200, 150)).save(copy, quality=80)

    run(installed, "-m", "dinosearch", "index", photos, cwd=away, env=env)
    assert (away / "index").is_dir()  # the default home is in the working directory, not beside the package
    lines = run(
        installed, "-m", "dinosearch", "query", copy, "--json", "--rerank", "fast", cwd=away, env=env
    ).splitlines()
    hits = [row for row in map(json.loads, lines) if "rank" in row]
    assert [hit["rank"] for hit in hits] == [1, 2, 3, 4, 5, 6]
    assert Path(hits[0]["path"]) == photos / "3.png"
    assert (hits[0]["width"], hits[0]["height"]) == (320, 240)
    assert hits[0]["score"] > 0.9
    scores = [hit["score"] for hit in hits]
    assert scores == sorted(scores, reverse=True)
    assert len({hit["id"] for hit in hits}) == 6
