"""Tables of bytes by image, in both dialects, against a dictionary; and damage of a row."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from dinosearch.store import MetadataStore
from dinosearch.store.transaction import Transaction

TABLES = 3


def test_they_keep_what_a_dictionary_keeps(store: MetadataStore) -> None:
    rng = np.random.default_rng(0)
    meant: dict[int, dict[int, bytes]] = {}
    for _ in range(12):
        before, wrote = store.changes(), False
        with store.transaction() as tx:
            for _ in range(4):
                wrote |= change(tx, meant, rng)
        assert store.changes() == before + wrote  # by which others see that they must look
        assert store.packed_numbers() == set(meant)
        among = range(0, 12, 2)
        for number, rows in meant.items():
            assert store.packed(number, range(12)) == rows
            of_images = sorted(key for key in rows if key)  # 0 is what they have in common
            assert store.packed_ids(number).tolist() == of_images
            assert store.packed_ids(number, among).tolist() == [key for key in of_images if key in among]
            assert store.packed_bytes(number) >= sum(len(data) for data in rows.values())
        assert not any(store.packed_bytes(number) for number in range(TABLES) if number not in meant)
    for number, rows in meant.items():
        store.tidy_packed(number)
        assert store.packed(number, range(12)) == rows
    assert store.check() == []


def change(tx: Transaction, meant: dict[int, dict[int, bytes]], rng: np.random.Generator) -> bool:
    """One change in both; whether it is one."""
    number, what = int(rng.integers(TABLES)), rng.random()
    ids = [int(key) for key in np.unique(rng.integers(0, 12, rng.integers(1, 6)))]
    if number not in meant or what < 0.1:
        is_new = number not in meant
        tx.make_packed(number)
        meant.setdefault(number, {})
        return is_new  # one that is there stays as it is
    if what < 0.65:
        rows = {key: rng.bytes(int(rng.integers(2000))) for key in ids}
        tx.put_packed(number, rows)
        meant[number] |= rows
    elif what < 0.9:
        tx.drop_packed(number, np.array(ids))
        meant[number] = {key: data for key, data in meant[number].items() if key not in ids}
    else:
        tx.end_packed([number])
        del meant[number]
    return True


@pytest.mark.parametrize("store", ["sqlite"], indirect=True)
def test_a_row_that_is_damaged_or_under_another_id_is_none(store: MetadataStore, file: Path) -> None:
    with store.transaction() as tx:
        tx.make_packed(1)
        tx.put_packed(1, {key: b"content of %d" % key for key in range(1, 5)})
    assert store.packed_bytes(1) == 4 * len(b"content of 1")
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("UPDATE packed_1 SET data = CAST('Content of 1' AS BLOB) WHERE id = 1")
        connection.execute("UPDATE packed_1 SET id = 9 WHERE id = 2")
        connection.execute("UPDATE packed_1 SET data = 'text' WHERE id = 3")
    assert store.packed(1, [1, 2, 3, 4, 9]) == {1: None, 3: None, 4: b"content of 4", 9: None}


@pytest.mark.parametrize("store", ["sqlite"], indirect=True)
def test_a_salvage_keeps_them(store: MetadataStore, file: Path) -> None:
    with store.transaction() as tx:
        for number in (1, 12):
            tx.make_packed(number)
            tx.put_packed(number, {key: b"content of %d" % key for key in range(3)})
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("UPDATE packed_12 SET data = CAST('Content of 1' AS BLOB) WHERE id = 1")
    assert store.salvage().left_out == []
    assert store.check() == [] and store.packed_numbers() == {1, 12}
    assert store.packed(1, range(3)) == {key: b"content of %d" % key for key in range(3)}
    assert store.packed(12, range(3)) == {0: b"content of 0", 1: None, 2: b"content of 2"}
    with store.transaction() as tx:
        tx.end_packed([12])
    assert store.check() == [] and store.packed_numbers() == {1}
