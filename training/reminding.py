"""Reminders before a certificate ends, and of first training that is overdue. Safe to run at any time and again."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any, Final

from django.db import IntegrityError, transaction
from django.db.models import Exists, OuterRef, Q
from django.urls import reverse

from clinchat.lib import clock, ui_tags
from compliance import notices
from compliance.access.roles import Role
from compliance.models import Notice, User
from training import clearing, enrolments
from training.bank.types import SIX
from training.models import Certificate, CertificateReminder

DAYS: Final = (60, 30, 14, 7, 1)
"""Before a certificate ends; the person and who heads their department are told at each."""
URGENT: Final = 14
WEEK: Final = timedelta(days=7)
OVERDUE: Final = "Your training is overdue"


def remind() -> int:
    """Tell whoever has to renew, and whoever should have finished their first training; returns how many notices."""
    return remind_of_certificates() + remind_of_first_training()


def remind_of_certificates() -> int:
    """At the nearest of the days that has come: whoever was not reminded for a month hears it once and not five times.

    The renewal is opened with it. A certificate that has a newer one beside it is nobody's worry.
    """
    now, told = clock.now(), 0
    newer = Certificate.objects.filter(
        person=OuterRef("person"), slug=OuterRef("slug"), expires_at__gt=OuterRef("expires_at"), revoked_at=None
    )
    ending = Certificate.objects.live(now).of_modules().filter(expires_at__lte=now + timedelta(days=DAYS[0]))
    ending = ending.filter(~Exists(newer), person__is_active=True, person__is_service=False)
    heads = _heads()
    for certificate in ending.select_related("person").prefetch_related("reminders").order_by("expires_at"):
        days = _nearest(certificate, now)
        if days not in {reminder.days for reminder in certificate.reminders.all()}:
            told += _tell(certificate, days, heads.get(certificate.person.department, ()), now)
    return told


def _nearest(certificate: Certificate, now: datetime) -> int:
    left = certificate.expires_at - now
    return min(days for days in DAYS if left <= timedelta(days=days))


def _tell(certificate: Certificate, days: int, heads: Iterable[User], now: datetime) -> int:
    """One transaction: the reminder, the notices, the renewal. Two workers at once: the second one does nothing."""
    person, title = certificate.person, certificate.title
    heads = [head for head in heads if head.pk != person.pk]
    ends = ui_tags.day(certificate.expires_at)
    level = Notice.Level.WARNING if days <= URGENT else Notice.Level.INFO
    try:
        with transaction.atomic():
            CertificateReminder.objects.create(certificate=certificate, days=days, told=1 + len(heads), at=now)
            _open_renewal(certificate)
            notices.tell(
                [person],
                title=f"Renew {title} by {ends}",
                text=f"Your certificate ends on {ends}. Access to asking ends with it. The renewal is open now.",
                url=reverse("training-module", args=[certificate.slug]),
                level=level,
                mail=True,
            )
            notices.tell(
                heads,
                title=f"{person.name}: {title} ends on {ends}",
                text="A certificate of somebody in your department ends then, and with it their access to asking.",
                url=reverse("evidence", args=[person.pk]),
                level=level,
                mail=True,
            )
    except IntegrityError:
        return 0
    return 1 + len(heads)


def _open_renewal(certificate: Certificate) -> None:
    try:
        enrolments.begin(person=certificate.person, slug=certificate.slug)
    except (enrolments.UnknownModule, enrolments.NothingToDo):
        return
    clearing.settle(certificate.person)


def _heads() -> dict[str, list[User]]:
    """Who heads each department."""
    found: dict[str, list[User]] = {}
    for head in notices.holders(Role.DEPARTMENT_HEAD):
        if head.department:
            found.setdefault(head.department, []).append(head)
    return found


def remind_of_first_training() -> int:
    """Once a week, whoever has not passed all modules a month after the account was made."""
    now = clock.now()
    passed = Certificate.objects.filter(person=OuterRef("pk"))
    lacks: Any = Q()
    for slug in SIX:
        lacks |= ~Exists(passed.filter(slug=slug))
    told = Notice.objects.filter(user=OuterRef("pk"), title=OVERDUE, created_at__gt=now - WEEK)
    late = User.objects.filter(is_active=True, is_service=False, created_at__lte=now - enrolments.FIRST_DUE)
    late = late.filter(lacks, ~Exists(told))
    return notices.tell(
        late,
        title=OVERDUE,
        text="All modules were due a month after your account was made. Continue where you left.",
        url=reverse("training"),
        level=Notice.Level.WARNING,
        mail=True,
    )
