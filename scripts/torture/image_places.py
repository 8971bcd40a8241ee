"""Image names on what is no file, and files that do not lie still."""

from __future__ import annotations

import hashlib
import os
import socket
import threading
from collections.abc import Callable
from pathlib import Path

from dinosearch.errors import DinosearchError, ImageNotFoundError, ImageUnreadableError
from torture.image_run import by_workers, examine, index, open_home
from torture.photos import content, write_photo
from torture.verdict import Asked, Verdict


def places(asked: Asked, verdict: Verdict, folder: Path) -> None:
    """FIFOs, devices, sockets, folders, links, forbidden files: never waited for, reported when named or asked with."""
    photos, outside = folder / "photos", folder / "outside"
    write_photo(photos / "photo.png", 1)
    write_photo(outside / "other.png", 2)
    made: dict[str, Callable[[Path], object]] = {
        "fifo.jpg": os.mkfifo,
        "socket.jpg": _socket,
        "device.jpg": lambda path: os.mknod(path, 0o20666, os.makedev(1, 5)),  # as /dev/zero, without an end
        "folder.jpg": os.mkdir,
        "dangling.jpg": lambda path: path.symlink_to("nowhere.jpg"),
        "loop.jpg": lambda path: path.symlink_to("loop.jpg"),
        "to-a-device.jpg": lambda path: path.symlink_to("/dev/zero"),
        "to-a-fifo.jpg": lambda path: path.symlink_to("fifo.jpg"),
        "to-a-file.jpg": lambda path: path.symlink_to(outside / "other.png"),
        "forbidden.png": lambda path: (write_photo(path, 3), path.chmod(0)),
    }
    there = []
    for name, make in made.items():
        try:
            make(photos / name)
            there.append(name)
        except (OSError, AttributeError) as error:
            verdict.count(f"skipped: {name} ({error})")
    with open_home(folder / "home") as collection:
        for follow in (False, True):
            with by_workers():
                summary = collection.index(photos, follow_symlinks=follow)
            found = {Path(str(file["path"])).name for file in collection.files()}
            wanted = {"photo.png"} | ({"to-a-file.jpg"} if follow else set())
            wanted |= {"forbidden.png"} if os.access(photos / "forbidden.png", os.R_OK) else set()
            failed = {Path(problem.path).name for problem in summary.failures}
            expected = {"forbidden.png"} - wanted | ({"dangling.jpg", "loop.jpg"} if follow else set())
            if found == wanted and failed == expected & set(there):
                verdict.count(f"a folder of them is indexed, links {'followed' if follow else 'left'}")
            else:
                verdict.fail(0, f"links followed {follow}: indexed {found}, reported {failed}")
        for number, name in enumerate(there):
            if (
                name not in ("to-a-file.jpg", "folder.jpg")
                and not os.access(photos / name, os.R_OK | os.F_OK)
                or (name in ("fifo.jpg", "device.jpg", "to-a-device.jpg", "to-a-fifo.jpg"))
            ):
                _named(collection, photos / name, number, verdict)


def _named(collection, path: Path, number: int, verdict: Verdict) -> None:  # type: ignore[no-untyped-def]  # noqa: ANN001
    """Given by name it is reported, and a query with it is refused."""
    with by_workers():
        summary = collection.index(path)
        if len(summary.failures) == 1 and summary.failures[0].reason:
            verdict.count("reported when named")
        else:
            verdict.fail(number, f"index {path}: {summary}")
        try:
            collection.query(path)
            verdict.fail(number, f"query {path} was answered")
        except (ImageNotFoundError, ImageUnreadableError):
            verdict.count("refused when asked with")


def _socket(path: Path) -> None:
    # Under the short name, as a socket's path has 108 bytes at most.
    here = os.open(path.parent, os.O_RDONLY)
    try:
        with socket.socket(socket.AF_UNIX) as end:
            end.bind(f"/proc/self/fd/{here}/{path.name}")
    finally:
        os.close(here)


def moving(asked: Asked, verdict: Verdict, folder: Path) -> None:
    """While others write, cut, replace and delete the files; when they have stopped, a run finds what there is."""
    photos, random = folder / "photos", asked.random(0)
    for number in range(200):
        write_photo(photos / f"{number:03}.png", number)
    over = threading.Event()

    def disturb() -> None:
        while not over.is_set():
            path = photos / f"{random.randrange(200):03}.png"
            data = content(random.randrange(1000, 1050))
            deed = random.randrange(6)
            if deed == 0:
                path.unlink(missing_ok=True)
            elif deed == 1 and path.exists():
                os.truncate(path, random.randrange(200))
            elif deed == 2:
                with open(path, "ab") as file:
                    file.write(bytes(random.randrange(1 << 20)))
            elif deed == 3:
                with open(path, "wb") as file:  # in place and slowly: a reader may meet half of it
                    for low in range(0, len(data), 50):
                        file.write(data[low : low + 50])
                        file.flush()
            else:
                (photos / ".new").write_bytes(data)
                os.replace(photos / ".new", path)

    with open_home(folder / "home") as collection:
        disturber = threading.Thread(target=disturb)
        disturber.start()
        try:
            for _ in range(2 if asked.short else 10):
                try:
                    index(collection, photos)
                    verdict.count("runs beside it that ended")
                except DinosearchError as error:
                    verdict.fail(0, f"a run beside it ended with {error}")
        finally:
            over.set()
            disturber.join()
        summary, watch = index(collection, photos)
        files: dict[str, int | str] = {str(path): 0 for path in sorted(photos.glob("*.png"))}
        examine(collection, summary, watch, files, verdict)
        _as_it_is(collection, files, verdict)


def _as_it_is(collection, files: dict[str, int | str], verdict: Verdict) -> None:  # type: ignore[no-untyped-def]  # noqa: ANN001
    """What is said of each file is what its bytes say."""
    told = {str(file["path"]): str(file["sha256"]) for file in collection.files()}
    gone = {str(file["path"]) for file in collection.files()} - set(files)
    if gone:
        verdict.fail(0, f"still indexed though gone: {sorted(gone)[:3]}")
    for path, sha256 in told.items():
        if hashlib.sha256(Path(path).read_bytes()).hexdigest() != sha256:
            verdict.fail(0, f"{path} is not what was indexed")
        else:
            verdict.count("indexed with the content that it has")
