"""remove, info, verify, compact, export, import: what they say, in words and in JSON, and their exit codes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dinosearch import Collection
from tests.cli.conftest import Run, objects


def vector_file(home: Path) -> Path:
    (found,) = home.glob("vectors-*")
    return found


def damage(home: Path) -> None:
    """Flip the last non-zero byte of the vector file: it belongs to a stored row."""
    data = bytearray(vector_file(home).read_bytes())
    last = max(i for i, byte in enumerate(data) if byte)
    data[last] ^= 0xFF
    vector_file(home).write_bytes(bytes(data))


def test_remove(run: Run, indexed: Path) -> None:
    assert objects(run("remove", indexed / "00.png", "id:2", "--json")) == [
        {"schema": 1, "type": "removed", "removed": 2}
    ]
    result = run("remove", indexed)
    assert result.stdout.startswith("10 removed from the collection, none from the disk")
    assert len(list(indexed.iterdir())) == 12
    refused = run("remove", "id:999")
    assert refused.exit_code == 2
    assert refused.stderr.startswith("dinosearch: id:999 is not in the collection")


def test_info_in_json_and_words(run: Run, indexed: Path, tmp_path: Path) -> None:
    (found,) = objects(run("info", "--json"))
    assert (found["images"], found["files"], found["removed"], found["failed"], found["rows"]) == (12, 12, 0, 0, 12)
    assert found["fingerprint"]["checkpoint"] == "fake"
    assert found["roots"] == [{"path": str(indexed), "online": True, "files": 12}]
    assert found["index"]["rows"] + found["tail"] == 12
    said = run("info").stdout
    assert f"home     {tmp_path / 'index'}" in said
    assert "12 in 12 files" in said
    assert "model    fake, squash-224, cls, 96 numbers a vector" in said
    assert f"vectors  12 rows: {found['index']['rows']} in the index, {found['tail']} in the exact tail" in said
    assert f"recall   {found['index']['recall']['10']:.4f} at 10" in said
    assert f"{indexed}  (12 files)" in said


def test_info_marks_what_is_offline_and_removed(run: Run, indexed: Path) -> None:
    run("remove", "id:1")
    indexed.rename(indexed.with_name("unplugged"))
    said = run("info").stdout
    assert f"{indexed}  (11 files)  OFFLINE" in said
    assert "1 removed, kept until: dinosearch compact" in said


def test_verify_finds_and_repairs(run: Run, indexed: Path, tmp_path: Path) -> None:
    sound = run("verify")
    assert (sound.exit_code, sound.stdout, sound.stderr) == (0, "12 vectors checked: all sound\n", "")
    damage(tmp_path / "index")
    found = run("verify")
    assert found.exit_code == 3
    assert found.stdout == "12 vectors checked: 1 problem, 0 repaired\n"
    assert "dinosearch: id:12: its vector does not match its checksum" in found.stderr
    assert "mend it with: dinosearch verify --repair\n" in found.stderr
    *problems, verdict = objects(run("verify", "--json"))
    assert [problem["path"] for problem in problems] == ["id:12"]
    assert (verdict["problems"], verdict["repaired"], verdict["ok"]) == (1, 0, False)
    repaired = run("verify", "--repair")
    assert (repaired.exit_code, repaired.stdout) == (0, "12 vectors checked: 1 problem, 1 repaired\n")
    assert run("verify").exit_code == 0


def test_verify_names_what_cannot_be_restored(run: Run, indexed: Path, tmp_path: Path) -> None:
    damage(tmp_path / "index")
    (indexed / "11.png").unlink()
    result = run("verify", "--repair", "--json")
    assert result.exit_code == 3
    assert [(o["type"], o["path"]) for o in objects(result)[:-1]] == [
        ("problem", "id:12"), ("lost", str(indexed / "11.png")),
    ]  # fmt: skip
    assert run("verify").exit_code == 0


def test_compact(run: Run, indexed: Path) -> None:
    run("remove", "id:1", "id:2")
    (found,) = objects(run("compact", "--json"))
    assert (found["type"], found["rows_before"], found["rows_after"]) == ("compact", 12, 10)
    assert run("compact").stdout.startswith("0 dead vectors dropped, 10 kept, ")


def test_export_and_import(run: Run, indexed: Path) -> None:
    assert run("export", "backup").stdout == "12 files written to backup\n"
    (again,) = objects(run("export", "backup-2", "--json"))
    assert (again["files"], again["folder"]) == (12, "backup-2")
    (summary,) = objects(run("import", "backup", "--home", "other", "--json"))
    assert (summary["type"], summary["added"], summary["embedded"]) == ("summary", 12, 0)
    query = ["query", str(indexed / "03.png"), "--json"]
    here, there = run(*query), run(*query, "--home", "other")
    assert [(h["path"], h["score"]) for h in objects(here)] == [(h["path"], h["score"]) for h in objects(there)]
    refused = run("export", "backup")
    assert refused.exit_code == 2
    assert refused.stderr.startswith("dinosearch: ")


def test_export_to_stdout_lists_files(run: Run, indexed: Path) -> None:
    files = objects(run("export", "-"))
    assert [file["path"] for file in files] == [str(indexed / f"{i:02}.png") for i in range(12)]
    assert {file["type"] for file in files} == {"file"}
    with Collection.open("index") as collection:
        assert [{k: v for k, v in f.items() if k not in ("schema", "type")} for f in files] == list(collection.files())
    assert len(objects(run("export", "-", "--where", "name = 03.png"))) == 1
    assert run("export", "folder", "--where", "name = 03.png").exit_code == 2


def test_import_refuses_what_is_no_export(run: Run, tmp_path: Path) -> None:
    (tmp_path / "backup").mkdir()
    (tmp_path / "backup" / "manifest.json").write_text(json.dumps({"schema": "something else"}))
    result = run("import", "backup")
    assert result.exit_code == 2
    assert result.stderr.startswith("dinosearch: ")
    assert run("import", "absent").exit_code == 2


@pytest.mark.parametrize("verb", [["info"], ["verify"], ["compact"], ["remove", "x"], ["export", "-"], ["query", "x"]])
def test_without_a_collection_every_verb_says_how_to_begin(run: Run, tmp_path: Path, verb: list[str]) -> None:
    result = run(*verb)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == (
        f"dinosearch: no collection in {tmp_path / 'index'}: metadata.sqlite is not there; "
        f"make one with: dinosearch index FOLDER --home {tmp_path / 'index'}\n"
    )
