"""The command line with the bundled model on a small landmark set in revisitop's layout, built from sample_images."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import make_revisited_samples
import pytest
from click.testing import CliRunner, Result

from dinosearch.cli import cli

CHECKOUT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def landmarks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that holds roxford5k/{jpg, gnd_roxford5k.pkl}; leave it as it is."""
    folder = tmp_path_factory.mktemp("landmarks")
    make_revisited_samples.build(CHECKOUT / "sample_images", folder, "roxford5k")
    return folder


@pytest.fixture(scope="session")
def embedded(landmarks: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A --home in which the landmarks are embedded with the bundled model."""
    home = tmp_path_factory.mktemp("benchmark") / "home"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DINOSEARCH_DECODE", "inline")
        assert invoke(home, "roxford5k", "--data", landmarks).exit_code == 0
    return home


def invoke(home: Path, *arguments: object) -> Result:
    """Run `dinosearch benchmark` in this process with the bundled model; what would be a traceback is raised."""
    given = [str(argument) for argument in arguments]
    words = ["--home", str(home), "benchmark", *given, *([] if "--descriptors" in given else ["--model", "mini"])]
    return CliRunner().invoke(cli, words, catch_exceptions=False)


def runs(result: Result) -> list[dict[str, Any]]:
    """What `--json` printed, one object a run."""
    assert result.exit_code in (0, 3), result.output
    found = [json.loads(line) for line in result.stdout.splitlines()]
    assert all(one["schema"] == 1 and one["type"] == "run" for one in found)
    return found


def means(run: dict[str, Any]) -> dict[str, float]:
    """Mean by `setup measure`."""
    return {
        f"{scores['setup']} {measure}": mean["mean"]
        for scores in run["scores"]
        for measure, mean in scores["means"].items()
    }
