"""The months of the trail. An event whose month has no table is refused, so months are made well ahead."""

from __future__ import annotations

from django.db import connection

MONTHS_AHEAD = 3


def ensure() -> None:
    """Make the tables of this month and the next ones, where they are missing."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT compliance_audit_add_month(day::date) FROM generate_series("
            "date_trunc('month', now()), now() + make_interval(months => %s), interval '1 month') AS day",
            [MONTHS_AHEAD],
        )


def missing() -> bool:
    """Whether the month after this one has no table yet."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT to_regclass('compliance_auditevent_' || to_char(now() + interval '1 month', 'YYYYMM')) IS NULL"
        )
        return bool(cursor.fetchone()[0])
