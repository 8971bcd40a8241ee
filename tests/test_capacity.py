"""Cores and memory inside control groups, from trees of files as the kernel shows them, and memory that goes back."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
from pathlib import Path

import pytest

from dinosearch.capacity import available_memory, cores

GIB = 1 << 30
CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
MEMINFO = f"MemTotal: {64 * GIB // 1024} kB\nMemAvailable: {32 * GIB // 1024} kB\n"


def tree(root: Path, files: dict[str, str]) -> Path:
    for name, text in {"proc/meminfo": MEMINFO, **files}.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def test_without_groups_the_machine_counts(tmp_path: Path) -> None:
    assert available_memory(tree(tmp_path, {})) == 32 * GIB
    assert cores(tmp_path) == CORES


def test_where_the_system_says_nothing_something_is_assumed(tmp_path: Path) -> None:
    assert available_memory(tmp_path) > 0
    assert cores(tmp_path) == CORES


@pytest.mark.parametrize("path", ["/", "/batch/job", "/not/mounted/here"])
def test_version_2(tmp_path: Path, path: str) -> None:
    groups = tmp_path / "sys/fs/cgroup"
    tree(
        tmp_path,
        {
            "proc/self/cgroup": f"0::{path}\n",
            "sys/fs/cgroup/memory.max": f"{4 * GIB}\n",
            "sys/fs/cgroup/memory.current": f"{3 * GIB}\n",
            "sys/fs/cgroup/memory.stat": f"anon 5\ninactive_file {GIB}\nactive_file 7\n",
            "sys/fs/cgroup/cpu.max": "100000 100000\n",
        },
    )
    assert available_memory(tmp_path) == 2 * GIB
    assert cores(tmp_path) == 1
    (groups / "memory.max").write_text("max\n")
    (groups / "cpu.max").write_text("max 100000\n")
    assert available_memory(tmp_path) == 32 * GIB
    assert cores(tmp_path) == CORES


def test_the_narrowest_of_nested_groups_counts(tmp_path: Path) -> None:
    tree(tmp_path, {"proc/self/cgroup": "0::/a/b\n"})
    for folder, limit in (("a", 6 * GIB), ("a/b", 8 * GIB)):
        inner = {"memory.max": f"{limit}", "memory.current": "0", "cpu.max": "max 100000"}
        tree(tmp_path, {f"sys/fs/cgroup/{folder}/{name}": text for name, text in inner.items()})
    assert available_memory(tmp_path) == 6 * GIB


def test_version_1(tmp_path: Path) -> None:
    tree(
        tmp_path,
        {
            "proc/self/cgroup": "5:cpu,cpuacct:/box\n4:memory:/box\n0::/\n",
            "sys/fs/cgroup/memory/box/memory.limit_in_bytes": f"{2 * GIB}\n",
            "sys/fs/cgroup/memory/box/memory.usage_in_bytes": f"{GIB}\n",
            "sys/fs/cgroup/memory/box/memory.stat": f"cache 1\ntotal_inactive_file {GIB // 2}\n",
            "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
            "sys/fs/cgroup/memory/memory.usage_in_bytes": f"{20 * GIB}\n",
            "sys/fs/cgroup/cpu/box/cpu.cfs_quota_us": "-1\n",
            "sys/fs/cgroup/cpu/box/cpu.cfs_period_us": "100000\n",
        },
    )
    assert available_memory(tmp_path) == GIB + GIB // 2
    assert cores(tmp_path) == CORES
    tree(tmp_path, {"sys/fs/cgroup/cpu/box/cpu.cfs_quota_us": "120000\n"})
    assert cores(tmp_path) == 1


_KEPT = """
import sys, threading
from dinosearch.capacity import give_back_memory, keep_little_memory

def resident():
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("RssAnon:"))

if sys.argv[1] == "little":
    keep_little_memory()
large = bytearray(30 << 20)
del large  # from now on the C library keeps more, left to itself
held = []
worker = threading.Thread(target=lambda: held.extend(bytearray(100_000) for _ in range(300)))
worker.start()
worker.join()
before = resident()
held.clear()
give_back_memory()
print((before - resident()) * 1024 / 30_000_000)
"""


@pytest.mark.skipif(
    sys.platform != "linux" or not hasattr(ctypes.CDLL(None), "mallopt"), reason="another system, or C library"
)
def test_memory_of_a_thread_goes_back_where_little_is_kept() -> None:
    env = {key: value for key, value in os.environ.items() if not key.startswith(("MALLOC_", "GLIBC_", "PYTHONMALLOC"))}
    share = {
        setting: float(subprocess.check_output([sys.executable, "-c", _KEPT, setting], env=env, timeout=100))
        for setting in ("little", "much")
    }
    assert share["little"] > 0.9
    assert share["much"] < 0.5, "the C library has learned it: keep_little_memory may go"


_WORKED = """
import resource, sys, threading
from dinosearch.capacity import keep_little_memory

keep_little_memory(int(sys.argv[1]))

def ask():
    for _ in range(40):
        parts = [bytearray(600_000) for _ in range(5)]  # as much as a question works with
        del parts

def faults():
    worker = threading.Thread(target=ask)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    worker.start()
    worker.join()
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

faults()
print(faults() / 40)
"""


@pytest.mark.skipif(
    sys.platform != "linux" or not hasattr(ctypes.CDLL(None), "mallopt"), reason="another system, or C library"
)
def test_what_a_question_works_with_is_kept_for_the_next() -> None:
    env = {key: value for key, value in os.environ.items() if not key.startswith(("MALLOC_", "GLIBC_", "PYTHONMALLOC"))}
    pages = {
        free: float(subprocess.check_output([sys.executable, "-c", _WORKED, str(free)], env=env, timeout=100))
        for free in (1 << 20, 8 << 20)
    }
    assert pages[1 << 20] > 100
    assert pages[8 << 20] < 50
