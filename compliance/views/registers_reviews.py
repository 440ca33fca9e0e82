"""Weekly reviews of the audit trail: the weeks, the figures of one, and signing it. Each look is on record."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any, Final

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_POST, require_safe

from clinchat.lib.http import AuthedRequest
from compliance import audit, audit_vocabulary
from compliance.access import Action, allows, door, refusals
from compliance.access.sessions import fresh
from compliance.audit.search import TooBroad
from compliance.models import AuditReview
from compliance.register_forms import ReviewForm
from compliance.registers import reviews
from compliance.views.registers import show

WEEKS_SHOWN: Final = 13
CHECKED: Final = 4
"""So many weeks before the present one have to be signed."""
TOO_BROAD: Final = "The week has more events than can be counted now. Try again when there is less to do."
REFUSED: Final[dict[type[Exception], str]] = {
    reviews.NotYet: "The week can be signed from its Friday on.",
    reviews.OwnActs: "You were an administrator in this week, so somebody else has to review it.",
    reviews.SignedAlready: "You have signed this week already.",
    TooBroad: TOO_BROAD,
}


@require_safe
@door(Action.READ_AUDIT)
def page(request: AuthedRequest) -> HttpResponse:
    weeks = reviews.weeks(WEEKS_SHOWN)
    signed: dict[date, list[AuditReview]] = {week: [] for week in weeks}
    for one in AuditReview.objects.filter(week__in=weeks).select_related("signed_by").order_by("signed_at"):
        signed[one.week].append(one)
    rows = [
        {
            "week": week,
            "signed": found,
            "open": reviews.open_for_signing(week),
            "running": week == weeks[0],
            "late": week in weeks[1 : CHECKED + 1],
        }
        for week, found in signed.items()
    ]
    audit.record_read(object_type="compliance.AuditReview", reviews=sum(map(len, signed.values())))
    return show(request, "reviews", {"rows": rows})


@require_safe
@door(Action.READ_AUDIT)
def one(request: AuthedRequest, week: date) -> HttpResponse:
    return _one(request, week)


def _one(request: AuthedRequest, week: date, form: ReviewForm | None = None) -> HttpResponse:
    if week != reviews.monday(week) or week > timezone.localdate():
        raise Http404
    audit.record_read(object_type="compliance.AuditReview", filter={"week": week.isoformat()})
    try:
        figures = _worded(reviews.figures(week))
    except TooBroad:
        figures = None
        messages.error(request, TOO_BROAD)
    signed = AuditReview.objects.filter(week=week).select_related("signed_by")
    context = {
        "week": week,
        "sunday": date.fromordinal(week.toordinal() + 6),
        "figures": figures,
        "signed": signed,
        "form": form or ReviewForm(),
        "open": reviews.open_for_signing(week),
        "own_acts": reviews.reviewed(request.user.pk, week),
        "signed_by_reader": any(one.signed_by_id == request.user.pk for one in signed),
        "may_sign": allows(request.user, Action.REVIEW_AUDIT),
    }
    return show(request, "review", context)


def _worded(figures: Mapping[str, Any]) -> dict[str, Any]:
    words, outcomes = audit_vocabulary.CODES, audit_vocabulary.OUTCOMES
    rows = [
        {"code": code, "words": words.get(code, code), "outcome": outcomes.get(outcome, outcome), "count": count}
        for code, outcome, count in figures["by_code"]
    ]
    people = [{"id": who, "name": name, "count": count} for who, name, count in figures["most_active"]]
    return {**figures, "by_code": rows, "most_active": people}


@require_POST
@door(Action.REVIEW_AUDIT)
@fresh
@sensitive_post_parameters("conclusion")
def sign(request: AuthedRequest, week: date) -> HttpResponse:
    form = ReviewForm(request.POST)
    if not form.is_valid():
        return _one(request, week, form)
    try:
        reviews.sign(week=week, by=request.user, **form.cleaned_data)
    except reviews.NotAWeek:
        raise Http404 from None
    except tuple(REFUSED) as refused:
        if isinstance(refused, reviews.OwnActs):
            refusals.against_a_rule(request.user, refused, AuditReview())
        messages.error(request, f"Nothing was signed. {REFUSED[type(refused)]}")
    else:
        messages.success(request, "Signed. The figures are kept as they were shown.")
    return redirect("audit-review", week)
