"""Facts that a restore must not lose: revocations, used credentials, blocks and holds, and the schema objects that
protect them.

A drill reads them from the live database and from the restored copy. Whatever holds live, and held before the moment of
the copy, must hold in the copy. Facts are ids and numbers only.
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
"""Kind → names, sorted."""
SLACK: Final = timedelta(seconds=5)
"""Longest time between the timestamp that a row is given and its commit."""
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


def revoked_before(before: datetime) -> Facts:
    """The facts that hold in this database now and did so before that moment, by kind."""
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


def schema_objects() -> Facts:
    """Names of the triggers (with their mode), valid indexes and validated constraints, by kind."""
    found = {}
    with connection.cursor() as cursor:
        for kind, statement in _OBJECTS.items():
            cursor.execute(statement)
            found[kind] = sorted(name for (name,) in cursor.fetchall())
    return found


def missing(live: Facts, copy: Facts) -> dict[str, list[str]]:
    """What the live database has and the copy does not, by kind."""
    absent = {kind: sorted(set(names) - set(copy.get(kind, []))) for kind, names in live.items()}
    return {kind: names for kind, names in absent.items() if names}
