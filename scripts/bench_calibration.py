"""Measures how reliable confidences are, on images that the calibration has not seen; prints Markdown.

    scripts/bench_calibration.py [--photos FOLDER]... [--choose FOLDER]... [--descriptors FOLDER] [--seed 0]

For sample_images and each folder of photos: a collection of one half of the images is calibrated with the bundled
model, then variations of the other half (another seed) are compared with the images of that half. "Pairs" are as many
right as wrong ones, "results" all pairs of a variation with an image, of which one in the number of images is right.
Another view of one landmark counts as wrong, as it does when the calibration is learned.

--choose FOLDER compares beta calibration, Platt scaling and isotonic regression the same way: the curve was chosen with
it on other folders than the ones reported on. --descriptors FOLDER has real DINOv2 vectors with class labels: pairs of
a class stand in for right pairs, one half of the classes for the calibration and the other for the test.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from dinosearch import Collection
from dinosearch.images.variations import variation
from dinosearch.records import Calibration
from dinosearch.retrieval import calibration as curves

SAMPLES = Path(__file__).resolve().parents[1] / "sample_images"
SUFFIXES = {".jpg", ".jpeg", ".png", ".webp"}
FEWEST = 50  # pairs that a bin needs to count
PRECISIONS = (0.8, 0.95)
Estimate = Callable[[np.ndarray, float], np.ndarray]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=Path, action="append", default=[])
    parser.add_argument("--choose", type=Path, action="append", default=[])
    parser.add_argument("--descriptors", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--limit", type=int, default=500, help="images of a folder at most, drawn at random")
    options = parser.parse_args()
    for folder in options.choose:
        compare(folder, options.seed, options.limit)
    for folder in [] if options.choose else [SAMPLES, *options.photos]:
        measure(folder, options.seed, options.limit)
    if options.descriptors:
        measure_descriptors(options.descriptors, options.seed)


def measure(folder: Path, seed: int, limit: int) -> None:
    """One folder through `Collection.calibrate`."""
    first, second = halves(folder, seed, limit)
    with tempfile.TemporaryDirectory() as home, Collection.open(home, create=True, model="mini") as photos:
        photos.index(*first)
        calibration = photos.calibrate()
        scores, right = test_scores(photos, second, 4, seed + 1)
    print(f"\n### {folder.name}: calibrated on {len(first)} images, tested on {len(second)}")
    report(estimate_of(calibration), scores, right, seed)
    rivals = scores.shape[-1] - 1.0
    for precision in PRECISIONS:
        threshold = calibration.threshold(precision, rivals)
        above = scores >= (2.0 if threshold is None else threshold)
        share = float(right[above].mean()) if above.any() else float("nan")
        found = float(right[above].sum() / right.sum())
        shown = "none" if threshold is None else f"{threshold:.3f}"
        print(f"\nprecision {precision}: score {shown}, {share:.3f} right of {above.sum()} results, {found:.0%} found")


def compare(folder: Path, seed: int, limit: int) -> None:
    """Three curves on the same scores."""
    first, second = halves(folder, seed, limit)
    with tempfile.TemporaryDirectory() as home, Collection.open(home, create=True, model="mini") as photos:
        photos.index(*first)
        files = {file["path"]: file["id"] for file in photos.files()}
        ids = np.array([files[str(path)] for path in first])
        stored = photos.vectors(ids)[1]
        varied = vary(photos, first, 2, seed)
        pairs = np.einsum("nvd,md->nmv", varied, stored)
        itself = np.eye(len(first), dtype=bool)
        positives, negatives = pairs[itself].ravel(), pairs[~itself].ravel()
        scores, right = test_scores(photos, second, 4, seed + 1)
    print(f"\n### {folder.name}: curves learned on {len(first)} images, tested on {len(second)}\n")
    print("| curve | log loss, pairs | largest deviation, pairs | log loss, results | largest deviation, results |")
    print("|---|---|---|---|---|")
    learners = {"beta": beta, "Platt": platt, "isotonic": isotonic}
    for name, learn in learners.items():
        estimate = learn(positives, negatives)
        cells = []
        for values, same, rivals in tests(scores, right, seed):
            guessed = np.clip(estimate(values, rivals), 1e-9, 1 - 1e-9)
            loss = -np.mean(np.where(same, np.log(guessed), np.log(1 - guessed)))
            cells += [f"{loss:.5f}", f"{deviation(curves.reliability(guessed, same)):.3f}"]
        print(f"| {name} | {' | '.join(cells)} |")


def measure_descriptors(folder: Path, seed: int) -> None:
    """Pairs of a class and pairs of two classes of real DINOv2 vectors, in two folds of classes."""
    vectors = np.load(folder / "feat_dinov2_simple1k.npy", allow_pickle=False).astype(np.float64)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    lines = (folder / "simple1k_labels.tsv").read_text().splitlines()
    labels = np.array([line.split("\t")[-1] for line in lines if line.split("\t")[0].isdecimal()])
    classes = np.random.default_rng(seed).permutation(np.unique(labels))
    for fold in (0, 1):
        inside = np.isin(labels, classes[fold::2])
        learned, tested = (np.flatnonzero(chosen) for chosen in (inside, ~inside))
        sides = []
        for rows in (learned, tested):
            pairs = ~np.eye(len(rows), dtype=bool)
            right = labels[rows][:, None] == labels[rows]
            sides.append(((vectors[rows] @ vectors[rows].T)[pairs], right[pairs]))
        scores, right = sides[0]
        estimate = beta(scores[right], scores[~right])
        print(f"\n### DINOv2 ViT-S/14, fold {fold + 1}: {len(learned)} images to learn on, {len(tested)} to test on")
        report(estimate, *sides[1], seed)


def report(estimate: Estimate, scores: np.ndarray, right: np.ndarray, seed: int) -> None:
    """The two reliability tables."""
    for title, (values, same, rivals) in zip(("pairs", "results"), tests(scores, right, seed), strict=True):
        bins = curves.reliability(estimate(values, rivals), same)
        print(f"\n{title}: largest deviation {deviation(bins):.3f} in bins of {FEWEST} and more\n")
        print("| mean estimate | share right | count |\n|---|---|---|")
        for one in bins:
            print(f"| {one.estimate:.3f} | {one.right:.3f} | {one.count} |")


def tests(scores: np.ndarray, right: np.ndarray, seed: int) -> list[tuple[np.ndarray, np.ndarray, float]]:
    """Scores, truth and wrong pairs for each right one: of as many right as wrong pairs, and of all pairs."""
    own, strangers = scores[right], scores[~right]
    drawn = np.random.default_rng(seed).choice(strangers, len(own), replace=False)
    same = np.arange(2 * len(own)) < len(own)
    everything = np.concatenate([own, strangers])
    truth = np.arange(len(everything)) < len(own)
    return [(np.concatenate([own, drawn]), same, 1.0), (everything, truth, len(strangers) / len(own))]


def deviation(bins: Sequence[curves.ReliabilityBin]) -> float:
    return max(abs(one.estimate - one.right) for one in bins if one.count >= FEWEST)


def halves(folder: Path, seed: int, limit: int) -> tuple[list[Path], list[Path]]:
    paths = sorted(path.resolve() for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)
    order = np.random.default_rng(seed).permutation(len(paths))[:limit]
    return [paths[i] for i in order[::2]], [paths[i] for i in order[1::2]]


def test_scores(photos: Collection, paths: Sequence[Path], views: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """(n, views, n) scores of variations with images, and which pairs are right."""
    scores = np.einsum("nvd,md->nvm", vary(photos, paths, views, seed), photos.embed(*paths))
    return scores, np.broadcast_to(np.eye(len(paths), dtype=bool)[:, None], scores.shape)


def vary(photos: Collection, paths: Sequence[Path], views: int, seed: int) -> np.ndarray:
    """(n, views, d) vectors of variations."""
    rng = np.random.default_rng(seed)
    rows = []
    for path in paths:
        with Image.open(path) as image:
            picture = image.convert("RGB")
        picture.thumbnail((896, 896))
        rows.append(photos.embed(*(variation(picture, rng) for _ in range(views))))
    return np.stack(rows)


def estimate_of(calibration: Calibration) -> Estimate:
    return lambda scores, rivals: np.array([calibration.confidence(score, rivals) for score in scores.tolist()])


def beta(positives: np.ndarray, negatives: np.ndarray) -> Estimate:
    curve = curves.fit(positives, negatives)
    return lambda scores, rivals: shifted(np.interp(scores, curve.scores, curve.log_odds), rivals)


def platt(positives: np.ndarray, negatives: np.ndarray) -> Estimate:
    """Platt scaling: a straight line in log-odds, with his targets (p + 1) / (p + 2) and 1 / (p + 2)."""
    scores = np.concatenate([positives, negatives])
    features = np.stack([np.ones_like(scores), scores], axis=1)
    count = len(positives)
    weights = np.concatenate([np.ones(count), np.full(len(negatives), count / len(negatives))])
    targets = np.concatenate([np.full(count, (count + 1) / (count + 2)), np.full(len(negatives), 1 / (count + 2))])
    line = np.zeros(2)
    for _ in range(50):
        guessed = 1 / (1 + np.exp(-features @ line))
        curvature = (features * (weights * guessed * (1 - guessed))[:, None]).T @ features + 1e-6 * np.eye(2)
        line -= np.linalg.solve(curvature, features.T @ (weights * (guessed - targets)))
    return lambda values, rivals: shifted(line[0] + line[1] * values, rivals)


def isotonic(positives: np.ndarray, negatives: np.ndarray) -> Estimate:
    """Isotonic regression, one more right and one more wrong pair everywhere, lines between the steps."""
    scores = np.concatenate([positives, negatives])
    same = np.concatenate([np.ones(len(positives)), np.zeros(len(negatives))])
    weights = np.where(same > 0, 1.0, len(positives) / len(negatives))
    order = np.argsort(scores)
    levels = curves.rising(same[order], weights[order])
    starts = np.flatnonzero(np.diff(levels, prepend=-1))
    totals = np.add.reduceat(weights[order], starts)
    smooth = (levels[starts] * totals + 0.5) / (totals + 1)
    middles = np.add.reduceat(scores[order] * weights[order], starts) / totals
    return lambda values, rivals: shifted(np.interp(values, middles, np.log(smooth / (1 - smooth))), rivals)


def shifted(log_odds: np.ndarray, rivals: float) -> np.ndarray:
    estimates: np.ndarray = 1 / (1 + rivals * np.exp(-np.clip(log_odds, -500, 500)))
    return estimates


if __name__ == "__main__":
    main()
