"""The rendered landmark set: disjoint, repeatable places, grades that are facts of the scene, the official layout."""

from __future__ import annotations

import math
import pickle
from pathlib import Path

import make_landmark_set
import numpy as np
import pytest

from dinosearch.evaluation.datasets.pickles import read_ground_truth
from render import tour
from render.materials import plaster
from render.scene import Scene
from render.setting import Setting
from render.shapes import slab

TRAINED = set(range(100_000, 101_000)) | set(range(7001, 7021))  # of mini, and of sample_images
FRONTAL = tour.Stand(0.0, 1.0, 0.0, 0.0, "noon", 20.0, "none", 5)


def wall() -> Setting:
    """A wall of 20 by 10 metres, its front 40 metres before the lens, seen under 60 degrees."""
    scene = Scene(plaster("808080"))
    scene.add(plaster("a06050"), slab(-10, 10, 0, 10, -2, 0))
    return Setting(scene, (0, 5, 0), 40, 5, 0, 60)


def seen(**changed: float | str) -> tour.Sight:
    sight = tour.look(wall, tour.Stand(**{**FRONTAL.__dict__, **changed}), 256)  # type: ignore[arg-type]
    assert sight is not None
    return sight


def test_sets_share_no_place_and_none_was_trained_on() -> None:
    sets = [make_landmark_set.sites(seed) for seed in range(3)]
    for found in sets:
        assert len({site.name for site in found}) == len({site.seed for site in found}) == len(found)
        assert not TRAINED & {site.seed for site in found}
    for one, other in ((0, 1), (0, 2), (1, 2)):
        assert not {site.seed for site in sets[one]} & {site.seed for site in sets[other]}
        named = [{site.kind for site in sets[k]} & set(make_landmark_set.LANDMARKS) for k in (one, other)]
        assert named[0] and not named[0] & named[1]


def test_cover_and_box_are_those_of_a_pinhole_camera() -> None:
    # half the picture is 40 tan 30 = 23.1 metres wide and three quarters of that high
    width, height = 10 / (40 * math.tan(math.pi / 6)), 5 / (40 * math.tan(math.pi / 6) * 0.75)
    sight = seen()
    assert sight.part == 1.0
    assert sight.cover == pytest.approx(width * height, rel=0.15)  # of 60 x 60 rays over 120 degrees
    expected = (0.5 - width / 2, 0.5 - height / 2, 0.5 + width / 2, 0.5 + height / 2)
    np.testing.assert_allclose(sight.box, expected, atol=0.05)


def test_part_is_what_is_left_in_the_frame() -> None:
    # aside by half a picture, the wall's middle stands on the edge
    assert seen(aside=0.5).part == pytest.approx(0.5, abs=0.08)
    assert seen(aside=0.5).box[2] == pytest.approx(1.0, abs=0.05)
    assert seen(aside=1.2).part == 0.0


def test_a_tree_before_the_lens_hides_some() -> None:
    assert 0 < seen(front="crown").part < 0.95


def test_a_lens_in_a_wall_takes_no_picture() -> None:
    assert tour.look(wall, tour.Stand(**{**FRONTAL.__dict__, "near": 0.01}), 256) is None


@pytest.mark.parametrize(
    ("changed", "grade"),
    [
        ({}, "easy"),
        ({"turn": 39.0}, "easy"),
        ({"turn": -41.0}, "hard"),
        ({"light": "dusk"}, "hard"),
        ({"aside": 0.5}, "hard"),
        ({"near": 2.5}, "hard"),  # small, and yet seen
        ({"aside": 0.72}, "junk"),
        ({"near": 8.0}, "junk"),
    ],
)
def test_grades(changed: dict[str, float | str], grade: str) -> None:
    stand = tour.Stand(**{**FRONTAL.__dict__, **changed})  # type: ignore[arg-type]
    assert tour.grade(stand, seen(**changed)) == grade


def test_a_twin_is_another_form_of_the_same_stuff() -> None:
    model = make_landmark_set.building(20_000_001)
    twin = tour.twin(lambda: model, 20_001_001).scene
    stuffs = {id(material) for material in model.scene.materials if not material.leafy}
    assert stuffs >= {id(material) for material in twin.materials if not material.leafy} != set()
    assert [shape.hi for shape in twin.shapes] != [shape.hi for shape in model.scene.shapes]


def test_a_small_set_is_complete_repeatable_and_read_as_the_official_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(make_landmark_set, "POSITIVES", (1, 2))
    monkeypatch.setattr(make_landmark_set, "QUERIES", 2)
    monkeypatch.setattr(make_landmark_set, "JUNK", 1)
    every = make_landmark_set.sites(0)
    chosen = [every[10], every[12], next(site for site in every if site.name.startswith("other"))]
    written = []
    for attempt in ("once", "again"):
        folder = tmp_path / attempt / "jpg"
        folder.mkdir(parents=True)
        found = [shot for site in chosen for shot in make_landmark_set.render(site, folder, 48, 0)]
        written.append({path.name: path.read_bytes() for path in folder.iterdir()})
    assert written[0] == written[1]
    truth = make_landmark_set.ground_truth(found, folder)
    path = tmp_path / "gnd_roxford5k.pkl"
    path.write_bytes(pickle.dumps(truth, protocol=3))
    read = read_ground_truth(path, ("easy", "hard", "junk"))
    assert {f"{name}.jpg" for name in (*read.images, *read.queries)} == set(written[0])
    assert len(read.queries) == 4
    for number, query in enumerate(read.queries):
        place = query.partition("_")[0]
        own = {row for row, name in enumerate(read.images) if name.startswith(place)}
        graded = [row for grade in ("easy", "hard", "junk") for row in read.rows[grade][number]]
        assert sorted(graded) == sorted(own)
        assert read.rows["easy"][number] and read.rows["hard"][number] and len(read.rows["junk"][number]) == 1
        left, top, right, bottom = read.boxes[number]
        assert 0 <= left < right <= 48 and 0 <= top < bottom <= 48
