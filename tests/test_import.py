"""Importing and asking for help stay light: no heavy library, little time."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from dinosearch import Collection

SAMPLES = Path(__file__).parents[1] / "sample_images"
HEAVY = ("torch", "faiss", "sqlalchemy", "PIL", "click")
LIMIT = 0.15  # seconds over a bare interpreter


def run(code: str, cwd: Path) -> str:
    environ = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=cwd, env=environ, capture_output=True, text=True, timeout=60, check=True
    )
    return done.stdout


def loaded(code: str, cwd: Path) -> set[str]:
    """The top-level packages in sys.modules of a fresh process after `code`."""
    # At the exit, since the command line ends its process itself.
    report = """
import atexit, sys
atexit.register(lambda: print("MODULES", *sorted({name.partition(".")[0] for name in sys.modules})))
"""
    return set(run(report + code, cwd).rpartition("MODULES")[2].split())


def test_import_loads_nothing_heavy(tmp_path):
    modules = loaded("import dinosearch", tmp_path)
    assert "dinosearch" in modules
    assert modules.isdisjoint(HEAVY)


def test_heavy_import_would_be_seen(tmp_path):
    assert "PIL" in loaded("import dinosearch, PIL.Image", tmp_path)


def test_help_loads_no_engine(tmp_path):
    modules = loaded(spoken("--help"), tmp_path)
    assert "click" in modules
    assert modules.isdisjoint({"torch", "faiss", "sqlalchemy"})


def spoken(*arguments: str) -> str:
    """Code that runs the command line with these arguments, as the command `dinosearch` does."""
    return f"""
import runpy, sys
sys.argv = ["dinosearch", *{arguments!r}]
try:
    runpy.run_module("dinosearch", run_name="__main__")
except SystemExit as end:
    assert not end.code, end.code
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    """A collection of the sample images, made with the bundled model."""
    folder = tmp_path_factory.mktemp("light") / "home"
    with Collection.open(folder, create=True, model="mini") as collection:
        collection.index(SAMPLES, workers=1)
    return folder


ENGINES = {"torch", "openvino", "onnxruntime", "onnx", "faiss"}


def test_info_loads_no_engine_and_no_decoder(home, tmp_path):
    modules = loaded(spoken("--home", str(home), "info"), tmp_path)
    assert "sqlalchemy" in modules
    assert modules.isdisjoint(ENGINES | {"PIL", "pillow_heif", "rich"})


def test_verify_of_sound_vectors_loads_no_model(home, tmp_path):
    assert loaded(spoken("--home", str(home), "verify"), tmp_path).isdisjoint(ENGINES - {"faiss"})


def test_query_of_a_stored_image_loads_no_model(home, tmp_path):
    assert loaded(spoken("--home", str(home), "query", "id:1"), tmp_path).isdisjoint(ENGINES - {"faiss"})


def test_query_by_a_graph_loads_no_torch(home, tmp_path, monkeypatch, shared_graphs):
    pytest.importorskip("openvino", reason="no runtime without torch is installed")
    monkeypatch.setenv("DINOSEARCH_RUNTIME", "openvino")
    monkeypatch.setenv("DINOSEARCH_GRAPHS", str(shared_graphs))
    asked = spoken("--home", str(home), "query", str(next(SAMPLES.glob("*/*.jpg"))))
    run(asked, tmp_path)  # the graph is exported once, by torch in a process of its own
    modules = loaded(asked, tmp_path)
    assert "openvino" in modules
    assert modules.isdisjoint({"torch", "onnx", "onnxscript", "onnxruntime", "transformers", "rich"})


def test_help_of_a_verb_loads_no_engine(tmp_path):
    modules = loaded(spoken("query", "--help"), tmp_path)
    assert modules.isdisjoint(ENGINES | {"sqlalchemy", "PIL", "numpy"})


def test_import_is_quick(tmp_path):
    def seconds(code: str) -> float:
        start = time.perf_counter()
        run(code, tmp_path)
        return time.perf_counter() - start

    seconds("import dinosearch")  # byte code is written once, by whoever comes first
    # The fastest of each: other work on the machine only ever adds time.
    rounds = [(seconds("pass"), seconds("import dinosearch")) for _ in range(7)]
    bare, with_import = map(min, zip(*rounds, strict=True))
    assert with_import - bare < LIMIT
