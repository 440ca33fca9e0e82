"""The read-only mode: whether it is on, switching it, and when it was on before."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST, require_safe

from clinchat.lib.http import AuthedRequest
from compliance.access import Action, allows, door, works_read_only
from compliance.continuity import maintenance
from compliance.maintenance_forms import StartForm
from compliance.models import Maintenance

SHOWN = 20


@require_safe
@door(Action.READ_CONTINUITY)
def page(request: AuthedRequest) -> HttpResponse:
    return _page(request, StartForm())


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


def _page(request: AuthedRequest, form: StartForm) -> HttpResponse:
    known = Maintenance.objects.select_related("started_by", "ended_by")
    context = {
        "form": form,
        "open": known.filter(ended_at=None).first(),
        "over": known.exclude(ended_at=None)[:SHOWN],
        "may_switch": allows(request.user, Action.SWITCH_MAINTENANCE),
    }
    return render(request, "continuity/maintenance.html", context)
