"""Keeps each person's clearance in step with what it rests on. The only writer of clearances of onboarding.

Whatever changes certificates, policies, requests or enrolments calls `settle` in the same transaction, so that chat
opens and closes with it. What only time changes is in the clearance's own end. `settle_suspects` finds what changed
behind our back, twice a minute.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from django.db import DatabaseError, connection, transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django.db.models.functions import Greatest
from django.urls import reverse
from django.utils import timezone

from clinchat.lib import clock, ui_tags
from compliance import notices, policies
from compliance.access import epoch
from compliance.models import Clearance, Notice, User
from training import standing
from training.bank.types import SIX
from training.models import AccessRequest, Certificate, Enrolment
from training.models.approvals import Stage

logger = logging.getLogger(__name__)

RESTS_ON: Final = "Training and approvals are complete"
_LOCK: Final = 8_2401
"""First key of the advisory lock of one person's clearance; the second is made of their id."""


def settle(person: User) -> bool:
    """Open, move or close the person's clearance, whichever is due, in the caller's transaction or its own.

    Returns whether they are cleared now. One that has ended by itself stays as it is, and a new one follows it.
    """
    with transaction.atomic():
        _one_at_a_time(person)
        now = clock.now()
        stands = standing.of(person)
        ours = _not_over(person, now).filter(basis=Clearance.Basis.ONBOARDING)
        if stands.until is None or not person.is_active:
            if ours.exists():
                _close(person, now, stands.missing)
            return False
        held = ours.filter(granted_at__lte=now).first()
        if held is None:
            _open(person, now, stands.until)
        elif held.expires_at != stands.until:
            Clearance.objects.filter(pk=held.pk).update(expires_at=stands.until)
        return True


def settle_suspects() -> int:
    """Settle whoever is cleared and lacks something, or lacks nothing and is not cleared; returns how many changed.

    Finds them in a few statements for everybody, so that it can run every half minute.
    """
    return _settle_each(_suspects(clock.now()))


def settle_everybody() -> int:
    """Settle each person whose request was ever approved, whatever a statement for all might overlook."""
    return _settle_each(User.objects.filter(_CLEARED | Q(access_request__stage=Stage.CLEARED)).distinct())


def _settle_each(people: QuerySet[User]) -> int:
    changed = 0
    for person in people.iterator(chunk_size=500):
        before = _end_of(person)
        try:
            settle(person)
        except DatabaseError:  # the others are looked at all the same, and this one again in half a minute
            logger.error("a clearance could not be settled", extra={"code": "CLEARANCE_NOT_SETTLED"})
            continue
        changed += before != _end_of(person)
    return changed


def _end_of(person: User) -> datetime | None:
    held = person.clearances.live(clock.now()).filter(basis=Clearance.Basis.ONBOARDING)
    return held.values_list("expires_at", flat=True).first()


_CLEARED: Final = Q(clearances__basis=Clearance.Basis.ONBOARDING, clearances__revoked_at=None)


def _suspects(now: datetime) -> QuerySet[User]:
    live = Clearance.objects.live(now).filter(user=OuterRef("pk"), basis=Clearance.Basis.ONBOARDING)
    request = AccessRequest.objects.filter(person=OuterRef("pk"), stage=Stage.CLEARED, recertify_by__gt=now)
    request = request.filter(Q(license_until=None) | Q(license_until__gte=timezone.localdate(now)))
    certificates = Certificate.objects.live(now).filter(person=OuterRef("pk"))
    whole: Any = Q(is_active=True) & Exists(request)
    for slug in SIX:
        whole &= Exists(certificates.filter(slug=slug))
    late = Enrolment.objects.open().filter(person=OuterRef("pk"), due_at__lte=now).exclude(kind=Enrolment.Kind.FIRST)
    whole &= ~Exists(late)
    for accepted in policies.acceptable(now):
        whole &= Exists(accepted.filter(person=OuterRef("pk")))
    return User.objects.filter((Exists(live) & ~whole) | (~Exists(live) & whole))


def _not_over(person: User, now: datetime) -> QuerySet[Clearance]:
    """Also what a clock that was ahead has given from a moment on that is still to come."""
    return person.clearances.filter(revoked_at=None, expires_at__gt=now)


def _close(person: User, now: datetime, missing: Sequence[str]) -> None:
    """All of them, also one given by hand: whoever is suspended asks by no other way."""
    _not_over(person, now).update(revoked_at=Greatest(now, F("granted_at")))
    epoch.bump()  # an answer that is being streamed ends too
    if person.is_active:
        notices.tell(
            [person],
            title="Asking is closed",
            text=f"What is missing: {'; '.join(missing)}.",
            url=reverse("access"),
            level=Notice.Level.WARNING,
            mail=True,
        )


def _open(person: User, now: datetime, until: datetime) -> None:
    """One that was given by hand ends with it: from now on all of it rests on training and approvals."""
    _not_over(person, now).filter(basis=Clearance.Basis.HAND).update(revoked_at=Greatest(now, F("granted_at")))
    Clearance.objects.create(
        user=person, granted_at=now, expires_at=until, reason=RESTS_ON, basis=Clearance.Basis.ONBOARDING
    )
    notices.tell(
        [person],
        title="You can ask now",
        text=f"Training and approvals are complete. Your access is on until {ui_tags.day(until)}; "
        "you are told before it ends.",
        url=reverse("ask"),
        mail=True,
    )


def _one_at_a_time(person: User) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s, hashtext(%s))", [_LOCK, str(person.pk)])
