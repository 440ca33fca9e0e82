"""Crypto-erase: makes the masked values of a patient, person or conversation unreadable for good, with two people.

The data key of each of their conversations is destroyed, so no copy of the values can be decrypted any more: neither in
the database nor in any dump, and the copy of the keys beside the backups is written anew without them. Base backups
(copies of the database's files) hold the wrapped keys until they are pruned; `gone_from_copies_at` says when. Questions
and answers stay, with tokens in place of the values.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import Max

from clinchat.lib import clock
from compliance import mask_reports, vault
from compliance.continuity.backup.pruning import BASE_DAYS
from compliance.continuity.deletion import holds, subjects
from compliance.models import Backup, Erasure, User, WalShipping

Status = Erasure.Status


class AlreadyAsked(Exception):
    """An erasure of the same subject waits for a second person."""


class AlreadyDecided(Exception):
    """The erasure is done or cancelled."""


class SamePerson(Exception):
    """The person who requested an erasure cannot approve it."""


def request(*, kind: str, subject: str, reason: str, actor: User) -> Erasure:
    """Request an erasure. `subject` as it was typed: e-mail address, medical record number or id.

    Raises subjects.NoSuchSubject, holds.OnHold and AlreadyAsked.
    """
    identified = subjects.identify(kind, subject)
    holds.require_not_held(kind, identified)
    try:
        with transaction.atomic():
            return Erasure.objects.create(kind=kind, subject=identified, reason=reason, requested_by=actor)
    except IntegrityError:
        raise AlreadyAsked from None


def approve(*, erasure_id: UUID, actor: User) -> Erasure:
    """Approve as the second person, which destroys the keys. Raises SamePerson, AlreadyDecided and holds.OnHold."""
    with transaction.atomic():
        erasure = _open(erasure_id)
        if erasure.requested_by_id == actor.pk:
            raise SamePerson
        holds.require_not_held(erasure.kind, erasure.subject)
        conversations = subjects.conversations_of(erasure.kind, erasure.subject)
        mask_reports.blank_words(conversations)
        erased = vault.erase(conversations)
        erasure.keys, erasure.values_count = erased.keys, erased.values
        erasure.gone_from_copies_at = gone_from_copies_at()
        _decide(erasure, Status.DONE, actor)
    return erasure


def cancel(*, erasure_id: UUID, actor: User) -> Erasure:
    """Cancel a request, by either person. Raises AlreadyDecided."""
    with transaction.atomic():
        erasure = _open(erasure_id)
        _decide(erasure, Status.CANCELLED, actor)
    return erasure


def gone_from_copies_at() -> datetime | None:
    """When the last base backup is pruned that may hold a key destroyed now: at least BASE_DAYS from now. None where
    this installation makes no base backups and ships no WAL."""
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
    results = ("keys", "values_count", "gone_from_copies_at")
    erasure.save(update_fields=["status", "decided_by", "decided_at", *results])
