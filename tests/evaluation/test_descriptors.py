"""Vectors made elsewhere: real DINOv2 and CLIP vectors against their published figures, and every file format."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest

from dinosearch.evaluation import load, run_descriptors, score
from dinosearch.evaluation.measuring import Options
from tests.evaluation import slow
from tests.evaluation.conftest import invoke, means, runs

DINOV2, CLIP = 0.9310119448, 0.8082394505
"""Leave-one-out rectangular mAP of simple1k as published beside the vectors (shared data, README)."""


@pytest.fixture(scope="module")
def simple1k(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Path]]:
    """A list of path,label for the 1326 images, and the vector files by model."""
    folder = shared_data / "descriptors" / "dinov2_vits14_simple1k"
    lines = (folder / "simple1k_labels.tsv").read_text().splitlines()[1:]
    labels = tmp_path_factory.mktemp("simple1k") / "labels.csv"
    rows = (line.split("\t") for line in lines)
    labels.write_text("path,label\n" + "".join(f"{row}.jpg,{name}\n" for row, _, name in rows))
    return labels, {model: folder / f"feat_{model}_simple1k.npy" for model in ("dinov2", "clip")}


def test_real_dinov2_vectors_have_their_published_figure(
    simple1k: tuple[Path, dict[str, Path]], tmp_path: Path
) -> None:
    labels, files = simple1k
    run = runs(invoke(tmp_path, "folder", "--data", labels, "--descriptors", files["dinov2"], "--json"))[0]
    exact = [row["mAP-rectangular"] for row in run["loss"]["exact"][0]["values"]]
    assert np.mean(exact) == pytest.approx(DINOV2, abs=1e-9)
    assert means(run)["all mAP-rectangular"] > DINOV2 - 0.002
    assert run["recipe"]["search"] == "index"


def test_real_clip_vectors_have_their_published_figure(simple1k: tuple[Path, dict[str, Path]], tmp_path: Path) -> None:
    """Its seventh digit hangs on how an unstable sort leaves equal float32 cosines. The product breaks ties by id: it
    is held against brute force exactly, and against the published figure within what ties can change.
    """
    labels, files = simple1k
    run = runs(invoke(tmp_path, "folder", "--data", labels, "--descriptors", files["clip"], "--exact", "--json"))[0]
    found = means(run)["all mAP-rectangular"]
    assert found == pytest.approx(CLIP, abs=1e-6)
    names = [line.split(",")[1] for line in labels.read_text().splitlines()[1:]]
    unit = np.load(files["clip"]).astype(np.float64)
    unit = (unit / np.linalg.norm(unit, axis=1, keepdims=True)).astype(np.float32).astype(np.float64)
    cosines = (unit @ unit.T).astype(np.float32)
    for query in range(0, len(names), 13):
        ranking = np.argsort(-cosines[query], kind="stable").tolist()
        same = {other for other, name in enumerate(names) if name == names[query]} - {query}
        measured = run["scores"][0]["values"][query]["mAP-rectangular"]
        assert measured == pytest.approx(slow.rectangular(ranking, same, {query}), abs=1e-9)


def test_the_evaluator_gives_the_published_figures_on_the_published_rankings(
    simple1k: tuple[Path, dict[str, Path]],
) -> None:
    labels, files = simple1k
    dataset = load("folder", labels)
    for model, published in (("dinov2", DINOV2), ("clip", CLIP)):
        raw = np.load(files[model])
        unit = raw / np.linalg.norm(raw, axis=1, keepdims=True)
        rankings = np.argsort(-(unit @ unit.T), axis=1)
        # another processor may multiply in another order, which moves equal cosines: a few 1e-7
        close = 1e-9 if model == "dinov2" else 1e-6
        assert score(dataset, rankings)[0].mean("mAP-rectangular").value == pytest.approx(published, abs=close)


def test_clip_vectors_in_float64(simple1k: tuple[Path, dict[str, Path]]) -> None:
    """Without float32's ties: the figure that docs/benchmarks.md sets beside the published one."""
    labels, files = simple1k
    unit = np.load(files["clip"]).astype(np.float64)
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    rankings = np.argsort(-(unit @ unit.T), axis=1, kind="stable")
    found = score(load("folder", labels), rankings)[0].mean("mAP-rectangular").value
    assert found == pytest.approx(0.8082393461, abs=1e-9)


def mat5(path: Path, **matrices: np.ndarray) -> None:
    """A MATLAB level-5 file, one double matrix after the other, written from the format's description."""

    def element(kind: int, data: bytes) -> bytes:
        return struct.pack("<II", kind, len(data)) + data + b"\0" * (-len(data) % 8)

    out = b"MATLAB 5.0 MAT-file".ljust(124) + struct.pack("<H", 0x0100) + b"IM"
    for name, matrix in matrices.items():
        shape = struct.pack(f"<{matrix.ndim}i", *matrix.shape)
        values = matrix.astype("<f8").tobytes(order="F")
        inner = (
            element(6, struct.pack("<II", 6, 0)) + element(5, shape) + element(1, name.encode()) + element(9, values)
        )
        out += element(14, inner)
    path.write_bytes(out)


def mat73(path: Path, **matrices: np.ndarray) -> None:
    """MATLAB 7.3: HDF5 behind 512 bytes, a matrix stored with its axes reversed."""
    with h5py.File(path, "w", userblock_size=512) as file:
        for name, matrix in matrices.items():
            file[name] = matrix.T
    with open(path, "r+b") as opened:
        opened.write(b"MATLAB 7.3 MAT-file".ljust(124) + b"\x00\x02IM")


def hdf5(path: Path, **matrices: np.ndarray) -> None:
    with h5py.File(path, "w") as file:
        for name, matrix in matrices.items():
            file[name] = matrix


Writer = Callable[..., None]
FORMATS: dict[str, tuple[str, Writer, bool]] = {
    "npz": ("features.npz", lambda path, **matrices: np.savez(path, **matrices), False),
    "mat": ("features.mat", mat5, True),
    "mat 7.3": ("features.mat", mat73, True),
    "h5": ("features.h5", hdf5, False),
}
"""File name, who writes it, and whether images are columns there."""


@pytest.fixture
def made(landmarks: Path) -> tuple[np.ndarray, np.ndarray, float]:
    """Random vectors of the 95 images and 15 queries of the landmark set, and their medium mAP by brute force."""
    dataset = load("roxford5k", landmarks)
    rng = np.random.default_rng(5)
    x, q = rng.normal(size=(95, 95)) * 3, rng.normal(size=(15, 95))
    unit = x / np.linalg.norm(x, axis=1, keepdims=True)
    medium = next(setup for setup in dataset.setups if setup.name == "medium")
    values = []
    for number, query in enumerate(q):
        judged = medium.truth[number]
        ranking = np.argsort(-(unit @ query), kind="stable").tolist()
        values.append(slow.trapezoid(ranking, set(judged.relevant.tolist()), set(judged.junk.tolist())))
    return x, q, float(np.mean(values))


@pytest.mark.parametrize("kind", FORMATS)
def test_matrices_x_and_q_are_read_from_one_file(
    kind: str, made: tuple[np.ndarray, np.ndarray, float], landmarks: Path, tmp_path: Path
) -> None:
    # 95 images of 95 dimensions: only the file's convention tells rows from columns
    name, write, columns = FORMATS[kind]
    x, q, expected = made
    write(tmp_path / name, X=x.T if columns else x, Q=q.T if columns else q)
    run = runs(invoke(tmp_path, "roxford5k", "--data", landmarks, "--descriptors", tmp_path / name, "--json"))[0]
    assert means(run)["medium mAP"] == pytest.approx(expected, abs=1e-6)
    assert run["recipe"]["query_crop"] == "as in the file"
    assert list(run["recipe"]["descriptors"]) == [name]


def test_two_npy_files_are_database_and_queries(
    made: tuple[np.ndarray, np.ndarray, float], landmarks: Path, tmp_path: Path
) -> None:
    x, q, expected = made
    np.save(tmp_path / "x.npy", x)
    np.save(tmp_path / "q.npy", q.T)
    run = run_descriptors(load("roxford5k", landmarks), [tmp_path / "x.npy", tmp_path / "q.npy"], Options(), "made")
    medium = next(scores for scores in run.scores if scores.setup == "medium")
    assert medium.mean("mAP").value == pytest.approx(expected, abs=1e-6)


def write_unusable(folder: Path) -> None:
    np.save(folder / "short.npy", np.ones((94, 8)))
    np.save(folder / "zero.npy", np.concatenate([np.ones((94, 8)), np.zeros((1, 8))]))
    np.save(folder / "nan.npy", np.concatenate([np.ones((94, 8)), np.full((1, 8), np.nan)]))
    np.save(folder / "all.npy", np.ones((95, 8)))
    np.save(folder / "queries.npy", np.ones((15, 8)))
    np.save(folder / "objects.npy", np.array([{}], object), allow_pickle=True)
    np.savez(folder / "names.npz", a=np.ones((95, 8)), b=np.ones((15, 8)))
    for suffix in ("npy", "npz", "mat", "h5", "csv"):
        (folder / f"text.{suffix}").write_text("hello")


@pytest.mark.parametrize(
    ("names", "why"),
    [
        (["short.npy", "queries.npy"], "a matrix of 95 vectors is needed, not float64 of shape (94, 8)"),
        (["all.npy", "short.npy"], "a matrix of 15 vectors is needed"),
        (["zero.npy", "queries.npy"], "vector 94 is zero or not finite"),
        (["nan.npy", "queries.npy"], "vector 94 is zero or not finite"),
        (["all.npy"], "all.npy has no matrix of queries"),
        (["objects.npy"], "objects.npy cannot be read as descriptors"),
        (["names.npz"], "holds a, b; the database's matrix is named X"),
        (["text.npy"], "text.npy cannot be read as descriptors"),
        (["text.npz"], "text.npz cannot be read as descriptors"),
        (["text.mat"], "text.mat cannot be used"),
        (["text.h5"], "text.h5 cannot be read as descriptors"),
        (["text.csv"], "descriptors are read from .npy"),
        (["absent.npy"], "absent.npy cannot be read as descriptors"),
        (["all.npy", "queries.npy", "queries.npy"], "one file or two"),
    ],
)
def test_unusable_files_are_refused_in_one_sentence(
    names: list[str], why: str, landmarks: Path, tmp_path: Path
) -> None:
    write_unusable(tmp_path)
    given = [word for name in names for word in ("--descriptors", tmp_path / name)]
    result = invoke(tmp_path, "roxford5k", "--data", landmarks, *given)
    assert result.exit_code == 2
    assert why in result.stderr
    assert len(result.stderr.splitlines()) == 1
