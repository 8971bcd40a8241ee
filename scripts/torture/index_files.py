"""Crafted Faiss files: index files of our own kinds with other bytes, under a checksum that matches."""

from __future__ import annotations

import os
import random
import signal
import struct
from contextlib import suppress
from pathlib import Path

import numpy as np

from dinosearch.errors import DamagedHomeError
from dinosearch.home import sha256_file
from dinosearch.vectors.vector_index import VectorIndex

FACTORIES = ("IVF1,Flat", "IVF8,Flat", "IVF1,SQ8", "IVF8,SQ8", "IVF8,PQ8", "RR32,IVF8,PQ16x4fsr", "IVF8,PQ16x4fsr")
DIMENSION, ROWS = 32, 2000
DEADLINE = 60  # seconds
_NUMBERS = (0, 1, 2, 255, 2**31 - 1, 2**31, 2**32 - 1, 2**40, 2**63 - 1, 2**63, 2**64 - 1)


class Crafted:
    """Mutated index files, each loaded and searched in a child.

    Args:
        folder: an empty folder.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        points = np.random.default_rng(5).standard_normal((ROWS, DIMENSION)).astype(np.float32)
        self._points = points / np.linalg.norm(points, axis=1, keepdims=True)
        self._files: dict[str, bytes] = {}
        for factory in FACTORIES:
            index = VectorIndex.train(factory, self._points)
            index.add([(np.arange(ROWS), self._points)], ROWS)
            temporary, _ = index.publish(folder / "made")
            self._files[factory] = temporary.read_bytes()
            path = folder / "made"
            temporary.rename(path)
            told = self._load(path, factory)
            assert told.startswith("loaded"), f"a file as it was made: {told}"

    def trial(self, number: int, rng: random.Random) -> tuple[str, str | None]:
        """Load a mutated file; the outcome, and what is bad about it, if anything."""
        factory = FACTORIES[number % len(FACTORIES)]
        path = self._folder / "crafted.faiss"
        how, content = _mutated(self._files[factory], rng)
        path.write_bytes(content)
        read, write = os.pipe()
        child = os.fork()
        if child == 0:
            with suppress(BaseException):
                signal.alarm(DEADLINE)
                os.write(write, self._load(path, factory).encode())
            os._exit(0)
        os.close(write)
        with os.fdopen(read) as lines:
            told = lines.read()
        _, status = os.waitpid(child, 0)
        if os.WIFSIGNALED(status):
            return "died", f"{how} in {factory}: {signal.Signals(os.WTERMSIG(status)).name}"
        if not told or told.startswith("!"):
            return "traceback", f"{how} in {factory}: {told or 'ended without a word'}"
        return f"{factory}: {told}", None

    def _load(self, path: Path, factory: str) -> str:
        try:
            index = VectorIndex.load(path, sha256_file(path), factory, DIMENSION, ROWS)
            for nprobe in (1, index.nlist):
                found = index.candidates(self._points[:50], 20, nprobe)
                if found.max() >= ROWS or found.min() < -1:
                    return "! a candidate that is no row"
            index.held(np.arange(ROWS))
            index.spread(lambda slots: self._points[slots])
            index.add([(np.arange(ROWS, ROWS + 10), self._points[:10])], ROWS + 10)
            index.candidates(self._points[:50], 20, index.nlist)
            return "loaded and searched, which harms nobody"
        except DamagedHomeError as error:
            said = str(error)
            return "refused" if "\n" not in said else f"! {said}"
        except Exception as error:
            return f"! {error!r}"


def _mutated(content: bytes, rng: random.Random) -> tuple[str, bytes]:
    """Other bytes, most often where the file says how much there is of something."""
    data = bytearray(content)
    kind = rng.choice(("number", "number", "number", "short", "byte", "bit", "cut", "swap", "splice"))
    head = rng.random() < 0.6
    place = rng.randrange(min(400, len(data)) if head else len(data))
    if kind == "number":  # a count of 8 bytes, at its own place
        places = [i for i in range(0, len(data) - 8, 1) if data[i + 4 : i + 8] == b"\0\0\0\0" and any(data[i : i + 4])]
        place = rng.choice(places) if places and rng.random() < 0.7 else min(place, len(data) - 8)
        data[place : place + 8] = struct.pack("<Q", rng.choice((*_NUMBERS, rng.randrange(1 << 16))))
    elif kind == "short":
        place = min(place, len(data) - 4)
        data[place : place + 4] = struct.pack("<I", rng.choice(_NUMBERS) & 0xFFFFFFFF)
    elif kind == "byte":
        data[place] = rng.randrange(256)
    elif kind == "bit":
        data[place] ^= 1 << rng.randrange(8)
    elif kind == "cut":
        del data[place:]
    elif kind == "swap":
        other = rng.randrange(len(data))
        data[place : place + 8], data[other : other + 8] = data[other : other + 8], data[place : place + 8]
    else:
        del data[place : place + rng.choice((1, 4, 8, 64))]
    return f"{kind} at {place}", bytes(data)
