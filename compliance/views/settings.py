"""A person's own settings."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST, require_safe

from clinchat.lib.http import AuthedRequest
from compliance.access import Action, account, devices, door, factors, passkeys
from compliance.access.next_page import own_path
from compliance.access.sessions import fresh
from compliance.forms import AppearanceForm, MailsForm
from compliance.models import Notice

TOLD = 3
"""Notices on the page; all of them have one of their own."""


@require_safe
@door(Action.OWN_SETTINGS)
def settings(request: AuthedRequest) -> HttpResponse:
    user = request.user
    context = {
        "theme": user.theme,
        "shortcuts": user.shortcuts,
        "mails": user.mails,
        "recovery_codes_left": factors.recovery_codes_left(user),
        "apps": factors.app_devices(user),
        "passkeys": [(passkeys.address(passkey), passkey) for passkey in passkeys.of(user)],
        "factors": factors.count(user),
        "devices": devices.of(request, user),
        "told": Notice.objects.filter(user=user)[:TOLD],
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
def mails(request: AuthedRequest) -> HttpResponse:
    form = MailsForm(request.POST)
    if form.is_valid():
        form.apply_to(request.user)
        messages.success(request, "Saved.")
    else:
        messages.error(request, "That is not one of the choices. Nothing was changed.")
    return redirect("settings")


@require_POST
@door(Action.OWN_SETTINGS)
@fresh
def recovery_codes(request: AuthedRequest) -> HttpResponse:
    return render(request, "signin/recovery_codes.html", {"codes": account.new_recovery_codes(request, request.user)})
