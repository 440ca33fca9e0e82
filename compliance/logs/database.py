"""Statements that take long or run out of time, of every connection Django opens. Never their parameters."""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Callable
from functools import cache
from typing import Any

import psycopg
from django.apps import apps
from django.conf import settings
from django.db import DatabaseError
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created

from compliance.logs.markers import slow_query, timed_out

_STATEMENT = re.compile(r"[\s(]*([a-z]{2,12})\b", re.IGNORECASE)
_STATEMENTS = {"SELECT", "WITH", "INSERT", "UPDATE", "DELETE", "MERGE", "COPY", "CREATE", "ALTER", "DROP", "TRUNCATE"}
_STATEMENTS |= {
    "LOCK",
    "SET",
    "COMMIT",
    "ROLLBACK",
    "SAVEPOINT",
    "ANALYZE",
    "VACUUM",
    "REINDEX",
    "REFRESH",
    "CALL",
    "DO",
}
_NAME = re.compile(
    r'\b(?:FROM|INTO|UPDATE|JOIN|TABLE|ON|TRUNCATE|COPY)\s+(?:ONLY\s+)?"?([a-z_][a-z0-9_]*)"?', re.IGNORECASE
)
_TIMEOUTS = {
    psycopg.errors.QueryCanceled: "statement",
    psycopg.errors.LockNotAvailable: "lock",
    psycopg.errors.IdleInTransactionSessionTimeout: "idle-transaction",
    psycopg.errors.ConnectionTimeout: "connect",
}


def watch() -> None:
    """Call it from AppConfig.ready(), before the first connection."""
    connection_created.connect(_measure_on, dispatch_uid="compliance.logs")


def timeout_of(error: BaseException | None) -> str:
    """Which time limit of the database an exception speaks of; empty when none."""
    seen = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        for cls, limit in _TIMEOUTS.items():
            if isinstance(error, cls):
                return limit
        error = error.__cause__ or error.__context__
    return ""


def _measure_on(connection: BaseDatabaseWrapper, **_: Any) -> None:
    # First in the list: Django's own context manager takes the last one away again.
    if _measured not in connection.execute_wrappers:
        connection.execute_wrappers.insert(0, _measured)


def _measured(execute: Callable[..., Any], sql: Any, params: Any, many: bool, context: dict[str, Any]) -> Any:
    started = time.perf_counter()
    try:
        return execute(sql, params, many, context)
    except DatabaseError as error:
        if limit := timeout_of(error):
            timed_out(what="database", limit=limit, seconds=round(time.perf_counter() - started, 3))
        raise
    finally:
        ms = (time.perf_counter() - started) * 1000
        if ms >= settings.CLINCHAT_SLOW_QUERY_MS:
            _tell(sql, ms)


def shape(text: str) -> dict[str, str]:
    """What may be said of a statement: its first word, a table of ours in it, and a fingerprint of the whole."""
    first = match[1].upper() if (match := _STATEMENT.match(text)) else ""
    return {
        "fingerprint": hashlib.sha256(text.encode()).hexdigest()[:12],
        "statement": first if first in _STATEMENTS else "",
        "table": next((name.lower() for name in _NAME.findall(text) if name.lower() in _tables()), ""),
    }


def _tell(sql: Any, ms: float) -> None:
    from compliance import metrics  # it asks for models

    slow_query(ms=ms, **shape(sql if isinstance(sql, str) else str(sql)))
    metrics.count(metrics.SLOW_STATEMENTS)


@cache
def _tables() -> frozenset[str]:
    """Only names that are tables of ours are passed on: SQL may hold anything where a name could stand."""
    return frozenset(model._meta.db_table for model in apps.get_models(include_auto_created=True))  # noqa: SLF001
