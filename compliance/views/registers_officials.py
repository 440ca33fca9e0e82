"""Who was named to which office, and naming somebody."""

from __future__ import annotations

from functools import partial
from typing import Any, Final
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from clinchat.lib.http import AuthedRequest
from compliance.access import Action, door
from compliance.access.sessions import fresh
from compliance.controls.attestations import OFFICES
from compliance.models import Official
from compliance.register_forms import OfficialForm
from compliance.registers import officials
from compliance.views.registers import Refusals, ask, done, show
from compliance.views.signin import PAGE

FORMER_SHOWN: Final = 30
REFUSED: Final[Refusals] = {
    officials.AccountClosed: ("person", "Choose somebody whose account is open."),
    officials.NoRole: ("person", "They do not hold the role of this office. Ask for the role first."),
    officials.NoFactor: ("person", "They have no second factor yet."),
    officials.HoldsIt: ("person", "They hold this office already. Nobody deputizes for themselves."),
}
NOT_FIT: Final = {
    officials.AccountClosed: "Account closed",
    officials.NoRole: "Without the role",
    officials.NoFactor: "Without a second factor",
}


@require_safe
@door(Action.READ_CONTROLS)
def page(request: AuthedRequest) -> HttpResponse:
    named = Official.objects.select_related("person", "named_by")
    held = {(one.office, one.deputy): one for one in named.filter(until=None)}
    context = {
        "rows": [_row(office, deputy, held) for office in Official.Office for deputy in (False, True)],
        "former": named.exclude(until=None).order_by("-until")[:FORMER_SHOWN],
    }
    return show(request, "officials", context)


def _row(office: Official.Office, deputy: bool, held: dict[tuple[str, bool], Official]) -> dict[str, Any]:
    """An office, who holds it, and why that is not as it should be, if so."""
    one, problem = held.get((office, deputy)), ""
    if one is not None:
        try:
            officials.check(office, one.person, deputy=deputy)
        except tuple(NOT_FIT) as unfit:
            problem = NOT_FIT[type(unfit)]
    return {"office": office.label, "deputy": deputy, "official": one, "problem": problem}


@PAGE
@door(Action.KEEP_REGISTERS)
@fresh
def name(request: AuthedRequest) -> HttpResponse:
    form = OfficialForm(request.POST or None, roles=list(OFFICES.values()))
    if done(form, partial(officials.name, by=request.user), REFUSED):
        messages.success(request, "Named. Whoever held the office before is relieved.")
        return redirect("officials")
    lead = "Somebody with the role of the office and a second factor. A deputy may hold the role of another office."
    return ask(request, form, title="Name an official", lead=lead, button="Name them", back=reverse("officials"))


@require_POST
@door(Action.KEEP_REGISTERS)
@fresh
def relieve(request: AuthedRequest, official_id: UUID) -> HttpResponse:
    official = get_object_or_404(Official, pk=official_id)
    try:
        officials.relieve(official_id=official.pk)
    except officials.Relieved:
        messages.info(request, "They do not hold the office any more.")
    else:
        messages.success(request, "Relieved. Name somebody else.")
    return redirect("officials")
