"""Child processes that are forked, not started: everything is imported once, so that a kill costs milliseconds.

The parent opens no home and starts no thread; what it must know about a home it asks a child of its own.
"""

from __future__ import annotations

import atexit
import ctypes
import gc
import importlib
import json
import os
import pkgutil
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import dinosearch.collection
import dinosearch.images
import dinosearch.store
import dinosearch.vectors
from torture.examine import Found, examine
from torture.photos import MODELS, sha256_of, vector_of
from torture.steps import Tell, run
from torture.world import SEEDS, State, Step

PATIENCE = 60.0
"""Seconds after which a child counts as hanging."""
_SET_PTRACER, _ANY = 0x59616D61, -1  # prctl: any process of this user may trace, where Yama would forbid it


@dataclass
class Child:
    """A forked process, the leader of its own group.

    Attributes:
        pid: of the process.
        told: file of what it acknowledged, one JSON pair a line.
        helpers: processes that end with it.
    """

    pid: int
    told: Path
    _go: int
    helpers: list[subprocess.Popen[str]] = field(default_factory=list)

    @classmethod
    def fork(cls, job: Callable[[Tell], None], told: Path, *, wait: bool = False) -> Child:
        """Run a job in a child; with `wait` it begins at `go()`.

        Its output and its traceback lie beside `told`, as `.log`.
        """
        told.unlink(missing_ok=True)
        told.with_suffix(".log").unlink(missing_ok=True)
        reading, writing = os.pipe()
        sys.stdout.flush()
        pid = os.fork()
        if pid:
            os.close(reading)
            child = cls(pid, told, writing)
            if not wait:
                child.go()
            return child
        os.setsid()
        os.close(writing)
        code = 1
        try:
            _be_child(told.with_suffix(".log"))
            log = os.open(told, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
            os.read(reading, 1)
            job(lambda kind, value: os.write(log, (json.dumps([kind, value]) + "\n").encode()) and None)
            code = 0
        except BaseException as error:  # nothing may leave a forked child but by os._exit
            traceback.print_exc()
            code = error.code if isinstance(error, SystemExit) and isinstance(error.code, int) else 1
        finally:
            sys.stderr.flush()
            os._exit(code)

    def go(self) -> None:
        """Let it begin."""
        os.write(self._go, b"!")
        os.close(self._go)

    def wait_until_begun(self) -> None:
        """Until it has told something, or is over."""
        while not self.ended() and not (self.told.exists() and self.told.stat().st_size):
            time.sleep(0.0005)

    def ended(self) -> bool:
        """Whether the process is over; it is not waited for."""
        return os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None

    def kill(self) -> None:
        """Kill -9 for the process and all that it started."""
        try:
            os.killpg(self.pid, signal.SIGKILL)
        except ProcessLookupError:  # so early that it has no group of its own yet
            os.kill(self.pid, signal.SIGKILL)

    def wait(self, patience: float = PATIENCE) -> int:
        """Exit status, negative for a signal; a child that hangs is killed and gives -SIGALRM."""
        status = self._status(patience)
        for helper in self.helpers:
            helper.communicate()
        return status

    def _status(self, patience: float) -> int:
        until = time.monotonic() + patience
        while True:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                return os.waitstatus_to_exitcode(status)
            if time.monotonic() > until:
                self.kill()
                os.waitpid(self.pid, 0)
                return -signal.SIGALRM
            time.sleep(0.001)

    def acknowledged(self) -> list[list[Any]]:
        """What it told, whole lines only."""
        try:
            lines = self.told.read_text(encoding="utf-8").split("\n")[:-1]
        except FileNotFoundError:
            return []
        return [json.loads(line) for line in lines]

    def said(self) -> str:
        """Its output."""
        try:
            return self.told.with_suffix(".log").read_text(encoding="utf-8", errors="replace")
        except FileNotFoundError:
            return ""


def preload() -> None:
    """Import what verbs import when they need it, and make the photos, so that children need not."""
    for model in MODELS:
        for seed in range(SEEDS):
            sha256_of(seed), vector_of(seed, model)
    for package in (dinosearch.collection, dinosearch.images, dinosearch.store, dinosearch.vectors):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            with suppress(ImportError):  # a verb that needs it will say so
                importlib.import_module(module.name)
    for name in ("faiss", "filelock"):
        importlib.import_module(name)
    gc.freeze()  # so that children do not touch, and copy, all the pages that they share with this process


def look(home: Path | str, told: Path, *, repair: bool = False, retry: Step | None = None) -> Found:
    """`examine` in a child, so that a crash or a hang is found and not suffered.

    Args:
        home: the folder or address.
        told: file for what the child finds.
        repair: see `examine`.
        retry: run this afterwards, where it makes sense, and look again: it must be as after it.
    """

    def job(tell: Tell) -> None:
        found = examine(home, repair=repair)
        if retry is not None and (found.state != retry.after or retry.kind not in ("remove", "migrate")):
            run(retry, home, lambda kind, value: None)
            again = examine(home)
            problems = again.problems + retry.problems(again.state, 0, True)
            found.problems += [f"after a retry: {problem}" for problem in problems]
        tell("found", [found.state.held, found.state.model, found.problems, found.seconds])

    child = Child.fork(job, told)
    status = child.wait()
    answers = child.acknowledged()
    if status or not answers:
        return Found(problems=[f"the home cannot be opened (status {status}): {child.said()[-1500:]}"])
    held, model, problems, seconds = answers[-1][1]
    return Found(State(held, model), problems, seconds)


def _be_child(log: Path) -> None:
    atexit._clear()  # the command line runs what is registered, and the parent's would delete its folders
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    os.close(descriptor)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_SET_PTRACER, ctypes.c_ulong(_ANY), 0, 0, 0)
