"""What tests do to the audit trail that nobody else may."""

from __future__ import annotations

from uuid import UUID

from django.db import connection

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
