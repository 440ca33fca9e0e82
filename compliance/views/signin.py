"""The sign-in pages: password, then a code, a recovery code or the first set-up; and the way out."""

from __future__ import annotations

import io

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render, resolve_url
from django.urls import reverse
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from compliance.access import factors, public, signin
from compliance.access.factors import Factor
from compliance.forms import CodeForm, PasswordForm, RecoveryForm

HOME = "home"
PAGE = require_http_methods(["GET", "HEAD", "POST"])


@public("People who are not signed in yet sign in here")
@PAGE
@sensitive_post_parameters("password")
def password(request: HttpRequest) -> HttpResponse:
    if request.user.is_authenticated and request.user.is_verified():
        return redirect(HOME)
    form = PasswordForm(request.POST or None)
    target = request.POST.get("next", request.GET.get("next", ""))
    if form.is_valid():
        user = signin.check_password(request, target=target, **form.cleaned_data)
        if user is not None:
            return redirect("signin-code" if factors.has_app(user) else "signin-setup")
        form.add_error(None, "That e-mail and password did not match. Check both and try again.")
    return render(request, "signin/password.html", {"form": form, "next": signin.own_path(target)})


@public("Second step of signing in; the session must hold the first")
@PAGE
@sensitive_post_parameters("code")
def code(request: HttpRequest) -> HttpResponse:
    return _second_step(request, Factor.APP, CodeForm(request.POST or None), "signin/code.html")


@public("Second step of signing in; the session must hold the first")
@PAGE
@sensitive_post_parameters("code")
def recovery(request: HttpRequest) -> HttpResponse:
    return _second_step(request, Factor.RECOVERY, RecoveryForm(request.POST or None), "signin/recovery.html")


def _second_step(request: HttpRequest, factor: Factor, form: CodeForm | RecoveryForm, template: str) -> HttpResponse:
    user = signin.awaited(request)
    if user is None:
        return _start_again(request)
    if not factors.has_app(user):
        return redirect("signin-setup")
    if form.is_valid():
        try:
            return redirect(signin.enter(request, user, code=form.cleaned_data["code"], factor=factor) or HOME)
        except signin.Refused as refused:
            form.add_error("code", _words(refused, factor))
    return render(request, template, {"form": form})


@public("First set-up of the second factor; the session must hold the first")
@PAGE
@sensitive_post_parameters("code")
def setup(request: HttpRequest) -> HttpResponse:
    device = signin.new_app(request)
    if device is None:
        return redirect("signin-code") if signin.awaited(request) else _start_again(request)
    form = CodeForm(request.POST or None)
    if form.is_valid():
        try:
            codes = signin.enter_with_new_app(request, device, code=form.cleaned_data["code"])
            return render(request, "signin/recovery_codes.html", {"codes": codes})
        except signin.Refused as refused:
            form.add_error("code", _words(refused, Factor.APP))
    context = {"form": form, "key_groups": factors.key_groups(device), "qr_url": reverse("signin-setup-qr")}
    return render(request, "signin/setup.html", context)


@public("Picture of the key being set up; the session must hold the first step")
@require_GET
def setup_qr(request: HttpRequest) -> HttpResponse:
    import segno

    device = signin.new_app(request)
    if device is None:
        return HttpResponse(status=404)
    picture = io.BytesIO()
    segno.make(device.config_url, error="m").save(picture, kind="svg", scale=5, border=4, light="#fff")
    return HttpResponse(picture.getvalue(), content_type="image/svg+xml")


@public("Leaving needs no permission")
@require_POST
def signout(request: HttpRequest) -> HttpResponseBase:
    signin.leave(request)
    messages.info(request, "You are signed out.")
    response = redirect("signin")
    response["Clear-Site-Data"] = '"cache", "storage"'
    return response


def _start_again(request: HttpRequest) -> HttpResponse:
    if request.user.is_authenticated and request.user.is_verified():
        return redirect(HOME)
    messages.info(request, "Enter your e-mail and password first. You then have 10 minutes for the code.")
    return redirect(resolve_url("signin"))


def _words(refused: signin.Refused, factor: Factor) -> str:
    what = "That code did not match." if refused.tried else "Too many tries."
    newest = "enter the newest code" if factor is Factor.APP else "check the code and enter it again"
    if refused.wait > 1:
        return f"{what} Wait {_duration(refused.wait)}, then {newest}."
    return f"{what} {newest.capitalize()}."


def _duration(seconds: int) -> str:
    return f"{seconds} seconds" if seconds < 60 else f"{-(-seconds // 60)} min"
