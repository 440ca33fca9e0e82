"""Deciding for somebody else while they are away: given, ended, and those that hold."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.db.models import Q
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST, require_safe

from clinchat.lib import clock
from clinchat.lib.http import AuthedRequest
from compliance import audit
from compliance.access import Action, door, refusals
from compliance.access.sessions import fresh
from training.approval_forms import DelegationForm
from training.approvals import delegations
from training.models import Delegation
from training.models.approvals import Step

REFUSALS: dict[type[Exception], str] = {
    delegations.NotYourPower: "You can give only what one of your own roles lets you decide.",
    delegations.NotToThem: "They need an open account, a role that decides on access, and valid certificates of all "
    "six modules.",
    delegations.TooLong: f"Enter 1 to {delegations.LONGEST_DAYS} days.",
    delegations.NoReason: "Say why.",
}
SHOWN = 50


@require_safe
@door(Action.DECIDE_ACCESS)
def page(request: AuthedRequest) -> HttpResponse:
    return _page(request, _form(request))


@require_POST
@door(Action.DECIDE_ACCESS)
@fresh
def give(request: AuthedRequest) -> HttpResponse:
    form = _form(request)
    if form.is_valid() and _given(request, form):
        return redirect("delegations")
    return _page(request, form)


def _form(request: AuthedRequest) -> DelegationForm:
    steps, people = delegations.own_powers(request.user), delegations.possible_delegates(request.user)
    return DelegationForm(request.POST or None, steps=steps, people=people)


def _page(request: AuthedRequest, form: DelegationForm) -> HttpResponse:
    audit.record_read(object_type="training.Delegation")
    own = Delegation.objects.filter(Q(owner=request.user) | Q(delegate=request.user))
    own = own.select_related("owner", "delegate")
    live = Q(ended_at=None, ends_at__gt=clock.now())
    context = {"form": form, "live": own.filter(live), "over": own.exclude(live)[:SHOWN]}
    return render(request, "approvals/delegations.html", context | {"most": delegations.LONGEST_DAYS})


def _given(request: AuthedRequest, form: DelegationForm) -> bool:
    sent = form.cleaned_data
    try:
        given = delegations.give(
            owner=request.user,
            delegate=sent["delegate"],
            step=Step(sent["step"]),
            days=sent["days"],
            reason=sent["reason"],
        )
    except tuple(REFUSALS) as refused:
        refusals.against_a_rule(request.user, refused, request.user)
        form.add_error("delegate" if isinstance(refused, delegations.NotToThem) else None, REFUSALS[type(refused)])
        return False
    messages.success(request, f"{given.delegate.name} decides for you from now on, and is told.")
    return True


@require_POST
@door(Action.DECIDE_ACCESS)
def end(request: AuthedRequest, delegation_id: UUID) -> HttpResponse:
    try:
        delegations.end(delegation_id=delegation_id, by=request.user)
    except delegations.Over:
        messages.error(request, "It has ended already, or is not yours to end.")
    else:
        messages.success(request, "The delegation is ended, at once.")
    return redirect("delegations")
