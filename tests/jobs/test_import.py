"""`dinosearch import` of what `embed` made: the same collection as `index` of the same folder, and what is refused."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dinosearch import Collection
from tests.cli.conftest import Run, objects
from tests.conftest import FakeEmbedder, write_photo
from tests.jobs.conftest import parquet

pa = pytest.importorskip("pyarrow", reason="needs pyarrow: pip install 'dinosearch[ray]'")


@pytest.fixture
def embedded(run: Run, photo_folder: Path, tmp_path: Path) -> Path:
    """Twelve photos, a copy and a broken file in ./v."""
    (photo_folder / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 no picture")
    (photo_folder / "copy.png").write_bytes((photo_folder / "00.png").read_bytes())
    shutil.move(photo_folder / "11.png", os.path.join(photo_folder, os.fsdecode(b"caf\xe9.png")))
    exif = Image.Exif()
    exif[0x010F], exif[0x0110], exif[0x0132] = "Canon", "EOS 80D", "2019:05:04 03:02:01"
    exif.get_ifd(0x8769)[0x9003] = "2019:05:04 03:02:01"
    Image.open(photo_folder / "10.png").save(photo_folder / "10.jpg", exif=exif)
    (photo_folder / "10.png").unlink()
    assert run("embed", photo_folder, "--out", "v", "--shard-size", "4").exit_code == 3
    return tmp_path / "v"


def open_fake(home: Path) -> Collection:
    return Collection.open(home, embedder=FakeEmbedder())


def test_import_equals_index(run: Run, embedded: Path, photo_folder: Path, tmp_path: Path) -> None:
    result = run("import", embedded, "--home", "imported", "--json")
    assert result.exit_code == 3
    summary = objects(result)[-1]
    assert (summary["added"], summary["failed"], summary["embedded"]) == (13, 1, 0)
    run("index", photo_folder, "--home", "indexed")
    with open_fake(tmp_path / "imported") as imported, open_fake(tmp_path / "indexed") as indexed:
        one, other = ({file["path"]: file for file in made.files()} for made in (imported, indexed))
        assert one.keys() == other.keys()
        for path in one:
            for name in ("sha256", "width", "height", "format", "size", "modified", "taken", "camera"):
                assert one[path][name] == other[path][name], (path, name)
        assert one[str(photo_folder / "10.jpg")]["camera"] == "Canon EOS 80D"
        assert one[str(photo_folder / "10.jpg")]["taken"] == "2019-05-04T03:02:01"
        pairs = [(imported.vectors([one[path]["id"]])[1], indexed.vectors([other[path]["id"]])[1]) for path in one]
        assert min(float((a * b).sum()) for a, b in pairs) >= 0.9999
        for photo in sorted(photo_folder.glob("0*.png")):
            hits = [[(hit.path, round(hit.score, 5)) for hit in made.query(photo, k=5)] for made in (imported, indexed)]
            assert hits[0] == hits[1]
        assert imported.verify().ok


def test_a_second_import_and_an_index_find_nothing_to_do(run: Run, embedded: Path, photo_folder: Path) -> None:
    run("import", embedded)
    again = objects(run("import", embedded, "--json"))[-1]
    assert (again["added"], again["unchanged"], again["failed"]) == (0, 13, 1)
    after = objects(run("index", photo_folder, "--json"))[-1]
    assert (after["unchanged"], after["embedded"], after["failed"]) == (13, 0, 1)


def test_the_newer_state_of_a_file_wins(run: Run, embedded: Path, photo_folder: Path, tmp_path: Path) -> None:
    run("import", embedded)
    write_photo(photo_folder / "05.png", 500)
    (photo_folder / "06.png").write_bytes(b"\x89PNG\r\n\x1a\n no longer")
    run("embed", photo_folder, "--out", "v", "--shard-size", "4")
    assert objects(run("import", embedded, "--json"))[-1]["failed"] == 2
    with open_fake(tmp_path / "index") as collection:
        ids = {file["path"]: file["id"] for file in collection.files()}
        assert str(photo_folder / "06.png") not in ids and len(ids) == 12
        asked = collection.embed(photo_folder / "05.png")
        assert float((collection.vectors([ids[str(photo_folder / "05.png")]])[1] * asked).sum()) > 0.9999


def test_another_model_is_refused(run: Run, embedded: Path, tmp_path: Path) -> None:
    with Collection.open(tmp_path / "other", create=True, embedder=FakeEmbedder("another")) as collection:
        collection.index(write_photo(tmp_path / "x.png", 77))
    result = run("import", embedded, "--home", "other")
    assert result.exit_code == 2 and "cannot be compared" in result.stderr


def shard(out: Path) -> Path:
    return max((out / "shards").glob("*.parquet"), key=lambda path: path.stat().st_size)


def flip(out: Path) -> None:
    data = bytearray(shard(out).read_bytes())
    data[len(data) // 2] ^= 1
    shard(out).write_bytes(data)


def halve(out: Path) -> None:
    shard(out).write_bytes(shard(out).read_bytes()[:100])


def lose(out: Path) -> None:
    shard(out).unlink()


def unfinished(out: Path) -> None:
    (out / "manifest.jsonl").unlink()


def cut_manifest(out: Path) -> None:
    lines = (out / "manifest.jsonl").read_text().splitlines()
    (out / "manifest.jsonl").write_text("\n".join(lines[:-1]) + "\n")


def forge(out: Path, change: dict[str, object]) -> None:
    """Put another content into a shard, with the checksums that belong to it."""
    import hashlib

    path = shard(out)
    table = parquet.read_table(path)
    for name, value in change.items():
        place = table.schema.get_field_index(name)
        table = table.set_column(
            place, table.schema.field(name), pa.array([value] * len(table), table.schema.field(name).type)
        )
    parquet.write_table(table, path)
    lines = [json.loads(line) for line in (out / "manifest.jsonl").read_text().splitlines()]
    for line in lines[1:]:
        if line["file"].endswith(path.name):
            line.update(size=path.stat().st_size, sha256=hashlib.sha256(path.read_bytes()).hexdigest())
    (out / "manifest.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))


DAMAGE = {
    "flipped": (flip, "checksum"),
    "halved": (halve, "half written"),
    "lost": (lose, "missing"),
    "unfinished": (unfinished, "not finished"),
    "manifest": (cut_manifest, "manifest.jsonl names"),
    "long vector": (lambda out: forge(out, {"vector": [1.0] * 96}), "unit length"),
    "no number": (lambda out: forge(out, {"vector": [float("nan")] * 96}), "unit length"),
    "no path": (lambda out: forge(out, {"path": ""}), "no path"),
    "no hash": (lambda out: forge(out, {"sha256": "../../x"}), "no sha256"),
    "no size": (lambda out: forge(out, {"width": -3}), "no sha256, format or size"),
}


@pytest.mark.parametrize("case", DAMAGE)
def test_damage_is_named_and_embed_mends_it(run: Run, embedded: Path, photo_folder: Path, case: str) -> None:
    damage, sentence = DAMAGE[case]
    damage(embedded)
    result = run("import", embedded)
    assert result.exit_code == 2 and sentence in result.stderr and "dinosearch embed" in result.stderr, result.stderr
    run("embed", photo_folder, "--out", "v", "--shard-size", "4")
    assert run("import", embedded).exit_code == 3
    with open_fake(Path(os.getcwd()) / "index") as collection:
        assert collection.info().images == 12
        assert np.isfinite(collection.vectors()[1]).all()
