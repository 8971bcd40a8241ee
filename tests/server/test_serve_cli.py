"""`dinosearch serve`: how it starts, what it refuses, how it stops."""

from __future__ import annotations

import io
import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from time import sleep

import httpx
import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from dinosearch import Collection
from dinosearch.cli import cli
from dinosearch.records.wire import hit_from_dict
from tests.server.conftest import end, start


def refused(*arguments: str | Path, **environment: str) -> str:
    """The one sentence of a server that does not start."""
    runner = CliRunner(env={"DINOSEARCH_OFFLINE": "1", "DINOSEARCH_TOKEN": "", **environment})
    done = runner.invoke(cli, ["serve", "--port", "0", *map(str, arguments)], catch_exceptions=False)
    assert (done.exit_code, done.stdout) == (2, ""), done.stderr
    (line,) = [line for line in done.stderr.splitlines() if line.startswith(("dinosearch: ", "Error: "))]
    return line


def test_a_running_server_answers_as_the_collection(running):
    data = running.indexed.photo(5)
    with Collection.open(running.indexed.home, read_only=True) as collection:
        expected = collection.query(data)
    answer = httpx.post(f"{running.here}/search/upload", files={"image": ("a.png", data)}, timeout=60).json()
    found = [hit_from_dict(hit) for hit in answer["hits"]]
    assert [hit.path for hit in found] == [hit.path for hit in expected]
    assert np.allclose([hit.score for hit in found], [hit.score for hit in expected], atol=1e-3)
    picture = httpx.get(f"{running.here}/images/1/picture", timeout=60)
    assert Image.open(io.BytesIO(picture.content)).size == (64, 48)
    ready = (httpx.get(f"{running.address}/v1/ready", timeout=60).status_code for _ in range(600) if not sleep(0.05))
    assert next((status for status in ready if status == 200), None), "it is never ready"
    assert "server" not in picture.headers  # what it is made of is nobody's business


def test_it_stops_when_told(tmp_path):
    Collection.open(tmp_path / "empty", create=True).close()
    process = start(f"mine={tmp_path / 'empty'}", XDG_CACHE_HOME=str(tmp_path))
    address = process.stdout.readline().strip()
    assert httpx.get(f"{address}v1/collections", timeout=60).json()["collections"][0]["name"] == "mine"
    stdout, stderr = end(process)
    assert process.returncode in (0, -signal.SIGTERM), stderr
    assert stdout == "" and "Traceback" not in stderr


def test_the_port_is_taken(running):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        assert port in refused(running.indexed.home, "--port", port)


def test_no_collection(tmp_path):
    assert "no collection in" in refused(tmp_path / "none")


def test_beyond_this_machine_only_with_a_token(running, tmp_path):
    assert "token" in refused(running.indexed.home, "--host", "0.0.0.0")
    (tmp_path / "short").write_text("short\n")
    assert "at least 16" in refused(running.indexed.home, "--host", "0.0.0.0", "--token-file", tmp_path / "short")
    assert "at least 16" in refused(running.indexed.home, DINOSEARCH_TOKEN="short")


def test_without_the_extra_it_says_what_to_install(tmp_path):
    code = (
        "import sys; sys.modules['fastapi'] = None; sys.argv = ['dinosearch', 'serve']\n"
        "import runpy; runpy.run_module('dinosearch', run_name='__main__')"
    )
    environ = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environ, capture_output=True, text=True)
    assert done.returncode == 2
    assert "pip install 'dinosearch[server]'" in done.stderr and "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "wrong", [["--cors", "*"], ["--max-upload", "0"], ["a=x", "a=y"], ["--log-level", "loud"], ["--token-file", "none"]]
)
def test_wrong_options(wrong):
    refused(*wrong)


def test_help_loads_no_server(tmp_path):
    code = "import sys, dinosearch.cli.app; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", f"import json; {code}"], capture_output=True, text=True, check=True)
    assert {"fastapi", "uvicorn", "pydantic", "starlette"}.isdisjoint(json.loads(done.stdout))
