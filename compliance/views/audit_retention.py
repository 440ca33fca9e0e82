"""What the audit trail keeps, and its purge: asked for by one person, approved by another."""

from __future__ import annotations

from datetime import date
from uuid import UUID

from django.contrib import messages
from django.db import IntegrityError
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST, require_safe

from clinchat.lib import clock
from clinchat.lib.http import AuthedRequest
from compliance import audit, audit_lines
from compliance.access import Action, allows, door
from compliance.access.sessions import fresh
from compliance.audit import retention
from compliance.models import AuditPurge, Code
from compliance.retention_forms import PurgeForm

DECIDED_SHOWN = 20


@require_safe
@door(Action.READ_AUDIT)
def page(request: AuthedRequest) -> HttpResponse:
    return _page(request)


@require_POST
@door(Action.PURGE_AUDIT)
def ask(request: AuthedRequest) -> HttpResponse:
    form = PurgeForm(request.POST, due=_options(retention.months()))
    if not form.is_valid():
        return _page(request, form=form)
    before, reason = date.fromisoformat(form.cleaned_data["before"]), form.cleaned_data["reason"]
    try:
        retention.request(before=before, reason=reason, actor=request.user)
    except retention.TooYoung:
        messages.error(request, "Nothing was asked for: some of these events are younger than ten years.")
    except retention.AlreadyDecided:
        messages.error(request, "Another purge waits for its second person. Decide that one first.")
    else:
        messages.success(request, "The purge waits for a second person. Nothing is removed before they approve it.")
    return redirect("audit-retention")


@require_POST
@door(Action.PURGE_AUDIT)
@fresh
def approve(request: AuthedRequest, purge_id: UUID) -> HttpResponse:
    purge = get_object_or_404(AuditPurge, pk=purge_id)
    try:
        retention.approve(purge_id=purge.pk, actor=request.user)
    except retention.SamePerson:
        messages.error(request, "You asked for this purge, so somebody else has to approve it.")
    except retention.AlreadyDecided:
        messages.error(request, "This purge was already decided. Nothing was changed.")
    except retention.OnHold:
        messages.error(request, "A legal hold is in force, so nothing is removed. Ask your ClinChat operator.")
    except IntegrityError:
        messages.error(request, "Nothing was removed: some of these events are not sealed yet. Try again in a minute.")
    else:
        messages.success(request, "The events are removed. Their seals stay, so the rest can still be verified.")
    return redirect("audit-retention")


@require_POST
@door(Action.PURGE_AUDIT)
def cancel(request: AuthedRequest, purge_id: UUID) -> HttpResponse:
    purge = get_object_or_404(AuditPurge, pk=purge_id)
    try:
        retention.cancel(purge_id=purge.pk, actor=request.user)
    except retention.AlreadyDecided:
        messages.error(request, "This purge was already decided. Nothing was changed.")
    else:
        messages.success(request, "The purge is canceled. Nothing was removed.")
    return redirect("audit-retention")


def _page(request: AuthedRequest, **context: object) -> HttpResponse:
    months = [month for month in retention.months() if month.first <= clock.now().date()]
    decided = AuditPurge.objects.exclude(status=AuditPurge.Status.REQUESTED)
    page = {
        "months": sorted(months, key=lambda month: month.first, reverse=True),
        "form": PurgeForm(due=_options(months)),
        "pending": retention.pending(),
        "decided": decided.select_related("requested_by", "decided_by").order_by("-decided_at")[:DECIDED_SHOWN],
        "may_purge": allows(request.user, Action.PURGE_AUDIT),
        "chain": audit_lines.chain(),
    }
    audit.record(
        code=Code.SENSITIVE_READ,
        action=audit.Crude.READ,
        object_type="compliance.AuditEvent",
        detail={"page": "retention"},
    )
    return render(request, "audit/retention.html", page | context)


def _options(months: list[retention.Month]) -> list[tuple[str, str]]:
    """What "everything before" may be: the month after each that is due, with the last month it would remove."""
    due = sorted(month.first for month in months if month.due)
    return [(str(_next(first)), f"{first:%B %Y}") for first in due]


def _next(first: date) -> date:
    return date(first.year + first.month // 12, first.month % 12 + 1, 1)
