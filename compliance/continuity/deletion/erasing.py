"""Making the values of one patient, person or conversation unreadable for good, on the word of two people.

The data keys of all their conversations are destroyed, and the values with them: in the database, in every backup, and
in the copy of the keys beside the backups. Copies of the database's files hold the keys, wrapped, until they are
removed: the erasure says when that is. Questions and answers stay, with tokens for what is gone.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import Max

from clinchat.lib import clock
from compliance import mask_reports, vault
from compliance.continuity.backup.pruning import BASE_DAYS
from compliance.continuity.deletion import holds, scopes
from compliance.models import Backup, Erasure, User, WalShipping

Status = Erasure.Status


class AlreadyAsked(Exception):
    """Somebody has asked for the same, and a second person has not decided."""


class AlreadyDecided(Exception):
    """It is done or cancelled."""


class SamePerson(Exception):
    """Whoever asks for an erasure does not approve it."""


def request(*, kind: str, subject: str, reason: str, actor: User) -> Erasure:
    """Ask for it. `subject` as it was typed: address, record number or id.

    Raises scopes.NoSuchSubject, holds.OnHold and AlreadyAsked.
    """
    found = scopes.subject(kind, subject)
    holds.require_free(kind, found)
    try:
        with transaction.atomic():
            return Erasure.objects.create(kind=kind, subject=found, reason=reason, requested_by=actor)
    except IntegrityError:
        raise AlreadyAsked from None


def approve(*, erasure_id: UUID, actor: User) -> Erasure:
    """Destroy the keys, on the second person's word. Raises SamePerson, AlreadyDecided and holds.OnHold."""
    with transaction.atomic():
        erasure = _open(erasure_id)
        if erasure.requested_by_id == actor.pk:
            raise SamePerson
        holds.require_free(erasure.kind, erasure.subject)
        mine = scopes.of(erasure.kind, erasure.subject)
        mask_reports.blank_words(mine)
        erased = vault.erase(mine)
        erasure.keys, erasure.values_count = erased.keys, erased.values
        erasure.gone_from_copies_at = gone_from_copies_at()
        _decide(erasure, Status.DONE, actor)
    return erasure


def cancel(*, erasure_id: UUID, actor: User) -> Erasure:
    """Withdraw or refuse it; either person may. Raises AlreadyDecided."""
    with transaction.atomic():
        erasure = _open(erasure_id)
        _decide(erasure, Status.CANCELLED, actor)
    return erasure


def gone_from_copies_at() -> datetime | None:
    """When the last copy of the database's files is removed that holds what is destroyed now; None where none is."""
    bases = Backup.objects.filter(kind=Backup.Kind.BASE, state__in=[Backup.State.COMPLETE, Backup.State.RUNNING])
    if not bases.exists() and not WalShipping.objects.exists():
        return None
    kept: datetime | None = bases.aggregate(last=Max("keep_until"))["last"]
    soonest = clock.now() + timedelta(days=BASE_DAYS)
    return max(kept, soonest) if kept else soonest


def _open(erasure_id: UUID) -> Erasure:
    erasure = Erasure.objects.select_for_update().filter(pk=erasure_id, status=Status.REQUESTED).first()
    if erasure is None:
        raise AlreadyDecided
    return erasure


def _decide(erasure: Erasure, status: Erasure.Status, actor: User) -> None:
    erasure.status, erasure.decided_by, erasure.decided_at = status, actor, clock.now()
    found = ("keys", "values_count", "gone_from_copies_at")
    erasure.save(update_fields=["status", "decided_by", "decided_at", *found])
