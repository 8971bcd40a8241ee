"""Help texts, and the verbs about the program itself: models, doctor."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path

import pytest

import dinosearch
import dinosearch.cli.doctor as doctor_module
from dinosearch.cli import cli
from dinosearch.embedding import CHECKPOINTS
from tests.cli.conftest import Run, objects

VERBS = [
    "index",
    "embed",
    "query",
    "explain",
    "dense",
    "calibrate",
    "confirm",
    "reject",
    "verdicts",
    "refine",
    "remove",
    "info",
    "verify",
    "compact",
    "migrate",
    "export",
    "import",
    "classify",
    "label",
    "curate",
    "duplicates",
    "clusters",
    "outliers",
    "map",
    "recommend",
    "serve",
    "benchmark",
    "plan",
    "models",
    "doctor",
]


def test_the_verbs() -> None:
    assert list(cli.commands) == VERBS


def test_the_bare_command_is_its_help(run: Run) -> None:
    result = run()
    assert result.output.strip() == run("--help").stdout.strip()


@pytest.mark.parametrize("verb", VERBS)
def test_help_begins_with_what_it_does_and_an_example(run: Run, verb: str) -> None:
    for flag in ("--help", "-h"):
        result = run(verb, flag)
        assert result.exit_code == 0
        usage, sentence, example = result.stdout.split("\n\n")[:3]
        assert usage == f"Usage: cli {verb} " + usage.partition(f" {verb} ")[2]
        assert sentence.startswith("  ")
        assert sentence.endswith(".")
        assert example.startswith(f"    dinosearch {verb}")
        for option in ("--home", "--json", "--quiet"):
            assert option in result.stdout


def test_version_and_no_verb(run: Run) -> None:
    assert run("--version").stdout == f"dinosearch, version {dinosearch.__version__}\n"
    for verb in VERBS:
        assert f"\n  {verb} " in run("--help").stdout
    assert run("frobnicate").exit_code == 2


def test_models(run: Run, monkeypatch, tmp_path) -> None:
    monkeypatch.setenv("DINOSEARCH_WEIGHTS", str(tmp_path))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    weights = tmp_path / CHECKPOINTS["dinov2_vitb14"].file_name
    weights.write_bytes(b"x" * 10)
    found = {model["name"]: model for model in objects(run("models", "--json"))}
    assert list(found) == list(CHECKPOINTS)
    assert found["dinov2_vitb14"]["path"] == str(weights)
    assert found["dinov2_vits14"]["path"] is None
    assert found["dinov2_vits14"]["dimension"] == 384
    gated = found["dinov3_vitl16_sat493m"]
    assert (gated["family"], gated["licence"], gated["url"]) == ("DINOv3", "DINOv3 License", None)
    assert (gated["patch"], gated["sha256"], gated["mean"]) == (16, "eadcf0ff", [0.43, 0.411, 0.296])
    assert gated["page"].startswith("https://ai.meta.com/")
    result = run("models")
    lines = {line.split()[0]: line for line in result.stdout.splitlines()}
    assert list(lines) == ["name", *CHECKPOINTS]
    assert lines["dinov2_vitb14"].endswith(str(weights))
    assert "not here: https://" in lines["dinov2_vits14"]
    assert lines["dinov3_vits16"].endswith("on request: dinov3_vits16_pretrain_lvd1689m-08c60483.pth")
    assert str(tmp_path) in result.stderr
    assert f"DINOv3 License are asked for at {gated['page']}" in result.stderr


def test_doctor(run: Run, monkeypatch) -> None:
    monkeypatch.setattr(
        doctor_module, "PROBES", {("torch", "gpu"): "print('9.9'); print('none')", ("faiss",): "import x.y"}
    )
    monkeypatch.setattr("sqlite3.sqlite_version_info", (3, 52, 0))
    result = run("doctor", "--json")
    (found,) = objects(result)
    assert result.exit_code == 0
    assert found["torch"] == "9.9"
    assert found["faiss"].startswith("BROKEN: ModuleNotFoundError: ")
    assert "mini" in found["weights"]
    assert "JPEG" in found["formats"]
    assert [warning.split()[0] for warning in found["warnings"]] == ["faiss", "SQLite"]
    words = run("doctor")
    assert words.exit_code == 0
    assert "torch        9.9\ngpu          none\nfaiss        BROKEN: " in words.stdout
    assert words.stderr.count("dinosearch: warning: ") == 2


BOTH = {"openvino": "2026.4.1: bfloat16, float32", "onnxruntime": "1.31.1: float32, int8"}


@pytest.mark.parametrize(
    ("probed", "embeds"),
    [
        (BOTH, "openvino in bfloat16"),
        ({**BOTH, "openvino": "2026.4.1: float32"}, "openvino in float32"),
        ({**BOTH, "openvino": "BROKEN: ended with -4"}, "onnxruntime in float32"),
        ({}, "torch in float32"),
        ({**BOTH, "gpu": "NVIDIA H100 80GB HBM3, 85 GB"}, "torch in float16"),
        ({**BOTH, "gpu": "none: the processor is used"}, "openvino in bfloat16"),
        ({**BOTH, "gpu": "Apple GPU (mps)"}, "openvino in bfloat16"),
    ],
)
def test_doctor_says_what_embeds(monkeypatch, tmp_path: Path, probed: dict[str, str], embeds: str) -> None:
    monkeypatch.delenv("DINOSEARCH_RUNTIME", raising=False)
    monkeypatch.setenv("DINOSEARCH_GRAPHS", str(tmp_path / "graphs"))
    (tmp_path / "graphs" / "one").mkdir(parents=True)
    (tmp_path / "graphs" / "one" / "facts.json").touch()
    found = doctor_module._embedding(probed)
    assert found["embeds by"] == embeds
    assert found["graphs"] == f"1 prepared models in {tmp_path / 'graphs'}"
    monkeypatch.setenv("DINOSEARCH_RUNTIME", "onnxruntime")
    assert doctor_module._embedding(probed)["embeds by"] == f"{embeds}; DINOSEARCH_RUNTIME says onnxruntime"


@pytest.mark.parametrize(
    ("sqlite", "warned"),
    [((3, 40, 1), True), ((3, 51, 2), True), ((3, 51, 3), False), ((3, 52, 0), True), ((3, 53, 0), False)],
)
def test_doctor_knows_the_fixed_sqlite(monkeypatch, sqlite: tuple[int, int, int], warned: bool) -> None:
    monkeypatch.setattr("sqlite3.sqlite_version_info", sqlite)
    assert bool(doctor_module._warnings({})) is warned


@pytest.mark.slow
def test_probes_find_what_is_installed() -> None:
    found = doctor_module._probe()
    assert list(found) == ["torch", "gpu", "faiss", "openvino", "onnxruntime"]
    assert found["torch"].split("+")[0] == version("torch").split("+")[0]
    assert found["faiss"][0].isdecimal()
    assert "BROKEN" not in found["gpu"]
    assert found["openvino"].startswith(f"{version('openvino')}: ")
    assert found["openvino"].endswith("float32")
    assert found["onnxruntime"] == f"{version('onnxruntime')}: float32, int8"


def test_a_probe_that_dies_is_a_finding(monkeypatch) -> None:
    monkeypatch.setattr(doctor_module, "PROBES", {("torch", "gpu"): "import os; os.kill(os.getpid(), 11)"})
    assert doctor_module._probe() == {"torch": "BROKEN: ended with -11"}
