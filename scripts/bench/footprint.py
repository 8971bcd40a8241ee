"""Memory of a process with its children, sampled while it runs, and homes and folders of many small files."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from bench.photos import make_photo
from dinosearch.records import FoundFile, ImageInfo
from dinosearch.store import MetadataStore

EVERY = 0.2  # seconds between two samples
BASE = 8  # different pictures among the small files
FOLDER_FILES = 1000
MTIME = 1_700_000_000_000_000_000
STEP = 20_000


def peak(command: Sequence[str | Path]) -> tuple[float, float, float]:
    """Run a command; its peak of proportional and of resident memory with all its children in MiB, and its seconds.

    Pages that several processes share count once in the proportional figure, once for each in the resident one.
    """
    started = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    most = [0, 0]
    while process.poll() is None:
        sizes = [_sizes(pid) for pid in _family(process.pid)]
        most = [max(most[i], sum(size[i] for size in sizes)) for i in (0, 1)]
        time.sleep(EVERY)
    if process.returncode:
        raise RuntimeError(f"{command[0]} ended with exit code {process.returncode}")
    return most[0] / 1024, most[1] / 1024, time.perf_counter() - started


def small_photos(folder: Path, count: int) -> None:
    """JPEG files of 96 x 72 pixels, all of different content: a few pictures, each with a number behind its end."""
    pictures = []
    for seed in range(BASE):
        path = folder / f"base-{seed}.jpg"
        folder.mkdir(parents=True, exist_ok=True)
        make_photo(seed, (96, 72)).save(path, quality=80)
        pictures.append(path.read_bytes())
        path.unlink()
    for number in range(count):
        path = folder / f"{number // FOLDER_FILES:04d}" / f"{number:07d}.jpg"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(pictures[number % BASE] + number.to_bytes(8, "big"))


def empty_files(folder: Path, count: int) -> None:
    """Files with the sizes and times that `fill_store` states, which hold nothing on the disk."""
    for number in range(count):
        file = _stated(folder, number)
        if number % FOLDER_FILES == 0:
            os.makedirs(os.path.dirname(file.path), exist_ok=True)
        descriptor = os.open(file.path, os.O_CREAT | os.O_WRONLY)
        os.ftruncate(descriptor, file.size)
        os.close(descriptor)
        os.utime(file.path, ns=(file.mtime_ns, file.mtime_ns))


def fill_store(database: Path, folder: Path, count: int) -> None:
    """Rows of as many images and files, through the store's own transactions."""
    with MetadataStore.open(database) as store:
        for low in range(0, count, STEP):
            with store.transaction() as tx:
                for number in range(low, min(count, low + STEP)):
                    image = tx.add_image(f"{number:064x}", ImageInfo(1632, 1224, "JPEG"))
                    tx.put_location(_stated(folder, number), image)


def _stated(folder: Path, number: int) -> FoundFile:
    name = f"{folder}/{number // FOLDER_FILES:04d}/IMG_{number:07d}.jpg"
    return FoundFile(name, 1000 + number % 500_000, MTIME + 1000 * number)


def _family(pid: int) -> list[int]:
    found = [pid]
    for process in found:
        try:
            for task in os.listdir(f"/proc/{process}/task"):
                with open(f"/proc/{process}/task/{task}/children", encoding="ascii") as file:
                    found += [int(word) for word in file.read().split()]
        except OSError:
            continue
    return found


def _sizes(pid: int) -> tuple[int, int]:
    """Proportional and resident KiB; nothing for a process that has ended."""
    try:
        with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
            fields = {line.split()[0]: line.split()[1] for line in file if line[0].isupper()}
        return int(fields["Pss:"]), int(fields["Rss:"])
    except (OSError, KeyError, IndexError):
        return 0, 0
