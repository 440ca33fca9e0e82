"""Emptying the tests' database after a test that has committed, and letting its server forget on a power cut."""

from __future__ import annotations

from functools import cache
from typing import Any

from django.db import OperationalError, connection, transaction
from django.test import TransactionTestCase

KEPT = {"django_content_type", "auth_permission"}
"""Written by migrations and by nobody else; a flush would write the same rows again."""
TRIES = 3
CARELESS = ("fsync", "full_page_writes", "synchronous_commit")
_ON_DELETE = """
SELECT DISTINCT tgfoid::regproc::text, pg_get_functiondef(tgfoid) FROM pg_trigger
WHERE NOT tgisinternal AND tgenabled = 'A' AND tgtype & 8 > 0
"""
_NOTHING = "CREATE OR REPLACE FUNCTION {}() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN OLD; END'"


def forget_on_a_power_cut() -> None:
    """The server is the tests' own, and so are the data. Before the tables are made: each migration is a commit."""
    with connection._nodb_cursor() as cursor:
        for name in CARELESS:
            cursor.execute(f"ALTER SYSTEM SET {name} = off")
        cursor.execute("SELECT pg_reload_conf()")


def hurry() -> None:
    """For the rest of this process."""
    _always_on_delete()
    TransactionTestCase._fixture_teardown = _teardown  # type: ignore[attr-defined]


@cache
def _always_on_delete() -> dict[str, str]:
    """What PostgreSQL runs at each delete, even of those who may switch triggers off: each function as it was made."""
    with connection.cursor() as cursor:
        cursor.execute(_ON_DELETE)
        return dict(cursor.fetchall())


def _teardown(_case: Any) -> None:
    """As Django's own, which truncates: that makes the files of eighty tables and of their five hundred indexes anew.

    What holds something is deleted from, with no trigger at work, while nobody else can read or write any table.
    """
    for tries_left in reversed(range(TRIES)):
        try:
            with transaction.atomic():
                _empty()
            return
        except OperationalError:  # a thread of the server was still at work, and PostgreSQL chose this side to give way
            if not tries_left:
                raise


def _empty() -> None:
    quoted, functions = connection.ops.quote_name, _always_on_delete()
    tables = sorted(set(connection.introspection.django_table_names(only_existing=True, include_views=False)) - KEPT)
    which = " UNION ALL ".join(f"(SELECT '{name}' FROM {quoted(name)} LIMIT 1)" for name in tables)
    with connection.cursor() as cursor:
        cursor.execute(f"LOCK TABLE {', '.join(map(quoted, tables))} IN ACCESS EXCLUSIVE MODE")
        cursor.execute(which)
        if filled := [quoted(name) for (name,) in cursor.fetchall()]:
            statements = (
                "SET LOCAL session_replication_role = replica",  # foreign keys and all triggers but those of ALWAYS
                *map(_NOTHING.format, functions),
                *(f"DELETE FROM {name}" for name in filled),
                *functions.values(),
            )
            cursor.cursor.execute("; ".join(statements))
