"""Score vectors that were made elsewhere: read .npy, .npz, .mat and .h5 files, rank them as a collection."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from dinosearch.arguments import checked
from dinosearch.collection import Collection
from dinosearch.collection.keeping.transfer import write_vectors
from dinosearch.errors import DatasetError, SettingError
from dinosearch.evaluation import recipe
from dinosearch.evaluation.dataset import Dataset
from dinosearch.evaluation.gallery import Gallery
from dinosearch.evaluation.measuring import Options, measure_run, milliseconds, with_measures
from dinosearch.evaluation.result import Cost, Run
from dinosearch.evaluation.run import facts_of, prepare
from dinosearch.home import sha256_file
from dinosearch.protocols import Progress
from dinosearch.records import Fingerprint
from dinosearch.retrieval import Rerank

DATABASE_NAMES, QUERY_NAMES = ("X", "database", "index"), ("Q", "queries", "query")
"""Names of the matrices in files that hold several; X and Q as in cnnimageretrieval's feature files."""


@checked
def run_descriptors(
    dataset: Dataset, files: Sequence[Path], options: Options, label: str, progress: Progress | None = None
) -> Run:
    """Measure stored vectors instead of a model; no image is opened.

    Args:
        dataset: what they describe.
        files: one file with the database's vectors (and the queries', under their names), or two: database and queries.
            One matrix alone serves where every query is a database image.
        options: what varies; `query_crop` is only noted, as the vectors are what they are.
        label: what to call the run.
        progress: told about the stages `build` and `queries`.

    Raises:
        DatasetError: a file that cannot be read, or that has another number of vectors than the data set has images.
    """
    pictured = Rerank.parse(options.rerank).pictured
    if pictured:
        raise SettingError(f"{pictured[0]} compares pictures, which descriptors have not; leave it out")
    dataset = with_measures(dataset, options)
    database, queries = read_descriptors(dataset, files)
    facts = {**facts_of(dataset, queries), "unreadable": [], "images_sha256": None}
    made = {
        **recipe.surroundings(),
        "descriptors": {path.name: sha256_file(path) for path in files},
        "dimension": int(database.shape[1]),
        "query_crop": "as in the file",
        "search": "exact" if options.exact else "index",
        "rerank": options.rerank,
        "refine": options.refine,
        "average_precision": "rectangular" if options.rectangular else "as the protocol has it",
        "seed": options.seed,
    }
    with tempfile.TemporaryDirectory(prefix="dinosearch-") as folder:
        export, home = Path(folder) / "export", Path(folder) / "home"
        root = os.path.abspath(dataset.root)
        paths = [os.path.join(root, *name.split("/")) for name in dataset.images]
        write_vectors(export, Fingerprint("descriptors", "0" * 64, "", "", database.shape[1]), paths, database)
        with Collection.open(home, create=True) as collection:
            collection.import_(export, recall=options.recall, index_type=options.index_type, progress=progress)
            prepare(collection, options, progress)
            info = collection.info()
            made["index"] = info.index.to_dict() if info.index else None

            def ask(row: np.ndarray) -> None:
                collection.rank(row, 10, exact=options.exact, rerank=options.rerank)

            def cost(sample: np.ndarray) -> Cost:
                return Cost(0, 0.0, milliseconds(ask, queries[sample]), None, info.bytes / max(1, info.images))

            gallery = Gallery(collection, dataset)
            return measure_run(dataset, gallery, queries, options, label, facts, made, cost, progress=progress)


def read_descriptors(dataset: Dataset, files: Sequence[Path]) -> tuple[np.ndarray, np.ndarray]:
    """Unit vectors of the database images and of the queries, float32, in the data set's order.

    A matrix may have its images in rows or in columns: their number tells. Where both sides have that length, columns
    are taken in .mat files, as the field writes them, and rows in all others.
    """
    if not 1 <= len(files) <= 2:
        raise DatasetError(f"descriptors are one file or two (database, then queries), not {len(files)}")
    matrices = [_matrices(path) for path in files]
    database = _named(matrices[0], DATABASE_NAMES, files[0])
    queries: np.ndarray | None
    if len(files) == 2:
        queries = _named(matrices[1], (*QUERY_NAMES, *DATABASE_NAMES), files[1])
    else:
        queries = next((matrices[0][name] for name in QUERY_NAMES if name in matrices[0]), None)
    x = _unit(database, len(dataset.images), f"{files[0].name}: images")
    if queries is not None:
        return x, _unit(queries, len(dataset.queries), f"{files[-1].name}: queries")
    rows = {name: row for row, name in enumerate(dataset.images)}
    if not all(name in rows for name in dataset.queries):
        raise DatasetError(
            f"{files[0].name} has no matrix of queries, which are not among the images of {dataset.name}; give a "
            "second file with their vectors"
        )
    return x, x[[rows[name] for name in dataset.queries]]


def _matrices(path: Path) -> Mapping[str, np.ndarray]:
    reader = READERS.get(path.suffix.lower())
    if reader is None:
        raise DatasetError(f"{path}: descriptors are read from {', '.join(READERS)} files")
    try:
        return reader(path)
    except (OSError, ValueError, KeyError, EOFError) as error:
        raise DatasetError(f"{path} cannot be read as descriptors: {error}; check the file") from None


def _read_npy(path: Path) -> Mapping[str, np.ndarray]:
    return {"X": np.load(path, allow_pickle=False)}


def _read_npz(path: Path) -> Mapping[str, np.ndarray]:
    with np.load(path, allow_pickle=False) as found:
        return dict(found)


def _read_mat(path: Path) -> Mapping[str, np.ndarray]:
    """Transposed; MATLAB's version 7.3 is HDF5, which stores its columns as rows, older ones our own reader reads."""
    with open(path, "rb") as file:
        head = file.read(128)
    if head[:6] == b"MATLAB" and head[124:126] in (b"\x00\x02", b"\x02\x00") or head[512:516] == b"\x89HDF":
        return _read_h5(path)
    from dinosearch.evaluation.datasets.matlab import read_mat

    return {name: value.T for name, value in read_mat(path).items() if isinstance(value, np.ndarray)}


def _read_h5(path: Path) -> Mapping[str, np.ndarray]:
    try:
        import h5py
    except ImportError:
        raise DatasetError(f"{path} is HDF5, which needs one more package: pip install h5py") from None
    with h5py.File(path, "r") as file:
        return {name: np.asarray(file[name]) for name in file if isinstance(file[name], h5py.Dataset)}


READERS: dict[str, Callable[[Path], Mapping[str, np.ndarray]]] = {
    ".npy": _read_npy,
    ".npz": _read_npz,
    ".mat": _read_mat,
    ".h5": _read_h5,
    ".hdf5": _read_h5,
}


def _named(matrices: Mapping[str, np.ndarray], names: Sequence[str], path: Path) -> np.ndarray:
    found = next((matrices[name] for name in names if name in matrices), None)
    if found is None:
        if len(matrices) != 1:
            raise DatasetError(
                f"{path} holds {', '.join(matrices) or 'nothing'}; the database's matrix is named {names[0]}"
            )
        found = next(iter(matrices.values()))
    return found


def _unit(matrix: np.ndarray, count: int, what: str) -> np.ndarray:
    if matrix.ndim != 2 or matrix.dtype.kind not in "fiu" or count not in matrix.shape:
        raise DatasetError(
            f"{what}: a matrix of {count:,} vectors is needed, not {matrix.dtype} of shape {matrix.shape}"
        )
    rows = np.ascontiguousarray(matrix if matrix.shape[0] == count else matrix.T, np.float64)
    lengths: Any = np.linalg.norm(rows, axis=1, keepdims=True)
    bad = np.flatnonzero(~np.isfinite(lengths[:, 0]) | (lengths[:, 0] == 0))
    if len(bad):
        raise DatasetError(f"{what}: vector {bad[0]} is zero or not finite; check how the file was made")
    unit: np.ndarray = (rows / lengths).astype(np.float32)
    return unit
