"""How long events are kept, and who may end that: ten years, and two people.

ASTM E2147-18 asks ten years of audit data, more than the six of 45 CFR 164.316(b)(2)(i). Whole months are removed.
Their digests stay sealed, so that the rest of the trail verifies as before.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from functools import partial
from uuid import UUID

from django.conf import settings
from django.db import connection, transaction

from clinchat.lib import clock
from compliance import audit
from compliance.continuity.deletion import holds
from compliance.models import AuditPurge, User

YEARS = 10


class TooYoung(Exception):
    """Events of the last ten years are kept."""


class SamePerson(Exception):
    """Whoever asks for a purge does not approve it."""


class OnHold(Exception):
    """A legal hold is in force (CLINCHAT_LEGAL_HOLD, or one on whom the events are about): nothing is removed."""


class AlreadyDecided(Exception):
    """The purge was approved or cancelled before, or another one waits."""


@dataclass(frozen=True)
class Month:
    """The events recorded in one month; `events` is about right, as PostgreSQL estimates it."""

    first: date
    events: int
    due: bool


def months() -> list[Month]:
    """The months the trail holds, oldest first."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT to_date(right(relname, 6), 'YYYYMM'), greatest(reltuples, 0)::bigint FROM pg_class "
            "WHERE oid IN (SELECT inhrelid FROM pg_inherits WHERE inhparent = 'compliance_auditevent'::regclass) "
            "ORDER BY relname"
        )
        return [Month(first, events, first < oldest_kept()) for first, events in cursor.fetchall()]


def oldest_kept() -> date:
    """The first day of the first month that nobody may remove."""
    today = clock.now().date()
    return today.replace(year=today.year - YEARS, day=1)


def pending() -> list[AuditPurge]:
    return list(AuditPurge.objects.filter(status=AuditPurge.Status.REQUESTED).select_related("requested_by"))


def request(*, before: date, reason: str, actor: User) -> AuditPurge:
    """Ask that the events before a month be removed. Raises TooYoung and AlreadyDecided."""
    before = before.replace(day=1)
    if before > oldest_kept():
        raise TooYoung
    with transaction.atomic():
        # One at a time: the second person must know what exactly is removed.
        if AuditPurge.objects.select_for_update().filter(status=AuditPurge.Status.REQUESTED).exists():
            raise AlreadyDecided
        return AuditPurge.objects.create(before=before, reason=reason, requested_by=actor)


def approve(*, purge_id: UUID, actor: User) -> AuditPurge:
    """Remove the events, on the second person's word. Raises SamePerson, AlreadyDecided and OnHold."""
    if settings.LEGAL_HOLD:
        raise OnHold
    with transaction.atomic():
        purge = _decide(purge_id, actor, AuditPurge.Status.DONE)
        if holds.has_events_on_hold(purge.before):
            raise OnHold
        with connection.cursor() as cursor:
            cursor.execute("SELECT compliance_audit_purge(%s)", [purge.pk])
            removed: int = cursor.fetchone()[0]
        transaction.on_commit(partial(_record, purge, removed))
    return purge


def cancel(*, purge_id: UUID, actor: User) -> AuditPurge:
    """Withdraw or refuse a purge; either person may. Raises AlreadyDecided."""
    with transaction.atomic():
        return _decide(purge_id, actor, AuditPurge.Status.CANCELLED)


def _decide(purge_id: UUID, actor: User, status: AuditPurge.Status) -> AuditPurge:
    purge = AuditPurge.objects.select_for_update().filter(pk=purge_id, status=AuditPurge.Status.REQUESTED).first()
    if purge is None:
        raise AlreadyDecided
    if status == AuditPurge.Status.DONE and purge.requested_by_id == actor.pk:
        raise SamePerson
    purge.status, purge.decided_by, purge.decided_at = status, actor, clock.now()
    purge.save(update_fields=["status", "decided_by", "decided_at"])
    return purge


def _record(purge: AuditPurge, removed: int) -> None:
    audit.record(
        code=audit.Code.SENSITIVE_DELETE,
        action=audit.Crude.DELETE,
        object_type="compliance.AuditEvent",
        detail={"purge": str(purge.pk), "before": purge.before.isoformat(), "months": removed},
    )
