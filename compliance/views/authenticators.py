"""Authenticator apps in a person's own settings: one more, and one less."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_GET, require_POST

from clinchat.lib.http import AuthedRequest
from compliance.access import Action, account, door, factors
from compliance.access.factors import Factor
from compliance.access.sessions import fresh
from compliance.access.signin import Refused
from compliance.forms import AppNameForm, CodeForm
from compliance.models import Authenticator
from compliance.views.signin import PAGE, code_words, picture

_STATE = "new_app"
"""In the session: the authenticator that is being added."""


@PAGE
@door(Action.OWN_SETTINGS)
@fresh
def add(request: AuthedRequest) -> HttpResponse:
    form = AppNameForm(request.POST or None)
    if form.is_valid():
        try:
            device = factors.start_app(request.user, name=form.cleaned_data["name"])
        except factors.TooMany:
            form.add_error(None, f"An account can have {factors.MOST_APPS} authenticator apps. Remove one first.")
        else:
            request.session[_STATE] = str(device.uuid)
            return redirect("settings-app-confirm")
    return render(request, "settings/app_add.html", {"form": form})


@PAGE
@door(Action.OWN_SETTINGS)
@fresh
@sensitive_post_parameters("code")
def confirm(request: AuthedRequest) -> HttpResponse:
    device = _started(request)
    if device is None:
        return redirect("settings-app-add")
    form = CodeForm(request.POST or None)
    if form.is_valid():
        try:
            account.add_app(request, device, code=form.cleaned_data["code"])
        except Refused as refused:
            form.add_error("code", code_words(refused, Factor.APP))
        else:
            del request.session[_STATE]
            messages.success(request, "The authenticator app is added. Your other sessions were ended.")
            return redirect("settings")
    return render(request, "settings/app_confirm.html", {"form": form, "key_groups": factors.key_groups(device)})


@require_GET
@door(Action.OWN_SETTINGS)
@fresh
def qr(request: AuthedRequest) -> HttpResponse:
    device = _started(request)
    if device is None:
        raise Http404
    return picture(device)


@require_POST
@door(Action.OWN_SETTINGS)
@fresh
def remove(request: AuthedRequest, named: UUID) -> HttpResponse:
    device = next((one for one in factors.app_devices(request.user) if one.uuid == named), None)
    if device is None:
        raise Http404
    try:
        account.remove_app(request, request.user, device)
    except factors.LastFactor:
        messages.error(request, "That is your only second step. Add another one first, then remove it.")
    else:
        messages.success(request, "The authenticator app is removed. Your other sessions were ended.")
    return redirect("settings")


def _started(request: AuthedRequest) -> Authenticator | None:
    return factors.unfinished_app(request.user, request.session.get(_STATE))
