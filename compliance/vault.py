"""The values behind the tokens of a conversation, sealed at rest.

Opened for the author, in an emergency, and for masking.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import Count, QuerySet

from clinchat.lib import sealed
from compliance import audit, data_keys, phi
from compliance.access import emergency
from compliance.continuity.deletion import holds
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
    with data_keys.at_hand():
        return tuple(
            Entity(phi.as_token(entry.token), Label(entry.label), entry.value, entry.spelling)
            for entry in VaultEntry.objects.filter(scope=scope).order_by("pk")
        )


def store(scope: UUID, entities: Collection[Entity]) -> None:
    """Seal new entities of a conversation. A token and spelling that are already taken raise IntegrityError."""
    with data_keys.at_hand():
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


@dataclass(frozen=True, slots=True)
class Erased:
    """What was made unreadable for good."""

    keys: int = 0
    values: int = 0


@transaction.atomic
def erase(scopes: Collection[UUID]) -> Erased:
    """Destroy the keys of conversations and forget the values behind their tokens, in every copy. Tokens stay tokens.

    What a legal hold is on stays as it is.
    """
    free = set(scopes) - holds.conversations_on_hold(scopes)
    keys = data_keys.destroy(free)
    entries = list(VaultEntry.objects.select_for_update().filter(scope__in=free).exclude(blind_index=_ERASED))
    for entry in entries:
        entry.value, entry.blind_index = "", _ERASED
        entry.save(update_fields=["value", "blind_index"])
    return Erased(keys, len(entries))


def remove(scopes: Collection[UUID]) -> None:
    """Delete the tokens of conversations that are deleted themselves, after `erase`."""
    VaultEntry.objects.filter(scope__in=scopes, blind_index=_ERASED).delete()


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
