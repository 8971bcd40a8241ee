"""Hostile files that lie still: damaged at random, made by hand, and those that others collected."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from dinosearch import Collection
from dinosearch.errors import ImageUnreadableError
from dinosearch.images import kind
from torture.handmade import handmade
from torture.image_run import by_workers, examine, index, open_home
from torture.pictures import mutated
from torture.verdict import Asked, Verdict

ROOT = Path(__file__).resolve().parents[2]
PIECE = 250  # files a folder and an index run


def mutated_files(asked: Asked, verdict: Verdict, folder: Path) -> None:
    numbers = [number for number in asked.numbers() if number >= asked.start or asked.only is not None]
    for piece in _pieces(numbers):
        files: dict[str, int | str] = {}
        for number in piece:
            name, data = mutated(asked.random(number))
            folder.mkdir(parents=True, exist_ok=True)
            path = folder / f"{number:06}-{name}"
            path.write_bytes(data)
            files[str(path)] = number
        _index_and_ask(folder, files, verdict)


def handmade_files(asked: Asked, verdict: Verdict, folder: Path) -> None:
    made = sorted(handmade(asked.short).items())
    folder.mkdir(parents=True, exist_ok=True)
    files: dict[str, int | str] = {}
    for number, (name, data) in enumerate(made):
        if asked.only in (None, number):
            (folder / name).write_bytes(data)
            files[str(folder / name)] = number
    _index_and_ask(folder, files, verdict, ask_all=not asked.short, by_command=not asked.short)


def corpus(asked: Asked, verdict: Verdict, folder: Path) -> None:
    named = os.environ.get("DINOSEARCH_TEST_DATA")
    data = (Path(named) if named else ROOT.parent / "shared" / "data") / "hostile"
    paths = sorted(path for path in data.rglob("*") if path.is_file())
    if not paths:
        verdict.count("skipped: no ../shared/data/hostile here; set DINOSEARCH_TEST_DATA")
    for number, piece in enumerate(_pieces(paths, 1000)):
        if asked.only in (None, number):
            inside = folder / str(number)
            for path in piece:  # links would not be followed, and hidden files not be looked at
                copy = inside / path.relative_to(data).as_posix().replace("/", "__").lstrip(".")
                copy.parent.mkdir(exist_ok=True)
                shutil.copyfile(path, copy)
            _index_and_ask(inside, dict.fromkeys(map(str, inside.iterdir()), number), verdict, ask=False, must=False)


def _index_and_ask(
    folder: Path,
    files: dict[str, int | str],
    verdict: Verdict,
    *,
    ask: bool = True,
    ask_all: bool = False,
    by_command: bool = False,
    must: bool = True,
) -> None:
    """Index the folder into a home of its own, look, index again, ask with the files; leaves the folder empty."""
    home = folder.parent / f"{folder.name}-home"
    with open_home(home) as collection:
        summary, watch = index(collection, folder)
        if not must:  # what is an image by name or by content has to be found all the same
            silent = {path for path in files if _is_image(path)} - {str(f["path"]) for f in collection.files()}
            for path in sorted(silent - {problem.path for problem in summary.failures}):
                verdict.fail(files[path], f"{path} is an image and was passed over")
        examine(collection, summary, watch, files, verdict, must=must)
        again, watch = index(collection, folder)
        if watch.seconds or [p.reason for p in again.failures] != [p.reason for p in summary.failures]:
            verdict.fail(next(iter(files.values()), 0), f"the second run read {sorted(watch.seconds)[:3]} again")
        if ask:
            _ask(collection, list(files.items())[:: 1 if ask_all else 10], verdict)
    if by_command:
        _ask_by_command(home, folder, files, verdict)
    for path in files:
        os.unlink(path)
    shutil.rmtree(home)


def _ask(collection: Collection, files: Iterable[tuple[str, int | str]], verdict: Verdict) -> None:
    """Ask with the files: an answer or a refusal, and this process goes on living."""
    with by_workers():
        for path, number in files:
            try:
                collection.query(path, rerank="fast")
                verdict.count("asked with: answered")
            except ImageUnreadableError as error:
                verdict.count("asked with: refused")
                if "\n" in str(error) or not error.reason:
                    verdict.fail(number, f"asking with {path} ends in {str(error)!r}")
            except ValueError as error:
                if "no image" not in str(error) and "empty" not in str(error):
                    verdict.fail(number, f"asking with {path} ends in {error!r}")


def _ask_by_command(home: Path, folder: Path, files: dict[str, int | str], verdict: Verdict) -> None:
    """`dinosearch query FILE` ends with 0 or 1 and an answer, or with 2 and one sentence."""
    shutil.rmtree(home)
    environment = {**os.environ, "DINOSEARCH_OFFLINE": "1"}
    environment.pop("DINOSEARCH_DECODE", None)
    photo = folder / "~a-photo.png"
    from torture.photos import write_photo

    write_photo(photo, 1)
    command = [sys.executable, "-m", "dinosearch"]
    named = ["--home", str(home), "--model", "mini"]
    subprocess.run([*command, "index", str(photo), *named], env=environment, cwd=ROOT, check=True, capture_output=True)
    for path, number in list(files.items())[::4]:  # a second each
        done = subprocess.run([*command, "query", path, *named[:2]], env=environment, cwd=ROOT, capture_output=True)
        told = done.stderr.decode("utf-8", "replace")
        if done.returncode not in (0, 1, 2) or "Traceback" in told or (done.returncode == 2 and not told.strip()):
            verdict.fail(number, f"dinosearch query {path} ended with {done.returncode}: {told[-300:]!r}")
        verdict.count(f"dinosearch query: {'refused' if done.returncode == 2 else 'answered'}")
    photo.unlink()


def _is_image(path: str) -> bool:
    with open(path, "rb") as file:
        return kind(file.read(64)) is not None


def _pieces(items: list, size: int = PIECE) -> Iterator[list]:  # type: ignore[type-arg]
    for low in range(0, len(items), size):
        yield items[low : low + size]
