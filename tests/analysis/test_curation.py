"""A curation against the naive recipe of `curation_oracle`, on vectors with planted copies, references and seeds."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from dinosearch import Collection
from dinosearch.analysis import CurationRecipe, CurationSummary, curate
from dinosearch.analysis.curation import rows
from tests.analysis.curation_oracle import expected
from tests.analysis.vector_home import vector_home

RECIPE = CurationRecipe(threshold=0.93, against_threshold=0.9, per_seed=3)


def scattered(rng: np.random.Generator, centres: np.ndarray, each: int, spread: float) -> np.ndarray:
    """Vectors around each of the centres."""
    return np.concatenate([centre + spread * rng.normal(size=(each, centres.shape[1])) for centre in centres])


@dataclasses.dataclass
class World:
    pool: Collection
    references: Collection
    more_references: Collection
    seeds: Collection
    more_seeds: Collection


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """Twelve subjects of 16 images with copies of copies; references and seeds of some of them."""
    folder, rng = tmp_path_factory.mktemp("world"), np.random.default_rng(7)
    subjects = rng.normal(size=(12, 24))
    images = scattered(rng, subjects, 16, 0.45)
    copied = images[rng.choice(len(images), 40, replace=False)]
    chained = copied + 0.22 * rng.normal(size=copied.shape)
    pool = np.concatenate([images, chained, chained[:20] + 0.22 * rng.normal(size=(20, 24)), images[:3]])
    return World(
        vector_home(folder / "pool", pool[rng.permutation(len(pool))]),
        vector_home(folder / "references", scattered(rng, subjects[:2], 3, 0.3)),
        vector_home(folder / "more references", np.concatenate([images[60:64], rng.normal(size=(3, 24))])),
        vector_home(folder / "seeds", scattered(rng, subjects[3:6], 6, 0.4)),
        vector_home(folder / "more seeds", np.concatenate([scattered(rng, subjects[5:6], 5, 0.4), images[100:102]])),
    )


def told(out: Path) -> list[dict[str, object]]:
    return list(rows(out))


def equal(found: list[dict[str, object]], wanted: list[dict[str, object]]) -> None:
    assert [list(line) for line in found] == [list(line) for line in wanted]
    for line, want in zip(found, wanted, strict=True):
        numbers = {name for name in want if "cosine" in name}
        assert {k: v for k, v in line.items() if k not in numbers} == {
            k: v for k, v in want.items() if k not in numbers
        }
        assert [line[name] for name in sorted(numbers)] == pytest.approx(
            [want[name] for name in sorted(numbers)], abs=2e-6
        )


CASES = {
    "copies alone": (RECIPE, False, False),
    "copies, capped": (dataclasses.replace(RECIPE, cap=50, seed=3), False, False),
    "few neighbours": (dataclasses.replace(RECIPE, threshold=0.85, neighbours=2), False, False),
    "references": (RECIPE, True, False),
    "seeds": (RECIPE, True, True),
    "seeds, capped": (dataclasses.replace(RECIPE, per_seed=5, cap=30), False, True),
    "clusters": (dataclasses.replace(RECIPE, method="cluster", seed=5), True, True),
    "clusters, few of each": (dataclasses.replace(RECIPE, method="cluster", clusters=9, per_cluster=4), False, True),
    "both": (dataclasses.replace(RECIPE, method="both", clusters=14, per_cluster=3, seeds_above=1), True, True),
    "both, capped": (dataclasses.replace(RECIPE, method="both", clusters=14, cap=33, seed=1), True, True),
    "more clusters than images": (
        dataclasses.replace(RECIPE, method="cluster", clusters=999, seeds_above=0),
        True,
        True,
    ),
    "loose": (dataclasses.replace(RECIPE, threshold=0.6, against_threshold=0.4), True, True),
}


class Curated:
    """The cases, each curated once."""

    def __init__(self, world: World, folder: Path) -> None:
        self.world, self.folder = world, folder
        self._done: dict[str, tuple[CurationSummary, list[dict[str, object]]]] = {}

    def sets(self, case: str) -> tuple[list[Collection], list[Collection]]:
        _, with_references, with_seeds = CASES[case]
        against = [self.world.references, self.world.more_references] if with_references else []
        return against, [self.world.seeds, self.world.more_seeds] if with_seeds else []

    def __call__(self, case: str) -> tuple[CurationSummary, list[dict[str, object]]]:
        if case not in self._done:
            against, seeds = ([each.home for each in sets] for sets in self.sets(case))
            summary = curate(self.world.pool, self.folder / case, CASES[case][0], against=against, seeds=seeds)
            self._done[case] = summary, told(self.folder / case)
        return self._done[case]


@pytest.fixture(scope="module")
def curated(world: World, tmp_path_factory: pytest.TempPathFactory) -> Curated:
    return Curated(world, tmp_path_factory.mktemp("curated"))


@pytest.mark.parametrize("case", CASES)
def test_every_image_and_reason_is_that_of_the_naive_recipe(curated: Curated, case: str) -> None:
    summary, found = curated(case)
    equal(found, expected(curated.world.pool, CASES[case][0], *curated.sets(case)))
    assert summary.kept == sum(bool(line["kept"]) for line in found)
    assert summary.reasons == {reason: sum(line["reason"] == reason for line in found) for reason in summary.reasons}
    assert sum(summary.reasons.values()) == summary.images == len(found)
    written = json.loads((curated.folder / case / "summary.json").read_text())
    assert {name: written[name] for name in summary.to_dict()} == summary.to_dict()


def test_cases_reach_every_reason(curated: Curated) -> None:
    """Else the comparison above would say little."""
    lines = [line for case in CASES for line in curated(case)[1]]
    seen = {(line["reason"], "via" in line, line.get("set", 1)) for line in lines}
    plain = {(reason, False, 1) for reason in ("only", "sampled", "not reached", "over cap")}
    told_by = {("reference", True, 1), ("reference", False, 1), ("reference", False, 2), ("duplicate", True, 1)}
    assert seen >= plain | told_by | {("retrieved", False, 1), ("retrieved", False, 2)}


def test_a_chain_is_one_group_and_goes_whole(tmp_path: Path) -> None:
    """Five steps of 15 degrees, cosine 0.966 each; the far end touches the reference."""
    turns = np.radians([0, 15, 30, 45, 60, 120, 200])
    circle = np.stack([np.cos(turns), np.sin(turns)], axis=1)
    pool = vector_home(tmp_path / "pool", np.pad(circle, ((0, 0), (0, 2))))
    recipe = CurationRecipe(threshold=0.95, against_threshold=0.99)
    curate(pool, tmp_path / "out", recipe)
    lines = told(tmp_path / "out")
    assert [line["kept"] for line in lines] == [True, False, False, False, False, True, True]
    assert [line.get("of") for line in lines] == [None, 1, 1, 1, 1, None, None]
    assert [line.get("via") for line in lines] == [None, None, 2, 3, 4, None, None]
    assert lines[4]["cosine"] == pytest.approx(0.5, abs=1e-6)
    assert lines[0]["copies"] == 5

    near_the_end = np.radians([62.0])
    vector_home(tmp_path / "tests", np.pad([[np.cos(near_the_end[0]), np.sin(near_the_end[0])]], ((0, 0), (0, 2))))
    curate(pool, tmp_path / "away", recipe, against=[tmp_path / "tests"])
    lines = told(tmp_path / "away")
    assert [line["reason"] for line in lines] == ["reference"] * 5 + ["only"] * 2
    assert [line.get("via") for line in lines] == [5, 5, 5, 5, None, None, None]
