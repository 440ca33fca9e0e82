"""The read-only mode: whether it is on, switching it, planning it, and when it was on before."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST, require_safe

from clinchat.lib.http import AuthedRequest
from compliance.access import Action, allows, door, works_read_only
from compliance.continuity import maintenance, planned
from compliance.maintenance_forms import MoveForm, PlanForm, StartForm, shown
from compliance.models import Maintenance, PlannedMaintenance

SHOWN = 20
PLANS = 5
PLANNING = "It says what is to come, and changes nothing else"


@require_safe
@door(Action.READ_CONTINUITY)
def page(request: AuthedRequest) -> HttpResponse:
    return _page(request)


@works_read_only("It says that the mode is on already")
@require_POST
@door(Action.SWITCH_MAINTENANCE)
def start(request: AuthedRequest) -> HttpResponse:
    form = StartForm(request.POST)
    if form.is_valid():
        try:
            maintenance.start(**form.cleaned_data, actor=request.user)
        except maintenance.Past as refused:
            form.add_error("until", refused.words)
            return _page(request, form)
        except maintenance.Refused as refused:
            messages.error(request, refused.words)
        else:
            messages.success(request, "ClinChat is read-only, within two seconds.")
        return redirect("maintenance")
    return _page(request, form)


@works_read_only("It ends the mode")
@require_POST
@door(Action.SWITCH_MAINTENANCE)
def end(request: AuthedRequest) -> HttpResponse:
    try:
        maintenance.end(actor=request.user)
    except maintenance.Refused as refused:
        messages.error(request, refused.words)
    else:
        messages.success(request, "Everything can be stored again, within two seconds.")
    return redirect("maintenance")


@works_read_only(PLANNING)
@require_POST
@door(Action.SWITCH_MAINTENANCE)
def plan(request: AuthedRequest) -> HttpResponse:
    form = PlanForm(request.POST, auto_id="plan_%s")
    return _times(request, form, lambda: planned.plan(**form.cleaned_data, actor=request.user), "It is planned.")


@works_read_only(PLANNING)
@require_POST
@door(Action.SWITCH_MAINTENANCE)
def move(request: AuthedRequest, plan_id: UUID) -> HttpResponse:
    form = MoveForm(request.POST, auto_id="plan_%s")
    return _times(request, form, lambda: planned.move(**form.cleaned_data, plan_id=plan_id), "It is moved.")


@works_read_only(PLANNING)
@require_POST
@door(Action.SWITCH_MAINTENANCE)
def cancel(request: AuthedRequest, plan_id: UUID) -> HttpResponse:
    try:
        planned.cancel(actor=request.user, plan_id=plan_id)
    except maintenance.Refused as refused:
        messages.error(request, refused.words)
    else:
        messages.success(request, "It is canceled.")
    return redirect("maintenance")


def _times(request: AuthedRequest, form: MoveForm, act: Callable[[], object], done: str) -> HttpResponse:
    """Plan or move as the form says; what is wrong with a time is said beside it."""
    if not form.is_valid():
        return _page(request, plan_form=form)
    try:
        act()
    except (planned.StartsInThePast, planned.EndsFirst) as refused:
        form.add_error("until" if isinstance(refused, planned.EndsFirst) else "starts_at", refused.words)
        return _page(request, plan_form=form)
    except maintenance.Refused as refused:
        messages.error(request, refused.words)
    else:
        messages.success(request, done)
    return redirect("maintenance")


def _page(request: AuthedRequest, form: StartForm | None = None, plan_form: MoveForm | None = None) -> HttpResponse:
    known = Maintenance.objects.select_related("started_by", "ended_by")
    coming = planned.current()
    context = {
        "form": form or StartForm(),
        "open": known.filter(ended_at=None).select_related("plan").first(),
        "over": known.exclude(ended_at=None)[:SHOWN],
        "planned": coming,
        "plan_form": plan_form if plan_form and isinstance(plan_form, PlanForm) == (coming is None) else _empty(coming),
        "not_begun": PlannedMaintenance.objects.filter(state__in=planned.NOT_BEGUN).select_related("closed_by")[:PLANS],
        "may_switch": allows(request.user, Action.SWITCH_MAINTENANCE),
    }
    return render(request, "continuity/maintenance.html", context)


def _empty(coming: PlannedMaintenance | None) -> MoveForm:
    """To plan one, or to move the one there is."""
    if coming is None:
        return PlanForm(auto_id="plan_%s")
    return MoveForm(auto_id="plan_%s", initial={"starts_at": shown(coming.starts_at), "until": shown(coming.until)})
