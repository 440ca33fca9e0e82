"""Passkeys on the sign-in pages and in a person's own settings."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_POST

from clinchat.lib.http import AuthedRequest
from compliance.access import Action, account, door, factors, passkeys, public, signin, works_read_only
from compliance.access.passkeys import Refused, Why
from compliance.access.sessions import fresh
from compliance.forms import PasskeyForm
from compliance.models import User
from compliance.views.signin import PAGE, duration, second_step, start_again

_AGAIN = "Try again."
WORDS = {
    Why.STALE: f"That took too long, or the page was open twice. {_AGAIN}",
    Why.WRONG: f"That passkey was not accepted. {_AGAIN}",
    Why.UNKNOWN: "That passkey is not one of this account. Use another one.",
    Why.KNOWN: "That passkey is set up already.",
    Why.MANY: f"An account can have {passkeys.MOST} passkeys. Remove one first.",
    Why.LOCKED: "Too many tries.",
}


@works_read_only("Signing in writes nothing but what signing in needs")
@public("Second step of signing in; the session must hold the first")
@PAGE
@sensitive_post_parameters("answer")
def show(request: HttpRequest) -> HttpResponse:
    user = signin.awaited(request)
    if user is None or not passkeys.of(user):
        return redirect(second_step(user)) if user else start_again(request, "passkey")
    context: dict[str, Any] = {"has_app": factors.has_app(user)}
    if request.method == "POST":
        try:
            return redirect(passkeys.enter(request, user, answer=request.POST.get("answer", "")) or "home")
        except Refused as refused:
            context["error"] = _words(refused)
    return render(request, "signin/passkey.html", context | _ceremony(request, user, passkeys.begin_showing))


@works_read_only("Signing in writes nothing but what signing in needs")
@public("First set-up of the second factor; the session must hold the first step")
@PAGE
@sensitive_post_parameters("answer")
def set_up(request: HttpRequest) -> HttpResponse:
    user = signin.awaited(request)
    if user is None or factors.has_factor(user):
        return redirect(second_step(user)) if user else start_again(request, "passkey")
    context: dict[str, Any] = {}
    if request.method == "POST":
        try:
            codes = passkeys.enter_with_new(request, user, answer=request.POST.get("answer", ""))
            return render(request, "signin/recovery_codes.html", {"codes": codes})
        except Refused as refused:
            context["error"] = _words(refused)
    return render(request, "signin/passkey_setup.html", context | _ceremony(request, user, passkeys.begin_adding))


@PAGE
@door(Action.OWN_SETTINGS)
@fresh
@sensitive_post_parameters("answer")
def add(request: AuthedRequest) -> HttpResponse:
    form = PasskeyForm(request.POST or None)
    context: dict[str, Any] = {"form": form}
    if form.is_valid():
        try:
            account.add_passkey(request, request.user, answer=request.POST.get("answer", ""), **form.cleaned_data)
        except Refused as refused:
            context["error"] = _words(refused)
        else:
            messages.success(request, "The passkey is added. Your other sessions were ended.")
            return redirect("settings")
    return render(
        request, "settings/passkey_add.html", context | _ceremony(request, request.user, passkeys.begin_adding)
    )


@PAGE
@door(Action.OWN_SETTINGS)
@fresh
def one(request: AuthedRequest, named: UUID) -> HttpResponse:
    passkey = passkeys.get(request.user, named)
    form = PasskeyForm(request.POST if request.method == "POST" else {"name": passkey.name})
    if request.method == "POST" and form.is_valid():
        passkeys.rename(passkey, form.cleaned_data["name"])
        messages.success(request, "Saved.")
        return redirect("settings")
    last = factors.count(request.user) == 1
    in_use = request.user.otp_device == passkey
    return render(
        request,
        "settings/passkey.html",
        {"passkey": passkey, "named": named, "form": form, "last": last, "in_use": in_use},
    )


@require_POST
@door(Action.OWN_SETTINGS)
@fresh
def remove(request: AuthedRequest, named: UUID) -> HttpResponseBase:
    passkey = passkeys.get(request.user, named)
    try:
        account.remove_passkey(request, request.user, passkey)
    except factors.LastFactor:
        messages.error(request, "This is your only second step, so it stays. Add an app or another passkey first.")
        return redirect("settings-passkey", named)
    if not request.user.is_authenticated:
        messages.success(request, "The passkey is removed. You had signed in with it, so sign in again.")
        return redirect("signin")
    messages.success(request, "The passkey is removed. Your other sessions were ended.")
    return redirect("settings")


def _ceremony(request: HttpRequest, user: User, begin: Any) -> dict[str, Any]:
    """What the browser is asked, or the address where it could be asked."""
    if passkeys.usable(request):
        return {"options": begin(request, user)}
    return {"passkeys_at": passkeys.home()}


def _words(refused: Refused) -> str:
    if refused.wait > 1:
        return f"{WORDS[Why.LOCKED]} Wait {duration(refused.wait)}, then try again."
    return WORDS[refused.why]
