"""A person's own settings."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST, require_safe

from clinchat.lib.http import AuthedRequest
from compliance.access import Action, door, factors
from compliance.access.signin import own_path
from compliance.forms import AppearanceForm


@require_safe
@door(Action.OWN_SETTINGS)
def settings(request: AuthedRequest) -> HttpResponse:
    devices = [
        {"name": device.name, "created": device.created_at, "last_used": device.last_used_at}
        for device in factors.app_devices(request.user)
    ]
    context = {
        "theme": request.user.theme,
        "shortcuts": request.user.shortcuts,
        "recovery_codes_left": factors.recovery_codes_left(request.user),
        "devices": devices,
    }
    return render(request, "settings.html", context)


@require_POST
@door(Action.OWN_SETTINGS)
def appearance(request: AuthedRequest) -> HttpResponse:
    form = AppearanceForm(request.POST)
    if form.is_valid():
        form.apply_to(request.user)
        messages.success(request, "Saved.")
    else:
        messages.error(request, "That is not one of the choices. Nothing was changed.")
    return redirect(own_path(request.POST.get("next", "")) or "settings")


@require_POST
@door(Action.OWN_SETTINGS)
def recovery_codes(request: AuthedRequest) -> HttpResponse:
    return render(request, "signin/recovery_codes.html", {"codes": factors.new_recovery_codes(request.user)})
