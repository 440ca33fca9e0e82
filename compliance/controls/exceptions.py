"""Gaps that are accepted for a while, and controls found not to apply: asked for by one person, decided by another."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from django.db import IntegrityError, transaction

from clinchat.lib import clock
from compliance.access import refusals
from compliance.access.roles import Action
from compliance.controls import attestations, catalogue
from compliance.controls.catalogue import Mode
from compliance.models import ControlException, User
from compliance.models.controls import LONGEST_EXCEPTION

Kind, Status = ControlException.Kind, ControlException.Status

LONGEST: Final = {Kind.EXCEPTION: LONGEST_EXCEPTION, Kind.NOT_APPLICABLE: timedelta(days=365)}


class UnknownControl(LookupError):
    """The catalogue has no such control."""


class Gate(Exception):
    """A gate is kept, or ClinChat is not compliant: no exception is made for one."""


class NoSuchChoice(Exception):
    """Only what the catalogue marks so can be found not to apply, and it needs no exception."""


class TooLong(Exception):
    """Longer than such a decision may last, or already over."""


class AlreadyOpen(Exception):
    """There is one for this control, asked for or in force."""


class SecondPersonNeeded(Exception):
    """Neither who asked nor who answers for the control decides."""


class AlreadyDecided(Exception):
    """Somebody else has decided meanwhile, or it is over."""


@transaction.atomic
def ask(
    *, control_id: str, by: User, kind: ControlException.Kind, reason: str, compensating: str, days: int
) -> ControlException:
    """Ask for an exception of so many days; its words are masked already.

    Raises UnknownControl, Gate, NoSuchChoice, TooLong, AlreadyOpen.
    """
    control = catalogue.current().by_id.get(control_id)
    if control is None:
        raise UnknownControl
    if control.gate:
        raise Gate
    if (control.mode is Mode.NOT_APPLICABLE) != (kind == Kind.NOT_APPLICABLE):
        raise NoSuchChoice
    if not 1 <= days <= LONGEST[kind].days:
        raise TooLong
    _end_expired(control.id)
    mine = ControlException.objects.filter(control=control.id)
    if mine.filter(status__in=[Status.REQUESTED, Status.APPROVED]).exists():
        raise AlreadyOpen
    now = clock.now()
    try:
        with transaction.atomic():
            return ControlException.objects.create(
                control=control.id,
                kind=kind,
                reason=reason,
                compensating=compensating,
                requested_by=by,
                requested_at=now,
                expires_at=now + timedelta(days=days),
            )
    except IntegrityError:  # somebody else asked in the same moment
        raise AlreadyOpen from None


def _end_expired(control_id: str) -> None:
    """What has run out makes room; it ends when it ran out, not when somebody looked."""
    for old in ControlException.objects.filter(
        control=control_id, status__in=[Status.REQUESTED, Status.APPROVED], expires_at__lte=clock.now()
    ):
        old.status = Status.ENDED if old.approved_at else Status.REFUSED
        old.ended_at = old.expires_at if old.approved_at else None
        old.save(update_fields=["status", "ended_at"])


@transaction.atomic
def approve(*, exception: ControlException, by: User) -> None:
    """It is in force from now on. Raises SecondPersonNeeded, AlreadyDecided."""
    _decide(exception, by)
    now = clock.now()
    if exception.expires_at <= now:
        raise AlreadyDecided
    changed = ControlException.objects.filter(pk=exception.pk, status=Status.REQUESTED).update(
        status=Status.APPROVED, decided_by=by, approved_at=now, decided_at=now
    )
    if not changed:
        raise AlreadyDecided


@transaction.atomic
def refuse(*, exception: ControlException, by: User) -> None:
    """Raises SecondPersonNeeded, AlreadyDecided."""
    _decide(exception, by)
    changed = ControlException.objects.filter(pk=exception.pk, status=Status.REQUESTED).update(
        status=Status.REFUSED, decided_by=by, decided_at=clock.now()
    )
    if not changed:
        raise AlreadyDecided


@transaction.atomic
def end(*, exception: ControlException, by: User) -> None:
    """End it before its time, or withdraw it: whoever may ask for one may do that. Raises AlreadyDecided."""
    now = clock.now()
    mine = ControlException.objects.filter(pk=exception.pk)
    if mine.filter(status=Status.APPROVED).update(status=Status.ENDED, ended_at=now):
        return
    if exception.requested_by_id != by.pk or not mine.filter(status=Status.REQUESTED).update(
        status=Status.REFUSED, decided_at=now
    ):
        raise AlreadyDecided


def _decide(exception: ControlException, by: User) -> None:
    control = catalogue.current().by_id.get(exception.control)
    owner = attestations.owner_of(control) if control else None
    answers = control is not None and (by == owner or attestations.may_sign(by, control))
    if answers or by.pk == exception.requested_by_id:
        refusals.second_person_needed(by, Action.DECIDE_EXCEPTIONS, exception)
        raise SecondPersonNeeded
