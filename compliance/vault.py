"""The values behind the tokens of a conversation, sealed at rest.

Opened for the author, in an emergency, and for masking.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

from django.core.exceptions import PermissionDenied
from django.db.models import Count, QuerySet

from clinchat.lib import sealed
from compliance import audit, phi
from compliance.access import emergency
from compliance.models import VaultEntry
from compliance.phi import Entity, Label

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser

    from compliance.models import User

OBJECT_TYPE = "compliance.VaultEntry"
_ERASED = b""


def known(scope: UUID) -> tuple[Entity, ...]:
    """What is already masked in this conversation, so that the same value keeps its token.

    For the masking step only: nothing that leaves the server may be made from it.
    """
    return tuple(
        Entity(phi.as_token(entry.token), Label(entry.label), entry.value, entry.spelling)
        for entry in VaultEntry.objects.filter(scope=scope).order_by("pk")
    )


def store(scope: UUID, entities: Iterable[Entity]) -> None:
    """Seal new entities of a conversation. A token and spelling that are already taken raise IntegrityError."""
    VaultEntry.objects.bulk_create(
        VaultEntry(
            scope=scope,
            token=entity.token,
            spelling=entity.spelling,
            label=entity.label,
            value=entity.value,
            blind_index=_blind_index(entity.value, entity.label),
            patient=pseudonym(entity.value) if entity.label is Label.MRN else "",
        )
        for entity in entities
    )


def open_for(user: User | AnonymousUser, *, scope: UUID, author_id: UUID) -> tuple[Entity, ...]:
    """The values of a conversation for its author, and for whoever opened it in an emergency.

    Anyone else gets PermissionDenied. Both are on record.
    """
    if not user.is_authenticated or not user.is_active or not (user.pk == author_id or emergency.opens(user, scope)):
        audit.record(
            code=audit.Code.AUTHZ_FAIL,
            action=audit.Crude.READ,
            outcome=audit.Outcome.DENIED,
            object_type=OBJECT_TYPE,
            object_id=str(scope),
        )
        raise PermissionDenied
    entities = known(scope)
    if entities:
        audit.record(
            code=audit.Code.SENSITIVE_READ,
            action=audit.Crude.READ,
            actor=user,
            object_type=OBJECT_TYPE,
            object_id=str(scope),
            patient=patient(scope),
            detail={"values": len(entities)},
        )
    return entities


def held() -> QuerySet[VaultEntry, UUID]:
    """The conversations with values that are not erased, to filter by."""
    return VaultEntry.objects.exclude(blind_index=_ERASED).values_list("scope", flat=True)


def erase(scopes: Iterable[UUID]) -> int:
    """Forget the values of conversations whose retention is over; returns how many there were. Tokens stay tokens."""
    count = 0
    for entry in VaultEntry.objects.filter(scope__in=list(scopes)).exclude(blind_index=_ERASED):
        entry.value, entry.blind_index = "", _ERASED
        entry.save(update_fields=["value", "blind_index"])
        count += 1
    return count


def counts(since: datetime) -> Counter[str]:
    """How many identifiers of each class were sealed since then, each once for its conversation."""
    found = VaultEntry.objects.filter(created_at__gte=since, spelling=0).order_by()
    return Counter(dict(found.values_list("label").annotate(count=Count("pk"))))


def pseudonym(record_number: str) -> str:
    """What a patient is called in the audit trail: made of the record number, and only forwards."""
    return f"P-{_blind_index(record_number, Label.MRN).hex()[:16]}"


def patient(scope: UUID) -> str:
    """The pseudonym of the patient a conversation speaks of, the first where there are several; empty for none."""
    named = VaultEntry.objects.filter(scope=scope).exclude(patient="").order_by("pk")
    return named.values_list("patient", flat=True).first() or ""


def _blind_index(value: str, label: Label) -> bytes:
    return sealed.blind_index(value.strip().casefold(), context=f"vault:{label}")
