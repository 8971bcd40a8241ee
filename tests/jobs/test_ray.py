"""`dinosearch embed --engine ray` as a process of its own, with a cluster of its own: the files of the local engine."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tarfile
import time
from pathlib import Path

import pytest

from tests.conftest import write_photo
from tests.jobs.conftest import files, rows

pytest.importorskip("ray", reason="needs Ray: pip install 'dinosearch[ray]'")
pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="finds Ray's processes in /proc")


def start(source: Path, out: Path, *options: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "dinosearch", "embed", source, "--out", out, "--model", "mini", "--json", *options]
    environment = {**os.environ, "DINOSEARCH_OFFLINE": "1"}
    return subprocess.Popen(
        list(map(str, command)),
        cwd=Path(__file__).parents[2],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def ended(process: subprocess.Popen[bytes]) -> tuple[int, list[dict[str, object]]]:
    out, errors = process.communicate(timeout=120)
    assert b"Traceback" not in errors, errors.decode()
    assert all(line.startswith(b"{") for line in out.splitlines()), out.decode()
    return process.returncode, [json.loads(line) for line in out.splitlines()]


def descendants(pid: int) -> list[tuple[int, str]]:
    """Process ids and titles of everything below a process."""
    found = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in map(int, task.read_text().split()):
            try:
                title = Path(f"/proc/{child}/cmdline").read_bytes().replace(b"\0", b" ").decode()
                found += [(child, title), *descendants(child)]
            except (FileNotFoundError, ProcessLookupError):
                continue  # it ended meanwhile
    return found


def listening(pids: set[int]) -> set[str]:
    """The addresses that these processes listen on, as the kernel writes them."""
    inodes = set()
    for pid in pids:
        try:
            links = [os.readlink(path) for path in Path(f"/proc/{pid}/fd").iterdir()]
        except OSError:
            continue
        inodes |= {link[8:-1] for link in links if link.startswith("socket:[")}
    lines = [line.split() for name in ("tcp", "tcp6") for line in Path(f"/proc/net/{name}").read_text().splitlines()]
    return {line[1].split(":")[0] for line in lines if line[3] == "0A" and line[9] in inodes}


LOOPBACK = {"0100007F", "0000000000000000FFFF00000100007F", "00000000000000000000000001000000"}


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """48 photos, copies, bad files and an archive with four more."""
    folder = tmp_path / "photos"
    for seed in range(48):
        write_photo(folder / f"{seed % 3}" / f"{seed}.png", seed)
    (folder / "0" / "bad.jpg").write_bytes(b"\xff\xd8\xff no picture")
    (folder / "0" / "copy.png").write_bytes((folder / "0" / "0.png").read_bytes())
    with tarfile.open(folder / "more.tar", "w") as tar:
        for seed in range(100, 104):
            tar.add(write_photo(tmp_path / f"{seed}.png", seed), f"{seed}.png")
    return folder


def test_the_same_files_byte_for_byte(source: Path, tmp_path: Path) -> None:
    process = start(source, tmp_path / "ray", "--engine", "ray", "--shard-size", "8", "--num-workers", "2")
    addresses: set[str] = set()
    while process.poll() is None:
        addresses |= listening({process.pid, *(pid for pid, _ in descendants(process.pid))})
        time.sleep(0.2)
    code, told = ended(process)
    assert addresses and addresses <= LOOPBACK  # nobody else's machine can reach the cluster
    assert code == 3 and [one["path"] for one in told if one["type"] == "failure"] == [str(source / "0" / "bad.jpg")]
    assert {"progress", "shard", "job"} <= {one["type"] for one in told}
    assert ended(start(source, tmp_path / "local", "--shard-size", "8"))[0] == 3
    assert files(tmp_path / "ray") == files(tmp_path / "local")
    assert len({row["path"] for row in rows(tmp_path / "ray")}) == len(rows(tmp_path / "ray")) == 54


def test_a_killed_actor_costs_nothing_but_time(source: Path, tmp_path: Path) -> None:
    """One of each stage is killed as soon as it is there; what comes out is whole."""
    process = start(source, tmp_path / "ray", "--engine", "ray", "--shard-size", "8", "--num-workers", "2")
    killed = set()
    while len(killed) < 2 and process.poll() is None:
        for pid, title in descendants(process.pid):
            stage = next((name for name in ("_Decode", "_Embed") if f"MapBatches({name})" in title), None)
            if stage and stage not in killed:
                os.kill(pid, signal.SIGKILL)
                killed.add(stage)
        time.sleep(0.05)
    assert killed == {"_Decode", "_Embed"}
    assert ended(process)[0] == 3
    assert ended(start(source, tmp_path / "local", "--shard-size", "8"))[0] == 3
    assert files(tmp_path / "ray") == files(tmp_path / "local")
