"""What images are called and which pairs are no duplicates: kept, replaced, forgotten, and upgraded into old stores."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path

import pytest

from dinosearch.errors import DamagedHomeError, DinosearchError, FormatVersionError, HomeLockedError
from dinosearch.home import FORMAT_VERSION
from dinosearch.records import Label, Verdict
from dinosearch.store import MetadataStore, parse_filter
from tests.store.conftest import put

MADE = datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone.utc)
FORMAT_3 = Path(__file__).parents[1] / "upgrades" / "format-3-postgres.sql"


def voted(image: int, label: str, confidence: float = 0.5) -> Label:
    return Label(image, label, confidence, False, MADE)


def given(image: int, label: str) -> Label:
    return Label(image, label, 1.0, True, MADE)


def found(store: MetadataStore, where: str) -> list[str]:
    return [record.path for record in store.iter_records(parse_filter(where))]


def test_labels_are_kept_and_replaced_but_a_vote_never_replaces_a_person(store: MetadataStore) -> None:
    first, second, third = (put(store, f"/{name}", name) for name in "abc")
    before = store.changes()
    assert store.put_labels([voted(first, "cat"), given(second, "Stra\u00dfe \udcff")]) == 2
    assert store.changes() == before + 1
    assert store.labels() == {first: voted(first, "cat"), second: given(second, "Stra\u00dfe \udcff")}
    assert store.put_labels([voted(first, "dog", 0.75), voted(second, "dog"), voted(third, "dog")]) == 2
    assert store.labels([third, second, 99]) == {
        second: given(second, "Stra\u00dfe \udcff"),
        third: voted(third, "dog"),
    }
    assert store.count_labels() == {"dog": 2, "Stra\u00dfe \udcff": 1}
    store.put_labels([given(first, "mouse")])
    store.put_labels([replace(given(second, "dog"), confidence=0.25)])
    record = next(iter(store.records([second])))
    assert (record.label, record.label_confidence, record.label_given) == ("dog", 0.25, True)
    assert found(store, "label = MOUSE or confidence < 0.3") == ["/a", "/b"]


def test_what_is_said_leaves_the_contents_as_they_are(store: MetadataStore) -> None:
    first, second = put(store, "/a", "a"), put(store, "/b", "b")
    before, changes = store.contents(), store.changes()
    verdict = Verdict("00" * 32, second, True, 0.5, 1, MADE)
    store.put_verdicts([verdict])
    store.put_labels([given(first, "cat")])
    store.put_not_duplicates([(first, second)])
    store.set_setting("calibration", {"scores": []})
    store.drop_not_duplicates([(first, second)])
    assert (store.contents(), store.changes()) == (before, changes + 5)
    with store.transaction() as transaction:  # a label and an image at once
        transaction.put_labels([given(second, "dog")])
        transaction.remove_locations(["/a"])
    assert store.contents() == before + 1
    store.drop_labels()
    store.forget_removed()
    assert (store.contents(), store.changes()) == (before + 2, changes + 8)


def test_labels_are_forgotten_by_who_said_them(store: MetadataStore) -> None:
    images = [put(store, f"/{name}", name) for name in "abcd"]
    store.put_labels([voted(images[0], "x"), voted(images[1], "x"), given(images[2], "x"), given(images[3], "x")])
    assert store.drop_labels([images[0], images[2]], given=False) == 1
    assert list(store.labels()) == images[1:]
    assert store.drop_labels([images[3], 99]) == 1
    assert store.drop_labels(given=True) == 1
    assert store.drop_labels() == 1
    assert store.labels() == {} and found(store, "label is missing") == ["/a", "/b", "/c", "/d"]


@pytest.mark.parametrize("label", [voted(1, ""), voted(1, "x", 1.5), voted(1, "x", float("nan"))])
def test_what_is_no_label_is_refused(store: MetadataStore, label: Label) -> None:
    put(store, "/a", "a")
    with pytest.raises(ValueError, match="no label"):
        store.put_labels([voted(1, "good"), label])
    assert store.labels() == {}


def test_pairs_are_kept_in_either_order_and_forgotten(store: MetadataStore) -> None:
    store.put_not_duplicates([(2, 1), (1, 2), (3, 9), (2, 5)])
    store.put_not_duplicates([(1, 2)])
    assert store.not_duplicates() == [(1, 2), (2, 5), (3, 9)]
    assert store.not_duplicates([2]) == [(1, 2), (2, 5)]
    assert store.not_duplicates([9, 5]) == [(2, 5), (3, 9)]
    store.drop_not_duplicates([(5, 2), (7, 8)])
    assert store.not_duplicates() == [(1, 2), (3, 9)]
    with pytest.raises(ValueError, match="no pair with itself"):
        store.put_not_duplicates([(4, 4)])


def test_what_was_said_of_an_image_goes_with_it(store: MetadataStore) -> None:
    first, second, third = (put(store, f"/{name}", name) for name in "abc")
    store.put_labels([voted(first, "x"), given(second, "y")])
    store.put_not_duplicates([(first, second), (first, third), (second, third)])
    with store.transaction() as tx:
        tx.remove_locations(["/a"])
    assert list(store.labels()) == [first, second]  # it may come back
    assert put(store, "/d", "a") == first
    assert found(store, "label = x") == ["/d"]
    with store.transaction() as tx:
        tx.remove_locations(["/d"])
    store.forget_removed()
    assert list(store.labels()) == [second] and store.not_duplicates() == [(second, third)]
    assert store.check() == []


def test_a_damaged_label_is_noticed_and_left_out(file: Path) -> None:
    with MetadataStore.open(file, create=True) as store:
        for name in "ab":
            put(store, f"/{name}", name)
        store.put_labels([voted(1, "WRITTEN"), voted(2, "cat")])
    data = file.read_bytes()
    assert data.count(b"WRITTEN") == 1
    file.write_bytes(data.replace(b"WRITTEN", b"WRITTEM"))
    with MetadataStore.open(file) as store:
        assert len(store.check()) == 1
        for reading in (store.labels, lambda: list(store.iter_records())):
            with pytest.raises(DamagedHomeError, match="id:1.*verify --repair"):
                reading()
        assert store.salvage().left_out == ["the label of image id:1 is damaged and was left out"]
        assert store.check() == [] and store.labels() == {2: voted(2, "cat")}


@pytest.fixture
def older(postgres_url: str) -> Iterator[str]:
    """A store in PostgreSQL as the program of format 3 made it."""
    import psycopg
    from sqlalchemy.engine import make_url

    url = make_url(postgres_url)
    schema = str(url.query["collection"])
    with psycopg.connect(host=str(url.query["host"]), user="postgres", dbname=url.database) as connection:
        connection.execute(FORMAT_3.read_text(encoding="utf-8").replace("format_3", schema))
    yield postgres_url


def test_a_postgresql_store_of_format_3_is_upgraded_with_all_it_holds(older: str) -> None:
    with pytest.raises(FormatVersionError, match="older format.*upgrade it once"):
        MetadataStore.open(older, read_only=True)
    steps: list[tuple[str, int, int | None]] = []
    with MetadataStore.open(older, progress=lambda *state: steps.append(state)) as store:
        assert steps == [("upgrade", step, FORMAT_VERSION - 3) for step in range(FORMAT_VERSION - 3)]
        paths = ["/photos/1.jpg", "/photos/2.jpg", "/photos/3.jpg"]
        assert list(store.known()) == paths and found(store, "camera ~ '*EOS*'") == paths[:2]
        assert store.removed_ids().tolist() == [4] and len(store.verdicts()) == 1 and store.generation() is not None
        store.put_labels([voted(1, "cat", 0.75), given(2, "Stra\u00dfe")])
        store.put_not_duplicates([(1, 2)])
        assert found(store, "label = STRASSE") == paths[1:2] and found(store, "label ~ '*A*'") == paths[:2]
    with MetadataStore.open(older, read_only=True, progress=lambda *state: steps.append(state)) as store:
        assert len(steps) == FORMAT_VERSION - 3 and store.not_duplicates() == [(1, 2)]


def test_a_postgresql_upgrade_that_fails_leaves_what_there_was(older: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from dinosearch.store import postgres_format

    usual = postgres_format.MIGRATIONS[3]

    def failing(connection: object) -> None:
        usual(connection)  # type: ignore[arg-type]
        raise RuntimeError("power cut")

    monkeypatch.setitem(postgres_format.MIGRATIONS, 3, failing)
    with pytest.raises(RuntimeError, match="power cut"):
        MetadataStore.open(older)
    monkeypatch.setitem(postgres_format.MIGRATIONS, 3, usual)
    with pytest.raises(FormatVersionError, match="older format"):
        MetadataStore.open(older, read_only=True)
    with MetadataStore.open(older) as store:
        assert len(store.known()) == 3 and store.labels() == {}


def test_a_postgresql_store_is_not_upgraded_beside_a_writer_nor_when_it_is_newer(
    older: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dinosearch.store import postgres_format

    monkeypatch.setattr(postgres_format, "FORMAT_VERSION", 3)  # a program of that time
    with MetadataStore.open(older) as writer, writer.writer("here"):
        monkeypatch.setattr(postgres_format, "FORMAT_VERSION", FORMAT_VERSION)
        with pytest.raises(HomeLockedError, match="is being written by process"):
            MetadataStore.open(older)
        monkeypatch.setattr(postgres_format, "FORMAT_VERSION", 3)
    monkeypatch.undo()
    MetadataStore.open(older).close()
    monkeypatch.setattr(postgres_format, "FORMAT_VERSION", 3)
    with pytest.raises(FormatVersionError, match="formats up to 3.*pip install --upgrade"):
        MetadataStore.open(older)
    monkeypatch.undo()
    with (
        pytest.raises(DinosearchError, match="opened only for reading"),
        MetadataStore.open(older, read_only=True) as s,
    ):
        s.put_labels([voted(1, "x")])
