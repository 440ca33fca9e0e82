"""Requests that nobody decides on, and access that nobody confirms: who is reminded, and when it goes higher up."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet
from django.urls import reverse

from clinchat.lib import clock, ui_tags
from compliance import notices
from compliance.access import Role
from compliance.models import Notice, User
from training.approvals import telling, waiting
from training.models import AccessRequest, ApprovalReminder
from training.models.approvals import WAITING, Stage

REMIND_AFTER: Final = (24, 48, 72)
ESCALATE_AFTER: Final = 96
"""Hours in one stage."""
RECERTIFY_BEFORE: Final = (14, 7, 1)
"""Days before access ends."""


def remind() -> int:
    """Everything that is due now, each once however often this runs; returns how many requests it was about."""
    now = clock.now()
    done = sum(_remind_waiting(pk, now) for pk in _keys(AccessRequest.objects.waiting()))
    last = now + timedelta(days=max(RECERTIFY_BEFORE))
    ending = AccessRequest.objects.filter(stage=Stage.CLEARED, recertify_by__gt=now, recertify_by__lte=last)
    return done + sum(_remind_to_recertify(pk, now) for pk in _keys(ending))


def _keys(requests: QuerySet[AccessRequest]) -> list[UUID]:
    return list(requests.filter(person__is_active=True).values_list("pk", flat=True))


@transaction.atomic
def _remind_waiting(pk: UUID, now: datetime) -> bool:
    request = _still(pk, *WAITING)
    if request is None:
        return False
    hours = int((now - request.entered_at).total_seconds()) // 3600
    due = [each for each in (*REMIND_AFTER, ESCALATE_AFTER) if each <= hours]
    if not due or not _first_time(request, due[-1]):
        return False
    deciders = waiting.deciders(request)
    waited = ui_tags.age(request.entered_at)
    notices.tell(
        deciders,
        title="A request for access still waits for you",
        text=f"{request.person.name} has waited {waited} for what only you, or somebody with your role, can decide.",
        url=request.get_absolute_url(),
        level=Notice.Level.WARNING,
        mail=True,
    )
    if due[-1] == ESCALATE_AFTER:
        _escalate(request, deciders, waited)
    return True


def _escalate(request: AccessRequest, deciders: list[User], waited: str) -> None:
    higher = [one for one in notices.holders(Role.COMPLIANCE_MANAGER, Role.ADMIN) if one.pk != request.person_id]
    notices.tell(
        higher,
        title="A request for access is stuck",
        text=f"{request.person.name} has waited {waited} in one stage. It waits for {telling.names(deciders)}.",
        url=request.get_absolute_url(),
        level=Notice.Level.CRITICAL,
        mail=True,
    )


@transaction.atomic
def _remind_to_recertify(pk: UUID, now: datetime) -> bool:
    request = _still(pk, Stage.CLEARED)
    if request is None or request.recertify_by is None:
        return False
    due = [days for days in RECERTIFY_BEFORE if request.recertify_by <= now + timedelta(days=days)]
    if not due or not _first_time(request, due[-1] * 24):
        return False
    until = ui_tags.day(request.recertify_by)
    notices.tell(
        [request.person],
        title="Your own access is to be confirmed",
        text=f"By {until}, or it ends then. Your department head is told; talk to them if nothing happens.",
        url=reverse("access"),
        level=Notice.Level.WARNING,
        mail=True,
    )
    notices.tell(
        [one for one in waiting.recertifiers(request) if Role.DEPARTMENT_HEAD in one.roles],
        title="Access is to be confirmed",
        text=f"The access of {request.person.name} ends on {until} unless it is confirmed.",
        url=request.get_absolute_url(),
        level=Notice.Level.WARNING,
        mail=True,
    )
    return True


def _still(pk: UUID, *stages: Stage) -> AccessRequest | None:
    """The request, locked, if it is still in one of these stages."""
    held = AccessRequest.objects.select_for_update(of=("self",)).select_related("person")
    return held.filter(pk=pk, stage__in=stages).first()


def _first_time(request: AccessRequest, hours: int) -> bool:
    _, made = ApprovalReminder.objects.get_or_create(
        request=request, revision=request.revision, hours=hours, defaults={"escalated": hours == ESCALATE_AFTER}
    )
    return made
