"""A real Milvus 2.3.5 server for tests, from the package `milvus`, shut off in namespaces of its own.

    with MilvusServer.start(folder) as server:
        Collection.open(f"milvus://127.0.0.1:{server.port}/name", metadata=...)
        server.kill()                            # kill -9, and start it anew on the same data

That version has known holes (CVE-2025-64513: no authentication; CVE-2026-26190: port 9091 runs what it is sent) and
listens on every interface, so it runs in a network namespace, or not at all. A keeper is process 1 of the namespaces:
it starts the server and passes bytes between a Unix socket in the test's folder and the server's gRPC port; this side
passes them between that socket and a port of 127.0.0.1. All of it ends with the keeper, and the keeper with the pipe to
the process that started it, however that ends.
"""

from __future__ import annotations

import importlib.util
import lzma
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

GRPC, WEB = 19530, 9091  # inside the namespace, where nothing else runs
START_SECONDS = 180
SESSION_SECONDS = 5
"""How long the leases of a killed server keep the next one waiting: with Milvus's 30 s it answers after 35 s instead of
10."""
_SPACES = ("-n", "-p", "-f", "--mount-proc", "--kill-child")


class NoServerError(Exception):
    """The server cannot be run on this machine; the text says why."""


class MilvusServer:
    """A running server; see the module.

    Attributes:
        port: of its gRPC, on 127.0.0.1.
    """

    def __init__(self, keeper: subprocess.Popen[str], relay: socket.socket) -> None:
        self._keeper, self._relay = keeper, relay
        self.port: int = relay.getsockname()[1]

    @classmethod
    @contextmanager
    def start(cls, folder: Path) -> Iterator[MilvusServer]:
        """Run a server whose data lie in the folder, which may have those of an earlier one.

        Raises:
            NoServerError: there is no such package or no namespaces on this machine.
        """
        binaries, spaces = _binaries(folder), _namespaces()
        path = str(folder / "relay")
        # The paths of Unix sockets are short; the keeper's own working directory shortens this one.
        command = [*spaces, sys.executable, os.path.abspath(__file__), str(binaries), str(folder)]
        keeper = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        relay = socket.create_server(("127.0.0.1", 0))
        server = cls(keeper, relay)
        try:
            server._answer("ready")
            threading.Thread(target=_relay, args=(relay, lambda: _unix(path)), daemon=True).start()
            yield server
        finally:
            relay.close()
            assert keeper.stdin is not None and keeper.stdout is not None
            keeper.stdin.close()
            try:
                keeper.wait(30)
            except subprocess.TimeoutExpired:
                keeper.kill()  # with --kill-child everything inside goes as well
                keeper.wait()
            keeper.stdout.close()

    def kill(self) -> float:
        """kill -9 of the server; returns when its successor is healthy: the seconds that took."""
        began = time.monotonic()
        self.crash()
        self.restart()
        return time.monotonic() - began

    def crash(self) -> None:
        """kill -9 of the server; nothing answers on the port until `restart`."""
        self._say("kill", "dead")

    def restart(self) -> None:
        """Start the server again on its data; returns when it is healthy."""
        self._say("start", "ready")

    def _say(self, word: str, answer: str) -> None:
        assert self._keeper.stdin is not None
        self._keeper.stdin.write(word + "\n")
        self._keeper.stdin.flush()
        self._answer(answer)

    def _answer(self, wanted: str) -> None:
        assert self._keeper.stdout is not None
        told = self._keeper.stdout.readline().strip()
        if told != wanted:
            raise NoServerError(told or "the keeper of the Milvus server has ended")


def _binaries(folder: Path) -> Path:
    """The folder with the program and its libraries: DINOSEARCH_MILVUS, or unpacked from the package."""
    if given := os.environ.get("DINOSEARCH_MILVUS"):
        return Path(given)
    found = importlib.util.find_spec("milvus")
    packed = Path(found.origin).parent / "data" / "bin" if found and found.origin else None
    if packed is None or not packed.is_dir():
        raise NoServerError("the package milvus, which holds the server, is not installed")
    target = folder / "bin"
    if not target.is_dir():
        unpacking = folder / "bin.part"
        shutil.rmtree(unpacking, ignore_errors=True)
        unpacking.mkdir(parents=True)
        for file in packed.glob("*.lzma"):
            with lzma.open(file) as source, open(unpacking / file.stem, "wb") as out:
                shutil.copyfileobj(source, out)
            (unpacking / file.stem).chmod(0o755)
        unpacking.rename(target)
    return target


def _namespaces() -> list[str]:
    """The command that runs another one in namespaces of its own: as root, or as the root of a user namespace."""
    for command in (["unshare", *_SPACES], ["unshare", "-r", *_SPACES]):
        with suppress(OSError):
            if subprocess.run([*command, "ip", "link", "set", "lo", "up"], capture_output=True).returncode == 0:
                return command
    raise NoServerError("this machine gives no network namespace (unshare -n), outside of which it may not listen")


def _unix(path: str) -> socket.socket:
    connected = socket.socket(socket.AF_UNIX)
    connected.connect(path)
    return connected


def _relay(listening: socket.socket, connect: Callable[[], socket.socket]) -> None:
    """Pass bytes between every connection and one of its own made by `connect`, until `listening` is closed."""
    while True:
        try:
            one, _ = listening.accept()
        except OSError:
            return
        try:
            other = connect()
        except OSError:  # the server is down: so is this connection
            one.close()
            continue
        for source, target in ((one, other), (other, one)):
            threading.Thread(target=_pass, args=(source, target), daemon=True).start()


def _pass(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(1 << 18):
            target.sendall(data)
    for end in (source, target):
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)


class _Keeper:
    """Process 1 of the namespaces: runs the server, obeys the lines of its standard input."""

    def __init__(self, binaries: Path, folder: Path) -> None:
        self.binaries, self.folder = binaries, folder
        self.server: subprocess.Popen[bytes] | None = None

    def run(self) -> None:
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
        path = self.folder / "relay"
        path.unlink(missing_ok=True)
        listening = socket.socket(socket.AF_UNIX)
        listening.bind(str(path))
        listening.listen()
        to_server = lambda: socket.create_connection(("127.0.0.1", GRPC))  # noqa: E731
        threading.Thread(target=_relay, args=(listening, to_server), daemon=True).start()
        self.start()
        for line in sys.stdin:
            {"kill": self.kill, "start": self.start}[line.strip()]()
        self.end()

    def start(self) -> None:
        config = self._configured()
        logs = open(self.folder / "logs" / "server.log", "ab")
        environment = {
            **os.environ,
            "DEPLOY_MODE": "STANDALONE",
            "METRICS_PORT": str(WEB),
            "MILVUSCONF": str(config),
            "LD_LIBRARY_PATH": str(self.binaries),
        }
        self.server = subprocess.Popen(
            [str(self.binaries / "milvus"), "run", "standalone"],
            env=environment,
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            stdout=logs,
            stderr=logs,
        )
        logs.close()
        self._tell("ready" if self._healthy() else f"the Milvus server did not become healthy; see {self.folder}/logs")

    def kill(self) -> None:
        assert self.server is not None
        self.server.send_signal(signal.SIGKILL)
        self.server.wait()
        self._tell("dead")

    def end(self) -> None:
        if self.server is not None:
            self.server.kill()
            self.server.wait()

    def _configured(self) -> Path:
        from milvus import MilvusServerConfig

        (self.folder / "logs").mkdir(parents=True, exist_ok=True)
        folder = self.folder / "configs"
        if not folder.exists():  # made anew, it would avoid the ports that the killed server's connections linger on
            config = MilvusServerConfig()
            config.update(data_dir=str(self.folder))
            config.set("common.session.ttl", SESSION_SECONDS)
            config.resolve()
        return folder

    def _healthy(self) -> bool:
        assert self.server is not None
        until = time.monotonic() + START_SECONDS
        while time.monotonic() < until and self.server.poll() is None:
            with suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{WEB}/healthz", timeout=10) as answer:
                if b"OK" in answer.read():
                    socket.create_connection(("127.0.0.1", GRPC)).close()  # which comes a moment later
                    return True
            time.sleep(0.2)
        return False

    def _tell(self, text: str) -> None:
        sys.stdout.write(text + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    _Keeper(Path(sys.argv[1]), Path(sys.argv[2])).run()
