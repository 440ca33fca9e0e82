"""What a restore does not take back. Only tables that an app names come from the backup; the rest stays as it is.

So nothing that was revoked, used up, blocked, held or recorded can return: it is never read from the backup.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import psycopg
from django.db.models import Model
from psycopg import sql

from compliance.continuity.refusals import ContinuityError

MIGRATIONS: Final = "django_migrations"
"""Says in which form the tables are, and the form comes from the backup."""
TRAIL: Final = "compliance_auditevent"


class OtherForm(ContinuityError):
    """Tables that are kept have other columns in the backup."""

    def __init__(self, tables: Iterable[str]) -> None:
        named = ", ".join(sorted(tables))
        super().__init__(
            f"This backup is of another version of ClinChat: what must be kept does not fit into its tables ({named}). "
            "Install the version that made the backup first, then restore."
        )


class Torn(ContinuityError):
    """Rows that are kept would point at rows that are gone."""

    def __init__(self, tables: Iterable[str]) -> None:
        named = ", ".join(sorted(tables))
        super().__init__(f"Tables that are kept refer to rows that are taken back ({named}). Nothing was changed.")


@dataclass(frozen=True)
class Old:
    """What a hook may ask: the database as it was, and what is being restored. Read-only."""

    live: psycopg.Connection
    restore_id: UUID
    as_of: datetime

    def rows(self, model: type[Model], *fields: str, keys: Collection[Any] | None = None) -> dict[Any, tuple[Any, ...]]:
        """The fields of every row, or of those of these keys, by its key. All are held in memory."""
        meta = model._meta  # noqa: SLF001  # documented by Django
        columns = [str(meta.pk.column), *(str(meta.get_field(name).column) for name in fields)]  # type: ignore[union-attr]
        statement = sql.SQL("SELECT {} FROM {}").format(
            sql.SQL(", ").join(map(sql.Identifier, columns)), sql.Identifier(meta.db_table)
        )
        if keys is not None:
            statement += sql.SQL(" WHERE {} = ANY(%s)").format(sql.Identifier(columns[0]))
        found = self.live.execute(statement, None if keys is None else [list(keys)])
        return {pk: tuple(values) for pk, *values in found}


Hook = Callable[[Old], None]

_taken: set[type[Model]] = set()
_hooks: list[Hook] = []


def takes_back(*models: type[Model]) -> None:
    """Rows of these come from the backup, with those of the tables between them. Call it from AppConfig.ready()."""
    _taken.update(models)


def after_restore(hook: Hook) -> None:
    """`hook` runs in the restored database before anybody sees it. It takes away again what must not come back."""
    _hooks.append(hook)


def hooks() -> tuple[Hook, ...]:
    """What `after_restore` was given, in that order."""
    return tuple(_hooks)


def taken() -> frozenset[str]:
    """The tables that come from the backup."""
    named = {one._meta.db_table for one in _taken}  # noqa: SLF001  # documented by Django
    between = {field.m2m_db_table() for one in _taken for field in one._meta.local_many_to_many}  # noqa: SLF001
    return frozenset(named | between | {MIGRATIONS})


# ── Tables, as PostgreSQL has them ────────────────────────────────────────────────────────────────────────────────

_COLUMNS = """
SELECT relname, attname, format_type(atttypid, atttypmod) || CASE WHEN attnotnull THEN ' not null' ELSE '' END
       || CASE attgenerated WHEN '' THEN '' ELSE ' generated' END
FROM pg_class JOIN pg_attribute ON attrelid = pg_class.oid
WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND attnum > 0 AND NOT attisdropped
ORDER BY relname, attname
"""
_PARTS = "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = to_regclass(%s)"
_KEPT_INDEXES = """
SELECT indexname FROM pg_indexes WHERE schemaname = 'public' AND tablename <> ALL(%s)
"""
_EXTENSION_FUNCTIONS = """
SELECT proname FROM pg_proc JOIN pg_depend ON objid = pg_proc.oid AND classid = 'pg_proc'::regclass AND deptype = 'e'
"""
_TORN = """
SELECT DISTINCT conrelid::regclass::text FROM pg_constraint
WHERE contype = 'f' AND confrelid::regclass::text = ANY(%(taken)s) AND conrelid::regclass::text <> ALL(%(taken)s)
"""
_SEQUENCES = """
SELECT sequencename, last_value FROM pg_sequences WHERE schemaname = 'public' AND last_value IS NOT NULL
"""

GENERATED: Final = " generated"
Columns = dict[str, str]


def tables(where: psycopg.Connection) -> dict[str, Columns]:
    """Every table that holds rows, with the type of each column."""
    found: dict[str, Columns] = {}
    for table, column, said in where.execute(_COLUMNS):
        found.setdefault(table, {})[column] = said
    return found


def kept_indexes(live: psycopg.Connection) -> frozenset[str]:
    """The indexes of the tables that are kept, by name."""
    return frozenset(name for (name,) in live.execute(_KEPT_INDEXES, [list(taken())]))


def extension_functions(where: psycopg.Connection) -> frozenset[str]:
    """The functions that came with an extension, by name."""
    return frozenset(name for (name,) in where.execute(_EXTENSION_FUNCTIONS))


def require_whole(live: psycopg.Connection) -> None:
    """Nothing that is kept may point at what goes back. Raises Torn."""
    if torn := [table for (table,) in live.execute(_TORN, {"taken": list(taken())})]:
        raise Torn(torn)


def _months(where: psycopg.Connection) -> set[str]:
    return {name for (name,) in where.execute(_PARTS, [TRAIL])}


def make_room(live: psycopg.Connection, new: psycopg.Connection) -> None:
    """The months that the trail has and the backup does not; what is kept must fit then. Raises OtherForm."""
    months = _months(live)
    there = _months(new)
    for name in months - there:
        new.execute(sql.SQL("CREATE TABLE {} (LIKE {} INCLUDING ALL)").format(*map(sql.Identifier, (name, TRAIL))))
    ours, theirs = tables(live), tables(new)
    kept = (ours.keys() | theirs.keys()) - taken() - (there - months)
    if other := {name for name in kept if ours.get(name) != theirs.get(name)}:
        raise OtherForm(other)


def copy(live: psycopg.Connection, new: psycopg.Connection) -> dict[str, int]:
    """Copy the rows of all tables that are kept, in one state of the live database. Returns how many of each."""
    copied = {}
    with live.transaction(), new.transaction():
        live.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        for table, columns in sorted(tables(live).items()):
            if table not in taken():
                copied[table] = _copy(live, new, table, columns)
        _move_sequences(live, new)
    return copied


def _copy(live: psycopg.Connection, new: psycopg.Connection, table: str, columns: Columns) -> int:
    own = [name for name, said in columns.items() if not said.endswith(GENERATED)]  # without those that are computed
    named = sql.SQL("{} ({})").format(sql.Identifier(table), sql.SQL(", ").join(map(sql.Identifier, own)))
    with (
        live.cursor().copy(sql.SQL("COPY {} TO STDOUT (FORMAT binary)").format(named)) as reader,
        new.cursor() as cursor,
    ):
        with cursor.copy(sql.SQL("COPY {} FROM STDIN (FORMAT binary)").format(named)) as writer:
            for piece in reader:
                writer.write(piece)
        return cursor.rowcount


def _move_sequences(live: psycopg.Connection, new: psycopg.Connection) -> None:
    """Every number goes on after the higher of the two: one that the trail knows is given to nothing else."""
    reached: dict[str, int] = dict(new.execute(_SEQUENCES).fetchall())
    there = {name for (name,) in new.execute("SELECT sequencename FROM pg_sequences WHERE schemaname = 'public'")}
    for name, value in live.execute(_SEQUENCES).fetchall():
        if name in there and value > reached.get(name, 0):
            new.execute("SELECT setval(%s::regclass, %s)", [sql.Identifier("public", name).as_string(), value])


def join_months(live: psycopg.Connection, new: psycopg.Connection) -> None:
    """The trail's months as they are live: those made since join it, with its indexes and triggers; those purged since
    go. Call it when the indexes and triggers are there."""
    months, there = _months(live), _months(new)
    for name in there - months:
        new.execute(sql.SQL("DROP TABLE {}").format(sql.Identifier(name)))
    for name in months - there:
        bounds = _one(live, "SELECT pg_get_expr(relpartbound, oid) FROM pg_class WHERE oid = %s::regclass", name)
        parent, part = sql.Identifier(TRAIL), sql.Identifier(name)
        new.execute(sql.SQL("ALTER TABLE {} ATTACH PARTITION {} {}").format(parent, part, sql.SQL(bounds)))
        new.execute("SELECT compliance_audit_append_only(%s::regclass)", [name])


def _one(where: psycopg.Connection, statement: str, *given: Any) -> Any:
    row = where.execute(statement, given).fetchone()
    return row[0] if row else None
