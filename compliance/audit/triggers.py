"""Changes of sensitive tables: recorded by PostgreSQL, in the transaction of the change, whoever makes it.

A trigger sees what no signal of Django does: update(), bulk calls, raw SQL, psql, fixtures. Who acts travels in a
setting of the transaction, put in front of each statement that writes; without it the trigger says `unknown-db`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from django.db import connection, transaction
from django.db.models import Model
from psycopg import sql

from compliance.audit.context import current
from compliance.models.events import Code

TRIGGER = "clinchat_audit"
NO_TRUNCATE = "clinchat_no_truncate"


@dataclass(frozen=True)
class Watched:
    """How changes of one table are recorded. Columns neither `shown` nor `ignored` become keyed digests."""

    table: str
    object_type: str
    codes: tuple[Code, Code, Code]
    object_id: str
    shown: tuple[str, ...]
    ignored: tuple[str, ...]

    @property
    def arguments(self) -> tuple[str, ...]:
        return (
            self.object_type,
            ",".join(self.codes),
            self.object_id,
            ",".join(self.shown),
            ",".join(self.ignored),
        )


_watched: dict[type[Model], Watched] = {}


def watch(
    model: type[Model],
    *,
    shown: Sequence[str] = (),
    ignored: Sequence[str] = (),
    object_id: str = "",
    created: Code = Code.SENSITIVE_CREATE,
    updated: Code = Code.SENSITIVE_UPDATE,
    deleted: Code = Code.SENSITIVE_DELETE,
) -> None:
    """Record every change of `model`'s table, except of the fields in `ignored`.

    Values of the fields in `shown` are recorded as they are: name none that could hold what a patient's record
    holds, or a secret. Call it from AppConfig.ready(); the next `migrate` puts it into effect.
    """
    meta = model._meta  # noqa: SLF001  # documented by Django

    def columns(names: Iterable[str]) -> tuple[str, ...]:
        return tuple(sorted(str(meta.get_field(name).column) for name in names))  # type: ignore[union-attr]

    _watched[model] = Watched(
        table=meta.db_table,
        object_type=meta.label,
        codes=(created, updated, deleted),
        object_id=columns([object_id or meta.pk.name])[0],
        shown=columns(shown),
        ignored=columns(ignored),
    )
    _writes.cache_clear()


def watched() -> dict[type[Model], Watched]:
    return dict(_watched)


def install() -> None:
    """Attach the triggers to every watched table that exists, and take off those of tables no longer watched."""
    with transaction.atomic(), connection.cursor() as cursor:
        present = set(connection.introspection.table_names(cursor))
        wanted = {w.table: w for w in _watched.values() if w.table in present}
        cursor.execute(
            "SELECT tgrelid::regclass::text, tgname FROM pg_trigger WHERE tgname = ANY(%s) AND NOT tgisinternal",
            [[TRIGGER]],
        )
        for table in {table for table, _ in cursor.fetchall()} - set(wanted):
            _drop(cursor, table)
        for one in wanted.values():
            _drop(cursor, one.table)
            _attach(cursor, one)


def missing() -> list[str]:
    """The watched tables whose triggers are absent, switched off or not as `watch` says."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT tgrelid::regclass::text, tgname, tgenabled::text, tgargs FROM pg_trigger "
            "WHERE (tgname, tgfoid::regproc::text, tgtype) IN ((%s, 'compliance_audit_change', 29), "
            "(%s, 'compliance_refuse', 34)) AND tgqual IS NULL AND tgattr::text = ''",
            [TRIGGER, NO_TRUNCATE],  # 29: after insert, update or delete of each row; 34: before truncate
        )
        found = {(table, name): (enabled, bytes(args)) for table, name, enabled, args in cursor.fetchall()}
    return [
        one.table
        for one in _watched.values()
        if found.get((one.table, TRIGGER)) != ("A", b"".join(a.encode() + b"\0" for a in one.arguments))
        or found.get((one.table, NO_TRUNCATE), ("",))[0] != "A"
    ]


def _drop(cursor: Any, table: str) -> None:
    for name in (TRIGGER, NO_TRUNCATE):
        cursor.execute(sql.SQL("DROP TRIGGER IF EXISTS {} ON {}").format(sql.Identifier(name), sql.Identifier(table)))


def _attach(cursor: Any, one: Watched) -> None:
    arguments = sql.SQL(", ").join(map(sql.Literal, one.arguments))
    table = sql.Identifier(one.table)
    statements = (
        "CREATE TRIGGER {name} AFTER INSERT OR UPDATE OR DELETE ON {table} FOR EACH ROW "
        "EXECUTE FUNCTION compliance_audit_change({arguments})",
        "CREATE TRIGGER {no_truncate} BEFORE TRUNCATE ON {table} FOR EACH STATEMENT "
        "EXECUTE FUNCTION compliance_refuse()",
        "ALTER TABLE {table} ENABLE ALWAYS TRIGGER {name}, ENABLE ALWAYS TRIGGER {no_truncate}",
    )
    for statement in statements:
        cursor.execute(
            sql.SQL(statement).format(
                name=sql.Identifier(TRIGGER),
                no_truncate=sql.Identifier(NO_TRUNCATE),
                table=table,
                arguments=arguments,
            )
        )


def after_migrate(**given: Any) -> None:
    """Runs after each `migrate` (Django's post_migrate, which a flush sends as well, without a plan)."""
    from compliance.audit import partitions

    if "plan" in given and "compliance_auditkey" in connection.introspection.table_names():
        install()
        partitions.ensure()


# ── The actor, in front of each statement that writes ─────────────────────────────────────────────────────────


@cache
def _writes() -> re.Pattern[str]:
    tables = "|".join(sorted(re.escape(one.table) for one in _watched.values()))
    return re.compile(rf'\b(?:INTO|UPDATE|FROM|ONLY)\s+"?(?:public"?\."?)?(?:{tables})\b', re.IGNORECASE)


def carry_context(execute: Callable[..., Any], statement: Any, params: Any, many: bool, context: dict[str, Any]) -> Any:
    """Wraps every statement of a connection: one that writes to a watched table says who acts.

    The setting ends with the transaction and is set anew for each statement, because a rolled back savepoint takes
    it back. It goes in the same message, so that no round trip is added.
    """
    text = statement if isinstance(statement, str) else str(statement)
    if text.lstrip()[:6].upper() == "SELECT" or not _writes().search(text):
        return execute(statement, params, many, context)
    db = context["connection"]
    who = sql.Literal(current().as_json).as_string(db.connection)
    setting = f"SELECT pg_catalog.set_config('clinchat.context', {who}, true)"
    if many or not isinstance(statement, str):
        with transaction.atomic(using=db.alias):
            context["cursor"].cursor.execute(setting)
            return execute(statement, params, many, context)
    prefix = setting if params is None else setting.replace("%", "%%")
    result = execute(f"{prefix}; {statement}", params, many, context)
    context["cursor"].cursor.nextset()
    return result


def on_connection(connection: Any, **_: Any) -> None:
    """Runs for each new connection of a thread (Django's connection_created)."""
    if carry_context not in connection.execute_wrappers:
        connection.execute_wrappers.insert(0, carry_context)  # Django takes the last one for its own
