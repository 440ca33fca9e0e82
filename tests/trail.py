"""What tests do to the audit trail that nobody else may."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

from django.db import connection
from django.db.backends.utils import CursorWrapper

from compliance.models import AuditEvent


def allow_truncate() -> None:
    """Switch off, for this database, the triggers that refuse to empty tables."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT tgrelid::regclass::text FROM pg_trigger WHERE tgname = 'clinchat_no_truncate'")
        for (table,) in cursor.fetchall():
            cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER clinchat_no_truncate")


def event(event_id: UUID) -> AuditEvent:
    """The event `audit.record` has just written."""
    return AuditEvent.objects.get(pk=event_id)


@contextmanager
def unprotected(table: str, trigger: str = "clinchat_no_change") -> Iterator[CursorWrapper]:
    """As a superuser would: the trigger is off inside, and back afterwards."""
    with connection.cursor() as cursor:
        cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER {trigger}")
        try:
            yield cursor
        finally:
            cursor.execute(f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER {trigger}")
