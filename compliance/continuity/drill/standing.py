"""What must never come undone: who was shut out, what was ended or used up, and what the schema keeps that so with.

A drill asks the live database and the restored copy the same. Whatever stood before the moment of the copy, and still
stands, must stand in the copy. Ids and numbers alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from django.db import connection
from django.db.models import Q

from compliance.models import (
    Authenticator,
    Clearance,
    LegalHold,
    NetworkBlock,
    OneTimeLink,
    ServiceToken,
    TokenFamily,
    User,
)
from compliance.models.factors import STEP_SECONDS

Facts = Mapping[str, list[str]]
SLACK: Final = timedelta(seconds=5)
"""Between the time an act writes down and its commit."""
_OBJECTS: Final = {
    "triggers": """
        SELECT tgrelid::regclass::text || '.' || tgname || ' ' || tgenabled::text FROM pg_trigger
        JOIN pg_class c ON c.oid = tgrelid WHERE NOT tgisinternal AND c.relnamespace = 'public'::regnamespace""",
    "indexes": """
        SELECT c.relname::text FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
        WHERE i.indisvalid AND i.indisready AND c.relnamespace = 'public'::regnamespace""",
    "constraints": """
        SELECT conrelid::regclass::text || '.' || conname FROM pg_constraint
        WHERE convalidated AND conrelid <> 0 AND contype IN ('c', 'f', 'p', 'u', 'x')
        AND connamespace = 'public'::regnamespace""",
}


def facts(before: datetime) -> Facts:
    """What stands now and stood at that moment already, by its kind."""
    moment = before - SLACK
    step = int(moment.timestamp()) // STEP_SECONDS - 1
    found: dict[str, Iterable[tuple[Any, ...]]] = {
        "closed accounts": User.objects.filter(is_active=False, closed_at__lte=moment).values_list("pk"),
        "revoked sign-ins": TokenFamily.objects.filter(revoked_at__lte=moment).values_list("pk"),
        "revoked tokens": ServiceToken.objects.filter(revoked_at__lte=moment).values_list("pk"),
        "revoked clearances": Clearance.objects.filter(revoked_at__lte=moment).values_list("pk"),
        "used links": OneTimeLink.objects.filter(Q(used_at__lte=moment) | Q(voided_at__lte=moment)).values_list("pk"),
        "used codes": Authenticator.objects.filter(last_t__gte=0, last_t__lt=step).values_list("uuid", "last_t"),
        "blocked networks": NetworkBlock.objects.filter(made_at__lte=moment, ended_at=None).values_list("network"),
        "holds": LegalHold.objects.filter(placed_at__lte=moment, ended_at=None).values_list("pk"),
    }
    return {kind: sorted(":".join(map(str, row)) for row in rows) for kind, rows in found.items()}


def objects() -> Facts:
    """Triggers, usable indexes and validated constraints, by name."""
    found = {}
    with connection.cursor() as cursor:
        for kind, statement in _OBJECTS.items():
            cursor.execute(statement)
            found[kind] = sorted(name for (name,) in cursor.fetchall())
    return found


def lost(live: Facts, copy: Facts) -> dict[str, list[str]]:
    """What of the live database the copy does not have, by its kind."""
    gone = {kind: sorted(set(names) - set(copy.get(kind, []))) for kind, names in live.items()}
    return {kind: names for kind, names in gone.items() if names}
