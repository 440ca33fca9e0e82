"""Emptying the tests' database after a test that has committed, and letting its server forget on a power cut."""

from __future__ import annotations

from typing import Any

from django.db import OperationalError, connection
from django.test import TransactionTestCase

KEPT = {"django_content_type", "auth_permission"}
"""Written by migrations and by nobody else; a flush would write the same rows again."""
TRIES = 3
CARELESS = ("fsync", "full_page_writes", "synchronous_commit")


def hurry() -> None:
    """For the rest of this process. The server is the tests' own, and so are the data a power cut would take."""
    with connection.cursor() as cursor:
        for name in CARELESS:
            cursor.execute(f"ALTER SYSTEM SET {name} = off")
        cursor.execute("SELECT pg_reload_conf()")
    TransactionTestCase._fixture_teardown = _teardown  # type: ignore[attr-defined]


def _teardown(_case: Any) -> None:
    """As Django's own, which truncates all eighty tables; here those that hold something, and what refers to them."""
    quoted = connection.ops.quote_name
    tables = set(connection.introspection.django_table_names(only_existing=True, include_views=False)) - KEPT
    which = " UNION ALL ".join(f"(SELECT '{name}' FROM {quoted(name)} LIMIT 1)" for name in sorted(tables))
    for tries_left in reversed(range(TRIES)):
        try:
            with connection.cursor() as cursor:
                cursor.execute(which)
                if filled := [quoted(name) for (name,) in cursor.fetchall()]:
                    cursor.execute(f"TRUNCATE {', '.join(filled)} CASCADE")
            return
        except OperationalError:  # a thread of the server was still at work, and PostgreSQL chose this side to give way
            if not tries_left:
                raise
