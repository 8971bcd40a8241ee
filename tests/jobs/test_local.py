"""`dinosearch embed` on this machine: what is in the shards, what a second run does, and what a third finds damaged."""

from __future__ import annotations

import io
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.cli.conftest import Run, objects
from tests.conftest import FakeEmbedder, write_photo
from tests.jobs.conftest import files, parquet, rows, vectors

pa = pytest.importorskip("pyarrow", reason="needs pyarrow: pip install 'dinosearch[ray]'")


def expected(paths: list[Path]) -> dict[str, np.ndarray]:
    """Each path with the vector of its picture, by another way: Pillow and the embedder alone."""
    from dinosearch.images import prepare

    embedder = FakeEmbedder()
    pixels = [prepare(path.read_bytes(), str(path), embedder.preprocessing, 14).pixels for path in paths]
    return {str(path): row for path, row in zip(paths, embedder.embed(pixels), strict=True)}


def same(found: dict[str, np.ndarray], wanted: dict[str, np.ndarray]) -> bool:
    return found.keys() == wanted.keys() and all(np.array_equal(found[path], wanted[path]) for path in wanted)


def test_every_image_is_a_row_once_and_every_bad_file_too(run: Run, photo_folder: Path, tmp_path: Path) -> None:
    photos = sorted(photo_folder.glob("*.png"))
    (photo_folder / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 no picture")
    (photo_folder / "copy.png").write_bytes(photos[3].read_bytes())
    (photo_folder / "copy.jpg").write_bytes((photo_folder / "broken.jpg").read_bytes())
    (photo_folder / "notes.txt").write_text("no image")
    result = run("embed", photo_folder, "--out", "v", "--shard-size", "4", "--json")
    assert result.exit_code == 3
    found = rows(tmp_path / "v")
    assert len(found) == len({row["path"] for row in found}) == 15
    assert same(vectors(tmp_path / "v"), expected([*photos, photo_folder / "copy.png"]))
    bad = {row["path"]: row["reason"] for row in found if row["vector"] is None}
    assert set(bad) == {str(photo_folder / name) for name in ("broken.jpg", "copy.jpg")} and all(bad.values())
    told = objects(result)
    assert {one["path"]: one["reason"] for one in told if one["type"] == "failure"} == bad
    summary = told[-1]
    assert (summary["type"], summary["images"], summary["failed"], summary["kept"]) == ("job", 13, 2, 0)
    assert sum(one["rows"] for one in told if one["type"] == "shard") == 15
    one = next(row for row in found if row["path"] == str(photos[0]))
    assert (one["width"], one["height"], one["format"], one["size"]) == (64, 48, "PNG", photos[0].stat().st_size)


def test_contents_met_twice_are_embedded_once(
    run: Run, embedders: list[Any], photo_folder: Path, tmp_path: Path
) -> None:
    for name in ("a.png", "b.png", "c.png"):
        shutil.copy(photo_folder / "00.png", photo_folder / name)
    result = run("embed", photo_folder, "--out", "v", "--json")
    assert objects(result)[-1]["embedded"] == 12
    assert len(vectors(tmp_path / "v")) == 15


def test_a_second_run_keeps_all_and_changes_make_only_their_shards(
    run: Run, photo_folder: Path, tmp_path: Path
) -> None:
    for seed in range(100, 160):
        write_photo(photo_folder / f"{seed}.png", seed)
    out = tmp_path / "v"
    first = objects(run("embed", photo_folder, "--out", "v", "--shard-size", "6", "--json"))[-1]
    before = files(out)
    again = objects(run("embed", photo_folder, "--out", "v", "--shard-size", "6", "--json"))[-1]
    assert (again["kept"], again["embedded"]) == (first["shards"], 0) and files(out) == before
    write_photo(photo_folder / "130.png", 999)
    (photo_folder / "110.png").unlink()
    write_photo(photo_folder / "150b.png", 998)
    third = objects(run("embed", photo_folder, "--out", "v", "--shard-size", "6", "--json"))[-1]
    # Three changes touch their own shard each, and at most the one behind it.
    assert third["shards"] - third["kept"] <= 6 and third["kept"] >= 5
    assert same(vectors(out), expected(sorted(photo_folder.glob("*.png"))))


def test_a_damaged_or_lost_shard_is_made_again(run: Run, photo_folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "v"
    run("embed", photo_folder, "--out", "v", "--shard-size", "3")
    before = files(out)
    flipped, halved, lost = sorted((out / "shards").glob("*.parquet"))[:3]
    flipped.write_bytes(flipped.read_bytes()[:-9] + b"x" + flipped.read_bytes()[-8:])
    halved.write_bytes(halved.read_bytes()[: halved.stat().st_size // 2])
    lost.unlink()
    (out / "shards" / "left.parquet.77.tmp").write_bytes(b"half")
    summary = objects(run("embed", photo_folder, "--out", "v", "--shard-size", "3", "--json"))[-1]
    assert summary["shards"] - summary["kept"] == 3 and files(out) == before
    assert not list(out.rglob("*.tmp"))


def test_shards_with_bad_files_can_be_made_again(run: Run, photo_folder: Path, tmp_path: Path) -> None:
    links = [str(photo_folder / "00.png"), str(photo_folder / "late.png")]
    parquet.write_table(pa.table({"path": links}), tmp_path / "links.parquet")
    assert run("embed", "links.parquet", "--out", "v").exit_code == 3
    shutil.copy(photo_folder / "05.png", photo_folder / "late.png")  # as a share that was not mounted
    assert run("embed", "links.parquet", "--out", "v").exit_code == 3
    assert run("embed", "links.parquet", "--out", "v", "--retry-failed").exit_code == 0
    assert vectors(tmp_path / "v").keys() == set(links)


def test_archives_and_tables(run: Run, photo_folder: Path, tmp_path: Path) -> None:
    photos = sorted(photo_folder.glob("*.png"))
    wanted = expected(photos)
    source = tmp_path / "shipped"
    source.mkdir()
    with tarfile.open(source / "some.tar", "w") as tar, tarfile.open(source / "more.tar.gz", "w:gz") as zipped:
        for path in photos[:3]:
            tar.add(path, path.name)
        bad = tarfile.TarInfo("bad.jpg")
        bad.size = 4
        tar.addfile(bad, io.BytesIO(b"none"))
        for path in photos[3:5]:
            zipped.add(path, path.name)
    contents = [path.read_bytes() for path in photos]
    table = pa.table({"n": [1, 2, 3, 4], "image": [{"bytes": one, "path": "x.png"} for one in contents[5:8]] + [None]})
    parquet.write_table(table, source / "records.parquet", row_group_size=2)
    parquet.write_table(pa.table({"jpg": contents[8:10]}), source / "bytes.parquet")
    links = [os.path.relpath(photos[10], source), str(photos[11]), "gone.png"]
    parquet.write_table(pa.table({"path": links}), source / "links.parquet")
    parquet.write_table(pa.table({"n": [1.0]}), source / "numbers.parquet")
    assert run("embed", source, "--out", "v", "--shard-size", "2").exit_code == 3
    names = {
        **{f"{source}/some.tar::{path.name}": path for path in photos[:3]},
        **{f"{source}/more.tar.gz::{path.name}": path for path in photos[3:5]},
        **{f"{source}/records.parquet::{row}": photos[5 + row] for row in range(3)},
        **{f"{source}/bytes.parquet::{row}": photos[8 + row] for row in range(2)},
        f"{source}/{links[0]}": photos[10],
        str(photos[11]): photos[11],
    }
    assert same(vectors(tmp_path / "v"), {name: wanted[str(path)] for name, path in names.items()})
    bad = {row["path"] for row in rows(tmp_path / "v") if row["reason"]}
    places = ("some.tar::bad.jpg", "records.parquet::3", "gone.png", "numbers.parquet")
    assert bad == {f"{source}/{name}" for name in places}
    tables = list((tmp_path / "v" / "shards").glob("*.parquet"))
    assert len(tables) == 2 + 2 + 1 + 1 + 1  # archives; row groups of records; bytes; links; what is no table of images


def test_shards_inside_a_source_are_no_source(run: Run, photo_folder: Path) -> None:
    for kept in (0, 1):
        summary = objects(run("embed", photo_folder, "--out", photo_folder / "vectors", "--json"))[-1]
        assert (summary["images"], summary["failed"], summary["kept"]) == (12, 0, kept)


def test_a_column_can_be_named(run: Run, photo_folder: Path, tmp_path: Path) -> None:
    contents = [path.read_bytes() for path in sorted(photo_folder.glob("*.png"))]
    table = pa.table({"small": contents[:3], "large": contents[3:6]})
    parquet.write_table(table, tmp_path / "two.parquet")
    found = {}
    for name in (None, "small", "large"):
        options = ("--column", name) if name else ()
        assert run("embed", tmp_path / "two.parquet", "--out", f"v-{name}", *options).exit_code == 0
        found[name] = [row.tobytes() for row in vectors(tmp_path / f"v-{name}").values()]
    assert found[None] == found["small"] != found["large"]
    assert "--column may name one of: small, large" in run("embed", "two.parquet", "--out", "x", "--column", "y").stderr


def test_other_file_systems(run: Run, photo_folder: Path, tmp_path: Path) -> None:
    """The same shards from and in an fsspec file system; the times of the files are its own."""
    fsspec = pytest.importorskip("fsspec")
    memory = fsspec.filesystem("memory")
    memory.put(str(photo_folder) + "/", "/in/photos/", recursive=True)
    with tarfile.open(tmp_path / "a.tar", "w") as tar:
        tar.add(photo_folder / "00.png", "00.png")
    memory.put(str(tmp_path / "a.tar"), "/in/a.tar")
    memory.pipe("/in/.hidden/x.png", b"")
    memory.pipe("/in/thumbs/x.png", b"")
    try:
        arguments = (
            "embed",
            "memory://in",
            "--out",
            "memory://out",
            "--shard-size",
            "5",
            "--exclude",
            "thumbs/",
            "--json",
        )
        assert objects(run(*arguments))[-1]["images"] == 13
        assert objects(run(*arguments))[-1]["embedded"] == 0
        memory.get("/out/", str(tmp_path / "v") + "/", recursive=True)
        found = vectors(tmp_path / "v")
        wanted = {
            f"memory://in/photos/{Path(path).name}": row
            for path, row in expected(sorted(photo_folder.glob("*.png"))).items()
        }
        wanted["memory://in/a.tar::00.png"] = wanted["memory://in/photos/00.png"]
        assert {path.replace(":///", "://"): row.tobytes() for path, row in found.items()} == {
            path: row.tobytes() for path, row in wanted.items()
        }
        assert "13 added" in run("import", "memory://out", "--home", "h").stdout
        assert "13 unchanged" in run("import", "memory://out", "--home", "h").stdout
    finally:
        memory.rm("/", recursive=True)


def test_refusals_are_sentences(run: Run, photo_folder: Path, tmp_path: Path) -> None:
    cases = {
        ("embed", tmp_path / "gone", "--out", "v"): "no such file or folder",
        ("embed", tmp_path, "--exclude", "*", "--out", "v"): "no image in",
        ("embed", photo_folder, "--out", "nosuch://me:secret@x/y?key=secret"): "nosuch",
        ("embed", "memory://nothing/here", "--out", "v"): "nothing is at",
        ("embed", photo_folder, "--out", "v", "--gpus", "1"): "--engine ray",
        ("embed", photo_folder, "--out", "v", "--engine", "spark"): "spark",
    }
    for arguments, sentence in cases.items():
        result = run(*arguments)
        assert result.exit_code == 2 and sentence in result.stderr, (arguments, result.stderr)
        assert "secret" not in result.stderr
        assert not (tmp_path / "v" / "manifest.jsonl").exists()


def test_an_absent_library_is_a_sentence(run: Run, photo_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module, arguments in {"ray": ("--engine", "ray"), "pyarrow": ()}.items():
        with monkeypatch.context() as absent:
            absent.setitem(sys.modules, module, None)
            result = run("embed", photo_folder, "--out", "v", *arguments)
        assert result.exit_code == 2 and "pip install 'dinosearch[ray]'" in result.stderr


@pytest.mark.skipif(os.name == "nt", reason="no SIGKILL")
def test_killed_at_any_moment_it_resumes(tmp_path: Path, photo_folder: Path) -> None:
    """kill -9 after a shard more each time: nothing finished is made again, and the end is that of one whole run."""
    for seed in range(100, 148):
        write_photo(photo_folder / f"{seed}.png", seed)
    root = str(Path(__file__).parents[2])

    def start(out: str) -> subprocess.Popen[bytes]:
        command = ["-m", "tests.jobs.slow_embed", photo_folder, "--out", tmp_path / out, "--shard-size", "8"]
        return subprocess.Popen(
            [sys.executable, *map(str, command)],
            cwd=root,
            env={**os.environ, "DINOSEARCH_DECODE": "inline"},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    assert start("whole").wait() == 0
    wanted, out = files(tmp_path / "whole"), tmp_path / "killed"
    kept: dict[Path, int] = {}
    for _ in range(3):
        process = start("killed")
        while process.poll() is None and len(list(out.glob("shards/*.json"))) <= len(kept):
            time.sleep(0.002)
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert all(path.stat().st_mtime_ns == made for path, made in kept.items())  # not made again
        kept = {path: path.stat().st_mtime_ns for path in out.glob("shards/*.json")}
        assert set(files(out)) <= set(wanted)
    assert len(kept) >= 3
    assert start("killed").wait() == 0
    assert files(out) == wanted and not list(out.rglob("*.tmp"))


def test_shards_do_not_lie_in_a_file(run: Run, photo_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "taken").write_bytes(b"mine")
    result = run("embed", photo_folder, "--out", tmp_path / "taken")
    assert result.exit_code == 2
    assert "taken is a file" in result.stderr and "Traceback" not in result.stderr
    assert (tmp_path / "taken").read_bytes() == b"mine"
