"""PostgreSQL's words for what the store and its filters say; `dialects` and `filters.compile` have SQLite's."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    MetaData,
    Table,
    Text,
    func,
    literal,
    literal_column,
    select,
    text,
    type_coerce,
)
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.compiler import compiles

from dinosearch.store.dialects import Dialect
from dinosearch.store.filters.compile import Words, compile_filter
from dinosearch.store.filters.functions import dinosearch_folder, dinosearch_name
from dinosearch.store.filters.postgres_glob import path_regex, text_regex
from dinosearch.store.filters.syntax import Filter
from dinosearch.store.paths import PathText, bound
from dinosearch.store.tables import FILES, images, labels

metadata = MetaData()
"""Tables that only PostgreSQL needs."""
GRANTS = """
SELECT format('GRANT %%s ON %%I TO %%s', privilege_type, %s::text, CASE WHEN grantee = 0 THEN 'PUBLIC' ELSE
    quote_ident(pg_get_userbyid(grantee)) END)
FROM pg_class, aclexplode(coalesce(relacl, acldefault('r', relowner)))
WHERE oid = 'images'::regclass AND grantee <> (SELECT oid FROM pg_roles WHERE rolname = current_user)
"""
"""Statements that let into a table, made later, who is let into the metadata: each generation has its own."""

# Each camera and each label with its folded name: SQLite folds by a function of Python's, which a server has not.
cameras = Table(
    "cameras",
    metadata,
    Column("camera", PathText, primary_key=True),
    Column("folded", PathText, nullable=False),
)
label_names = Table(
    "label_names",
    metadata,
    Column("label", PathText, primary_key=True),
    Column("folded", PathText, nullable=False),
)


def _sequence(table: Table) -> str:
    return f"{table.name}_{next(iter(table.primary_key.columns)).name}_seq"


def _last_id(connection: Connection, table: Table) -> int:
    statement = f"SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM {_sequence(table)}"
    return int(connection.exec_driver_sql(statement).scalar_one())


def _keep_id(connection: Connection, table: Table, given: int) -> None:
    # Outside of all transactions: ids of one that is rolled back are not given again either.
    if given > _last_id(connection, table):
        connection.execute(select(func.setval(_sequence(table), given)))


def _note_cameras(connection: Connection, rows: Iterable[Mapping[str, Any]]) -> None:
    _note(connection, cameras, {row["camera"] for row in rows if row["camera"] is not None})


def _note_labels(connection: Connection, named: Iterable[str]) -> None:
    _note(connection, label_names, named)


def _note(connection: Connection, table: Table, named: Iterable[str]) -> None:
    name = next(iter(table.primary_key.columns)).name
    values = [{name: text, "folded": text.casefold()} for text in sorted(named)]
    if values:
        connection.execute(insert(table).on_conflict_do_nothing(), values)


def _many(connection: Connection, statement: Any, rows: Sequence[Mapping[str, Any]]) -> int:
    # With an answer SQLAlchemy sends a thousand rows a statement; without, one: ten times slower.
    return len(connection.execute(statement.returning(literal_column("1")), rows).all())


_REVIVE = text(
    "UPDATE images SET removed = NULL, size = v.size FROM unnest(cast(:ids AS bigint[]), cast(:sizes AS bigint[])) "
    "AS v(id, size) WHERE images.id = v.id"
)


def _revive(connection: Connection, placed: Sequence[tuple[int, int]]) -> None:
    connection.execute(_REVIVE, {"ids": [image_id for image_id, _ in placed], "sizes": [size for _, size in placed]})


def _settle_packed(connection: Connection, table: Table) -> None:
    # As it is: nothing of it gets smaller by compressing it.
    connection.exec_driver_sql(f"ALTER TABLE {table.name} ALTER COLUMN data SET STORAGE EXTERNAL")
    for (grant,) in connection.exec_driver_sql(GRANTS, (table.name,)).all():
        connection.exec_driver_sql(grant)


POSTGRESQL = Dialect(
    upsert=insert,
    last_id=_last_id,
    keep_id=_keep_id,
    on_images=_note_cameras,
    on_labels=_note_labels,
    many=_many,
    revive=_revive,
    on_packed=_settle_packed,
    on_schema=lambda _: None,
    packed_bytes=lambda table: select(func.pg_total_relation_size(func.to_regclass(table.name))),
)


def _text(value: str) -> ColumnElement[str]:
    return literal(bound(value, "postgresql"), Text)


_Condition = ColumnElement[bool]


def _those(column: ColumnElement[Any], test: Callable[[ColumnElement[str]], _Condition]) -> _Condition:
    """Whether it is one of the few cameras or labels, which are looked up once and not for each image anew."""
    names = _NAMES[column]
    return column.in_(select(next(iter(names.primary_key.columns))).where(test(type_coerce(names.c.folded, Text))))


_NAMES: dict[ColumnElement[Any], Table] = {images.c.camera: cameras, labels.c.label: label_names}
WORDS = Words(
    lambda column, compare, value: _those(column, lambda folded: compare(folded, _text(value))),
    lambda column, pattern: _those(column, lambda folded: folded.regexp_match(literal(text_regex(pattern), Text))),
    lambda column, pattern: column.regexp_match(literal(path_regex(pattern), Text)),
)


def spelled(where: Filter | None, dialect: Any) -> tuple[str, dict[str, Any]]:
    """SELECT of the ids of images that can be found and have a file that matches, with psycopg's parameters.

    Args:
        where: None for all images that can be found.
        dialect: SQLAlchemy's of the connection.
    """
    statement = select(images.c.id).where(images.c.removed.is_(None))
    if where is not None:
        statement = statement.select_from(FILES).where(compile_filter(where, "postgresql"))
    compiled = statement.compile(dialect=dialect, compile_kwargs={"render_postcompile": True})
    values: dict[str, Any] = {}
    for name, bind in compiled.binds.items():
        process = bind.type.dialect_impl(dialect).bind_processor(dialect)
        values[name] = process(bind.effective_value) if process else bind.effective_value
    return str(compiled), values


@compiles(dinosearch_name, "postgresql")
def _name(element: Any, compiler: Any, **options: Any) -> str:
    return _last_part(compiler.process(element.clauses, **options))


@compiles(dinosearch_folder, "postgresql")
def _folder(element: Any, compiler: Any, **options: Any) -> str:
    path = compiler.process(element.clauses, **options)
    head = f"left({path}, length({path}) - length({_last_part(path)}))"
    return (
        f"CASE WHEN right({head}, 2) = '::' THEN left({head}, -2) WHEN length({head}) > 1 THEN left({head}, -1) "
        f"ELSE {head} END"
    )


def _last_part(path: str) -> str:
    return f"regexp_replace({path}, '^.*(/|::)', '')"
