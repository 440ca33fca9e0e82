"""Which tables a restore takes from the backup, and how all others are carried over from the live database.

Only models that an app registers come from the backup. Sessions, revocations, used codes, network blocks, legal holds
and the audit trail are not among them: they are never read from the backup, so a restore cannot bring back old ones.
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
"""Comes from the backup, as the schema does."""
AUDIT_TABLE: Final = "compliance_auditevent"


class SchemaMismatch(ContinuityError):
    """Tables to be carried over have other columns in the backup than in the live database."""

    def __init__(self, tables: Iterable[str]) -> None:
        named = ", ".join(sorted(tables))
        super().__init__(
            f"This backup is of another version of ClinChat: what must be kept does not fit into its tables ({named}). "
            "Install the version that made the backup first, then restore."
        )


class DanglingReferences(ContinuityError):
    """Foreign keys of tables that are carried over point at tables that come from the backup."""

    def __init__(self, tables: Iterable[str]) -> None:
        named = ", ".join(sorted(tables))
        super().__init__(f"Tables that are kept refer to rows that are taken back ({named}). Nothing was changed.")


@dataclass(frozen=True)
class PreviousDatabase:
    """For hooks: the live database before the switch-over (read-only), and which restore to what moment this is."""

    live: psycopg.Connection
    restore_id: UUID
    as_of: datetime

    def rows(self, model: type[Model], *fields: str, keys: Collection[Any] | None = None) -> dict[Any, tuple[Any, ...]]:
        """Primary key → these fields, of all rows or of those with these keys. Loads all of them into memory."""
        meta = model._meta  # noqa: SLF001  # documented by Django
        columns = [str(meta.pk.column), *(str(meta.get_field(name).column) for name in fields)]  # type: ignore[union-attr]
        statement = sql.SQL("SELECT {} FROM {}").format(
            sql.SQL(", ").join(map(sql.Identifier, columns)), sql.Identifier(meta.db_table)
        )
        if keys is not None:
            statement += sql.SQL(" WHERE {} = ANY(%s)").format(sql.Identifier(columns[0]))
        found = self.live.execute(statement, None if keys is None else [list(keys)])
        return {pk: tuple(values) for pk, *values in found}


Hook = Callable[[PreviousDatabase], None]

_restored_models: set[type[Model]] = set()
_hooks: list[Hook] = []


def restore_from_backup(*models: type[Model]) -> None:
    """Register models whose rows come from the backup, with those of their many-to-many tables. Call it in ready()."""
    _restored_models.update(models)


def after_restore(hook: Hook) -> None:
    """Register a hook that runs in the restored database before the switch-over and removes what must not return."""
    _hooks.append(hook)


def hooks() -> tuple[Hook, ...]:
    """The registered hooks, in the order of their registration."""
    return tuple(_hooks)


def restored_tables() -> frozenset[str]:
    """Names of the tables that come from the backup."""
    own = {model._meta.db_table for model in _restored_models}  # noqa: SLF001  # documented by Django
    m2m = {field.m2m_db_table() for model in _restored_models for field in model._meta.local_many_to_many}  # noqa: SLF001
    return frozenset(own | m2m | {MIGRATIONS})


# ── Tables, from the catalog ──────────────────────────────────────────────────────────────────────────────────────

_COLUMNS = """
SELECT relname, attname, format_type(atttypid, atttypmod) || CASE WHEN attnotnull THEN ' not null' ELSE '' END
       || CASE attgenerated WHEN '' THEN '' ELSE ' generated' END
FROM pg_class JOIN pg_attribute ON attrelid = pg_class.oid
WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND attnum > 0 AND NOT attisdropped
ORDER BY relname, attname
"""
_PARTITIONS = "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = to_regclass(%s)"
_KEPT_INDEXES = """
SELECT indexname FROM pg_indexes WHERE schemaname = 'public' AND tablename <> ALL(%s)
"""
_EXTENSION_FUNCTIONS = """
SELECT proname FROM pg_proc JOIN pg_depend ON objid = pg_proc.oid AND classid = 'pg_proc'::regclass AND deptype = 'e'
"""
_DANGLING = """
SELECT DISTINCT conrelid::regclass::text FROM pg_constraint
WHERE contype = 'f' AND confrelid::regclass::text = ANY(%(restored)s) AND conrelid::regclass::text <> ALL(%(restored)s)
"""
_SEQUENCES = """
SELECT sequencename, last_value FROM pg_sequences WHERE schemaname = 'public' AND last_value IS NOT NULL
"""

GENERATED: Final = " generated"
Columns = dict[str, str]
"""Name → type, with "not null" and "generated" where they apply."""


def tables(where: psycopg.Connection) -> dict[str, Columns]:
    """Every ordinary table of the schema `public`: its columns, and their types."""
    found: dict[str, Columns] = {}
    for table, column, definition in where.execute(_COLUMNS):
        found.setdefault(table, {})[column] = definition
    return found


def kept_indexes(live: psycopg.Connection) -> frozenset[str]:
    """Names of the indexes of tables that are carried over."""
    return frozenset(name for (name,) in live.execute(_KEPT_INDEXES, [list(restored_tables())]))


def extension_functions(where: psycopg.Connection) -> frozenset[str]:
    """Names of the functions that belong to an extension."""
    return frozenset(name for (name,) in where.execute(_EXTENSION_FUNCTIONS))


def require_no_dangling_references(live: psycopg.Connection) -> None:
    """Raises DanglingReferences where a table that is carried over has a foreign key to one from the backup."""
    if dangling := [table for (table,) in live.execute(_DANGLING, {"restored": list(restored_tables())})]:
        raise DanglingReferences(dangling)


def _partitions(where: psycopg.Connection) -> set[str]:
    return {name for (name,) in where.execute(_PARTITIONS, [AUDIT_TABLE])}


def prepare_partitions(live: psycopg.Connection, new: psycopg.Connection) -> None:
    """Create the monthly partitions of the audit trail that are newer than the backup, as tables of their own for now.

    Raises SchemaMismatch where a table that is carried over then still differs between the two databases.
    """
    live_months, new_months = _partitions(live), _partitions(new)
    for name in live_months - new_months:
        new.execute(
            sql.SQL("CREATE TABLE {} (LIKE {} INCLUDING ALL)").format(*map(sql.Identifier, (name, AUDIT_TABLE)))
        )
    ours, theirs = tables(live), tables(new)
    kept = (ours.keys() | theirs.keys()) - restored_tables() - (new_months - live_months)
    if differing := {name for name in kept if ours.get(name) != theirs.get(name)}:
        raise SchemaMismatch(differing)


def copy_live_rows(live: psycopg.Connection, new: psycopg.Connection) -> dict[str, int]:
    """Copy the rows of every table that is carried over, in one snapshot. Returns the number of rows of each table."""
    copied = {}
    with live.transaction(), new.transaction():
        live.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        for table, columns in sorted(tables(live).items()):
            if table not in restored_tables():
                copied[table] = _copy_table(live, new, table, columns)
        _advance_sequences(live, new)
    return copied


def _copy_table(live: psycopg.Connection, new: psycopg.Connection, table: str, columns: Columns) -> int:
    stored = [name for name, definition in columns.items() if not definition.endswith(GENERATED)]
    target = sql.SQL("{} ({})").format(sql.Identifier(table), sql.SQL(", ").join(map(sql.Identifier, stored)))
    with (
        live.cursor().copy(sql.SQL("COPY {} TO STDOUT (FORMAT binary)").format(target)) as reader,
        new.cursor() as cursor,
    ):
        with cursor.copy(sql.SQL("COPY {} FROM STDIN (FORMAT binary)").format(target)) as writer:
            for piece in reader:
                writer.write(piece)
        return cursor.rowcount


def _advance_sequences(live: psycopg.Connection, new: psycopg.Connection) -> None:
    """Set each sequence to the higher of its two values: an id that the audit trail names is never given out again."""
    restored: dict[str, int] = dict(new.execute(_SEQUENCES).fetchall())
    existing = {name for (name,) in new.execute("SELECT sequencename FROM pg_sequences WHERE schemaname = 'public'")}
    for name, value in live.execute(_SEQUENCES).fetchall():
        if name in existing and value > restored.get(name, 0):
            new.execute("SELECT setval(%s::regclass, %s)", [sql.Identifier("public", name).as_string(), value])


def attach_partitions(live: psycopg.Connection, new: psycopg.Connection) -> None:
    """Give the audit trail the partitions it has live: attach those created since the backup, and drop those purged
    since. Call it once the indexes and triggers of the parent table exist."""
    live_months, new_months = _partitions(live), _partitions(new)
    for name in new_months - live_months:
        new.execute(sql.SQL("DROP TABLE {}").format(sql.Identifier(name)))
    for name in live_months - new_months:
        bounds = _scalar(live, "SELECT pg_get_expr(relpartbound, oid) FROM pg_class WHERE oid = %s::regclass", name)
        parent, part = sql.Identifier(AUDIT_TABLE), sql.Identifier(name)
        new.execute(sql.SQL("ALTER TABLE {} ATTACH PARTITION {} {}").format(parent, part, sql.SQL(bounds)))
        new.execute("SELECT compliance_audit_append_only(%s::regclass)", [name])


def _scalar(where: psycopg.Connection, statement: str, *params: Any) -> Any:
    row = where.execute(statement, params).fetchone()
    return row[0] if row else None
