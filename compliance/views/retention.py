"""How long everything is kept, legal holds, and erasures for good."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Any, Final
from uuid import UUID

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_POST, require_safe

from clinchat.lib.http import AuthedRequest
from compliance import audit
from compliance.access import Action, allows, door
from compliance.access.sessions import fresh
from compliance.continuity.deletion import erasing, holds, retention, subjects
from compliance.holding_forms import EndHoldForm, ErasureForm, HoldForm
from compliance.models import Erasure, LegalHold, Purge, User
from compliance.views.registers import Refusals, ask, done
from compliance.views.signin import PAGE

ON_A_PAGE: Final = 50
NOBODY: Final = "Nothing is kept here about it. Check the kind, and how it is written."
HOLD: Final = "compliance.LegalHold"
ERASURE: Final = "compliance.Erasure"
PLACED: Final[Refusals] = {
    subjects.NoSuchSubject: ("subject", NOBODY),
    holds.AlreadyHeld: (None, "There is a hold on it already."),
}
ENDED: Final[Refusals] = {
    holds.SamePerson: (None, "You placed this hold, so somebody else has to end it."),
    holds.AlreadyEnded: (None, "It has ended already."),
}
ASKED: Final[Refusals] = {
    subjects.NoSuchSubject: ("subject", NOBODY),
    holds.OnHold: (None, "A legal hold is on it. It is kept until the hold ends."),
    erasing.AlreadyAsked: (None, "Somebody has asked for this. It waits for a second person."),
}


@require_safe
@door(Action.READ_CONTINUITY)
def page(request: AuthedRequest) -> HttpResponse:
    rules = retention.rules()
    names = {one.key: one.name for one in rules}
    shown = Paginator(Purge.objects.all(), ON_A_PAGE).get_page(request.GET.get("page"))
    context = {
        "turns": [retention.waiting(one) for one in rules if one.removes],
        "kept": [retention.waiting(one) for one in rules if not one.removes],
        "page": shown,
        "purges": [(one, names.get(one.rule, one.rule)) for one in shown],
        "holds": LegalHold.objects.filter(ended_at=None).count(),
    }
    return render(request, "continuity/retention.html", context)


@require_safe
@door(Action.READ_CONTINUITY)
def held(request: AuthedRequest) -> HttpResponse:
    found = LegalHold.objects.select_related("placed_by", "ended_by")
    ended = Paginator(found.exclude(ended_at=None).order_by("-ended_at"), ON_A_PAGE).get_page(request.GET.get("page"))
    audit.record_read(object_type=HOLD, holds=found.count())
    context = {
        "standing": _named(found.filter(ended_at=None)),
        "ended": _named(ended),
        "page": ended,
        "may_keep": allows(request.user, Action.KEEP_HOLDS),
    }
    return render(request, "continuity/holds.html", context)


@PAGE
@door(Action.KEEP_HOLDS)
@sensitive_post_parameters("subject", "reason")
def hold(request: AuthedRequest) -> HttpResponse:
    form = HoldForm(request.POST or None)
    if done(form, partial(holds.place, actor=request.user), PLACED):
        messages.success(request, "The hold is in force. Nothing of it is removed until it ends.")
        return redirect("holds")
    lead = "Nothing of a person, a patient or a conversation is removed or erased until another person ends the hold."
    return ask(request, form, title="Place a legal hold", lead=lead, button="Place it", back=reverse("holds"))


@PAGE
@door(Action.KEEP_HOLDS)
@sensitive_post_parameters("reason")
def end_hold(request: AuthedRequest, hold_id: UUID) -> HttpResponse:
    standing = get_object_or_404(LegalHold, pk=hold_id)
    form = EndHoldForm(request.POST or None)
    if done(form, partial(holds.end, hold_id=standing.pk, actor=request.user), ENDED):
        messages.success(request, "The hold has ended. What is past its time is removed in the coming night.")
        return redirect("holds")
    lead = "What is past its time is removed in the night after. Whoever placed the hold does not end it."
    return ask(request, form, title="End a legal hold", lead=lead, button="End it", back=reverse("holds"))


@require_safe
@door(Action.READ_CONTINUITY)
def erasures(request: AuthedRequest) -> HttpResponse:
    found = Erasure.objects.select_related("requested_by", "decided_by")
    decided = found.exclude(status=Erasure.Status.REQUESTED).order_by("-decided_at")
    shown = Paginator(decided, ON_A_PAGE).get_page(request.GET.get("page"))
    audit.record_read(object_type=ERASURE, erasures=found.count())
    context = {
        "waiting": _named(found.filter(status=Erasure.Status.REQUESTED)),
        "decided": _named(shown),
        "page": shown,
        "may_erase": allows(request.user, Action.ERASE),
    }
    return render(request, "continuity/erasures.html", context)


@PAGE
@door(Action.ERASE)
@sensitive_post_parameters("subject", "reason")
def ask_erasure(request: AuthedRequest) -> HttpResponse:
    form = ErasureForm(request.POST or None)
    if done(form, partial(erasing.request, actor=request.user), ASKED):
        messages.success(request, "It waits for a second person. Nothing is erased before they approve it.")
        return redirect("erasures")
    lead = "What the tokens stand for becomes unreadable for good, in every backup too. A second person approves it."
    return ask(request, form, title="Ask for an erasure", lead=lead, button="Ask for it", back=reverse("erasures"))


@require_POST
@door(Action.ERASE)
@fresh
def approve(request: AuthedRequest, erasure_id: UUID) -> HttpResponse:
    asked = get_object_or_404(Erasure, pk=erasure_id)
    try:
        erased = erasing.approve(erasure_id=asked.pk, actor=request.user)
    except erasing.SamePerson:
        messages.error(request, "You asked for it, so somebody else has to approve it.")
    except erasing.AlreadyDecided:
        messages.error(request, "This was already decided. Nothing was changed.")
    except holds.OnHold:
        messages.error(request, "A legal hold is on it. Nothing was erased.")
    else:
        values = "1 value" if erased.values_count == 1 else f"{erased.values_count:,} values"
        messages.success(request, f"{values} can no longer be read by anybody.")
    return redirect("erasures")


@require_POST
@door(Action.ERASE)
def cancel(request: AuthedRequest, erasure_id: UUID) -> HttpResponse:
    asked = get_object_or_404(Erasure, pk=erasure_id)
    try:
        erasing.cancel(erasure_id=asked.pk, actor=request.user)
    except erasing.AlreadyDecided:
        messages.error(request, "This was already decided. Nothing was changed.")
    else:
        messages.success(request, "Canceled. Nothing was erased.")
    return redirect("erasures")


def _named(rows: Iterable[Any]) -> list[tuple[Any, str]]:
    """Each with what its subject is called: people by their name, the others by pseudonym or id."""
    found = list(rows)
    ids = [UUID(one.subject) for one in found if one.kind == LegalHold.Kind.PERSON]
    people = {str(person.pk): person.name for person in User.objects.filter(pk__in=ids)}
    return [(one, people.get(one.subject, one.subject)) for one in found]
