"""Decoders made to fail on purpose: in the workers a plug-in of Python (`sitecustomize`) obeys a word in a PNG."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from unittest.mock import patch

from dinosearch import Collection
from dinosearch.errors import ImageUnreadableError
from dinosearch.images.workers import contained
from torture.image_run import MOST, by_workers, index, open_home
from torture.photos import content, write_photo
from torture.verdict import Asked, Verdict

WORD = b"decoder, "
# Runs when Python starts, before the worker; the word behind the last chunk of a PNG says what to do.
PLUGIN = """
import ctypes, os, signal, sys
from PIL import PngImagePlugin
_begin = PngImagePlugin.PngImageFile._open

def _hog():
    held = []
    while True:
        held.append(bytearray(b"x") * (16 << 20))

def _hog_outside_python():
    take = ctypes.CDLL(None).malloc
    take.restype, take.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
    while True:
        place = take(16 << 20)
        if not place:
            os.abort()
        ctypes.memset(place, 1, 16 << 20)

def _loop():
    while True:
        pass

def _print():
    os.write(1, b"\\0" * 4096)
    print("printed", flush=True)

def _pretend():
    os.write(3, b"\\0\\0\\0\\2" + b"\\0" * 8 + b"{}")
    os.write(4, b"\\0\\0\\0\\2" + b"\\0" * 8 + b"{}")

DEEDS = {
    b"die": lambda: os.kill(os.getpid(), signal.SIGSEGV),
    b"be killed": lambda: os.kill(os.getpid(), signal.SIGKILL),
    b"abort": os.abort,
    b"leave": lambda: os._exit(0),
    b"hog": _hog,
    b"hog outside": _hog_outside_python,
    b"loop": _loop,
    b"stop": lambda: os.kill(os.getpid(), signal.SIGSTOP),
    b"print": _print,
    b"pretend": _pretend,
    b"recurse": lambda: _recurse(0),
}

def _recurse(depth):
    return _recurse(depth + 1)

def _obey(self):
    at = self.fp.tell()
    self.fp.seek(0)
    data = self.fp.read()
    self.fp.seek(at)
    _, found, word = data.rpartition(b"decoder, ")
    if found:
        DEEDS[word]()
    _begin(self)

PngImagePlugin.PngImageFile._open = _obey
"""
# What is to be reported of each; None is indexed as if nothing were.
EXPECTED: dict[str, str | None] = {
    "die": "crashed (signal 11, SIGSEGV)",
    "be killed": "crashed (signal 9, SIGKILL)",
    "abort": "crashed (signal 6, SIGABRT)",
    "leave": "crashed",
    "hog": "not enough memory",
    "hog outside": "crashed (signal 6, SIGABRT)",
    "loop": "took longer than",
    "stop": "took longer than",
    "print": None,
    "pretend": "crashed",
    "recurse": "damaged PNG",
}


def killers(asked: Asked, verdict: Verdict, folder: Path) -> None:
    """Each costs its own file, which is named, not read again until it changes, and read again when asked for."""
    words = [word for number, word in enumerate(EXPECTED) if asked.only in (None, number)]
    if asked.short:  # ten seconds each, again with retry_failed
        words = [word for word in words if "longer" not in str(EXPECTED[word])]
    plugins, photos = folder / "plugins", folder / "photos"
    plugins.mkdir()
    (plugins / "sitecustomize.py").write_text(PLUGIN)
    numbers = {word: number for number, word in enumerate(EXPECTED)}
    for number in range(40):
        write_photo(photos / f"{number:02}.png", number)
    paths = {word: photos / f"{numbers[word] * 3:02}-{word.replace(' ', '-')}.png" for word in words}
    for word, path in paths.items():
        path.write_bytes(content(100 + numbers[word]) + WORD + word.encode())

    def told(condition: bool, word: str, what: str) -> None:
        if condition:
            verdict.count(what)
        else:
            verdict.fail(numbers[word], f"{word}: not so: {what}")

    with patch.dict(os.environ, {"PYTHONPATH": str(plugins)}), open_home(folder / "home") as collection:
        summary, watch = index(collection, photos)
        found = {str(file["path"]) for file in collection.files()}
        failed = {problem.path: problem.reason for problem in summary.failures}
        told(sum(Path(path).stem.isdecimal() for path in found) == 40, words[0], "every other photo is indexed")
        for word, path in paths.items():
            expected, reason = EXPECTED[word], failed.get(str(path))
            right = str(path) in found if expected is None else reason is not None and expected in reason
            told(right, word, f"{word}: {expected or 'indexed'}")
        told(watch.highest < MOST, words[0], "no worker takes 1 GB")
        verdict.figure("largest worker, MB", watch.highest >> 20)
        verdict.figure("slowest file, s", f"{watch.slowest[1]:.1f} {Path(watch.slowest[0]).name}")
        again, watch = index(collection, photos)
        told(not watch.seconds, words[0], "a second run reads none of them")
        told({p.path: p.reason for p in again.failures} == failed, words[0], "but names them again")
        quick = {w: p for w, p in paths.items() if EXPECTED[w] is not None and "longer" not in str(EXPECTED[w])}
        if quick:
            _changes(collection, photos, quick, failed, told)
            _asks(collection, quick, told)


def _changes(
    collection: Collection,
    photos: Path,
    paths: dict[str, Path],
    failed: dict[str, str],
    told: Callable[[bool, str, str], None],
) -> None:
    word, path = next(iter(paths.items()))
    os.utime(path, ns=(1, time.time_ns()))
    _, watch = index(collection, photos)
    told(set(watch.seconds) == {str(path)}, word, "one that was touched is read again")
    _, watch = index(collection, photos, retry=True)
    told(set(watch.seconds) == set(failed), word, "with retry_failed all are")
    path.write_bytes(content(100))
    summary, _ = index(collection, photos)
    told(str(path) not in {problem.path for problem in summary.failures}, word, "one that was mended is indexed")
    path.write_bytes(content(100) + WORD + word.encode())


def _asks(collection: Collection, paths: dict[str, Path], told: Callable[[bool, str, str], None]) -> None:
    contained._pool.cache_clear()  # its workers may have been started without the plug-in
    with by_workers():
        for word, path in paths.items():
            try:
                collection.query(path, rerank="fast")
                told(False, word, "a query with it is refused")
            except ImageUnreadableError as error:
                told(bool(error.reason), word, "a query with it is refused")
        hits = collection.query(next(iter(paths.values())).parent / "00.png", rerank="fast")
        told(bool(hits), next(iter(paths)), "and the next query answered")
    contained._pool.cache_clear()
