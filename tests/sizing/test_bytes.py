"""What is planned against what is really written."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import numpy as np
import pytest
import sqlalchemy
from torture.postgres_server import PostgresServer

from dinosearch import Collection
from dinosearch.collection.keeping.transfer import write_vectors
from dinosearch.records import Fingerprint, FoundFile, ImageInfo
from dinosearch.sizing import Plan, plan
from dinosearch.store import MetadataStore
from dinosearch.vectors import VectorIndex
from dinosearch.vectors.ladder import EXACT_ROWS

CLOSE = 0.12
"""Share by which bytes may differ from what was planned."""
DIMENSION = 288


def unit(count: int, dimension: int = DIMENSION) -> np.ndarray:
    rows = np.random.default_rng(0).standard_normal((count, dimension)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def value(made: Plan, place: int, key: str) -> float:
    return next(step.value for step in made.places[place].lines if step.formula.key == key)


def exported(folder: Path, rows: np.ndarray, path_bytes: int) -> Path:
    fingerprint = Fingerprint("mini", "0" * 64, "squash-224", "cls", rows.shape[1])
    paths = [f"/photos/{number:08d}".ljust(path_bytes - 4, "x") + ".jpg" for number in range(len(rows))]
    write_vectors(folder, fingerprint, paths, rows)
    return folder


def test_a_folder(tmp_path: Path):
    home, images = tmp_path / "home", 6_000
    with Collection.open(home, create=True) as collection:
        collection.import_(exported(tmp_path / "export", unit(images), 60))
    made = plan(images, "mini", given={"path_bytes": 60})
    (vectors,), (index,) = home.glob("vectors-*.f32"), home.glob("index-*.faiss")
    assert value(made, 0, "local_vectors") == vectors.stat().st_size
    assert value(made, 0, "local_index") == pytest.approx(index.stat().st_size, rel=CLOSE)
    metadata = (home / "metadata.sqlite").stat().st_size  # all rows lie in it once it is closed
    assert value(made, 0, "local_metadata") == pytest.approx(metadata, rel=CLOSE)


def test_an_index_of_4_bits_for_two_numbers(tmp_path: Path):
    images = EXACT_ROWS + 1
    made, rows = plan(images, "mini"), unit(images)
    index = VectorIndex.train(made.places[0].index, rows[:10_000])
    index.add([(np.arange(images), rows)], images)
    file, _ = index.publish(tmp_path / "index-1.faiss")
    assert value(made, 0, "local_index") == pytest.approx(file.stat().st_size, rel=CLOSE)


@pytest.mark.parametrize("path_bytes", [30, 120])
def test_metadata_with_all_that_a_photo_tells(tmp_path: Path, path_bytes: int):
    file, images = tmp_path / "metadata.sqlite", 6_000
    with MetadataStore.open(file, create=True) as store, store.transaction() as tx:
        for number in range(images):
            info = ImageInfo(4032, 3024, "JPEG", datetime(2024, 5, 1), "Canon EOS 5D")
            image = tx.add_image(f"{number * 2654435761 % 2**64:064x}", info)
            name = f"/photos/{number:08d}".ljust(path_bytes - 4, "x") + ".jpg"
            tx.put_location(FoundFile(name, 3_000_000 + number, 1_700_000_000_000_000_000 + number), image)
    made = plan(images, "mini", given={"path_bytes": path_bytes})
    assert value(made, 0, "local_metadata") == pytest.approx(file.stat().st_size, rel=CLOSE)


def test_a_database(tmp_path: Path, postgres: PostgresServer):
    images, name = 6_000, "planned"
    with Collection.open(postgres.collection(name), create=True) as collection:
        collection.import_(exported(tmp_path / "export", unit(images), 60))
    sizes = relation_sizes(postgres.url, name)
    made = plan(images, "mini", given={"path_bytes": 60})
    assert value(made, 2, "pg_index") == pytest.approx(sizes["vectors_1_hnsw"], rel=CLOSE)
    assert value(made, 2, "pg_vectors") == pytest.approx(sizes["vectors_1"], rel=CLOSE)
    metadata = sum(size for relation, size in sizes.items() if not relation.startswith("vectors_"))
    assert value(made, 2, "pg_metadata") == pytest.approx(metadata, rel=CLOSE)
    assert value(made, 2, "pg_disk") == pytest.approx(sum(sizes.values()), rel=CLOSE)


def test_a_long_vector_is_put_aside_by_the_database(postgres: PostgresServer):
    """Of a ResNet's 2,048 numbers: no row of a table has them on its own page."""
    engine = sqlalchemy.create_engine(postgres.url)
    try:
        with engine.begin() as connection:
            connection.execute(sqlalchemy.text("CREATE EXTENSION IF NOT EXISTS vector"))
            connection.execute(sqlalchemy.text("CREATE TABLE longs (id bigint PRIMARY KEY, embedding vector(2048))"))
            connection.execute(
                sqlalchemy.text(
                    "INSERT INTO longs SELECT i, (SELECT array_agg(random())::real[]::vector FROM "
                    "generate_series(1, 2048)) FROM generate_series(1, 1000) i"
                )
            )
            found = connection.execute(sqlalchemy.text("SELECT pg_table_size('longs')")).scalar_one()
            connection.execute(sqlalchemy.text("DROP TABLE longs"))
    finally:
        engine.dispose()
    assert value(plan(1_000, "dino_resnet50"), 2, "pg_vectors") == pytest.approx(found, rel=CLOSE)


def relation_sizes(url: str, schema: str) -> dict[str, int]:
    """Bytes of every table and index of a collection."""
    engine = sqlalchemy.create_engine(url)
    statement = sqlalchemy.text(
        "SELECT c.relname, pg_relation_size(c.oid) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
        "WHERE n.nspname = :schema AND c.relkind IN ('r', 'i')"
    )
    try:
        with engine.connect() as connection:
            return {row[0]: row[1] for row in connection.execute(statement, {"schema": schema})}
    finally:
        engine.dispose()
