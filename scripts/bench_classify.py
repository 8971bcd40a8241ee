"""Measures how well frozen DINOv2 vectors tell classes apart, by the four classifiers of `dinosearch classify`.

    scripts/bench_classify.py [--descriptors FOLDER] [--folds 5] [--seed 0] [--methods knn svm] [--write]

The vectors are real ones of DINOv2 ViT-S/14 (feat_dinov2_simple1k.npy with simple1k_labels.tsv, 50 classes), in
stratified folds. Beside ours stands scikit-learn's KNeighborsClassifier with the same neighbours and the same weights
on the same folds: an independent implementation of the vote. Seconds are those of all folds together.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np

from bench.report import machine, table, write_section
from dinosearch.analysis.classify import (
    METHODS,
    Classification,
    Vectors,
    Wanted,
    classify,
    figures,
    given,
    read_examples,
)
from dinosearch.analysis.classify.folds import stratified

DATA = Path(__file__).resolve().parents[2] / "shared" / "data" / "descriptors" / "dinov2_vits14_simple1k"
NEIGHBOURS = (1, 10, 20)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--descriptors", type=Path, default=DATA)
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--methods", nargs="*", choices=list(METHODS), default=list(METHODS))
    parser.add_argument("--write", action="store_true", help="into docs/benchmarks.md")
    options = parser.parse_args()
    if not options.descriptors.is_dir():
        print(f"skipped: there is no folder {options.descriptors}")
        return
    vectors = options.descriptors / "feat_dinov2_simple1k.npy"
    data = given(read_examples(vectors, options.descriptors / "simple1k_labels.tsv"))
    text = report(data, options.methods, options.folds, options.seed)
    print(text)
    if options.write:
        write_section("bench_classify", text)


def report(data: Vectors, methods: list[str], folds: int, seed: int) -> str:
    rows = []
    if "knn" in methods:
        for neighbours in NEIGHBOURS:
            wanted = Wanted(neighbours=neighbours, seed=seed)
            found = classify(data, None, ["knn"], wanted, folds=folds)
            rows.append(line(found, f"k-NN, k {neighbours}, T {wanted.temperature:g}"))
            rows.append(independent(data, wanted, folds))
    rest = classify(data, None, [name for name in methods if name != "knn"], Wanted(seed=seed), folds=folds)
    for result in rest.results:
        chosen = sorted({one["C"] for one in result.settings if "C" in one})
        note = f", C {', '.join(f'{c:g}' for c in chosen)} by inner folds" if chosen else ""
        rows.append(line(rest, result.title + note, result.method))
    alone = classify(data, None, ["knn"], Wanted(neighbours=1, seed=seed), folds=len(data.labels))
    rows.append(line(alone, "the nearest neighbour alone, leave-one-out"))
    best = rest.best if rest.results else found.best
    mistakes = "; ".join(
        f"{rest.classes[true]} as {rest.classes[taken]} {count} of {best.figures.confusion[true].sum()}"
        for true, taken, count in best.figures.mistakes(2)
    )
    head = ["method", "top-1", "weighted F1", "macro F1", "smallest and largest fold", "seconds"]
    return "\n\n".join(
        [
            f"{len(data.labels):,} vectors of {data.rows.shape[1]} numbers, {len(set(data.labels))} classes, {folds} "
            f"stratified folds, seed {seed}. {machine('numpy', 'scikit-learn', 'xgboost')}.",
            table(head, rows),
            f"Most frequent mistakes of {best.title}: {mistakes}.",
        ]
    )


def line(found: Classification, name: str, method: str = "knn") -> list[str]:
    result = next(result for result in found.results if result.method == method)
    numbers = (result.figures.top1, result.figures.weighted_f1, result.figures.macro_f1)
    spread = f"{min(result.top1_of_folds):.3f}, {max(result.top1_of_folds):.3f}"
    few = found.folds < found.tested
    seconds = f"{result.fit_seconds + result.predict_seconds:.1f}"
    return [name, *(f"{number:.4f}" for number in numbers), spread if few else "-", seconds]


def independent(data: Vectors, wanted: Wanted, folds: int) -> list[str]:
    """The same vote by scikit-learn on the same folds."""
    from sklearn.neighbors import KNeighborsClassifier

    names = sorted(set(data.labels))
    classes = np.array([names.index(label) for label in data.labels])
    dealt, said, shares = stratified(classes, folds, wanted.seed), np.empty_like(classes), []
    started = time.perf_counter()
    for fold in range(folds):
        learned, asked = dealt != fold, dealt == fold
        model = KNeighborsClassifier(
            n_neighbors=wanted.neighbours,
            metric="cosine",
            algorithm="brute",
            weights=lambda distances: np.exp(-distances / wanted.temperature),
        ).fit(data.rows[learned], classes[learned])
        said[asked] = model.predict(data.rows[asked])
        shares.append(float((said[asked] == classes[asked]).mean()))
    seconds = time.perf_counter() - started
    found = figures(classes, said, names)
    numbers = (f"{number:.4f}" for number in (found.top1, found.weighted_f1, found.macro_f1))
    return ["scikit-learn, the same", *numbers, f"{min(shares):.3f}, {max(shares):.3f}", f"{seconds:.1f}"]


if __name__ == "__main__":
    main()
