"""What a job is given to embed - photos, copies, bad files, archives - and what must come of it."""

from __future__ import annotations

import hashlib
import json
import os
import random
import tarfile
from collections import Counter
from pathlib import Path

import numpy as np
from PIL import Image

BAD = (b"", b"no image at all", b"\xff\xd8\xff\xe0\x00\x10JFIF cut off")
_EVERY_BAD, _EVERY_COPY, _PACKED = 50, 40, 10  # one bad file in 50, one copy in 40; one photo in 10 lies in an archive
_ARCHIVES = 5


def make(folder: Path, count: int, seed: int) -> None:
    """Write `count` files and members below a folder; the same for the same seed."""
    rng, noise = random.Random(seed), np.random.default_rng(seed)
    folder.mkdir(parents=True)
    packed: list[Path] = []
    photos: list[bytes] = []
    for number in range(count):
        path = folder / f"{number % 17:02}" / f"{number:05}.jpg"
        path.parent.mkdir(exist_ok=True)
        if number % _EVERY_BAD == 7:
            content = rng.choice(BAD)
        elif number % _EVERY_COPY == 11:
            content = rng.choice(photos)
        else:
            blobs = Image.fromarray(noise.integers(0, 256, (8, 8, 3), dtype=np.uint8))
            blobs.resize((160, 120), Image.Resampling.BICUBIC).save(path, quality=85)
            content = path.read_bytes()
            photos.append(content)
        path.write_bytes(content)
        if number % _PACKED == 3:
            packed.append(path)
    for number in range(_ARCHIVES):
        with tarfile.open(folder / f"packed-{number}.tar", "w") as tar:
            for path in packed[number::_ARCHIVES]:
                tar.add(path, path.name)
    for path in packed:
        path.unlink()


def given(folder: Path) -> dict[str, bytes]:
    """SHA-256 of every file and member, listed by other means than the job's."""
    found = {}
    for path in sorted(folder.rglob("*")):
        if path.suffix == ".jpg":
            found[str(path)] = hashlib.sha256(path.read_bytes()).digest()
        elif path.suffix == ".tar":
            with tarfile.open(path) as tar:
                for member in tar.getmembers():
                    content = tar.extractfile(member)
                    assert content is not None
                    found[f"{path}::{member.name}"] = hashlib.sha256(content.read()).digest()
    return found


def bad_files(files: dict[str, bytes]) -> int:
    """How many of what `given` lists are no images."""
    bad = {hashlib.sha256(content).digest() for content in BAD}
    return sum(digest in bad for digest in files.values())


def judge(source: Path, out: Path, reference: Path) -> list[str]:
    """What is wrong with a finished job's folder; nothing where all is as it should be."""
    from pyarrow import parquet

    wrong: list[str] = []
    wanted, bad = given(source), {hashlib.sha256(content).digest() for content in BAD}
    notes = [json.loads(line) for line in (out / "manifest.jsonl").read_text().splitlines()][1:]
    rows = [row for note in notes for row in parquet.read_table(out / note["file"]).to_pylist()]
    counted = Counter(row["path"] for row in rows)
    twice = [path for path, times in counted.items() if times > 1]
    wrong += [f"{len(twice)} rows twice, such as {twice[0]}"] if twice else []
    for sort, paths in {"lost": wanted.keys() - counted.keys(), "made up": counted.keys() - wanted.keys()}.items():
        wrong += [f"{len(paths)} rows {sort}, such as {min(paths)}"] if paths else []
    for row in rows:
        is_bad = wanted.get(row["path"]) in bad
        if (row["reason"] is not None) != is_bad or (row["vector"] is None) != is_bad:
            wrong.append(f"{row['path']} is {'good' if is_bad else 'bad'} there")
        elif row["sha256"] != wanted[row["path"]].hex():
            wrong.append(f"{row['path']} has another hash")
    theirs, ours = (
        {note.name: note.read_bytes() for note in (place / "shards").iterdir()} for place in (reference, out)
    )
    names = sorted(name for name in theirs.keys() | ours.keys() if theirs.get(name) != ours.get(name))
    wrong += [f"{len(names)} files are not those of the local engine, such as {names[0]}"] if names else []
    return wrong


def rows_stored(out: Path) -> int:
    """Rows of the shards that are finished so far."""
    total = 0
    for note in (out / "shards").glob("*.json") if (out / "shards").is_dir() else ():
        try:
            total += json.loads(note.read_text())["rows"]
        except (OSError, ValueError):
            os.sched_yield()  # it is being written
    return total
