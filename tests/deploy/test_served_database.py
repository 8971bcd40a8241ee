"""What deploy/compose runs: a server over a collection in PostgreSQL."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from dinosearch import Collection
from dinosearch.server.catalogue import Catalogue
from dinosearch.server.settings import Settings, named
from tests.sizing.test_bytes import exported, unit


def test_an_address_is_named_by_its_collection_or_as_told():
    database, cluster = "postgresql+psycopg://me@db/photos?collection=rome", "milvus://db:19530/paris"
    assert named((database, f"mine={database}", cluster, "/photos.index")) == (
        ("rome", database),
        ("mine", database),
        ("paris", cluster),
        ("photos.index", "/photos.index"),
    )


def test_a_served_collection_follows_the_database(tmp_path: Path, postgres_url: str):
    rows = unit(30, 96)
    with Collection.open(postgres_url, create=True) as collection:
        collection.import_(exported(tmp_path / "first", rows[:20], 40))
    catalogue = Catalogue(Settings(homes=named((postgres_url,))), warm=False)
    try:
        (served,) = catalogue
        state, (ids, _) = served.state(), served.collection.rank(rows[20:], 20)
        assert sorted(ids[0]) == list(range(1, 21))
        with Collection.open(postgres_url) as collection:
            collection.import_(exported(tmp_path / "second", rows, 40))
        assert served.state() > state
        ids, scores = served.collection.rank(rows[20:], 1)
        assert ids[:, 0].tolist() == list(range(21, 31))
        assert np.allclose(scores, 1, atol=1e-5)
    finally:
        catalogue.close()
