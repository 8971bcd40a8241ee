"""System calls counted, killed at, and made to fail, by strace: no code of the product knows of it.

strace counts the calls of each thread and name for itself, so the verb under test commits in its main thread here
(`one_thread`); the calls and their order are the same.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from dinosearch.collection.indexing import run as indexing
from torture.children import Child
from torture.steps import Tell

WRITES = (
    *("write", "writev", "pwrite64", "pwritev", "sendfile", "copy_file_range", "ftruncate", "truncate", "fallocate"),
    *("fsync", "fdatasync", "rename", "renameat", "renameat2", "link", "linkat", "unlink", "unlinkat", "rmdir"),
    *("mkdir", "mkdirat", "open", "openat"),
)
"""Calls that change a file or its folder; of the opening ones only those that create."""
_FOLDER = re.compile(r"^AT_FDCWD(<[^>]*>)?, ")
_NUMBERS = re.compile(r"[0-9a-f]{8,}|\d+")
_CALL = re.compile(r"^(\d+) +(\w+)\((.*)$")


@dataclass(frozen=True)
class Point:
    """One call on a file of the home in the main thread.

    Attributes:
        call: its name.
        number: the how many-th of that name on files of the home, from 1.
        detail: what strace said of it.
        files: of the home, that all calls of this run are on; `{pid}` stands for the process.
    """

    call: str
    number: int
    detail: str
    files: tuple[str, ...]

    @property
    def place(self) -> str:
        """The call and its file, without what is written."""
        return f"{self.call} {_FOLDER.sub('', self.detail).split(', ')[0].split(')')[0]}"

    @property
    def kind(self) -> str:
        """The place without numbers and checksums: the same for other photos, generations and processes."""
        return _NUMBERS.sub("N", self.place)

    def __str__(self) -> str:
        return f"{self.call} {self.number}: {self.detail[:100]}"


def missing() -> str | None:
    """Why strace cannot be used here; None where it can."""
    if shutil.which("strace") is None:
        return "strace is not installed"
    done = subprocess.run(["strace", "-e", "trace=openat", "true"], capture_output=True, text=True)
    return None if done.returncode == 0 else f"strace may not trace here: {done.stderr.strip()[-100:]}"


def points(job: Callable[[Tell], None], home: Path, told: Path, *, opening: bool = False) -> list[Point]:
    """Run a job to its end and list its calls on files of the home that change them.

    Args:
        job: of a child.
        home: the folder that counts.
        told: file for what the child acknowledges.
        opening: also the calls that open a file for reading.
    """
    log = told.with_suffix(".strace")
    child = traced(job, told)
    if child.wait():
        raise AssertionError(f"the verb fails unharmed: {child.said()[-1500:]}")
    text = log.read_text(errors="replace")
    names = set(re.findall(re.escape(str(home)) + r"/[^\"<>]+", text))
    files = tuple(sorted(name.replace(f".{child.pid}.", ".{pid}.") for name in {str(home), *names}))
    seen: Counter[str] = Counter()
    found = []
    for line in text.splitlines():
        match = _CALL.match(line)
        if match is None or int(match[1]) != child.pid or str(home) not in match[3]:
            continue
        call, detail = match[2], match[3]
        seen[call] += 1
        if opening or not call.startswith("open") or "O_CREAT" in detail:
            found.append(Point(call, seen[call], detail.replace(f"{home}/", ""), files))
    return found


def traced(job: Callable[[Tell], None], told: Path, point: Point | None = None, how: str = "") -> Child:
    """Fork a child that runs the job under strace, which does `how` at the point; it has begun.

    strace looks at calls on the point's files only, and counts no other.
    """
    log = told.with_suffix(".strace")
    log.unlink(missing_ok=True)
    child = Child.fork(lambda tell: one_thread(job, tell), told, wait=True)
    command = ["strace", "-f", "-qq", "-y", "-s", "8", "-o", str(log), "-p", str(child.pid)]
    command += ["-e", "trace=" + ",".join(f"?{name}" for name in WRITES), "-e", "signal=none"]
    if point is not None:
        command += ["-e", f"inject={point.call}:{how.format(point.number)}"]
        for file in point.files:
            command += ["-P", file.replace("{pid}", str(child.pid))]
    tracer = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    until = time.monotonic() + 10
    while not _is_traced(child.pid):
        if tracer.poll() is not None or time.monotonic() > until:
            child.kill()
            child.wait()
            raise RuntimeError(f"strace did not attach: {tracer.communicate()[1]}")
        time.sleep(0.0005)
    child.go()
    child.helpers.append(tracer)
    return child


def one_thread(job: Callable[[Tell], None], tell: Tell) -> None:
    """Run the job with the batches committed in the main thread."""
    indexing.Behind.start = lambda self, job: job()  # type: ignore[method-assign]
    job(tell)


def _is_traced(pid: int) -> bool:
    status = Path(f"/proc/{pid}/status").read_text()
    return "TracerPid:\t0\n" not in status
