"""Classification of frozen vectors: votes, figures and folds against scikit-learn; sources; all methods; pictures."""

from __future__ import annotations

import io
import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn import metrics
from sklearn.neighbors import KNeighborsClassifier

from dinosearch import Collection
from dinosearch.analysis.classify import (
    METHODS,
    Examples,
    Vectors,
    Wanted,
    classify,
    embed,
    figures,
    food101,
    given,
    kept_folder,
    read_examples,
)
from dinosearch.analysis.classify.folds import stratified
from dinosearch.analysis.classify.knn import nearest, vote
from dinosearch.analysis.classify.picture import write_confusion
from dinosearch.errors import DatasetError, SettingError
from dinosearch.images.drawing.confusion_png import RIGHT, Bar, draw_confusion
from dinosearch.images.drawing.look import ACCENT

SAMPLES = Path(__file__).parents[2] / "sample_images"
LANDMARKS = ("castle", "lighthouse", "pyramid", "windmill")


def clouds(count: int, each: int, dimension: int = 16, spread: float = 0.35, seed: int = 0) -> Vectors:
    """Unit vectors around `count` directions."""
    rng = np.random.default_rng(seed)
    centres = rng.standard_normal((count, dimension))
    centres /= np.linalg.norm(centres, axis=1, keepdims=True)
    rows = np.repeat(centres, each, axis=0) + spread * rng.standard_normal((count * each, dimension))
    rows = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    labels = tuple(f"class {number}" for number in range(count) for _ in range(each))
    return Vectors("clouds", tuple(map(str, range(len(rows)))), labels, rows)


@pytest.mark.parametrize(("neighbours", "temperature"), [(1, 0.07), (10, 0.07), (20, 0.07), (20, 1.0), (500, 0.005)])
def test_votes_are_those_of_an_independent_implementation(neighbours: int, temperature: float) -> None:
    train, test = clouds(6, 15, spread=0.8), clouds(6, 9, spread=0.8, seed=1)
    classes = np.array([int(label[6:]) for label in train.labels])
    cosines, places = nearest(test.rows, train.rows, neighbours)
    shares = vote(cosines, classes[places], 6, temperature)
    independent = KNeighborsClassifier(
        n_neighbors=min(neighbours, len(train.rows)),
        metric="cosine",
        algorithm="brute",
        weights=lambda distances: np.exp(-np.asarray(distances, np.float64) / temperature),
    ).fit(train.rows.astype(np.float64), classes)
    assert np.allclose(shares, independent.predict_proba(test.rows.astype(np.float64)), atol=1e-4)
    assert np.allclose(shares.sum(axis=1), 1)


def test_the_nearest_are_exact_and_of_equals_the_first() -> None:
    rng = np.random.default_rng(0)
    examples = rng.integers(-1, 2, (300, 4)).astype(np.float32)  # most cosines occur many times
    queries = rng.integers(-1, 2, (40, 4)).astype(np.float32)
    order = np.argsort(-(queries @ examples.T), axis=1, kind="stable")
    for count in (1, 7, 300, 400):
        cosines, places = nearest(queries, examples, count)
        assert np.array_equal(places, order[:, :count])
        assert np.array_equal(cosines, np.take_along_axis(queries @ examples.T, places, axis=1))


@pytest.mark.parametrize("seed", range(5))
def test_figures_are_those_of_scikit_learn(seed: int) -> None:
    """Of classes that are asked for and never said, said and never asked for, and neither."""
    rng = np.random.default_rng(seed)
    truth, said = rng.integers(0, 6, 80), rng.integers(1, 7, 80)
    said[:40] = truth[:40]
    found = figures(truth, said, [f"c{number}" for number in range(8)])
    assert found.top1 == pytest.approx(metrics.accuracy_score(truth, said))
    for name, average in (("weighted_f1", "weighted"), ("macro_f1", "macro")):
        assert getattr(found, name) == pytest.approx(metrics.f1_score(truth, said, average=average, zero_division=0))
    labels = list(range(8))
    each = metrics.precision_recall_fscore_support(truth, said, labels=labels, zero_division=0)
    rows = np.array([list(row.values()) for row in found.per_class.values()])
    assert np.allclose(rows, np.array(each).T)
    assert np.array_equal(found.confusion, metrics.confusion_matrix(truth, said, labels=labels))
    wrong = found.confusion - np.diag(np.diag(found.confusion))
    assert [count for _, _, count in found.mistakes(3)] == sorted(wrong.ravel().tolist(), reverse=True)[:3]
    assert sum(count for _, _, count in found.mistakes(100)) == wrong.sum()


def test_folds_spread_every_class_and_are_reproducible() -> None:
    classes = np.repeat(np.arange(7), [1, 4, 5, 9, 20, 3, 11])
    for folds in (2, 5, len(classes)):
        dealt = stratified(classes, folds, seed=3)
        counts = np.array([np.bincount(dealt[classes == one], minlength=folds) for one in range(7)])
        assert (counts.max(axis=1) - counts.min(axis=1) <= 1).all()
        sizes = np.bincount(dealt, minlength=folds)
        assert len(sizes) == folds and sizes.max() - sizes.min() <= 1
        assert np.array_equal(dealt, stratified(classes, folds, seed=3))
    assert not np.array_equal(stratified(classes, 5, seed=3), stratified(classes, 5, seed=4))


@pytest.mark.parametrize("method", list(METHODS))
def test_every_method_learns_what_can_be_learned_and_only_that(method: str) -> None:
    data = clouds(4, 30, spread=0.15)
    found = classify(data, None, [method], folds=3)
    result = found.results[0]
    assert result.figures.top1 > 0.9 and found.tested == 120 and len(result.top1_of_folds) == 3
    assert result.figures.confusion.sum() == 120
    again = classify(data, None, [method], folds=3).results[0]
    assert np.array_equal(again.figures.confusion, result.figures.confusion)
    rng = np.random.default_rng(5)
    shuffled = Vectors(data.source, data.names, tuple(rng.permutation(data.labels)), data.rows)
    assert classify(shuffled, None, [method], folds=3).results[0].figures.top1 < 0.5
    few = Vectors("few", data.names[:6], ("a", "a", "a", "b", "b", "c"), data.rows[[0, 1, 2, 40, 41, 80]])
    assert classify(few, data_of(few, [0, 3, 5]), [method]).tested == 3  # a class of one, which no fold can be made of
    json.dumps(found.to_dict())


def data_of(vectors: Vectors, places: list[int]) -> Vectors:
    names, labels = (tuple(column[place] for place in places) for column in (vectors.names, vectors.labels))
    return Vectors("part", names, labels, vectors.rows[places])


def test_a_method_whose_library_is_missing_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("sklearn.svm", "xgboost"):
        monkeypatch.setitem(sys.modules, module, None)
    data = clouds(2, 5)
    for method, package in (("svm", "scikit-learn"), ("xgboost", "xgboost")):
        with pytest.raises(SettingError, match=rf'needs {package}, .*pip install "dinosearch\[analysis\]"'):
            classify(data, None, [method])
    assert classify(data, None, ["knn"]).results[0].figures.top1 > 0.8


def test_on_real_vectors_the_neighbours_are_right_97_times_in_100(shared_data: Path) -> None:
    folder = shared_data / "descriptors" / "dinov2_vits14_simple1k"
    data = given(read_examples(folder / "feat_dinov2_simple1k.npy", folder / "simple1k_labels.tsv"))
    assert (len(set(data.labels)), data.rows.shape) == (50, (1326, 384))
    assert classify(data, None, ["knn"]).results[0].figures.top1 >= 0.97
    alone = classify(data, None, ["knn"], Wanted(neighbours=1), folds=len(data.labels))
    cosines = data.rows @ data.rows.T
    np.fill_diagonal(cosines, -2)
    labels = np.array(data.labels)
    assert alone.results[0].figures.top1 == pytest.approx((labels[cosines.argmax(axis=1)] == labels).mean())
    assert round(alone.results[0].figures.top1, 3) == 0.981  # as the notes on the data have it


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Examples, Vectors]]:
    """Four folders of sample_images by the bundled model, in the collection that is kept for them."""
    folder = tmp_path_factory.mktemp("samples")
    for name in LANDMARKS:
        shutil.copytree(SAMPLES / name, folder / name)
    source = read_examples(folder)
    home = kept_folder(tmp_path_factory.mktemp("home"), [source])
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DINOSEARCH_DECODE", "inline")
        with Collection.open(home, create=True, model="mini") as collection:
            yield home, source, embed(collection, [source])[0]


def test_sample_images_are_told_by_the_bundled_model(samples: tuple[Path, Examples, Vectors]) -> None:
    _, _, vectors = samples
    assert (len(vectors.labels), sorted(set(vectors.labels)), vectors.missing) == (24, sorted(LANDMARKS), ())
    assert all(Path(name).parent.name == label for name, label in zip(vectors.names, vectors.labels, strict=True))
    assert vectors.model is not None and vectors.model["checkpoint"].startswith("mini")
    found = classify(vectors, None, ["knn"], Wanted(neighbours=1), folds=24)
    assert found.results[0].figures.top1 > 0.95 and found.shared == 0
    assert found.recipe["model"] == vectors.model


def test_a_second_run_embeds_nothing(samples: tuple[Path, Examples, Vectors]) -> None:
    home, source, vectors = samples

    def unused(*_: object, **__: object) -> object:
        raise AssertionError("embedded again")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("dinosearch.embedding.open_embedder", unused)
        with Collection.open(home) as collection:
            again = embed(collection, [source])[0]
    assert np.array_equal(again.rows, vectors.rows) and again.names == vectors.names


def test_lists_of_food101_are_read_in_both_forms(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "meta").mkdir()
    wanted = {"train": {"pie": ["pie/1", "pie/2"], "soup": ["soup/3"]}, "test": {"pie": ["pie/4"]}}
    for part, names in wanted.items():
        text = "".join(f"{name}\n" for several in names.values() for name in several)
        (tmp_path / "meta" / f"{part}.txt").write_text(text)
    lists = food101(tmp_path)
    assert lists is not None and [path.suffix for path in lists] == [".txt", ".txt"]
    by_text = [read_examples(path) for path in lists]
    for part, names in wanted.items():
        (tmp_path / "meta" / f"{part}.json").write_text(json.dumps(names))
    lists = food101(tmp_path)
    assert lists is not None and [path.suffix for path in lists] == [".json", ".json"]
    by_json = [read_examples(path) for path in lists]
    for one, other in zip(by_text, by_json, strict=True):
        assert (one.names, one.labels, one.roots) == (other.names, other.labels, other.roots)
    assert by_text[0].labels == ("pie", "pie", "soup")
    assert by_text[0].names[0] == str(tmp_path / "images" / "pie" / "1.jpg")
    assert food101(tmp_path / "images") is None
    for line in ("../../etc/passwd", "/etc/passwd", "alone", "pie/../../x"):
        (tmp_path / "meta" / "train.txt").write_text(line)
        with pytest.raises(DatasetError, match="no CLASS/IMAGE"):
            read_examples(tmp_path / "meta" / "train.txt")
    (tmp_path / "meta" / "train.json").write_text('["a"]')
    with pytest.raises(DatasetError, match="cannot be read as a list"):
        read_examples(tmp_path / "meta" / "train.json")


def test_labels_of_vectors_are_read_in_every_form(tmp_path: Path) -> None:
    vectors = clouds(2, 2).rows * 40
    np.save(tmp_path / "v.npy", vectors)
    labels = ["a b", "a b", "c", "d"]
    np.save(tmp_path / "l.npy", np.array(labels))
    (tmp_path / "l.txt").write_text("".join(f"{label}\n" for label in labels))
    (tmp_path / "l.csv").write_text("row,Label\n" + "".join(f'{row},"{label}"\n' for row, label in enumerate(labels)))
    (tmp_path / "l.tsv").write_text("class\trow\n" + "".join(f"{label}\t{row}\n" for row, label in enumerate(labels)))
    for name in ("l.npy", "l.txt", "l.csv", "l.tsv"):
        found = read_examples(tmp_path / "v.npy", tmp_path / name)
        assert found.labels == tuple(labels) and found.vectors is not None
        assert np.allclose(np.linalg.norm(found.vectors, axis=1), 1)
    (tmp_path / "short.txt").write_text("a\n")
    (tmp_path / "bad.csv").write_text("x,y\n1,2\n")
    np.save(tmp_path / "flat.npy", vectors[0])
    np.save(tmp_path / "zero.npy", vectors * 0)
    for source, given_labels, said in (
        ("v.npy", None, "has no labels"),
        ("v.npy", "short.txt", "4 vectors.* 1 labels"),
        ("v.npy", "bad.csv", "no column called"),
        ("v.npy", "gone.txt", "cannot be read as labels"),
        ("flat.npy", "l.txt", "cannot be read as vectors"),
        ("zero.npy", "l.txt", "zero or not finite"),
        ("gone.npy", "l.txt", "cannot be read as vectors"),
        ("gone", None, "no folder of class folders"),
        (".", None, "no class folders with images"),
    ):
        with pytest.raises(DatasetError, match=said):
            read_examples(tmp_path / source, None if given_labels is None else tmp_path / given_labels)


def test_what_cannot_be_compared_is_refused() -> None:
    data = clouds(3, 4)
    other = Vectors("other", ("x",), ("class 9",), data.rows[:1])
    with pytest.raises(DatasetError, match="'class 9' of other has no example"):
        classify(data, other)
    with pytest.raises(DatasetError, match="of one model"):
        classify(data, Vectors("narrow", ("x",), ("class 1",), data.rows[:1, :8]))
    with pytest.raises(DatasetError, match="fewer than two classes"):
        classify(data_of(data, [0, 1, 2]), None)


def pixels(drawn: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(drawn)) as picture:
        assert picture.mode == "RGB"
        return np.asarray(picture)


def spots(drawn: np.ndarray, colour: tuple[int, int, int]) -> int:
    return int((drawn == colour).all(axis=2).sum())


@pytest.mark.parametrize("count", [2, 16, 101, 400])
def test_a_mistake_is_seen_in_a_matrix_of_any_size(count: int) -> None:
    names, right = [f"class {number}" for number in range(count)], np.eye(count, dtype=np.int64) * 5
    wrong = right.copy()
    wrong[0] = 0
    wrong[0, count - 1] = 5  # all of one class is taken for another
    bars = [Bar("k-NN", 0.5)]
    flawless, flawed = (pixels(draw_confusion("t", "n", bars, names, c, "k-NN")) for c in (right, wrong))
    assert flawless.shape == flawed.shape and flawless.shape[1] == 1496 and flawless.shape[0] < 1600
    assert spots(flawed, ACCENT) > spots(flawless, ACCENT)  # the legend has a little of it
    assert spots(flawed, RIGHT) < spots(flawless, RIGHT)
    assert np.array_equal(flawed, pixels(draw_confusion("t", "n", bars, names, wrong, "k-NN")))


def test_the_picture_of_a_run_is_written(tmp_path: Path) -> None:
    found = classify(clouds(3, 6), None, ["knn", "svm"], folds=3)
    write_confusion(found, tmp_path / "c.png")
    assert pixels((tmp_path / "c.png").read_bytes()).shape[1] == 1496
