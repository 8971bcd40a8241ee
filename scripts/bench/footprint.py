"""Memory of a process with its children, sampled while it runs, and homes and folders of many small files."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from bench.photos import make_photo
from dinosearch.records import FoundFile, ImageInfo
from dinosearch.store import MetadataStore

EVERY = 0.2  # seconds between two samples
BASE = 8  # pictures that the small files are made of
FOLDER_FILES = 1000
MTIME = 1_700_000_000_000_000_000
STEP = 20_000


class Peak(NamedTuple):
    """The most that a command held together with its children, each column at its own moment, in MiB.

    Attributes:
        own: anonymous memory, which is the run's own and nobody else's.
        file: pages of files that are mapped (programs, libraries, vectors), which the system may drop and read again.
        whole: both at one moment.
        seconds: that the command took.
    """

    own: float
    file: float
    whole: float
    seconds: float


def peak(command: Sequence[str | Path]) -> Peak:
    """Run a command and watch its memory; pages that several of its processes share count once."""
    started = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    most = np.zeros(3)
    while process.poll() is None:
        most = np.maximum(most, np.sum([sizes(pid) for pid in family(process.pid)], axis=0))
        time.sleep(EVERY)
    if process.returncode:
        raise RuntimeError(f"{command[0]} ended with exit code {process.returncode}")
    own, file, whole = (most / 1024).tolist()
    return Peak(own, file, whole, time.perf_counter() - started)


def small_photos(folder: Path, count: int) -> None:
    """JPEG files of 96 x 72 pixels that all look different: a few pictures, each moved, tinted and lit in a way."""
    pictures = [np.asarray(make_photo(seed, (96, 72)), np.float32) for seed in range(BASE)]
    for number in range(count):
        path = folder / f"{number // FOLDER_FILES:04d}" / f"{number:07d}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        rng = np.random.default_rng(number)
        moved = np.roll(pictures[number % BASE], rng.integers(0, 72, 2), (0, 1)) * rng.uniform(0.3, 1, 3)
        lit = moved + 60 * rng.standard_normal((3, 4, 1)).repeat(24, 0).repeat(24, 1)
        Image.fromarray(lit.clip(0, 255).astype(np.uint8)).save(path, quality=80)


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


def family(pid: int) -> list[int]:
    found = [pid]
    for process in found:
        try:
            for task in os.listdir(f"/proc/{process}/task"):
                with open(f"/proc/{process}/task/{task}/children", encoding="ascii") as file:
                    found += [int(word) for word in file.read().split()]
        except OSError:
            continue
    return found


def sizes(pid: int) -> tuple[int, int, int]:
    """Proportional KiB: anonymous, of files, all of it; nothing for a process that has ended."""
    try:
        with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
            fields = {line.split()[0]: line.split()[1] for line in file if line[0].isupper()}
        return int(fields["Pss_Anon:"]), int(fields["Pss_File:"]), int(fields["Pss:"])
    except (OSError, KeyError, IndexError):
        return 0, 0, 0
