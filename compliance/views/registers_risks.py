"""The risk register: the table, one risk, its versions as approved."""

from __future__ import annotations

from datetime import date
from functools import partial
from typing import Final
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_POST, require_safe

from clinchat.lib.http import AuthedRequest
from compliance.access import Action, allows, door, refusals
from compliance.access.sessions import fresh
from compliance.models import Risk, RiskApproval
from compliance.register_forms import DeferForm, FindRisksForm, RiskForm
from compliance.registers import risks
from compliance.views.registers import Refusals, ask, done, show
from compliance.views.signin import PAGE

VERSIONS_SHOWN: Final = 12
REFUSED: Final[Refusals] = {
    risks.NoDate: ("due", "Enter by when it is treated."),
    risks.OwnerGone: ("owner", "Choose somebody whose account is open."),
    risks.DateMoved: ("due", "A later date is given on the page of the risk, with “Put off”, where it is counted."),
}
DEFERRED: Final[Refusals] = {
    risks.NotLater: ("due", "Choose a date after the present one."),
    risks.NotOpen: (None, "Only a risk that is being treated can be put off."),
}


@require_safe
@door(Action.READ_CONTROLS)
def page(request: AuthedRequest) -> HttpResponse:
    form = FindRisksForm(request.GET)
    found = _find(form)
    context = {
        "risks": found,
        "total": Risk.objects.count(),
        "form": form,
        "today": timezone.localdate(),
        "most": risks.MOST_DEFERRALS,
        "versions": RiskApproval.objects.select_related("approved_by").defer("register")[:VERSIONS_SHOWN],
        "reasons": risks.incomplete(),
        "may_approve": allows(request.user, Action.APPROVE_RISKS),
        "second_needed": not risks.may_approve(request.user),
    }
    return show(request, "risks", context)


def _find(form: FindRisksForm) -> list[Risk]:
    """Those that fulfil the conditions, the most serious first."""
    asked, today = form.asked(), timezone.localdate()
    found = Risk.objects.select_related("owner").prefetch_related("assets")
    match asked["status"]:
        case "":
            pass
        case "overdue":
            found = found.open().filter(due__lt=today)
        case status:
            found = found.filter(status=status)
    shown = [risk for risk in found if asked["show"] in {"", risk.rating}]
    return sorted(shown, key=lambda risk: (risk.status != Risk.Status.OPEN, -risk.likelihood * risk.impact))


@require_safe
@door(Action.READ_CONTROLS)
def one(request: AuthedRequest, risk_id: UUID) -> HttpResponse:
    return _one(request, get_object_or_404(Risk.objects.select_related("owner"), pk=risk_id))


def _one(request: AuthedRequest, risk: Risk, form: DeferForm | None = None) -> HttpResponse:
    context = {"risk": risk, "form": form or DeferForm(), "today": timezone.localdate(), "most": risks.MOST_DEFERRALS}
    return show(request, "risk", context)


@PAGE
@door(Action.KEEP_REGISTERS)
@sensitive_post_parameters("title", "threat", "treatment")
def new(request: AuthedRequest) -> HttpResponse:
    form = RiskForm(request.POST or None)
    if done(form, risks.add, REFUSED):
        messages.success(request, "The risk is in the register. The register waits for its next approval.")
        return redirect("risks")
    lead = "What could go wrong with which assets, how bad it would be, and what is done about it."
    return ask(request, form, title="New risk", lead=lead, button="Add this risk", back=reverse("risks"))


@PAGE
@door(Action.KEEP_REGISTERS)
@sensitive_post_parameters("title", "threat", "treatment")
def edit(request: AuthedRequest, risk_id: UUID) -> HttpResponse:
    risk = get_object_or_404(Risk.objects.prefetch_related("assets"), pk=risk_id)
    form = RiskForm(request.POST or None, risk=risk)
    if done(form, partial(risks.change, risk_id=risk.pk), REFUSED):
        messages.success(request, "Saved. The register waits for its next approval.")
        return redirect("risk", risk.pk)
    back = reverse("risk", args=[risk.pk])
    return ask(
        request,
        form,
        title=f"Change R-{risk.number}",
        lead="What it said before stays in the approved versions.",
        button="Save",
        back=back,
    )


@require_POST
@door(Action.KEEP_REGISTERS)
def defer(request: AuthedRequest, risk_id: UUID) -> HttpResponse:
    risk = get_object_or_404(Risk.objects.select_related("owner"), pk=risk_id)
    form = DeferForm(request.POST)
    if not done(form, partial(risks.defer, risk_id=risk.pk), DEFERRED):
        return _one(request, risk, form)
    messages.success(request, "Put off, and counted.")
    return redirect("risk", risk.pk)


@require_POST
@door(Action.APPROVE_RISKS)
@fresh
def approve(request: AuthedRequest) -> HttpResponse:
    try:
        version = risks.approve(by=request.user)
    except risks.NotComplete as refused:
        messages.error(request, f"Nothing was approved. {' '.join(refused.reasons)}")
    except risks.SecondPersonNeeded as refused:
        refusals.against_a_rule(request.user, refused, RiskApproval())
        messages.error(
            request,
            "You changed the register last, or own every open risk, so somebody else has to approve it.",
        )
    else:
        messages.success(request, f"Version {version.number} is approved and kept as it is.")
    return redirect("risks")


@require_safe
@door(Action.READ_CONTROLS)
def version(request: AuthedRequest, version_id: UUID) -> HttpResponse:
    found = get_object_or_404(RiskApproval.objects.select_related("approved_by"), pk=version_id)
    names = {asset["id"]: asset["name"] for asset in found.register["assets"]}
    rows = [
        {
            **risk,
            "due_day": date.fromisoformat(risk["due"]) if risk["due"] else None,
            "asset_names": [names.get(one, one) for one in risk["assets"]],
        }
        for risk in found.register["risks"]
    ]
    context = {"version": found, "rows": rows, "whole": risks.digest(found.register) == found.sha256}
    return show(request, "risk_version", context)
