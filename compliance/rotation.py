"""Wrapping sealed values anew while people read and write them (manage.py rotate_keys).

Only the data key of a value is wrapped again; the value itself stays as it is. A row is written only if it still
holds what was read, and one that somebody else is changing is left for later, so readers and writers never wait and
nothing is undone. What a run has done stays: it can be broken off and begun again at any time.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from django.apps import apps
from django.db import connection
from django.db.models import BinaryField, F, Func, Model, QuerySet, Value
from psycopg import sql

from clinchat.lib import sealed
from clinchat.lib.keys import Unsealable, keys
from clinchat.lib.sealed_field import SealedField
from compliance import audit

BATCH = 500
PASSES = 20
WAIT_SECONDS = 1.0
"""Between two passes of which the first could do nothing: others hold what is left."""
GRACE_SECONDS = 60.0
"""A value that was sealed before the new key came is in its table, or its transaction has begun, after this time."""
PATIENCE_SECONDS = 600.0
OBJECT_TYPE = "compliance.SealingKey"
_HEADS = sql.SQL(
    "SELECT CASE WHEN length({value}) > 2 THEN substring({value} FROM 1 FOR 2 + get_byte({value}, 1)) END, count(*) "
    "FROM {table} WHERE {value} IS NOT NULL GROUP BY 1"
)
Progress = Callable[[int], None]


class Busy(Exception):
    """Another rotation is running."""


class StillOpen(Exception):
    """A transaction that began before the new key came has not ended: what it will store nobody knows."""


@dataclass(frozen=True)
class Column:
    """One sealed column of one table."""

    model: type[Model]
    field: SealedField

    @property
    def name(self) -> str:
        return f"{self.model._meta.label}.{self.field.name}"  # noqa: SLF001  # documented by Django

    def rows(self) -> QuerySet[Model]:
        rows: QuerySet[Model] = self.model._base_manager.filter(**{f"{self.field.name}__isnull": False})  # noqa: SLF001  # as above
        return rows.order_by("pk")

    def waiting(self, key_id: str) -> QuerySet[Model]:
        """The rows whose data key another key has wrapped."""
        begins = sealed.head(key_id)
        part = Func(F(self.field.name), Value(1), Value(len(begins)), function="SUBSTRING", output_field=BinaryField())
        rows: QuerySet[Model] = self.rows().alias(begins=part).exclude(begins=begins)
        return rows


@dataclass
class Report:
    """What a run came to. `broken` names rows whose value does not open: altered, moved, or its key is gone."""

    key_id: str
    done: Counter[str] = field(default_factory=Counter)
    broken: dict[str, list[str]] = field(default_factory=dict)
    left: int = 0
    seconds: float = 0.0

    @property
    def ok(self) -> bool:
        return not self.left and not self.broken


def columns() -> list[Column]:
    """Every sealed column of every table."""
    return [
        Column(model, found)
        for model in apps.get_models()
        if not model._meta.proxy  # noqa: SLF001  # documented by Django
        for found in model._meta.local_fields  # noqa: SLF001  # as above
        if isinstance(found, SealedField)
    ]


@contextmanager
def alone() -> Iterator[None]:
    """Raises Busy while another rotation is inside, in whatever process."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(hashtext('clinchat rotation'))")
        if not cursor.fetchone()[0]:
            raise Busy
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_unlock(hashtext('clinchat rotation'))")


def renew() -> str:
    """A new key-encryption key and its id. Raises KeptElsewhere and KeysUnavailable."""
    _record(audit.Code.SENSITIVE_CREATE, audit.Crude.CREATE, keys().current())
    return keys().renew()


def rewrap(progress: Progress = lambda _done: None) -> Report:
    """Wrap every sealed value with the current key. Raises KeysUnavailable; what was done until then stays."""
    started = time.monotonic()
    report = Report(keys().current())
    _record(audit.Code.SENSITIVE_UPDATE, audit.Crude.EXECUTE, report.key_id, values=count(report.key_id))
    for _ in range(PASSES):
        before = report.done.total()
        report.broken.clear()
        for column in columns():
            _column(column, report, progress)
        report.left = count(report.key_id) - sum(map(len, report.broken.values()))
        if report.left <= 0:
            report.left = 0
            break
        if report.done.total() == before:
            time.sleep(WAIT_SECONDS)
    report.seconds = time.monotonic() - started
    return report


def count(key_id: str) -> int:
    """How many values another key has wrapped."""
    return sum(column.waiting(key_id).count() for column in columns())


def _column(column: Column, report: Report, progress: Progress) -> None:
    last = None
    while True:
        waiting = column.waiting(report.key_id)
        rows = list((waiting if last is None else waiting.filter(pk__gt=last))[:BATCH])
        if not rows:
            return
        last = rows[-1].pk
        changes = []
        for row in rows:
            was = row.__dict__[column.field.attname].blob
            try:
                changes.append((row.pk, was, sealed.rewrap(was, aad=column.field.place(row))))
            except Unsealable:
                report.broken.setdefault(column.name, []).append(str(row.pk))
        report.done[column.name] += _write(column, changes)
        progress(report.done.total())


def _write(column: Column, changes: list[tuple[object, bytes, bytes]]) -> int:
    """Store what still fits, in one statement; returns how many. Rows that are locked or have changed are left."""
    if not changes:
        return 0
    meta = column.model._meta  # noqa: SLF001  # documented by Django
    table, pk, value = map(_quoted, (meta.db_table, meta.pk.column, column.field.column))
    ids = f"%s::{meta.pk.db_type(connection)}[]"
    statement = (
        f"UPDATE {table} SET {value} = mine.becomes FROM (SELECT held.{pk} AS pk, given.becomes FROM {table} AS held "  # noqa: S608  # our own names
        f"JOIN unnest({ids}, %s::bytea[], %s::bytea[]) AS given (pk, was, becomes) ON held.{pk} = given.pk "
        f"AND held.{value} = given.was WHERE held.{pk} = ANY({ids}) FOR NO KEY UPDATE OF held SKIP LOCKED) AS mine "
        f"WHERE {table}.{pk} = mine.pk"
    )
    pks, *blobs = (list(part) for part in zip(*changes, strict=True))
    with connection.cursor() as cursor:
        cursor.execute(statement, [pks, *blobs, pks])  # ANY: by the index, not by reading the whole table
        return int(cursor.rowcount)


def used() -> Counter[str]:
    """How many values each key has wrapped, by its id; values that are none of ours count under an empty id."""
    found: Counter[str] = Counter()
    for column in columns():
        meta = column.model._meta  # noqa: SLF001  # documented by Django
        names = {"table": sql.Identifier(meta.db_table), "value": sql.Identifier(str(column.field.column))}
        with connection.cursor() as cursor:
            cursor.execute(_HEADS.format(**names))
            for head, number in cursor.fetchall():
                found[_id(bytes(head or b""))] += number
    return found


def _quoted(name: str | None) -> str:
    return connection.ops.quote_name(str(name))


def _id(head: bytes) -> str:
    return head[2:].decode(errors="replace") if head[:1] == sealed.VERSION else ""


def settle(*, grace: float | None = None, patience: float | None = None) -> None:
    """Return when whatever was sealed before now is stored and visible. Raises StillOpen. Not inside a transaction."""
    time.sleep(GRACE_SECONDS if grace is None else grace)
    ends = time.monotonic() + (PATIENCE_SECONDS if patience is None else patience)
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint")
        now = cursor.fetchone()[0]
        while True:
            cursor.execute("SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint >= %s", [now])
            if cursor.fetchone()[0]:
                return
            if time.monotonic() > ends:
                raise StillOpen
            time.sleep(0.5)


def retire() -> list[str]:
    """Remove the keys nothing needs any more; their ids. Call it after `settle` and a `rewrap` that left nothing.

    Raises KeptElsewhere and KeysUnavailable.
    """
    needed: Collection[str] = set(used())
    _record(audit.Code.SENSITIVE_DELETE, audit.Crude.DELETE, keys().current(), in_use=len(needed))
    return keys().retire(needed)


def _record(code: audit.Code, action: audit.Crude, key_id: str, **detail: audit.JSON) -> None:
    audit.record(code=code, action=action, object_type=OBJECT_TYPE, object_id=key_id, detail=detail)
