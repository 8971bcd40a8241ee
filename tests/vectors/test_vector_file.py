"""The vector file against a plain array of what was written, and against damage."""

from __future__ import annotations

import re
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest

from dinosearch.errors import DamagedHomeError, FormatVersionError
from dinosearch.vectors import VectorFile

ROOT = Path(__file__).resolve().parents[2]


def unit(n: int, d: int, seed: int = 0) -> np.ndarray:
    rows = np.random.default_rng(seed).standard_normal((n, d)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


@pytest.mark.parametrize("sizes", [[1], [255, 1, 1], [256], [300, 700], [1000]])
def test_what_is_appended_is_read_back(tmp_path: Path, sizes: list[int]) -> None:
    rows = unit(sum(sizes), 24)
    ids = np.arange(sum(sizes)) * 3 + 1
    with VectorFile.create(tmp_path / "v", 24, 7) as file:
        start = 0
        for size in sizes:
            assert file.append(ids[start : start + size], rows[start : start + size]) == start + size
            start += size
    with VectorFile.open(tmp_path / "v", len(rows)) as file:
        assert (file.dimension, file.header.generation) == (24, 7)
        np.testing.assert_array_equal(file.ids(), ids)
        order = np.random.default_rng(1).permutation(len(rows))
        np.testing.assert_array_equal(file.read(order), rows[order])
        told: list[tuple[str, int, int | None]] = []
        assert file.check(lambda *state: told.append(state)) == []
        assert told[-1] == ("checking vectors", len(rows), len(rows))


def test_rows_behind_the_committed_end_are_overwritten(tmp_path: Path) -> None:
    rows = unit(20, 8)
    with VectorFile.create(tmp_path / "v", 8, 1) as file:
        file.append(np.arange(10), rows[:10])
    with VectorFile.open(tmp_path / "v", 6, writable=True) as file:
        assert file.append(np.arange(50, 54), rows[10:14]) == 10
    with VectorFile.open(tmp_path / "v", 10) as file:
        np.testing.assert_array_equal(file.ids(), [*range(6), 50, 51, 52, 53])
        np.testing.assert_array_equal(file.read(np.arange(10)), np.concatenate([rows[:6], rows[10:14]]))


def test_every_flipped_bit_of_a_row_is_found(tmp_path: Path) -> None:
    rows = unit(300, 16)
    with VectorFile.create(tmp_path / "v", 16, 1) as file:
        file.append(np.arange(300), rows)
    data = (tmp_path / "v").read_bytes()
    block = 256 * (8 + 4 + 64)
    rng = np.random.default_rng(3)
    for _ in range(60):
        slot = int(rng.integers(300))
        start = 4096 + slot // 256 * block
        place = [start + slot % 256 * 8, start + 2048 + slot % 256 * 4, start + 3072 + slot % 256 * 64][
            int(rng.integers(3))
        ]
        bad = bytearray(data)
        bad[place + int(rng.integers(4))] ^= 1 << int(rng.integers(8))
        (tmp_path / "v").write_bytes(bad)
        with VectorFile.open(tmp_path / "v", 300) as file:
            assert file.check() == [slot]


def test_truncation_and_header_damage_are_refused(tmp_path: Path) -> None:
    with VectorFile.create(tmp_path / "v", 16, 1) as file:
        file.append(np.arange(300), rows := unit(300, 16))
    data = (tmp_path / "v").read_bytes()
    (tmp_path / "v").write_bytes(data[:-1])
    with pytest.raises(DamagedHomeError, match="truncated"):
        VectorFile.open(tmp_path / "v", 300)
    for place in (0, 8, 12, 30, 65):
        bad = bytearray(data)
        bad[place] ^= 4
        (tmp_path / "v").write_bytes(bad)
        with pytest.raises(DamagedHomeError, match="header"):
            VectorFile.open(tmp_path / "v", 300)
        assert VectorFile.rescue(tmp_path / "v", 16, 1) == 512  # room for them
        assert (tmp_path / "v").read_bytes() == data
        with VectorFile.open(tmp_path / "v", 300) as file:
            np.testing.assert_array_equal(file.read(np.arange(300)), rows)
    assert data[:12] == b"DINOVECS" + struct.pack("<I", 1)
    for held in (0, 67, 68, 4095):  # less than a header; its checksum ends at 68
        (tmp_path / "v").write_bytes(data[:held])
        with pytest.raises(DamagedHomeError, match="header"):
            VectorFile.open(tmp_path / "v", 0)
        assert VectorFile.rescue(tmp_path / "v", 16, 1) == 0
        VectorFile.open(tmp_path / "v", 0).close()
    (tmp_path / "v").unlink()
    with pytest.raises(DamagedHomeError, match="missing"):
        VectorFile.open(tmp_path / "v", 300)
    assert VectorFile.rescue(tmp_path / "v", 16, 1) == 0
    VectorFile.open(tmp_path / "v", 0).close()


@pytest.mark.parametrize(
    ("place", "field"),
    [(8, struct.pack("<I", 2)), (16, struct.pack("<I", 512)), (20, b"new ")],
    ids=["version", "rows of a block", "coding"],
)
def test_a_newer_format_is_refused_whatever_is_new(tmp_path: Path, place: int, field: bytes) -> None:
    VectorFile.create(tmp_path / "v", 16, 1).close()
    newer = bytearray((tmp_path / "v").read_bytes())
    newer[place : place + 4] = field
    newer[64:68] = struct.pack("<I", zlib.crc32(newer[:64]))
    (tmp_path / "v").write_bytes(newer)
    with pytest.raises(FormatVersionError, match="upgrade with"):
        VectorFile.open(tmp_path / "v", 0)


def test_wrong_rows_are_refused(tmp_path: Path) -> None:
    good = unit(2, 8)
    with VectorFile.create(tmp_path / "v", 8, 1) as file:
        for bad in (good * 2, good * np.nan, good[:, :4], good * 0):
            with pytest.raises(ValueError, match=r"vector"):
                file.append(np.arange(2), bad)
        with pytest.raises(ValueError, match="negative"):
            file.append(np.array([1, -1]), good)
        assert file.rows == 0


def test_only_files_that_the_format_has_room_for_are_made(tmp_path: Path) -> None:
    for dimension, generation, tag in ((0, 1, b""), (65537, 1, b""), (8, -1, b""), (8, 1, bytes(33))):
        with pytest.raises(ValueError, match="no vector file has"):
            VectorFile.create(tmp_path / "v", dimension, generation, tag)
    assert not (tmp_path / "v").exists()
    for dimension, generation, tag in ((1, 0, b""), (65536, 7, b"t" * 32)):
        VectorFile.create(tmp_path / "v", dimension, generation, tag).close()
        with VectorFile.open(tmp_path / "v", 0) as file:
            assert (file.dimension, file.header.generation, file.header.tag) == (
                dimension,
                generation,
                tag.ljust(32, b"\0"),
            )


def test_the_documented_numpy_lines_read_the_file(tmp_path: Path) -> None:
    rows = unit(110, 12)
    with VectorFile.create(tmp_path / "v", 12, 1) as file:
        file.append(np.arange(110) + 5, rows)
    code = re.search(r"```python\n(.*?)```", (ROOT / "docs" / "vector-format.md").read_text(), re.DOTALL)
    assert code is not None
    found: dict[str, np.ndarray] = {}
    exec(code[1].replace('"index/vectors-1.f32"', repr(str(tmp_path / "v"))), found)
    np.testing.assert_array_equal(found["ids"], np.arange(110) + 5)
    np.testing.assert_array_equal(found["vectors"], rows)


def test_int8_rows_are_the_nearest_bytes_and_survive_a_copy(tmp_path: Path) -> None:
    rows = unit(300, 32)
    with VectorFile.create(tmp_path / "v", 32, 1, coding="int8") as file:
        file.append(np.arange(300), rows)
    with VectorFile.open(tmp_path / "v", 300) as file:
        read = file.read(np.arange(300))
        steps = np.abs(rows).max(axis=1, keepdims=True) / 127
        assert np.all(np.abs(read - rows) <= 0.75 * steps)
        assert np.abs(np.linalg.norm(read, axis=1) - 1).max() < 1e-6
        assert (read * rows).sum(axis=1).min() > 0.9999
        np.testing.assert_array_equal(file.stack(0, 2).reshape(-1, 32)[:300], read)
        np.testing.assert_array_equal(np.concatenate([part for _, _, part in file.blocks(size=70)]), read)
        assert file.check() == []
        with VectorFile.create(tmp_path / "copy", 32, 2, coding="int8") as copy:
            copy.append(np.arange(300), read)
            np.testing.assert_allclose(copy.read(np.arange(300)), read, rtol=1e-6)
    assert (tmp_path / "v").stat().st_size == 4096 + 2 * 256 * (8 + 4 + 4 + 32)


def test_a_flipped_bit_of_an_int8_row_is_found(tmp_path: Path) -> None:
    with VectorFile.create(tmp_path / "v", 16, 1, coding="int8") as file:
        file.append(np.arange(300), unit(300, 16))
    data = (tmp_path / "v").read_bytes()
    block = 256 * (8 + 4 + 4 + 16)
    for slot, offset in ((3, 3072 + 3 * 4), (299, block + 4096 + 43 * 16 + 15)):  # a scale, a code
        bad = bytearray(data)
        bad[4096 + offset] ^= 16
        (tmp_path / "v").write_bytes(bad)
        with VectorFile.open(tmp_path / "v", 300) as file:
            assert file.check() == [slot]
