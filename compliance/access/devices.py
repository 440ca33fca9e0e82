"""Where a person is signed in: the browsers and programs they see in their settings, and can sign out one by one.

ASVS 5.0 V7.5.2.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db import transaction
from django.http import HttpRequest

from clinchat.lib import clock
from compliance import audit
from compliance.access import epoch, sessions, tokens
from compliance.models import Session, User


@dataclass(frozen=True, slots=True)
class Device:
    """One sign-in that still counts."""

    id: UUID
    name: str
    source: str | None
    began_at: datetime
    seen_at: datetime
    here: bool = False


def of(request: HttpRequest, user: User) -> list[Device]:
    """The person's own sign-ins, this one first, then those used last."""
    here, now = audit.session_digest(request.session.session_key), clock.now()
    found = [
        Device(row.id, row.agent, row.source, row.began_at, row.seen_at, here=row.pk == here)
        for row in Session.objects.filter(user=user, verified=True)
        if not sessions.why_over(row, now)
    ]
    found += [Device(f.pk, f.agent, f.source, f.created_at, f.seen_at) for f in tokens.families(user)]
    return sorted(found, key=lambda device: (device.here, device.seen_at), reverse=True)


@transaction.atomic
def end(user: User, device_id: UUID) -> bool:
    """End one sign-in of the person; whether there was one. Of somebody else's nothing is said and nothing ends."""
    found = Session.objects.filter(id=device_id, user=user, verified=True)
    if not found.exists() and device_id not in {family.pk for family in tokens.families(user)}:
        return False
    sessions.record_end(user, reason="ended by the person")
    if not found.delete()[0]:
        tokens.end_family(user, device_id)
    epoch.bump()
    return True
