"""Files that others may have made: pickles, weights, exports and archives. No code runs, nothing is left outside.

The hostile files are opened in a child whose audit hook writes down whatever would start a program, or write, delete or
link a file; a canary file shows what the hook misses.
"""

from __future__ import annotations

import io
import json
import os
import pickle
import random
import struct
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dinosearch import Collection
from dinosearch.errors import DamagedWeightsError, ExportError
from dinosearch.home import sha256_file
from tests.conftest import FakeEmbedder, write_photo

ROOT = Path(__file__).resolve().parents[2]

WATCHED = """
import json, os, sys
from pathlib import Path
kind, folder = sys.argv[1], Path(sys.argv[2])
from dinosearch.errors import DinosearchError
if kind == "pickle":
    from dinosearch.evaluation.datasets.pickles import read_plain as read
else:
    from dinosearch.embedding.weights.reading import read_state as read
try:
    read(folder / "warm")  # imports what it imports, before anyone watches
except DinosearchError:
    pass
seen = []
BAD = ("os.system", "subprocess.Popen", "os.exec", "os.posix_spawn", "os.fork", "os.forkpty", "pty.spawn", "os.remove",
       "os.mkdir", "os.rmdir", "os.rename", "os.link", "os.symlink", "os.truncate", "os.chmod", "shutil.", "socket.",
       "ctypes.dlopen", "webbrowser.open", "sqlite3.connect", "code.__new__", "os.putenv", "import")
def hook(event, arguments):
    if event == "open" and (isinstance(arguments[1], str) and set(arguments[1]) & set("wax+") or arguments[2] & 0x243):
        seen.append([event, str(arguments[:2])])
    elif event.startswith(BAD):
        seen.append([event, str(arguments)[:200]])
sys.addaudithook(hook)
told = {}
for path in sorted(folder.glob("*.evil*")):
    try:
        told[path.name] = "READ " + repr(read(path))[:200]
    except DinosearchError as error:
        told[path.name] = str(error)
print(json.dumps([told, seen]))
"""


class Gadget:
    """Calls something when it is unpickled."""

    def __init__(self, call: Callable[..., Any], *arguments: object) -> None:
        self.call, self.arguments = call, arguments

    def __reduce__(self) -> tuple[Any, ...]:
        return self.call, self.arguments


def gadgets(canary: str) -> list[Gadget]:
    """Ways to make the canary file from a pickle that need nothing but what Python comes with."""
    import code
    import codecs
    import cProfile
    import dbm.dumb
    import gzip
    import logging
    import pathlib
    import runpy
    import shelve
    import shutil
    import sqlite3
    import timeit

    touch, write = f"touch '{canary}'", f"open({canary!r}, 'w').close()"
    script = f"{canary}.py"
    Path(script).write_text(write)
    return [
        Gadget(os.system, touch),
        Gadget(os.popen, touch),
        Gadget(os.mkdir, canary),
        Gadget(os.makedirs, canary),
        Gadget(os.mkfifo, canary),
        Gadget(os.symlink, "/etc/hostname", canary),
        Gadget(os.link, script, canary),
        Gadget(os.rename, script, canary),
        Gadget(os.open, canary, os.O_CREAT | os.O_WRONLY),
        Gadget(subprocess.Popen, ["touch", canary]),
        Gadget(subprocess.call, ["touch", canary]),
        Gadget(subprocess.run, ["touch", canary]),
        Gadget(subprocess.check_output, ["touch", canary]),
        Gadget(subprocess.getoutput, touch),
        Gadget(eval, write),
        Gadget(exec, write),
        Gadget(open, canary, "w"),
        Gadget(io.FileIO, canary, "w"),
        Gadget(codecs.open, canary, "w"),
        Gadget(gzip.open, canary, "wb"),
        Gadget(zipfile.ZipFile, canary, "w"),
        Gadget(tarfile.open, canary, "w"),
        Gadget(sqlite3.connect, canary),
        Gadget(shelve.open, canary),
        Gadget(dbm.dumb.open, canary),
        Gadget(logging.FileHandler, canary),
        Gadget(shutil.copy, script, canary),
        Gadget(shutil.move, script, canary),
        Gadget(pathlib.Path.touch, Gadget(pathlib.Path, canary)),
        Gadget(runpy.run_path, script),
        Gadget(timeit.timeit, write, "pass", timeit.default_timer, 1),
        Gadget(cProfile.run, write),
        Gadget(code.InteractiveInterpreter.runsource, Gadget(code.InteractiveInterpreter), write),
    ]


def watched(kind: str, folder: Path) -> dict[str, str]:
    """What a child says of each file; it must see nothing that runs or writes."""
    done = subprocess.run(
        [sys.executable, "-c", WATCHED, kind, str(folder)], cwd=ROOT, capture_output=True, text=True, timeout=300,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    told, seen = json.loads(done.stdout.splitlines()[-1])
    assert not [event for event in seen if event[0] != "import"], seen
    return dict(told)


def test_the_watcher_sees_an_attack(tmp_path: Path) -> None:
    """Each gadget is a real one: without the guards it makes the canary."""
    made = 0
    for number in range(len(gadgets(str(tmp_path / "none")))):
        canary = tmp_path / f"{number}.canary"
        payload = gadgets(str(canary))[number]
        source = tmp_path / f"{number}.payload"
        source.write_bytes(pickle.dumps(payload, protocol=4))
        subprocess.run(
            [sys.executable, "-c", "import pickle, sys; pickle.load(open(sys.argv[1], 'rb'))", str(source)],
            capture_output=True, timeout=60, check=False,
        )  # fmt: skip
        made += bool(
            list(tmp_path.glob(f"{number}.canary*"))
            and any(path.name != f"{number}.canary.py" for path in tmp_path.glob(f"{number}.canary*"))
        )
    assert made >= 30


@pytest.mark.parametrize("kind", ["pickle", "weights"])
def test_no_gadget_runs(kind: str, tmp_path: Path) -> None:
    folder, canary = tmp_path / "files", tmp_path / "canary"
    folder.mkdir()
    (folder / "warm").write_bytes(b"nothing")
    payloads = gadgets(str(canary))
    assert len(payloads) >= 30
    for number, payload in enumerate(payloads):
        protocol = number % (pickle.HIGHEST_PROTOCOL + 1)
        hidden = [payload, {"gnd": [payload]}, {"imlist": ["a"], "x": {"y": [[payload]]}}][number % 3]
        content = pickle.dumps(hidden, protocol=protocol)
        if kind == "pickle":
            (folder / f"{number}.evil.pkl").write_bytes(content)
            continue
        (folder / f"{number}.evil.pth").write_bytes(content)
        with zipfile.ZipFile(folder / f"{number}.evil.pt", "w") as archive:  # as torch.save lays it out
            archive.writestr("archive/data.pkl", pickle.dumps(hidden, protocol=2))
            archive.writestr("archive/version", "3\n")
            archive.writestr("archive/byteorder", "little")
    before = set(tmp_path.rglob("*"))
    told = watched(kind, folder)
    assert len(told) == len(payloads) * (1 if kind == "pickle" else 2)
    for name, sentence in told.items():
        assert not sentence.startswith("READ"), (name, sentence)
        assert "\n" not in sentence and name in sentence
    assert not os.path.lexists(canary)
    assert set(tmp_path.rglob("*")) == before


def _safetensors(header: object, data: bytes = bytes(64), length: int | None = None) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + data


def _tensor(start: int, end: int, shape: list[object], kind: str = "F32") -> dict[str, object]:
    return {"dtype": kind, "shape": shape, "data_offsets": [start, end]}


EVIL_SAFETENSORS = {
    "huge length": _safetensors({}, length=2**63 - 1),
    "length past the end": _safetensors({}, length=10_000),
    "no header": b"",
    "half a length": b"\1\0\0",
    "not JSON": _safetensors(b"{" * 5000),
    "deep JSON": _safetensors(b'{"a":' * 100_000),
    "a list": _safetensors([]),
    "overlap": _safetensors({"a": _tensor(0, 32, [8]), "b": _tensor(16, 48, [8])}),
    "offsets past the end": _safetensors({"a": _tensor(0, 10**12, [250 * 10**9])}),
    "backwards": _safetensors({"a": _tensor(32, 0, [8])}),
    "negative shape": _safetensors({"a": _tensor(0, 32, [-8])}),
    "overflowing shape": _safetensors({"a": _tensor(0, 0, [2**33, 2**33])}),
    "not-a-number shape": _safetensors(b'{"a":{"dtype":"F32","shape":[NaN],"data_offsets":[0,4]}}'),
    "real shape": _safetensors({"a": _tensor(0, 32, [8.5])}),
    "unknown dtype": _safetensors({"a": _tensor(0, 32, [8], "X99")}),
    "hole": _safetensors({"a": _tensor(0, 16, [4]), "b": _tensor(32, 64, [8])}),
}


def test_evil_weight_headers_and_bombs_are_refused(tmp_path: Path) -> None:
    for name, content in EVIL_SAFETENSORS.items():
        (tmp_path / f"{name}.evil.safetensors").write_bytes(content)
    with zipfile.ZipFile(tmp_path / "bomb.evil.pth", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", pickle.dumps({}, protocol=2))
        archive.writestr("archive/data/0", bytes(40 << 20))
        archive.writestr("archive/version", "3\n")
    with zipfile.ZipFile(tmp_path / "slip.evil.pth", "w") as archive:
        for name in ("../outside", "/outside", "archive/../../outside", "archive/data.pkl"):
            archive.writestr(name, pickle.dumps({}, protocol=2))
    (tmp_path / "warm").write_bytes(b"nothing")
    before = set(tmp_path.rglob("*"))
    told = watched("weights", tmp_path)
    for name, sentence in told.items():
        if not name.startswith("slip"):  # torch reads one table out of it and writes nothing
            assert not sentence.startswith("READ"), (name, sentence)
        assert "\n" not in sentence
    assert len(told) == len(EVIL_SAFETENSORS) + 2
    assert set(tmp_path.rglob("*")) == before


def test_tensors_larger_than_their_file_and_models_larger_than_any_are_refused(tmp_path: Path) -> None:
    import torch
    from safetensors.torch import save_file

    from dinosearch.embedding.checkpoints import CHECKPOINTS
    from dinosearch.embedding.weights.models import load_model
    from dinosearch.embedding.weights.reading import read_state

    torch.save({"embeddings.cls_token": torch.zeros(1).expand(10**13)}, tmp_path / "wide.pth")
    with pytest.raises(DamagedWeightsError, match="names more numbers than it holds"):
        read_state(tmp_path / "wide.pth")
    for config in (
        {"family": "vit", "dimension": 48, "depth": 10**6, "heads": 3},
        {"family": "vit", "dimension": 10**12, "depth": 1, "heads": 1},
        {"family": "convnext", "depths": [900] * 4, "widths": [8, 8, 16, 24]},
        {"family": "vit", "dimension": 48, "depth": 2, "heads": 0},
    ):
        save_file({"a": torch.zeros(1)}, tmp_path / "deep.safetensors", metadata={"config": json.dumps(config)})
        with pytest.raises(DamagedWeightsError) as caught:
            load_model(CHECKPOINTS["mini"], tmp_path / "deep.safetensors")
        assert "\n" not in str(caught.value)


@pytest.fixture
def exported(tmp_path: Path) -> Path:
    for seed in range(6):
        write_photo(tmp_path / "photos" / f"{seed}.png", seed)
    with Collection.open(tmp_path / "home", create=True, embedder=FakeEmbedder()) as collection:
        collection.index(tmp_path / "photos")
        collection.export(tmp_path / "export")
    return tmp_path / "export"


def _seal(folder: Path, **changes: object) -> None:
    """Make the checksums of the manifest match again, as an attacker does."""
    manifest = json.loads((folder / "manifest.json").read_text())
    for name in ("images.jsonl", "vectors.npy"):
        if (folder / name).is_file():
            manifest["sha256"][name] = sha256_file(folder / name)
    (folder / "manifest.json").write_text(json.dumps({**manifest, **changes}))


def _changed_line(key: str, value: object) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        lines = (folder / "images.jsonl").read_text().splitlines()
        lines[3] = json.dumps({**json.loads(lines[3]), key: value})
        (folder / "images.jsonl").write_text("\n".join(lines) + "\n")
        _seal(folder)

    return change


def _vectors(make: Callable[[np.ndarray], Any]) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        np.save(folder / "vectors.npy", make(np.load(folder / "vectors.npy")), allow_pickle=True)
        _seal(folder)

    return change


def _linked(name: str, target: str) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        (folder / name).unlink()
        (folder / name).symlink_to(target)

    return change


def _fifo(folder: Path) -> None:
    (folder / "images.jsonl").unlink()
    os.mkfifo(folder / "images.jsonl")


def _deep(folder: Path) -> None:
    (folder / "manifest.json").write_text("[" * 200_000)


EVIL_EXPORTS: dict[str, Callable[[Path], None]] = {
    **{
        f"{key} {value!r:.30}": _changed_line(key, value)
        for key, value in [
            ("path", "../../etc/passwd"), ("path", "relative.png"), ("path", "/a\0b"), ("path", 7), ("path", ["/a"]),
            ("sha256", "zz"), ("sha256", "' OR 1=1 --"), ("sha256", None), ("id", "1; DROP TABLE images"), ("id", -4),
            ("id", 1e300), ("width", "wide"), ("width", 2**70), ("size", -1), ("size", float("nan")), ("format", {}),
            ("modified", "yesterday"), ("modified", "2026-01-01T00:00:00"), ("added", None), ("camera", 5),
            ("__class__", "os.system"), ("taken", 4),
        ]
    },
    "vectors with a pickle": _vectors(lambda v: np.array([Gadget(os.system, "touch /tmp/canary")] * len(v))),
    "vectors that are no numbers": _vectors(lambda v: v * np.nan),
    "vectors of another length": _vectors(lambda v: v * 2),
    "too few vectors": _vectors(lambda v: v[:3]),
    "too many vectors": _vectors(lambda v: np.concatenate([v, v])),
    "narrow vectors": _vectors(lambda v: v[:, :5]),
    "doubles": _vectors(lambda v: v.astype(np.float64)),
    "a number": _vectors(lambda v: np.float32(3)),
    "more images than lines": lambda folder: _seal(folder, images=7),
    "no images": lambda folder: _seal(folder, images=-1),
    "no fingerprint": lambda folder: _seal(folder, fingerprint={}),
    "a list as fingerprint": lambda folder: _seal(folder, fingerprint=[]),
    "another schema": lambda folder: _seal(folder, schema="\x1b[2J" * 50),
    "no sums": lambda folder: _seal(folder, sha256=[]),
    "a device": _linked("vectors.npy", "/dev/zero"),
    "a device as manifest": _linked("manifest.json", "/dev/zero"),
    "a fifo": _fifo,
    "a deep manifest": _deep,
}  # fmt: skip


@pytest.mark.parametrize("name", EVIL_EXPORTS)
def test_an_evil_export_is_refused_in_one_line(name: str, exported: Path, tmp_path: Path) -> None:
    EVIL_EXPORTS[name](exported)
    with Collection.open(tmp_path / "other", create=True, embedder=FakeEmbedder()) as collection:
        with pytest.raises(ExportError) as caught:
            collection.import_(exported)
        assert str(caught.value).isprintable() and str(exported) in str(caught.value)
        assert collection.verify().ok
    assert not Path("/tmp/canary").exists()


def test_mutated_lines_are_refused_or_read(exported: Path, tmp_path: Path) -> None:
    content, rng = (exported / "images.jsonl").read_bytes(), random.Random(11)
    ends = {"refused": 0, "read": 0}
    with Collection.open(tmp_path / "other", create=True, embedder=FakeEmbedder()) as collection:
        for _ in range(150):
            data = bytearray(content)
            for _ in range(rng.choice((1, 1, 3))):
                data[rng.randrange(len(data))] = rng.choice(b'"{}[],:0-9e\\\n\0\xff a')
            (exported / "images.jsonl").write_bytes(data)
            _seal(exported)
            try:
                collection.import_(exported)
                ends["read"] += 1
            except ExportError as error:
                assert str(error).isprintable()
                ends["refused"] += 1
        assert collection.verify().ok
    assert min(ends.values()) > 10, ends


def _member(name: str, **fields: object) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    for key, value in fields.items():
        setattr(member, key, value)
    return member


def test_an_evil_archive_of_images_reads_and_writes_nothing_outside(tmp_path: Path) -> None:
    outside = write_photo(tmp_path / "outside" / "secret.png", seed=99)
    inside = write_photo(tmp_path / "inside.png", seed=1).read_bytes()
    photos = tmp_path / "photos"
    photos.mkdir()
    with tarfile.open(photos / "evil.tar.gz", "w:gz", compresslevel=1) as tar:
        for name in ("/abs.png", "../up.png", "a/../../up2.png", "..", ".", "x" * 300 + ".png", "d/" * 900 + "deep.png",
                     "twice.png", "twice.png", "new\nline.png", "good.png"):  # fmt: skip
            tar.addfile(_member(name, size=len(inside)), io.BytesIO(inside))
        for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE):
            for target in (str(outside), "../outside/secret.png", "/etc/passwd", "self.png"):
                tar.addfile(_member("self.png", type=kind, linkname=target))
        for kind in (tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE):
            tar.addfile(_member("device.png", type=kind, devmajor=1, devminor=5))
        tar.addfile(_member("bomb.png", size=300 << 20), _Zeros(300 << 20))
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    with Collection.open(tmp_path / "home", create=True, embedder=FakeEmbedder()) as collection:
        summary = collection.index(photos / "evil.tar.gz")
        held = [str(file["path"]) for file in collection.files()]
        contents = {file["sha256"] for file in collection.files()}
        assert collection.verify().ok
    assert contents == {sha256_file(tmp_path / "inside.png")}, "the content of a file outside came in"
    assert any(path.endswith("::good.png") for path in held)
    assert any("bomb.png" in problem.path for problem in summary.failures)
    now = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if "home" not in path.parts}
    assert {path: now.get(path) for path in before} == before and len(now) == len(before)


class _Zeros(io.RawIOBase):
    """So many zeros, not kept anywhere."""

    def __init__(self, size: int) -> None:
        self._left = size

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        part = min(self._left, size if size >= 0 else self._left)
        self._left -= part
        return bytes(part)
