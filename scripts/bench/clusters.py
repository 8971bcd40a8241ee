"""How well clusters of real vectors agree with classes that people gave, and what a map and outliers are worth."""

from __future__ import annotations

import csv
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from bench.report import table
from dinosearch import Collection
from dinosearch.analysis import cluster, outliers, project
from dinosearch.collection.keeping.transfer import write_vectors
from dinosearch.records import Fingerprint

SET = "descriptors/dinov2_vits14_simple1k"
SEEDS = range(1)


class NoEmbedder:
    batch_size = 1
    fingerprint = Fingerprint("dinov2_vits14", "0" * 64, "squash-224", "cls", 384)


def clusters(data: Path) -> str:
    from sklearn.cluster import HDBSCAN, KMeans
    from sklearn.manifold import trustworthiness

    vectors, classes = simple1k(data / SET)
    known = len(np.unique(classes))
    with tempfile.TemporaryDirectory() as folder:
        write_vectors(
            Path(folder) / "e", NoEmbedder.fingerprint, [f"/photos/{i:05}.jpg" for i in range(len(vectors))], vectors
        )
        with Collection.open(Path(folder) / "home", create=True, embedder=NoEmbedder()) as collection:  # type: ignore[arg-type]
            collection.import_(Path(folder) / "e")
            ways: dict[str, Callable[[int], np.ndarray]] = {
                f"`clusters -n {known}`": lambda seed: cluster(collection, known, seed=seed).of,
                f"scikit-learn KMeans({known}, n_init=1)": lambda seed: (
                    KMeans(known, n_init=1, random_state=seed).fit(vectors).labels_ + 1
                ),
                "`clusters`": lambda seed: cluster(collection, seed=seed).of,
                "`clusters --method hdbscan`": lambda seed: cluster(collection, method="hdbscan").of,
                "scikit-learn HDBSCAN(5), 384 numbers": lambda seed: (
                    HDBSCAN(min_cluster_size=5, copy=True).fit(vectors).labels_ + 1
                ),
            }
            rows = [measured(name, way, classes) for name, way in ways.items()]
            drawn = project(collection)
            kept = trustworthiness(vectors, drawn.xy, n_neighbors=10, metric="cosine")
            plane = np.linalg.svd(vectors - vectors.mean(axis=0), full_matrices=False)[0][:, :2]
            flat = trustworthiness(vectors, plane, n_neighbors=10, metric="cosine")
            alone = outliers(collection).ids - 1
    # An image whose nearest neighbour is of another class: how many there are among the 5 % most unlike the others.
    cosines = vectors @ vectors.T
    np.fill_diagonal(cosines, -2)
    strange = classes[cosines.argmax(axis=1)] != classes
    first = strange[alone[: len(alone) // 20]].mean()
    return (
        f"{len(vectors):,} real DINOv2 ViT-S/14 vectors of {known} classes (simple1k); seed 0. "
        "Purity and NMI (normalised mutual information, arithmetic mean) count noise as a cluster of its own image "
        "by image.\n\n"
        + table(["", "clusters", "noise", "purity", "NMI", "seconds"], rows)
        + f"\n\n`map`: trustworthiness of the 10 nearest {kept:.3f} by t-SNE, {flat:.3f} by the principal components "
        f"that it falls back to. `outliers`: the nearest neighbour is of another class for {strange.mean():.1%} of all "
        f"images, and for {first:.1%} of the twentieth that is most unlike the others."
    )


def measured(name: str, way: Callable[[int], np.ndarray], classes: np.ndarray) -> list[object]:
    from sklearn.metrics import normalized_mutual_info_score

    found: list[tuple[float, ...]] = []
    for seed in SEEDS:
        started = time.perf_counter()
        of = np.asarray(way(seed), np.int64)
        seconds = time.perf_counter() - started
        noise = of == 0
        alone = of.copy()
        alone[noise] = of.max(initial=0) + 1 + np.arange(noise.sum())
        right = sum(np.unique(classes[alone == one], return_counts=True)[1].max() for one in np.unique(alone[~noise]))
        purity = (right + noise.sum()) / len(of)
        score = normalized_mutual_info_score(classes, alone)
        found.append((len(np.unique(of[~noise])), noise.mean(), purity, score, seconds))
    count, noise_share, purity, score, seconds = np.median(np.array(found), axis=0)
    return [name, f"{count:.0f}", f"{noise_share:.1%}", f"{purity:.3f}", f"{score:.3f}", f"{seconds:.1f}"]


def simple1k(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """(n, 384) float32 unit vectors and their classes."""
    with open(folder / "simple1k_labels.tsv", encoding="utf-8", newline="") as file:
        classes = np.array([row["class"] for row in csv.DictReader(file, delimiter="\t")])
    vectors = np.load(folder / "feat_dinov2_simple1k.npy").astype(np.float32)
    unit: np.ndarray = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return unit, classes
