"""`dinosearch benchmark` on a small landmark set against brute force, and against faults put into it on purpose.

The oracle embeds and ranks on its own: Pillow's crop, the bundled model, cosines in float64, the slow measures.
"""

from __future__ import annotations

import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from dinosearch.embedding import open_embedder
from dinosearch.evaluation import gallery, scoring
from dinosearch.evaluation.dataset import Judgement
from dinosearch.evaluation.gallery import Gallery
from tests.evaluation import slow
from tests.evaluation.conftest import invoke, means, runs

SETUPS = {
    "easy": (["easy"], ["junk", "hard"]),
    "medium": (["easy", "hard"], ["junk"]),
    "hard": (["hard"], ["junk", "easy"]),
}
Figures = dict[str, float]


def oracle(folder: Path, crop: bool) -> Figures:
    """All figures by brute force."""
    truth = pickle.loads((folder / "gnd_roxford5k.pkl").read_bytes())
    model = open_embedder("mini")

    def vectors(names: list[str], boxes: list[Any] | None) -> np.ndarray:
        rows = []
        for number, name in enumerate(names):
            image = Image.open(folder / "jpg" / f"{name}.jpg").convert("RGB")
            if boxes:
                image = image.crop(tuple(boxes[number]))
            square = image.resize((224, 224), Image.Resampling.BICUBIC)
            rows.append(model.embed([np.asarray(square)])[0].astype(np.float64))
        return np.stack(rows)

    database = vectors(truth["imlist"], None)
    queries = vectors(truth["qimlist"], [entry["bbx"] for entry in truth["gnd"]] if crop else None)
    rankings = [np.argsort(-(database @ query), kind="stable").tolist() for query in queries]
    figures: Figures = {}
    for setup, (right, ignored) in SETUPS.items():
        values: dict[str, list[float]] = {}
        for ranking, entry in zip(rankings, truth["gnd"], strict=True):
            relevant = {row for kind in right for row in entry[kind]}
            junk = {row for kind in ignored for row in entry[kind]}
            if not relevant:
                continue
            values.setdefault("mAP", []).append(slow.trapezoid(ranking, relevant, junk))
            for k in (1, 5, 10):
                values.setdefault(f"mP@{k}", []).append(slow.revisited_precision(ranking, relevant, junk, k))
        figures |= {f"{setup} {measure}": sum(found) / len(found) for measure, found in values.items()}
    return figures


def differences(found: Figures, expected: Figures) -> dict[str, float]:
    """What differs by more than 1e-6."""
    assert found.keys() == expected.keys()
    return {name: found[name] - value for name, value in expected.items() if abs(found[name] - value) > 1e-6}


@pytest.fixture(scope="module")
def expected(landmarks: Path) -> dict[str, Figures]:
    return {crop: oracle(landmarks / "roxford5k", crop == "bbx") for crop in ("none", "bbx")}


def measured(home: Path, landmarks: Path, crop: str = "none") -> dict[str, Any]:
    return runs(invoke(home, "roxford5k", "--data", landmarks, "--query-crop", crop, "--json"))[0]


@pytest.mark.parametrize("crop", ["none", "bbx"])
def test_figures_are_those_of_brute_force(
    embedded: Path, landmarks: Path, expected: dict[str, Figures], crop: str
) -> None:
    run = measured(embedded, landmarks, crop)
    assert not differences(means(run), expected[crop])
    assert run["recipe"]["query_crop"] == crop
    easy = next(scores for scores in run["scores"] if scores["setup"] == "easy")
    # one query of the set has no easy image, as two of Oxford's
    assert easy["means"]["mAP"]["queries"] == len(run["queries"]) - 1


def test_a_second_run_embeds_nothing_and_a_fresh_one_agrees(embedded: Path, landmarks: Path, tmp_path: Path) -> None:
    first, fresh = measured(embedded, landmarks), measured(tmp_path / "home", landmarks)
    assert (first["cost"]["embedded"], fresh["cost"]["embedded"]) == (0, 110)
    assert not differences(means(first), means(fresh))
    assert first["dataset"] == fresh["dataset"]
    assert first["recipe"]["fingerprint"] == fresh["recipe"]["fingerprint"]


def shuffle_ids(patch: pytest.MonkeyPatch) -> None:
    right = Gallery.expand

    def wrong(self: Gallery, ids: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        rows, values = right(self, ids, scores)
        return np.random.default_rng(0).permutation(len(self.dataset.images))[rows], values

    patch.setattr(Gallery, "expand", wrong)


def shift_ids(patch: pytest.MonkeyPatch) -> None:
    right = Gallery.expand

    def wrong(self: Gallery, ids: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        rows, values = right(self, ids, scores)
        return (rows + 1) % len(self.dataset.images), values

    patch.setattr(Gallery, "expand", wrong)


def keep_junk(patch: pytest.MonkeyPatch) -> None:
    right = scoring.find
    patch.setattr(scoring, "find", lambda ranking, judgement: right(ranking, Judgement(judgement.relevant)))


def crop_elsewhere(patch: pytest.MonkeyPatch) -> None:
    right = gallery.clipped
    # x and y exchanged
    patch.setattr(gallery, "clipped", lambda box, size: right((box[1], box[0], box[3], box[2]), size))


def crop_as_width_and_height(patch: pytest.MonkeyPatch) -> None:
    right = gallery.clipped
    patch.setattr(gallery, "clipped", lambda box, size: right((box[0], box[1], box[0] + box[2], box[1] + box[3]), size))


@pytest.mark.parametrize(
    ("fault", "crop"),
    [
        (shuffle_ids, "none"),
        (shift_ids, "none"),
        (keep_junk, "none"),
        (crop_elsewhere, "bbx"),
        (crop_as_width_and_height, "bbx"),
    ],
)
def test_a_fault_does_not_go_unnoticed(
    fault: Callable[[pytest.MonkeyPatch], None],
    crop: str,
    embedded: Path,
    landmarks: Path,
    expected: dict[str, Figures],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    home = tmp_path / "home"
    shutil.copytree(embedded, home, ignore=shutil.ignore_patterns("crops-*.npy"))
    fault(monkeypatch)
    assert differences(means(measured(home, landmarks, crop)), expected[crop])
