"""Make a small home with the code of an earlier commit, and pack it for tests/upgrades.

scripts/make_old_home.py 985f976 --into tests/upgrades     # the last one with format 1
scripts/make_old_home.py 6e67df0 --into tests/upgrades     # the last one with format 2
scripts/make_old_home.py b83951d --into tests/upgrades     # the last one with format 3

A commit that raises the format of homes packs one of the format before it: the code of its parent makes it. The archive
is called format-N.tar.xz and holds home/, photos/ and answers.json: what that code answered. The home was made where
`--place` says, and its paths stay those: nothing is there when it is opened by a test, as if a drive were unplugged.

From format 3 on a store in PostgreSQL is written beside it as format-N-postgres.sql, in a schema called format_N.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

CHECKOUT = Path(__file__).resolve().parents[1]
PHOTOS, REMOVED, COPIED, BROKEN = 24, "23.png", "05.png", "broken.png"
QUERIES = ("00.png", "07.png", "05.png")


class Colours:
    """An embedder that every version can make: the mean colours of 4 x 4 cells, 48 numbers, and the cells as tokens."""

    patch_size, batch_size = 14, 8

    def __init__(self) -> None:
        from dinosearch.records import Fingerprint, Preprocessing

        self.fingerprint = Fingerprint("colours", hashlib.sha256(b"colours").hexdigest(), "squash-224", "cls", 48)
        self.preprocessing = Preprocessing()

    def embed(self, pixels: Sequence[np.ndarray]) -> np.ndarray:
        """(n, 48) float32 of unit length."""
        rows = np.stack([_cells(image, 4).ravel() for image in pixels])
        return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)

    def tokens(self, pixels: Sequence[np.ndarray]) -> list[Any]:
        """The mean colour of every patch, as what newer versions call the tokens of an image."""
        from dinosearch.embedding.tokens import ImageTokens

        none = np.empty((0, 3), np.float32)
        return [ImageTokens(none[:1], none, _cells(image, image.shape[0] // self.patch_size)) for image in pixels]


def _cells(image: np.ndarray, count: int) -> np.ndarray:
    height, width = (side // count * count for side in image.shape[:2])
    parts = image[:height, :width].astype(np.float32).reshape(count, height // count, count, width // count, 3)
    return np.asarray(parts.mean(axis=(1, 3)) - 100.0, np.float32)


def write_photos(folder: Path) -> None:
    """Pictures of 8 x 8 random colours, drawn so that each has a neighbour that is like it."""
    from PIL import Image

    folder.mkdir(parents=True)
    dice = np.random.default_rng(20261121)
    for number in range(PHOTOS):
        if number % 2 == 0:
            colours = dice.integers(0, 256, (8, 8, 3))
        noisy = np.clip(colours + dice.integers(-20, 21, colours.shape), 0, 255)
        Image.fromarray(noisy.astype(np.uint8)).save(folder / f"{number:02}.png")
    shutil.copyfile(folder / COPIED, folder / "copy.png")
    (folder / BROKEN).write_bytes(b"\x89PNG\r\n\x1a\nnothing behind it")


def fill(folder: Path) -> None:
    """Use all that the version at hand keeps in a home, and write down what it answers."""
    import dinosearch
    from dinosearch import Collection
    from dinosearch.home import FORMAT_VERSION

    write_photos(folder / "photos")
    embedder: Any = Colours()
    with Collection.open(folder / "home", create=True, embedder=embedder) as collection:
        collection.index(folder / "photos")
        (folder / "photos" / REMOVED).unlink()
        more: dict[str, Any] = {"regions": True} if FORMAT_VERSION >= 2 else {}
        collection.index(folder / "photos", **more)
        if FORMAT_VERSION >= 2:
            collection.refine(augment=2)
            collection.diffuse(edges=4)
            collection.calibrate(sample=PHOTOS)
            collection.confirm("id:1", "id:2")
            collection.reject("id:1", "id:3")
        answers = {}
        for name in QUERIES:
            hits = collection.search_vectors(collection.embed(folder / "photos" / name), k=PHOTOS)[0]
            answers[name] = [[Path(hit.path).name, round(hit.score, 5)] for hit in hits]
    told = {"format": FORMAT_VERSION, "version": dinosearch.__version__, "place": str(folder), "answers": answers}
    (folder / "answers.json").write_text(json.dumps(told, indent=1))


def fill_postgres(url: str) -> None:
    """The same for a metadata store in PostgreSQL, by the version at hand."""
    from datetime import datetime, timezone

    from dinosearch.home import FORMAT_VERSION
    from dinosearch.records import Fingerprint, FoundFile, ImageInfo, Problem, Verdict
    from dinosearch.store import MetadataStore

    moment = datetime(2026, 1, 1, tzinfo=timezone.utc)
    with MetadataStore.open(f"{url}&collection=format_{FORMAT_VERSION}", create=True) as store:
        with store.transaction() as tx:
            for number in range(1, 5):
                camera = "Canon EOS 80D" if number < 3 else None
                digest = hashlib.sha256(b"%d" % number).hexdigest()
                image = tx.add_image(digest, ImageInfo(640, 480, "JPEG", None, camera))
                tx.put_location(FoundFile(f"/photos/{number}.jpg", 7, 9), image)
            tx.put_failure(Problem("/photos/bad.jpg", "damaged JPEG"), 5, 6)
            tx.add_root("/photos", {})
        with store.transaction() as tx:
            tx.remove_locations(["/photos/4.jpg"])
        store.create_generation(Fingerprint("colours", "ab" * 32, "squash-224", "cls", 48))
        store.put_verdicts([Verdict("cd" * 32, 2, True, 0.5, 1, moment)])


def dump_postgres(code: Path, into: Path) -> None:
    """Let the child fill a server of its own, and write down the SQL that makes the same again."""
    from torture.postgres_server import PostgresServer

    with PostgresServer() as server:
        run_child(code, "fill-postgres", server.url)
        dumped = server.dump()
    noise = ("--", "SET ", "\\", "SELECT pg_catalog.set_config")
    lines = [line for line in dumped.splitlines() if line and not line.startswith(noise)]
    name = next(line for line in lines if line.startswith("CREATE SCHEMA")).split("_")[1].rstrip(";")
    archive = into / f"format-{name}-postgres.sql"
    archive.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(archive, archive.stat().st_size, "bytes")


def run_child(code: Path, verb: str, place: str) -> None:
    """Run this script with the code of the commit."""
    command = [sys.executable, __file__, verb, "--place", place]
    subprocess.run(
        command, check=True, cwd=code, env={"PYTHONPATH": str(code), "DINOSEARCH_DECODE": "inline", "PATH": ""}
    )


def pack(folder: Path, into: Path) -> Path:
    """Write the archive; the same files give the same bytes."""
    told = json.loads((folder / "answers.json").read_text())
    archive = into / f"format-{told['format']}.tar.xz"
    into.mkdir(parents=True, exist_ok=True)
    with tarfile.open(archive, "w:xz", preset=9) as tar:
        for path in sorted(path for path in folder.rglob("*") if path.is_file() and path.suffix != ".lock"):
            member = tarfile.TarInfo(path.relative_to(folder).as_posix())
            data = path.read_bytes()
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return archive


def main() -> None:
    """Run the code of the commit in a process of its own; it is unpacked beside the checkout's history, not into it."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("commit", help="whose code makes the home, or . for the files as they are")
    parser.add_argument("--into", type=Path, default=CHECKOUT / "tests" / "upgrades")
    parser.add_argument("--place", default="/var/tmp/dinosearch-upgrades", help="made and deleted")
    options = parser.parse_args()
    if options.commit == "fill":  # inside the child
        fill(Path(options.place))
        return
    if options.commit == "fill-postgres":
        fill_postgres(options.place)
        return
    shutil.rmtree(options.place, ignore_errors=True)
    with tempfile.TemporaryDirectory() as unpacked:
        code = CHECKOUT if options.commit == "." else Path(unpacked)
        if code != CHECKOUT:
            tar = subprocess.run(
                ["git", "-C", CHECKOUT, "archive", options.commit, "dinosearch"], check=True, capture_output=True
            )
            with tarfile.open(fileobj=io.BytesIO(tar.stdout)) as files:
                files.extractall(code, filter="data")
        run_child(code, "fill", options.place)
        archive = pack(Path(options.place), options.into)
        print(archive, archive.stat().st_size, "bytes")
        if int(archive.name.split("-")[1].split(".")[0]) >= 3:
            dump_postgres(code, options.into)
    shutil.rmtree(options.place)


if __name__ == "__main__":
    main()
