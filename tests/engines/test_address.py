"""Addresses of engines: what each form means, and sentences for those that are none, without their password."""

from __future__ import annotations

from pathlib import Path

import pytest

from dinosearch import Collection
from dinosearch.engines import parse_address
from dinosearch.engines.address import is_url
from dinosearch.errors import DinosearchError
from dinosearch.store.postgres_url import parsed

SECRET = "s3cret%2Fw@rd".replace("@", "%40")


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        (
            f"postgresql+psycopg://ann:{SECRET}@db.example:5433/photos?collection=rome&sslmode=verify-full",
            {
                "kind": "pgvector", "host": "db.example", "port": 5433, "user": "ann", "password": "s3cret/w@rd",
                "database": "photos", "collection": "rome", "options": {"sslmode": "verify-full"},
                "shown": "postgresql+psycopg://ann@db.example:5433/photos?collection=rome",
            },
        ),
        (
            "postgresql:///photos?collection=rome&collection=paris",
            {"database": "photos", "collection": "paris", "shown": "postgresql+psycopg:///photos?collection=paris"},
        ),
        (
            "postgresql:///photos?host=/run/postgresql",
            {
                "kind": "pgvector", "host": None, "database": "photos", "collection": "dinosearch",
                "options": {"host": "/run/postgresql"}, "shown": "postgresql+psycopg:///photos?host=/run/postgresql",
            },
        ),
        (
            f"milvus://root:{SECRET}@milvus.example:19530/rome?db=photos",
            {
                "kind": "milvus", "host": "milvus.example", "port": 19530, "user": "root", "password": "s3cret/w@rd",
                "database": "photos", "collection": "rome", "file": None, "options": {},
                "shown": "milvus://root@milvus.example:19530/rome?db=photos",
            },
        ),
        (
            "milvus:///data/rome.db",
            {"kind": "milvus-lite", "file": "/data/rome.db", "collection": "dinosearch", "shown": "milvus:///data/rome.db"},
        ),
    ],
)  # fmt: skip
def test_forms(url: str, expected: dict[str, object]) -> None:
    address = parse_address(url)
    assert {name: getattr(address, name) for name in expected} == expected
    assert address.kind != "pgvector" or parsed(url)[1] == address.collection  # where its tables lie
    assert "s3cret" not in f"{address!r} {address.shown}"


@pytest.mark.parametrize(
    ("home", "metadata", "said"),
    [
        (f"mysql://u:{SECRET}@h/x", None, "no address of a collection"),
        (f"postgresql://u:{SECRET}@h", None, "names no database"),
        (f"postgresql://u:{SECRET}@h:port/x", None, "cannot be read"),
        (f"postgresql://u:{SECRET}@h/x?collection=a-b", None, "cannot be the name"),
        (f"postgresql://u:{SECRET}@h/x", "sqlite:////x", "holds its metadata itself"),
        (f"postgresql://u:{SECRET}@127.0.0.1:1/x", None, "does not answer"),
        (f"milvus://u:{SECRET}@h/x", None, "--metadata sqlite:"),
        (f"milvus://u:{SECRET}@h/x", f"mysql://u:{SECRET}@h/x", "is an SQLite file"),
        (f"milvus://u:{SECRET}@h/x", f"oops:{SECRET}", "not there"),
        (f"milvus://u:{SECRET}@h/x", "sqlite:////nowhere/at/all.sqlite", "no collection in milvus://u@h/x"),
        (f"milvus://u:{SECRET}@h/a/b", "sqlite:////x", "cannot be the name"),
        ("milvus://", "sqlite:////x", "neither a server nor a file"),
        ("folder", "sqlite:////x", "is a folder"),
    ],
)
def test_what_is_no_address_is_said_without_the_password(
    home: str, metadata: str | None, said: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DINOSEARCH_METADATA", raising=False)
    with pytest.raises(DinosearchError, match=said) as caught:
        Collection.open(home, metadata=metadata)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 500
    if metadata is None or not metadata.startswith("oops"):  # which is the name of a file
        assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize("home", ["index", "/data/x", "C:\\photos", "a:b", "~/x", "./postgresql:/x"])
def test_folders_are_folders(home: str) -> None:
    assert not is_url(home)


def test_a_driver_that_is_not_installed_is_named_with_its_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dinosearch.store.postgres.find_spec", lambda name: None)
    with pytest.raises(DinosearchError, match=r'pip install "dinosearch\[postgres\]"'):
        Collection.open("postgresql://h/x")
