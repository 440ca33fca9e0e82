"""Weekly reviews of the audit trail: the figures of a week, and who signed that they looked at them."""

from __future__ import annotations

from collections import Counter
from datetime import date, datetime, time, timedelta
from typing import Any, Final
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import Count, Exists, OuterRef, Q, QuerySet
from django.utils import timezone

from clinchat.lib import clock
from compliance.access.roles import Role
from compliance.audit.search import patience
from compliance.controls import canary
from compliance.models import ActorKind, AuditEvent, AuditReview, BreakGlass, Code, Outcome, RoleAssignment, User

FRIDAY: Final = timedelta(days=4)
MOST_ACTIVE: Final = 10
EXPORTS: Final = Q(detail__has_key="export")
"""Events of files that left ClinChat: they say in which form."""
_WEEK: Final = timedelta(days=7)


class NotAWeek(Exception):
    """A week is named by its Monday."""


class NotYet(Exception):
    """The week has not come, or its working days are not over."""


class OwnActs(Exception):
    """An administrator of that week does not review what administrators did in it."""


class SignedAlready(Exception):
    """One person signs a week once."""


def monday(day: date) -> date:
    return day - timedelta(days=day.weekday())


def weeks(count: int) -> list[date]:
    """The Mondays of the present week and those before it, the newest first."""
    this = monday(timezone.localdate())
    return [this - _WEEK * back for back in range(count)]


def figures(week: date) -> dict[str, Any]:
    """What happened in the week, as it is shown and kept. Ids, names of staff and counts; nothing of patients.

    What control checks tried under names of people who do not exist is counted apart, so that it hides nothing. An
    account of that name is counted as any other. Raises compliance.audit.search.TooBroad where the trail cannot be
    read in time.
    """
    with patience():
        everything = _events(week)
        by_check = Q(actor_name=canary.NAME) & ~Exists(User.objects.filter(pk=OuterRef("actor_id")))
        events, checks = everything.filter(~by_check), everything.filter(by_check).count()
        codes = events.order_by().values_list("code", "outcome").annotate(count=Count("pk")).order_by("-count", "code")
        by_code = [list(row) for row in codes]
        people = events.order_by().filter(actor_kind=ActorKind.PERSON, actor_id__isnull=False)
        active = people.values_list("actor_id").annotate(count=Count("pk")).order_by("-count", "actor_id")[:MOST_ACTIVE]
        most = list(active)
        exports = events.filter(EXPORTS, code=Code.SENSITIVE_READ).count()
        administrators = sorted(_administrators(week), key=str)
    names = dict(User.objects.filter(pk__in=[who for who, _ in most]).values_list("pk", "name"))
    start, end = _bounds(week)
    totals = Counter[str]()
    for code, outcome, count in by_code:
        totals["all"] += count
        totals["denied"] += count if outcome == Outcome.DENIED else 0
        totals["failed sign-ins"] += count if code == Code.AUTHN_LOGIN_FAIL else 0
    return {
        "until": min(end, clock.now()).isoformat(),
        "events": totals["all"],
        "control_checks": checks,
        "denials": totals["denied"],
        "failed_sign_ins": totals["failed sign-ins"],
        "exports": exports,
        "break_glass": BreakGlass.objects.filter(started_at__gte=start, started_at__lt=end).count(),
        "by_code": by_code,
        "most_active": [[str(who), names.get(who, ""), count] for who, count in most],
        "administrators": [str(one) for one in administrators],
    }


@transaction.atomic
def sign(*, week: date, by: User, conclusion: str) -> AuditReview:
    """Signed with the figures as they are at this moment. The conclusion is masked already.

    Raises NotAWeek, NotYet, OwnActs, SignedAlready and compliance.audit.search.TooBroad.
    """
    if week != monday(week):
        raise NotAWeek
    if not open_for_signing(week):
        raise NotYet
    if reviewed(by.pk, week):
        raise OwnActs
    shown = figures(week)
    try:
        with transaction.atomic():
            return AuditReview.objects.create(week=week, signed_by=by, conclusion=conclusion, figures=shown)
    except IntegrityError:
        raise SignedAlready from None


def open_for_signing(week: date) -> bool:
    """From its Friday on: before that there is too little to look at."""
    return timezone.localdate() >= week + FRIDAY


def reviewed(person: UUID, week: date) -> bool:
    """Whether a review of the week is about acts of this person: an administrator in it, or since before its end."""
    return _acts(week).filter(actor_id=person).exists() or _holders(week).filter(user=person).exists()


def counts(review: AuditReview) -> bool:
    """Whether a signature is good: made when the working days were over, by nobody whose acts it is about."""
    signed_on = timezone.localdate(review.signed_at)
    return signed_on >= review.week + FRIDAY and not reviewed(review.signed_by_id, review.week)


def _administrators(week: date) -> set[UUID]:
    """Who held the role admin when they acted in the week, and who holds it since before its end."""
    acted = set(_acts(week).values_list("actor_id", flat=True).distinct())
    return {one for one in acted | set(_holders(week).values_list("user", flat=True)) if one is not None}


def _acts(week: date) -> QuerySet[AuditEvent]:
    """What administrators did in the week, with the roles they had when they did it."""
    return _events(week).order_by().filter(actor_kind=ActorKind.PERSON, actor_roles__contains=[str(Role.ADMIN)])


def _holders(week: date) -> QuerySet[RoleAssignment]:
    return RoleAssignment.objects.filter(role=Role.ADMIN, granted_at__lt=_bounds(week)[1])


def _events(week: date) -> QuerySet[AuditEvent]:
    start, end = _bounds(week)
    return AuditEvent.objects.filter(timestamp__gte=start, timestamp__lt=end)


def _bounds(week: date) -> tuple[datetime, datetime]:
    """The first moment of the week, and the first after it, by the clock of the hospital."""
    start, end = (timezone.make_aware(datetime.combine(day, time.min)) for day in (week, week + _WEEK))
    return start, end
