"""MATLAB files, written byte by byte here and by scipy: what is read, and how damage is told."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dinosearch.errors import DatasetError
from dinosearch.evaluation.datasets.matlab import read_mat
from tests.evaluation import mat5, trees

LIMIT = 1 << 20


def written(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def refused(path: Path, content: bytes) -> str:
    with pytest.raises(DatasetError) as caught:
        read_mat(written(path, content), LIMIT)
    message = str(caught.value)
    assert str(path) in message and len(message.splitlines()) == 1
    assert len(message) < len(str(path)) + 200 and message.isprintable()
    return message


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("compressed", [False, True])
def test_cells_structs_text_and_numbers_are_read(order: str, compressed: bool, tmp_path: Path) -> None:
    variables: dict[str, Any] = {"title": "Überblick", "n": (1, 2.5, -3), "x": (7,), **trees.INSTRE}
    found = read_mat(written(tmp_path / "a.mat", mat5.mat_file(variables, order=order, compressed=compressed)), LIMIT)
    assert found["title"] == "Überblick"
    assert found["n"].tolist() == [[1, 2.5, -3]]
    assert found["x"].tolist() == [[7]]
    assert found["imlist"] == trees.INSTRE["imlist"]
    assert found["qimlist"] == trees.INSTRE["qimlist"]
    assert [(entry["ok"].tolist(), entry["bbx"].tolist()) for entry in found["gnd"]] == [
        ([[1, 3]], [[10, 20, 30, 40]]),
        ([[4]], [[0.5, 1, 99.5, 9]]),
    ]


@pytest.mark.parametrize("compressed", [False, True])
def test_what_scipy_writes_is_read(compressed: bool, tmp_path: Path) -> None:
    scipy_io = pytest.importorskip("scipy.io", reason="scipy is not among the packages the tests need")
    cells = np.empty((2, 1), object)
    cells[:, 0] = ["INSTRE-S1/a/001.jpg", "b"]
    gnd = np.zeros((1, 2), [("ok", object), ("bbx", object)])
    gnd[0, 0] = (np.array([[1, 300]], np.uint16), np.array([[1, 2, 3, 4]], np.uint8))
    gnd[0, 1] = (np.array([[-7]], np.int64), np.array([[0.5]], np.float32))
    matrix = np.arange(6, dtype=np.float64).reshape(2, 3)
    path = tmp_path / "scipy.mat"
    scipy_io.savemat(path, {"cells": cells, "gnd": gnd, "matrix": matrix, "none": ""}, do_compression=compressed)
    found = read_mat(path, LIMIT)
    assert found["cells"] == ["INSTRE-S1/a/001.jpg", "b"]
    assert found["matrix"].tolist() == matrix.tolist()
    assert [entry["ok"].tolist() for entry in found["gnd"]] == [[[1, 300]], [[-7]]]
    assert [entry["bbx"].tolist() for entry in found["gnd"]] == [[[1, 2, 3, 4]], [[0.5]]]
    assert found["none"] == ""


@pytest.mark.parametrize("compressed", [False, True])
def test_scipy_reads_what_is_written_here(compressed: bool, tmp_path: Path) -> None:
    scipy_io = pytest.importorskip("scipy.io", reason="scipy is not among the packages the tests need")
    path = written(tmp_path / "a.mat", mat5.mat_file(trees.INSTRE, compressed=compressed))
    found = scipy_io.loadmat(path, chars_as_strings=True)
    assert [name.item() for name in found["imlist"].ravel()] == trees.INSTRE["imlist"]
    assert found["gnd"][0, 0]["ok"].tolist() == [[1, 3]]
    assert found["gnd"][0, 1]["bbx"].tolist() == [[0.5, 1, 99.5, 9]]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "no MATLAB file of version 5 to 7"),
        (b"MATLAB 5.0", "no MATLAB file of version 5 to 7"),
        (b"x" * 200, "no MATLAB file of version 5 to 7"),
        (b"MATLAB 7.3 MAT-file".ljust(600), "is a MATLAB 7.3 file, which is not read here; save it with -v7"),
        (b"\x89HDF\r\n\x1a\n".ljust(600), "is a MATLAB 7.3 file"),
        (mat5.header() + b"\x0e\0\0", "it ends too early"),
        (mat5.header() + struct.pack("<II", mat5.MATRIX, 1 << 31), "it ends too early"),
        (mat5.header() + struct.pack("<II", mat5.COMPRESSED, 8) + b"no zlib.", "Error -3"),
        (mat5.header() + mat5.element(mat5.MATRIX, b"\xff" * 64), "it ends too early"),
    ],
)
def test_what_is_no_such_file_is_refused(content: bytes, told: str, tmp_path: Path) -> None:
    assert told in refused(tmp_path / "a.mat", content)


def array(kind: int, shape: bytes, held: bytes, name: bytes = b"a") -> bytes:
    """A file with one array of which any part may be odd."""
    flags = mat5.element(mat5.UINT32, struct.pack("<II", kind, 0))
    return mat5.header() + mat5.element(mat5.MATRIX, flags + shape + mat5.element(mat5.INT8, name) + held)


def sides(*numbers: int) -> bytes:
    return mat5.element(mat5.INT32, struct.pack(f"<{len(numbers)}i", *numbers))


NUMBERS = mat5.element(mat5.DOUBLE, bytes(16))


@pytest.mark.parametrize(
    "content",
    [
        array(mat5.CELL, sides(1 << 30, 1 << 30), b""),
        array(mat5.DOUBLES, sides(1 << 30, 1), NUMBERS),
        array(mat5.DOUBLES, sides(-1, -2), NUMBERS),
        array(mat5.DOUBLES, sides(1, 3), NUMBERS),
        array(mat5.DOUBLES, sides(*[1] * 100, 2), NUMBERS),
        array(mat5.DOUBLES, sides(0, *[2**31 - 1] * 5), mat5.element(mat5.DOUBLE, b"")),
        array(mat5.DOUBLES, mat5.element(mat5.DOUBLE, struct.pack("<dd", 1, 2)), NUMBERS),
        array(mat5.DOUBLES, mat5.element(mat5.DOUBLE, struct.pack("<dd", 1, float("nan"))), NUMBERS),
        array(mat5.CELL, mat5.element(mat5.DOUBLE, struct.pack("<dd", 0.5, 0.5)), NUMBERS),
        array(mat5.DOUBLES | 0x800, sides(1, 2), NUMBERS + NUMBERS),
        array(5, sides(1, 2), NUMBERS),
        array(3, sides(1, 1), NUMBERS),
        array(mat5.CHAR, sides(2, 2), mat5.element(mat5.UINT16, "abcd".encode("utf-16-le"))),
        array(mat5.CHAR, sides(1, 2), mat5.element(mat5.DOUBLE, bytes(16))),
        array(mat5.CHAR, sides(1, 2), mat5.element(16, b"\xff\xfe")),
        array(mat5.CELL, sides(1, 1), NUMBERS),
        array(mat5.STRUCT, sides(1, 1), mat5.element(mat5.DOUBLE, struct.pack("<d", 0.5)) + b"\1\0\3\0abc\0"),
        array(mat5.STRUCT, sides(1, 1), sides(0) + mat5.element(mat5.INT8, b"abc")),
        array(mat5.DOUBLES, sides(1, 3), NUMBERS, b"\x1b[2J\n\x0b" * 50),
        mat5.header() + mat5.element(mat5.MATRIX, mat5.element(mat5.DOUBLE, struct.pack("<d", float("nan"))) * 3),
    ],
)
def test_a_part_that_does_not_fit_is_refused(content: bytes, tmp_path: Path) -> None:
    assert "cannot be used" in refused(tmp_path / "a.mat", content)


def test_cells_nested_without_end_are_refused(tmp_path: Path) -> None:
    value: Any = "core"
    for _ in range(60):
        value = [value]
    assert "nested too deeply" in refused(tmp_path / "a.mat", mat5.mat_file({"a": value}))


def test_what_unpacks_to_more_than_the_limit_is_refused(tmp_path: Path) -> None:
    packed = zlib.compress(mat5.matrix("a" * 2 * LIMIT, "bomb"))
    content = mat5.header() + struct.pack("<II", mat5.COMPRESSED, len(packed)) + packed
    assert "unpacks to more than 1,048,576 bytes" in refused(tmp_path / "a.mat", content)
    half = zlib.compress(mat5.matrix("a" * (LIMIT // 3), "half"))  # two bytes for each character
    twice = mat5.header() + 2 * (struct.pack("<II", mat5.COMPRESSED, len(half)) + half)
    assert "unpacks to more than" in refused(tmp_path / "a.mat", twice)


def test_a_file_larger_than_the_limit_is_refused(tmp_path: Path) -> None:
    assert "larger than 1,048,576 bytes" in refused(tmp_path / "a.mat", mat5.header() + bytes(LIMIT))


@pytest.mark.parametrize("compressed", [False, True])
def test_damage_anywhere_is_told_or_harmless(compressed: bool, tmp_path: Path) -> None:
    whole = mat5.mat_file(trees.INSTRE, compressed=compressed)
    rng = np.random.default_rng(7)
    path = tmp_path / "a.mat"
    for _ in range(300):
        content = bytearray(whole)
        for place in rng.integers(len(content), size=3):
            content[place] = rng.choice([0, 1, 9, 15, 127, 255, rng.integers(256)])
        try:
            read_mat(written(path, bytes(content)), LIMIT)
        except DatasetError as error:
            assert len(str(error).splitlines()) == 1
    for end in range(0, len(whole), 11):
        try:
            read_mat(written(path, whole[:end]), LIMIT)
        except DatasetError as error:
            assert len(str(error).splitlines()) == 1
