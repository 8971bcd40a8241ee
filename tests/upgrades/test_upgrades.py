"""Homes that earlier versions made: opened, upgraded whatever interrupts it, and answering as before, or refused.

The archives are made by scripts/make_old_home.py, with the code of the commit that it names.
"""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import make_old_home
import numpy as np
import pytest
from make_old_home import COPIED, PHOTOS, QUERIES, Colours

from dinosearch import Collection
from dinosearch.errors import DamagedHomeError, DinosearchError, FormatVersionError
from dinosearch.home import FORMAT_VERSION
from dinosearch.store import MetadataStore, migrations

HERE = Path(__file__).parent
FORMATS = sorted(int(path.name.split("-")[1].split(".")[0]) for path in HERE.glob("format-*.tar.xz"))


def test_every_format_before_this_one_has_a_home() -> None:
    assert set(range(1, FORMAT_VERSION)) <= set(FORMATS)


@pytest.fixture(scope="module", params=FORMATS)
def packed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with home/, photos/ and answers.json as they were made."""
    folder = tmp_path_factory.mktemp("packed")
    with tarfile.open(HERE / f"format-{request.param}.tar.xz") as tar:
        tar.extractall(folder, filter="data")
    assert version_of(folder / "home") == request.param
    return folder


@pytest.fixture
def old(packed: Path, tmp_path: Path) -> Path:
    """A copy of it that a test may change."""
    shutil.copytree(packed, tmp_path / "old")
    return tmp_path / "old"


@pytest.fixture(scope="module")
def told(packed: Path) -> dict[str, Any]:
    """What the old code wrote down."""
    found: dict[str, Any] = json.loads((packed / "answers.json").read_text())
    return found


def version_of(home: Path) -> int:
    connection = sqlite3.connect(f"file:{home / 'metadata.sqlite'}?mode=ro", uri=True)
    try:
        return int(connection.execute("PRAGMA user_version").fetchone()[0])
    finally:
        connection.close()


def answers(collection: Collection, photos: Path) -> dict[str, list[list[Any]]]:
    found = {}
    for name in QUERIES:
        hits = collection.search_vectors(collection.embed(photos / name), k=PHOTOS)[0]
        found[name] = [[Path(hit.path).name, round(hit.score, 5)] for hit in hits]
    return found


def check(collection: Collection, photos: Path, told: dict[str, Any]) -> None:
    """Whole, and answering as the old code did."""
    report = collection.verify()
    assert report.ok, report.problems
    for name, hits in answers(collection, photos).items():
        assert [path for path, _ in hits] == [path for path, _ in told["answers"][name]]
        assert np.allclose([score for _, score in hits], [score for _, score in told["answers"][name]], atol=2e-5)


def test_it_is_opened_upgraded_and_answers_as_before(old: Path, told: dict[str, Any]) -> None:
    steps: list[tuple[str, int, int | None]] = []
    with Collection.open(old / "home", embedder=Colours(), progress=lambda *state: steps.append(state)) as collection:
        due = FORMAT_VERSION - told["format"]
        assert steps == [("upgrade", step, due) for step in range(due)]
        assert version_of(old / "home") == FORMAT_VERSION
        check(collection, old / "photos", told)
        info = collection.info()
        assert (info.images, info.files, info.removed, info.failed) == (PHOTOS - 1, PHOTOS, 1, 1)
        assert [root.online for root in info.roots] == [False]
        kinds = {one.kind for one in info.derived}
        assert kinds == ({"refined", "regions", "diffusion"} if told["format"] >= 2 else set())
        if told["format"] >= 2:
            assert collection.query(old / "photos" / "00.png", rerank="diffusion")
            assert collection.query(old / "photos" / "00.png", regions=True, k=2)[0].box is not None
            assert collection.query(old / "photos" / "00.png", precision=0.01)[0].confidence is not None
    with Collection.open(old / "home", embedder=Colours(), progress=lambda *state: steps.append(state)) as collection:
        assert len(steps) == due
        check(collection, old / "photos", told)


def test_it_goes_on_like_a_fresh_one(old: Path, told: dict[str, Any]) -> None:
    """Known contents are not embedded again; then everything answers as a home that was made today."""
    with Collection.open(old / "home", embedder=Colours()) as collection:
        summary = collection.index(old / "photos")
        assert (summary.added, summary.embedded, summary.failed) == (PHOTOS, 0, 1)
        collection.remove(told["place"] + "/photos")
        collection.unrefine()
        assert collection.index(old / "photos").unchanged == PHOTOS
        assert collection.tag([1, 2], ["cat", "dog"], [0.5, 1], given=False) == 2  # which format 4 brought
        assert collection.ids("label = Cat and confidence = 0.5").tolist() == [1]
        collection.compact()
        assert collection.verify().ok
        with Collection.open(old / "fresh", create=True, embedder=Colours()) as fresh:
            fresh.index(old / "photos")
            assert answers(collection, old / "photos") == answers(fresh, old / "photos")
            hits = [one.query(old / "photos" / COPIED, k=3, unique=True) for one in (collection, fresh)]
            assert [[(hit.path, hit.score) for hit in one] for one in hits][0] == [
                (hit.path, hit.score) for hit in hits[1]
            ]


def test_its_model_can_be_changed(old: Path) -> None:
    from tests.collection.test_migrate import OtherEmbedder

    other = OtherEmbedder()
    with Collection.open(old / "home", embedder=Colours()) as collection:
        collection.index(old / "photos")
        report = collection.migrate(embedder=other)
        assert (report.outcome, report.images) == ("answering", PHOTOS - 1)
        assert [problem.path for problem in report.dropped] in ([], ["regions", "calibration"])
        assert collection.verify().ok
        assert collection.migrate_back().outcome == "answering"
        assert collection.verify().ok


@pytest.mark.parametrize("step", range(1, FORMAT_VERSION))
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_step_that_fails_leaves_what_there_was(
    old: Path, told: dict[str, Any], step: int, when: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if step < told["format"]:
        pytest.skip("this home is beyond that step")
    usual = migrations.MIGRATIONS[step]

    def failing(connection: Any) -> None:
        if when == "after":
            usual(connection)
        raise sqlite3.OperationalError("disk I/O error")

    monkeypatch.setitem(migrations.MIGRATIONS, step, failing)
    with pytest.raises(DinosearchError, match="nothing of this step was stored"):
        Collection.open(old / "home", embedder=Colours())
    assert version_of(old / "home") == told["format"]
    monkeypatch.setitem(migrations.MIGRATIONS, step, usual)
    with Collection.open(old / "home", embedder=Colours()) as collection:
        check(collection, old / "photos", told)


# Upgrades a copy of a home again and again, each time killed one statement later, until it ends by itself.
KILLED = """
import os, shutil, signal, sys
from pathlib import Path
from sqlalchemy import event
from sqlalchemy.engine import Engine
from dinosearch.store import MetadataStore

packed, into = Path(sys.argv[1]), Path(sys.argv[2])
for last in range(1, 500):
    shutil.rmtree(into / "last", ignore_errors=True)
    shutil.copytree(packed, into / "last")
    child = os.fork()
    if child == 0:
        left = [last]

        def count(*_):
            left[0] -= 1
            if left[0] == 0:
                os.kill(os.getpid(), signal.SIGKILL)

        event.listen(Engine, "before_cursor_execute", count)
        event.listen(Engine, "commit", count)
        MetadataStore.open(into / "last" / "metadata.sqlite").close()
        os._exit(0)
    ended = os.waitpid(child, 0)[1]
    if ended == 0:
        print(last - 1)
        break
    MetadataStore.open(into / "last" / "metadata.sqlite").close()
    shutil.rmtree(into / "each", ignore_errors=True)
    os.rename(into / "last", into / f"{last:03}")
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="kills forked processes")
def test_killed_at_every_statement_it_is_whole_when_it_is_opened_again(
    packed: Path, told: dict[str, Any], tmp_path: Path
) -> None:
    environment = {**os.environ, "PYTHONPATH": str(HERE.parents[1])}
    command = [sys.executable, "-c", KILLED, str(packed / "home"), str(tmp_path)]
    run = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=200, check=False)
    assert run.returncode == 0, run.stderr
    kills = int(run.stdout)
    assert kills >= (3 if told["format"] < FORMAT_VERSION else 1)
    homes = sorted(path for path in tmp_path.iterdir() if path.name.isdecimal())
    assert len(homes) == kills
    contents = {_rows(home) for home in homes}
    assert len(contents) == 1
    with Collection.open(homes[len(homes) // 2], embedder=Colours()) as collection:
        check(collection, packed / "photos", told)


def _rows(home: Path) -> tuple[Any, ...]:
    """All rows of the tables that the oldest home has, but for the counter of changes."""
    assert version_of(home) == FORMAT_VERSION
    with MetadataStore.open(home / "metadata.sqlite") as store:
        assert store.check() == []
        return (
            tuple(sorted((path, *known) for path, known in store.known().items())),
            tuple(sorted(store.known_failures().items())),
            tuple(store.removed_ids().tolist()),
            tuple(sorted((kind, one.rows, one.index_sha256) for kind, one in store.generations().items())),
            len(store.verdicts()),
        )


@pytest.fixture
def newest(tmp_path: Path) -> Iterator[Path]:
    """A home that this version made."""
    make_old_home.write_photos(tmp_path / "photos")
    with Collection.open(tmp_path / "newest", create=True, embedder=Colours()) as collection:
        collection.index(tmp_path / "photos")
    yield tmp_path / "newest"


def test_what_cannot_be_opened_is_refused_with_advice(old: Path, told: dict[str, Any], newest: Path) -> None:
    if told["format"] < FORMAT_VERSION:
        with pytest.raises(FormatVersionError, match="older format.*upgrade it once"):
            Collection.open(old / "home", embedder=Colours(), read_only=True)
        assert version_of(old / "home") == told["format"]
    connection = sqlite3.connect(newest / "metadata.sqlite")
    connection.execute(f"PRAGMA user_version = {FORMAT_VERSION + 1}")
    connection.close()
    with pytest.raises(FormatVersionError, match="pip install --upgrade"):
        Collection.open(newest, embedder=Colours())
    foreign = old / "foreign"
    foreign.mkdir()
    connection = sqlite3.connect(foreign / "metadata.sqlite")
    connection.execute("CREATE TABLE recipes (name TEXT)")
    connection.commit()
    connection.close()
    with pytest.raises(DamagedHomeError, match="not a dinosearch database|damaged"):
        Collection.open(foreign, create=True, embedder=Colours())


def test_the_packer_makes_the_same_home_again(packed: Path, tmp_path: Path) -> None:
    """The photos are those that the script draws, so that whoever runs it again gets what is tested here."""
    make_old_home.write_photos(tmp_path / "photos")
    for path in sorted((packed / "photos").iterdir()):
        drawn = tmp_path / "photos" / path.name
        if path.suffix == ".png" and path.name != "broken.png":
            from PIL import Image

            assert np.array_equal(np.asarray(Image.open(path)), np.asarray(Image.open(drawn)))
