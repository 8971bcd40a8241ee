"""What only PostgreSQL does: globs as its regular expressions, sessions that are lost, its word on the index."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import event
from sqlalchemy.pool import Pool
from torture.postgres_server import PostgresServer, missing

from dinosearch import Collection
from dinosearch.errors import DinosearchError, HomeLockedError
from dinosearch.store import MetadataStore
from dinosearch.store.filters.glob import path_pattern, text_pattern
from dinosearch.store.filters.postgres_glob import path_regex, text_regex
from dinosearch.store.paths import bound
from dinosearch.store.postgres import PostgresDatabase
from tests.cli.conftest import embedders, run  # noqa: F401  # fixtures
from tests.collection.test_migrate import OtherEmbedder
from tests.conftest import FakeEmbedder
from tests.engines.contract import Where, filled, nearest, unit
from tests.store.test_globs import paths, patterns

ODD = [
    "\udcff",
    "\ud800",
    "\U0010ffff",
    "\U0010ff7f",
    "[\ud7ff-\udfff]",
    "[!\udc80-\U0010ffff]",
    "[!\udcff]",
    "[a\\-^]",
]


@pytest.fixture(scope="module")
def database(postgres: PostgresServer) -> Iterator[psycopg.Connection]:
    with psycopg.connect(host=str(postgres.folder), user="postgres", dbname="dinosearch_test") as connection:
        yield connection


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_globs_mean_what_python_means(database: psycopg.Connection, data: st.DataObject) -> None:
    """Many pairs a statement, among them names that have no UTF-8 and brackets that hold such characters."""
    globs = data.draw(
        st.lists(patterns | st.lists(st.sampled_from([*ODD, "a", "*", "?", "/"]), max_size=5).map("".join))
    )
    texts = data.draw(
        st.lists(paths | paths.map("/".__add__) | st.lists(st.sampled_from([*ODD[:4], "a", "b", "/"])).map("".join))
    )
    pairs = [(glob, text) for glob in globs for text in texts]
    asked = [(path_regex(glob), bound(text, "postgresql")) for glob, text in pairs]
    asked += [(text_regex(glob), bound(text.casefold(), "postgresql")) for glob, text in pairs]
    expected = [path_pattern(glob).fullmatch(text) is not None for glob, text in pairs]
    expected += [text_pattern(glob).fullmatch(text.casefold()) is not None for glob, text in pairs]
    statement = 'SELECT s COLLATE "C" ~ r FROM unnest(%s::text[], %s::text[]) WITH ORDINALITY AS t(r, s, n) ORDER BY n'
    found = database.execute(statement, ([r for r, _ in asked], [s for _, s in asked])).fetchall()
    wrong = [pair for pair, (ours,), python in zip(pairs * 2, found, expected, strict=True) if ours != python]
    assert not wrong


def test_no_pattern_takes_long(database: psycopg.Connection) -> None:
    database.execute("SET statement_timeout = '20s'")
    for glob in ("*a" * 300 + "b", "**/a/" * 150 + "b", "?" * 1000, "*?" * 400, "[!a]*" * 150 + "z"):
        for text in ("a" * 2000, "/a" * 1000):
            database.execute("SELECT %s::text ~ %s", (text, path_regex(glob))).fetchone()


@pytest.fixture(scope="module")
def own() -> Iterator[PostgresServer]:
    """A server that these tests may kill."""
    why = missing()
    if why is not None:
        pytest.skip(why)
    with PostgresServer() as server:
        yield server


def test_a_server_that_goes_away_is_one_sentence_and_comes_back(own: PostgresServer, tmp_path: Path) -> None:
    rows = unit(50)
    where = Where("pgvector", own.collection("comes_back").replace("postgres@", "postgres:s3cret@"), {})
    with filled(where, tmp_path, rows) as collection:
        before = collection.rank(rows[:3], 5)
        own.kill()
        for verb in (collection.info, lambda: collection.rank(rows[:3], 5), lambda: collection.remove("id:1")):
            with pytest.raises(DinosearchError, match="does not answer") as caught:
                verb()
            assert "\n" not in str(caught.value) and "s3cret" not in str(caught.value)
        own.start()
        after = collection.rank(rows[:3], 5)
        assert np.array_equal(before[0], after[0]) and np.array_equal(before[1], after[1])
        assert collection.remove("id:1") == 1 and collection.verify().problems == ()


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        (("postgres@", "nobody_here:s3cret@"), "refuses this user"),
        (("/dinosearch_test", "/no_such_database"), "createdb"),
        (("host=", "host=/nowhere"), "does not answer"),
    ],
)
def test_who_is_not_let_in_is_told_why(postgres_url: str, changed: tuple[str, str], said: str) -> None:
    with pytest.raises(DinosearchError, match=said) as caught:
        Collection.open(postgres_url.replace(*changed))
    assert "s3cret" not in str(caught.value) and "\n" not in str(caught.value)


def test_rights_that_are_not_there_are_named(postgres: PostgresServer, photo_folder: Path) -> None:
    """Who may read a schema can ask the collection, and is told what writing to it would need."""
    url, name = postgres.collection("rights"), "reader_of_rights"
    with Collection.open(url, create=True, embedder=FakeEmbedder()) as collection:
        collection.index(photo_folder)
    with psycopg.connect(host=str(postgres.folder), user="postgres", dbname="dinosearch_test") as admin:
        admin.execute(f"CREATE ROLE {name} LOGIN; GRANT USAGE ON SCHEMA rights TO {name}")
        admin.execute(f"GRANT SELECT ON ALL TABLES IN SCHEMA rights TO {name}; CREATE SCHEMA own AUTHORIZATION {name}")
    own = postgres.collection("rights").replace("postgres@", f"{name}@")
    with Collection.open(own, read_only=True, embedder=FakeEmbedder()) as collection:
        assert len(collection.query(photo_folder / "03.png", k=3, where="name ~ '*.png'")) == 3
        assert collection.verify().problems == () and collection.info().images == 12
    with Collection.open(own, embedder=FakeEmbedder()) as collection:
        with pytest.raises(DinosearchError, match="does not let this user"):
            collection.remove("id:1")
        with pytest.raises(DinosearchError, match="does not let this user"):
            collection._opened.search().upsert(np.array([99]), collection.vectors([1])[1])
    with Collection.open(url, embedder=FakeEmbedder()) as collection:
        collection.migrate(embedder=OtherEmbedder())
    with Collection.open(own, read_only=True, embedder=OtherEmbedder()) as collection:  # which is another table
        assert len(collection.query(photo_folder / "03.png", k=3)) == 3


def test_who_lost_the_lock_commits_nothing(own: PostgresServer) -> None:
    """The server frees the lock when it is started again: another writer may be at work by then."""
    with MetadataStore.open(own.collection("lock"), create=True) as store:
        with store.writer("here"):
            store.set_setting("a", 1)
            own.kill()
            own.start()
            with pytest.raises(HomeLockedError, match="was lost"):
                store.set_setting("a", 2)
        assert store.setting("a") == 1
        with store.writer("here"):
            store.set_setting("a", 3)
        assert store.setting("a") == 3


def test_a_server_that_dies_as_the_lock_is_taken_is_one_sentence(
    own: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    take = PostgresDatabase._lock

    def then_die(database: PostgresDatabase, *asked: object) -> None:
        take(database, *asked)
        own.kill()

    with MetadataStore.open(own.collection("taken"), create=True) as store:
        with monkeypatch.context() as patch:
            patch.setattr(PostgresDatabase, "_lock", then_die)
            with pytest.raises(DinosearchError, match="does not answer"), store.writer("here"):
                pass
        own.start()
        with store.writer("here"):
            store.set_setting("a", 1)


def test_a_question_takes_one_transaction_and_finds_another_session_where_its_own_ended(
    postgres_url: str, database: psycopg.Connection, tmp_path: Path
) -> None:
    rows, ids = unit(300, 5), np.arange(1, 301)
    taken = 0

    def count(*_: object) -> None:
        nonlocal taken
        taken += 1

    with filled(Where("pgvector", postgres_url, {}), tmp_path, rows) as collection:
        for _ in range(3):
            ended = database.execute(
                "SELECT count(pg_terminate_backend(pid, 5000)) FROM pg_stat_activity "
                "WHERE application_name = 'dinosearch'"
            ).fetchone()
            assert ended is not None and ended[0] > 0
            database.rollback()
            found, _ = collection.rank(rows[7], 5)
            assert found[0].tolist() == nearest(rows, ids, rows[7], 5)
        for _ in range(10):  # until no session of before is kept
            collection.rank(rows[:1], 5)
        event.listen(Pool, "checkout", count)
        try:
            collection.rank(rows[:3], 5)
        finally:
            event.remove(Pool, "checkout", count)
    assert taken == 1


def test_the_index_answers_filters_of_all_sizes(postgres_url: str, tmp_path: Path) -> None:
    """By the index where much is left, by comparison where little is: as brute force finds it."""
    rows, queries, ids = unit(6000, 3), unit(20, 4), np.arange(1, 6001)
    with filled(Where("pgvector", postgres_url, {}), tmp_path, rows) as collection:
        assert collection.info().built is not None
        for text, chosen in (
            ("id <= 5900", ids <= 5900),
            ("path ~ '/p/0[0-2]*'", ids <= 3000),
            ("id in (5, 77, 4000)", np.isin(ids, (5, 77, 4000))),
            ("name = '00123.jpg'", ids == 124),
        ):
            found, _ = collection.rank(queries, 10, where=text)
            wanted = [nearest(rows[chosen], ids[chosen], query, 10) for query in queries]
            assert np.isin(found[found >= 0], ids[chosen]).all()
            share = [len(set(a.tolist()) & set(b)) / len(b) for a, b in zip(found, wanted, strict=True)]
            assert np.mean(share) > (0.9 if chosen.sum() > 1000 else 0.999), text


def test_the_command_line_names_the_engine(
    postgres_url: str,
    photo_folder: Path,
    run,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("DINOSEARCH_HOME", postgres_url)
    assert run("index", str(photo_folder)).exit_code == 0
    told = json.loads(run("info", "--json").stdout)
    assert told["engine"].startswith("PostgreSQL 1") and "pgvector 0." in told["engine"] and told["images"] == 12
    assert "engine" in run("info").stdout
    hit = json.loads(run("query", str(photo_folder / "03.png"), "--json", "--include-self").stdout.splitlines()[0])
    assert hit["path"] == str(photo_folder / "03.png")
    assert run("index", "not-there").exit_code == 3  # it may be offline: the collection is there
    absent = run("index", "not-there", "--home", f"{postgres_url}_other")
    assert absent.exit_code == 2 and "nothing was indexed" in absent.stderr
    refused = run("refine", "--diffuse")
    assert refused.exit_code == 2 and "only a folder" in refused.stderr


def test_two_collections_of_one_database_do_not_meet(postgres: PostgresServer, photo_folder: Path) -> None:
    first, second = postgres.collection("first"), postgres.collection("second")
    with Collection.open(first, create=True, embedder=FakeEmbedder()) as one:
        one.index(photo_folder)
        with Collection.open(second, create=True, embedder=FakeEmbedder()) as two:
            assert two.info().images == 0
            with one._opened.place.writer():  # who writes to the one does not keep others from the other
                two.index(photo_folder / "00.png")
            assert (one.info().images, two.info().images) == (12, 1)
            assert len(two.query(photo_folder / "01.png", k=5)) == 1
