"""A curation that is interrupted, killed or damaged goes on to the same bytes; one of other inputs is refused."""

from __future__ import annotations

import dataclasses
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from dinosearch import Collection
from dinosearch.analysis import CurationRecipe, CurationSummary, curate
from dinosearch.analysis.curation import job, rows
from dinosearch.errors import (
    CollectionNotFoundError,
    DinosearchError,
    FingerprintMismatchError,
    HomeLockedError,
    ImageNotFoundError,
    SettingError,
)
from dinosearch.home import Home
from tests.analysis.vector_home import NoEmbedder, vector_home
from tests.conftest import FakeEmbedder, write_photo

RECIPE = CurationRecipe(threshold=0.9, against_threshold=0.9, method="both", clusters=8, per_cluster=5, seeds_above=1)
STEPS = {"copies", "references", "retrieve", "centres", "clusters", "seeded", "manifest"}


@dataclasses.dataclass
class World:
    """A pool with references and seeds, and a folder for curations."""

    folder: Path
    homes: Path
    pool: Collection

    @classmethod
    def of(cls, folder: Path, homes: Path) -> World:
        return cls(folder, homes, Collection.open(homes / "pool", embedder=NoEmbedder("fake", 16)))

    def curate(self, out: str, recipe: CurationRecipe = RECIPE, **given: object) -> CurationSummary:
        sets = {"against": [self.homes / "references"], "seeds": [self.homes / "seeds"]}
        return curate(self.pool, self.folder / out, recipe, **{**sets, **given})  # type: ignore[arg-type]

    def result(self, out: str) -> dict[str, bytes]:
        return {name: (self.folder / out / name).read_bytes() for name in ("manifest.jsonl", "summary.json")}


@pytest.fixture(scope="module")
def homes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder, rng = tmp_path_factory.mktemp("homes"), np.random.default_rng(3)
    subjects = rng.normal(size=(8, 16))
    images = np.concatenate([subject + 0.4 * rng.normal(size=(20, 16)) for subject in subjects])
    vector_home(folder / "references", images[:4])
    vector_home(folder / "seeds", np.concatenate([subjects[2:4] + 0.3 * rng.normal(size=(2, 16)) for _ in range(30)]))
    pool = np.concatenate([images, images[20:60] + 0.1 * rng.normal(size=(40, 16))])
    vector_home(folder / "pool", pool).close()
    return folder


@pytest.fixture
def world(tmp_path: Path, homes: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """One whose homes must not be changed."""
    monkeypatch.setattr(job, "PART", 40)  # so that 200 images are five parts
    return World.of(tmp_path, homes)


@pytest.fixture
def own_world(tmp_path: Path, homes: Path, world: World) -> World:
    shutil.copytree(homes, tmp_path / "homes")
    return World.of(tmp_path, tmp_path / "homes")


class Interruptor:
    """Progress that interrupts at its n-th report."""

    def __init__(self, at: int, act: Callable[[], None]) -> None:
        self.left, self.act, self.stages = at, act, list[str]()

    def __call__(self, stage: str, done: int, total: int | None) -> None:
        self.stages.append(stage)
        self.left -= 1
        if self.left == 0:
            self.act()


def interrupt() -> None:
    raise KeyboardInterrupt


def test_interrupted_in_every_step_it_goes_on_to_the_same_bytes(world: World) -> None:
    watch = Interruptor(0, interrupt)
    world.curate("whole", progress=watch)
    assert set(watch.stages) == STEPS
    wanted = world.result("whole")
    stages = watch.stages
    turns = [at for at in range(1, len(stages) + 1) if at in (1, len(stages)) or stages[at - 2] != stages[at - 1]]
    for at in [*turns, turns[1] - 2, turns[2] - 1]:
        with pytest.raises(KeyboardInterrupt):
            world.curate(f"cut at {at}", progress=Interruptor(at, interrupt))
        assert not (world.folder / f"cut at {at}" / "summary.json").exists()
        after = Interruptor(0, interrupt)
        world.curate(f"cut at {at}", progress=after)
        assert world.result(f"cut at {at}") == wanted
        finished = watch.stages[: at - 1]
        # Of a step whose reports had all come, nothing is done again.
        again = set(after.stages) & {stage for stage in set(finished) if stage not in watch.stages[at - 1 :]}
        assert again == set(), (at, again)


def test_parts_of_an_unfinished_step_are_kept(world: World) -> None:
    copies = Interruptor(4, interrupt)  # the fourth of five parts of the first step
    with pytest.raises(KeyboardInterrupt):
        world.curate("out", progress=copies)
    assert len(list((world.folder / "out" / "copies.parts").glob("*/*.npy"))) >= 1
    again = Interruptor(0, interrupt)
    world.curate("out", progress=again)
    whole = Interruptor(0, interrupt)
    world.curate("whole", progress=whole)
    assert again.stages.count("copies") < whole.stages.count("copies")
    assert not list((world.folder / "out").glob("*.parts"))


KILLED = """
import os, random, signal, sys
from pathlib import Path
from dinosearch.analysis.curation import job, rows
from tests.analysis.test_curation_resume import Interruptor, World
job.PART = 40
folder, homes, at = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
write = os.fsync
def fsync(descriptor):  # a write is a moment to be killed at, too
    counted("write", 0, 0)
    write(descriptor)
counted = Interruptor(at, lambda: os.kill(os.getpid(), signal.SIGKILL))
os.fsync = fsync
World.of(folder, homes).curate("killed", progress=counted)
"""


@pytest.mark.skipif(os.name == "nt", reason="nobody can be killed so there")
def test_killed_again_and_again_it_ends_with_the_same_bytes(world: World) -> None:
    world.curate("whole")
    checkout = Path(__file__).parents[2]
    moments, kills = np.random.default_rng(int(os.environ.get("CURATION_KILLS", "5"))), 0
    for _ in range(100):
        command = [sys.executable, "-c", KILLED, str(world.folder), str(world.homes), str(moments.integers(10, 50))]
        ended = subprocess.run(command, cwd=checkout, capture_output=True, text=True, check=False)
        if ended.returncode == 0:
            break
        assert ended.returncode == -signal.SIGKILL, ended.stderr
        kills += 1
    assert kills >= 2
    assert world.result("killed") == world.result("whole")
    assert not [path for path in (world.folder / "killed").rglob("*") if path.suffix in (".tmp", ".parts")]


def test_damaged_steps_and_manifests_are_made_again(world: World) -> None:
    world.curate("out")
    wanted = world.result("out")
    for name in ("copies.npy", "retrieved.npy", "clusters.json", "manifest.jsonl", "summary.json"):
        path = world.folder / "out" / name
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 0x20
        path.write_bytes(content)
        if name != "summary.json":  # while that is whole, nothing before it is looked at
            (world.folder / "out" / "summary.json").unlink()
        world.curate("out")
        assert world.result("out") == wanted


def test_finished_is_told_again_without_work(world: World) -> None:
    first = world.curate("out")
    watch = Interruptor(0, interrupt)
    assert world.curate("out", progress=watch) == first
    assert watch.stages == []


def test_other_settings_are_refused_and_restart_does_what_they_concern(world: World) -> None:
    world.curate("out")
    before = {path.name: path.stat().st_ino for path in (world.folder / "out").glob("*.npy")}
    other = dataclasses.replace(RECIPE, per_seed=2)
    with pytest.raises(SettingError, match=r"per_seed 4, not 2; start again there with --restart"):
        world.curate("out", other)
    world.curate("out", other, restart=True)
    world.curate("other", other)
    assert world.result("out") == world.result("other")
    after = {path.name: path.stat().st_ino for path in (world.folder / "out").glob("*.npy")}
    assert {name for name in before if before[name] != after[name]} == {"retrieved.npy"}


def test_changed_collections_are_refused(own_world: World) -> None:
    own_world.curate("out")
    with pytest.raises(SettingError, match="holds a curation with other seed sets; "):
        own_world.curate("out", seeds=[])
    own_world.pool.remove("id:7")
    with pytest.raises(SettingError, match="another state of its pool: images came, went or were changed since; "):
        own_world.curate("out")
    own_world.curate("out", restart=True)
    own_world.curate("new")
    assert own_world.result("out") == own_world.result("new")


def test_a_pool_that_changes_under_its_hands_is_told(own_world: World) -> None:
    with pytest.raises(SettingError, match="was changed while it was curated"):
        own_world.curate("out", progress=Interruptor(3, lambda: own_world.pool.remove("id:9") and None))


def test_commits_that_change_no_image_do_no_harm(own_world: World) -> None:
    own_world.curate("out")
    state = own_world.pool.state
    own_world.pool.refine(augment=2)
    assert own_world.pool.state != state
    assert own_world.curate("out", progress=Interruptor(1, interrupt)).images == 200


def refused(world: World, tmp_path: Path, case: str) -> None:
    other = tmp_path / "other"
    if case == "thresholds":
        world.curate("out", dataclasses.replace(RECIPE, against_threshold=None))
    elif case == "model":
        vector_home(other, np.eye(16), checkpoint="another")
        world.curate("out", seeds=[other])
    elif case == "itself":
        world.curate("out", against=[world.pool.home])
    elif case == "nothing there":
        world.curate("out", seeds=[tmp_path / "absent"])
    elif case == "no images":
        Collection.open(other, create=True, embedder=NoEmbedder("fake", 16)).close()
        world.curate("out", seeds=[other])
    elif case == "empty pool":
        with Collection.open(other, create=True, embedder=NoEmbedder("fake", 16)) as empty:
            curate(empty, tmp_path / "out", RECIPE)
    elif case == "nothing matches":
        world.curate("out", dataclasses.replace(RECIPE, where="width > 9000"))
    elif case == "other things":
        other.mkdir()
        (other / "letter.txt").write_text("dear")
        world.curate("other")
    elif case == "another plan":
        other.mkdir()
        (other / "plan.json").write_text("{}")
        world.curate("other")
    else:
        other.mkdir()
        with Home(other).writer():
            world.curate("other")


@pytest.mark.parametrize(
    ("case", "error", "says"),
    [
        ("thresholds", SettingError, "nobody has measured which cosine means a copy for fake"),
        ("model", FingerprintMismatchError, "name its folder of images instead"),
        ("itself", SettingError, "is the pool itself"),
        ("nothing there", ImageNotFoundError, "is neither a folder of images nor a collection"),
        ("no images", ImageNotFoundError, "has no image that could be read"),
        ("empty pool", CollectionNotFoundError, "nothing has been indexed"),
        ("nothing matches", ImageNotFoundError, "has no image that matches"),
        ("other things", SettingError, "holds other things; name a new folder"),
        ("another plan", SettingError, "is none that this dinosearch can read"),
        ("in use", HomeLockedError, "wait until it ends"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(
    world: World, tmp_path: Path, case: str, error: type[DinosearchError], says: str
) -> None:
    with pytest.raises(error, match=says) as caught:
        refused(world, tmp_path, case)
    assert "\n" not in str(caught.value)


def test_a_threshold_that_nothing_needs_is_not_asked_for(world: World) -> None:
    recipe = dataclasses.replace(RECIPE, against_threshold=None)
    assert world.curate("out", recipe, against=[]).threshold == recipe.threshold


@pytest.mark.parametrize(
    "wrong",
    [{"threshold": 1.5}, {"neighbours": 0}, {"cap": 0}, {"seed": -1}, {"method": "all"}, {"keep": ("best",)}],
)
def test_wrong_settings_are_one_sentence(wrong: dict[str, object]) -> None:
    with pytest.raises(SettingError, match=next(iter(wrong))):
        CurationRecipe(**wrong)  # type: ignore[arg-type]


def test_another_seed_folder_is_embedded_apart(tmp_path: Path, fake_embedder: FakeEmbedder) -> None:
    """What was embedded of the first folder must not be a seed of the second."""
    for number in range(12):
        write_photo(tmp_path / "photos" / f"{number}.png", number)
    for number in range(2):
        write_photo(tmp_path / f"mine {number}" / "own.png", number, size=(80, 60))
    recipe = CurationRecipe(threshold=0.999, against_threshold=0.999, per_seed=1)
    with Collection.open(tmp_path / "home", create=True, embedder=fake_embedder) as pool:
        pool.index(tmp_path / "photos")
        for number in range(2):
            summary = curate(pool, tmp_path / "out", recipe, seeds=[tmp_path / f"mine {number}"], restart=number > 0)
            assert summary.seeds == 1
            (kept,) = (row for row in rows(tmp_path / "out") if row["kept"])
            assert Path(kept["path"]).name == f"{number}.png"
            assert kept["seed_path"] == str(tmp_path / f"mine {number}" / "own.png")
            assert len(list((tmp_path / "out").glob("*.index"))) == 1
        embedded = fake_embedder.images
        curate(pool, tmp_path / "out", recipe, seeds=[tmp_path / "mine 1"])
        assert fake_embedder.images == embedded
