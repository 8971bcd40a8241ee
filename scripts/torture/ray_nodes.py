"""A Ray cluster of several nodes on one machine, each with a loopback address of its own, to be killed in parts.

To be used inside a network namespace of its own: nothing is exposed there, and all of it ends with the namespace.
"""

from __future__ import annotations

import os
import random
import secrets
import signal
import subprocess
import sys
import time
from pathlib import Path

PORT = 6379
HEAD = "10.9.0.1"
AUTH = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
"""What whoever talks to the cluster needs in its environment."""
_STARTS_WITHIN, _RUNS = 60, "Ray runtime started"
_STORE = 300 << 20  # bytes of each node's object store


def own_network(nodes: int) -> None:
    """Bring up the loopback of this namespace, with an address for each node."""
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    for number in range(1, nodes + 1):
        subprocess.run(["ip", "addr", "add", f"10.9.0.{number}/32", "dev", "lo"], check=True)


class Nodes:
    """A head without cores, and nodes with some; use as a context manager.

    Args:
        folder: for Ray's own files; a short path, as sockets lie in it.
        count: nodes, the head included.
        cores: that each node but the head offers.
    """

    def __init__(self, folder: Path, count: int, cores: int) -> None:
        self._folder, self._cores = folder, cores
        self._processes: dict[int, subprocess.Popen[bytes]] = {}
        self.numbers = list(range(2, count + 1))

    def __enter__(self) -> Nodes:
        for number in (1, *self.numbers):  # two that start at once take the same name for their sockets
            self._log(number).unlink(missing_ok=True)
            self._start(number)
            self._wait(number)
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._processes.values():
            process.send_signal(signal.SIGTERM)
        for process in self._processes.values():
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()

    @property
    def address(self) -> str:
        return f"{HEAD}:{PORT}"

    def kill(self, number: int) -> None:
        """Kill a node as a power cut does: its raylet and everything below it at once."""
        process = self._processes.pop(number)
        for pid in [process.pid, *below(process.pid)]:
            end(pid)
        process.wait()

    def restart(self, number: int) -> None:
        """Bring a killed node back; Ray takes it for a new one."""
        self._start(number)

    def _log(self, number: int) -> Path:
        return Path(f"{self._folder}-{number}.log")

    def _wait(self, number: int) -> None:
        """Until a node says that it runs, and a moment for the head to hear of it."""
        until = time.monotonic() + _STARTS_WITHIN
        while _RUNS not in self._log(number).read_text(errors="replace"):
            if time.monotonic() > until:
                raise SystemExit(f"node {number} has not started in {_STARTS_WITHIN} s, see {self._log(number)}")
            time.sleep(0.1)
        time.sleep(2)

    def _start(self, number: int) -> None:
        role = (
            ["--head", f"--port={PORT}", "--num-cpus=0", "--include-dashboard=false", f"--temp-dir={self._folder}"]
            if number == 1
            else [f"--address={self.address}", f"--num-cpus={self._cores}"]
        )
        self._processes[number] = subprocess.Popen(
            [
                str(Path(sys.executable).with_name("ray")),
                "start",
                *role,
                f"--node-ip-address=10.9.0.{number}",
                f"--object-store-memory={_STORE}",
                "--disable-usage-stats",
                "--block",
            ],
            stdout=open(self._log(number), "a"),
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env={**os.environ, **AUTH},
        )


def below(pid: int) -> list[int]:
    """The processes that a process has started, and those of these."""
    found = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            children = list(map(int, task.read_text().split()))
        except OSError:
            continue
        for child in children:
            found += [child, *below(child)]
    return found


def actors() -> dict[int, str]:
    """Process ids and titles of the actors of Ray Data in this namespace."""
    found = {}
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            title = path.read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
        except OSError:
            continue
        if title.startswith("ray::MapWorker("):
            found[int(path.parent.name)] = title
    return found


def kill_actor(rng: random.Random) -> str | None:
    """Kill one of the actors; returns which, None where there is none."""
    found = sorted(actors().items())
    if not found:
        return None
    pid, title = rng.choice(found)
    end(pid)
    return title.split(")")[0].rpartition("(")[2]


def end(pid: int) -> None:
    """SIGKILL, to whoever is still there."""
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
