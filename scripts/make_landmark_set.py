"""Render a landmark data set in the layout of Revisited Oxford/Paris that is not saturated.

    scripts/make_landmark_set.py FOLDER [--seed 0] [--workers 4]

It writes FOLDER/roxford5k/{jpg/*.jpg, gnd_roxford5k.pkl}: twenty-four landmarks with five queries each and some forty
pictures of it, easy, hard and junk by what a picture shows (`render/tour.py`); for each landmark a building out of the
same parts, and other buildings and landscapes as distractors. The sets of seeds 0, 1 and 2 share no place: each has
every third landmark of `sample_images/` and random scenes of its own. No random scene is among those that `mini` was
trained on (`mini/scenes.py`: 100,000 to 100,799) or of `sample_images/` (7001 to 7020). Read it with

    dinosearch benchmark roxford5k --data FOLDER

Its figures say nothing about Oxford or Paris.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import pickle
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from render import tour
from render.landmarks import LANDMARKS, seed_of
from render.random_scene import LANDSCAPES, building

FIRST_SEED, SEEDS_A_SET = 20_000_000, 100_000
"""Random scenes of set s have seeds from FIRST_SEED + s * SEEDS_A_SET on."""
PLACES = 24
QUERIES = 5
POSITIVES = (8, 36)
"""Fewest and most easy, and hard, pictures of a landmark; drawn for each, evenly in the logarithm."""
JUNK = 4
TWINS = 6
OTHERS, PICTURES_OF_OTHERS = 40, 5
"""Other buildings, and pictures of each; every fifth of them is a landscape."""
TRIES = 600
MANNER = {"easy": "posed", "hard": "roaming", "junk": "passing"}
"""Who most often takes a picture of a grade; the grade itself is judged by what is seen."""


@dataclass(frozen=True)
class Site:
    """A place to be photographed: its name, what it is built from, and whether it is a landmark."""

    name: str
    seed: int
    kind: str  # a name of LANDMARKS, "building", "landscape", or "twin NAME"
    landmark: bool


@dataclass(frozen=True)
class Shot:
    """One picture: its name, grade ("query" and "distractor" beside those of `tour.grade`) and the box of the place."""

    name: str
    site: str
    grade: str
    box: tuple[float, float, float, float]


def sites(seed: int) -> list[Site]:
    """All places of a set."""
    first = FIRST_SEED + seed * SEEDS_A_SET
    named = [name for k, name in enumerate(LANDMARKS) if k % 3 == seed % 3]
    kinds = [*named, *["building"] * (PLACES - len(named))]
    found = [Site(f"place{k:02}", first + k, kind, True) for k, kind in enumerate(kinds)]
    found += [
        Site(f"twin{k:02}", first + 1000 + k, f"twin {'' if kind == 'building' else kind}", False)
        for k, kind in enumerate(kinds)
    ]
    kinds = ["landscape" if k % 5 == 4 else "building" for k in range(OTHERS)]
    return found + [Site(f"other{k:02}", first + 2000 + k, kind, False) for k, kind in enumerate(kinds)]


def place_of(site: Site) -> tour.Place:
    """What builds a site."""
    if site.kind.startswith("twin"):
        name = site.kind.partition(" ")[2]
        model = LANDMARKS[name] if name else partial(building, site.seed - 1000)
        return partial(tour.twin, model, site.seed)
    if site.kind == "landscape":
        return partial(LANDSCAPES[site.seed % len(LANDSCAPES)], site.seed)
    return LANDMARKS.get(site.kind) or partial(building, site.seed)


def shots(site: Site, side: int, set_seed: int) -> Iterator[tuple[tour.Stand, str, tuple[float, float, float, float]]]:
    """Draw visitors until every grade has its number; a stand in a wall, or one too many of its grade, is left out."""
    rng = np.random.default_rng([seed_of(f"{site.name} {site.kind}"), site.seed, set_seed])
    if site.landmark:
        low, high = np.log(POSITIVES)
        wanted = {grade: int(np.exp(rng.uniform(low, high))) for grade in ("easy", "hard")} | {"junk": JUNK}
        wanted["easy"] += QUERIES
    else:
        count = TWINS if site.kind.startswith("twin") else PICTURES_OF_OTHERS
        wanted = {"easy": count // 2, "hard": count - count // 2}
    place = place_of(site)
    for _ in range(TRIES):
        stand = tour.draw(rng, str(rng.choice([MANNER[grade] for grade, left in wanted.items() if left])))
        if (sight := tour.look(place, stand, side)) is None:
            continue
        # In a landscape nothing is meant, so that nothing can be out of the picture.
        grade = "hard" if site.kind == "landscape" and wanted["hard"] else tour.grade(stand, sight)
        if wanted.get(grade, 0):
            wanted[grade] -= 1
            yield stand, grade, sight.box
        if not any(wanted.values()):
            return


def render(site: Site, folder: Path, side: int, set_seed: int) -> list[Shot]:
    """Write all pictures of a site; one that is there already is kept."""
    found, queries = [], 0
    for number, (stand, grade, box) in enumerate(shots(site, side, set_seed)):
        name = f"{site.name}_{number:03}"
        if site.landmark and grade == "easy" and queries < QUERIES:
            grade, queries = "query", queries + 1
        target = folder / f"{name}.jpg"
        if not target.exists():
            partial_file = target.with_suffix(".tmp")
            Image.fromarray(tour.picture(place_of(site), stand, side)).save(partial_file, "JPEG", quality=87)
            os.replace(partial_file, target)
        found.append(Shot(name, site.name, grade if site.landmark else "distractor", box))
    return found


def ground_truth(found: list[Shot], folder: Path) -> dict[str, object]:
    """The dictionary of a gnd file."""
    queries = [shot for shot in found if shot.grade == "query"]
    images = [shot for shot in found if shot.grade != "query"]
    gnd = []
    for query in queries:
        with Image.open(folder / f"{query.name}.jpg") as image:
            box = [share * length for share, length in zip(query.box, image.size * 2, strict=True)]
        rows = {
            grade: [row for row, shot in enumerate(images) if (shot.site, shot.grade) == (query.site, grade)]
            for grade in ("easy", "hard", "junk")
        }
        gnd.append({"bbx": box, **rows})
    return {"gnd": gnd, "imlist": [shot.name for shot in images], "qimlist": [shot.name for shot in queries]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seed", type=int, default=0, help="0 to report on, 1 to choose settings on")
    parser.add_argument("--side", type=int, default=256, help="pixels of the longer side")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    options = parser.parse_args()
    target = options.folder / "roxford5k"
    (target / "jpg").mkdir(parents=True, exist_ok=True)
    work = partial(render, folder=target / "jpg", side=options.side, set_seed=options.seed)
    found: list[Shot] = []
    with multiprocessing.Pool(options.workers) as pool:
        for done in pool.imap(work, sites(options.seed)):
            found += done
            print(f"{len(found)} pictures", flush=True)
    truth = ground_truth(found, target / "jpg")
    (target / "gnd_roxford5k.pkl").write_bytes(pickle.dumps(truth, protocol=3))
    print(target)


if __name__ == "__main__":
    main()
