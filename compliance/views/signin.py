"""The sign-in pages: password, then a code, a recovery code or the first set-up; both again; and the way out."""

from __future__ import annotations

import io
from http import HTTPStatus

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render, resolve_url
from django.urls import reverse
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from clinchat.lib.http import AuthedRequest
from compliance import directory
from compliance.access import Action, door, factors, limits, next_page, proof, public, signin, works_read_only
from compliance.access.factors import Factor
from compliance.directory import oidc
from compliance.forms import AgainForm, CodeForm, PasswordForm, RecoveryForm
from compliance.models import Authenticator, User

HOME = "home"
PAGE = require_http_methods(["GET", "HEAD", "POST"])
SECOND_STEPS = {Factor.APP: "signin-code", Factor.PASSKEY: "signin-passkey"}


@works_read_only("Signing in writes nothing but what signing in needs")
@public("People who are not signed in yet sign in here")
@PAGE
@sensitive_post_parameters("password")
def password(request: HttpRequest) -> HttpResponse:
    if request.user.is_authenticated and request.user.is_verified():
        return redirect(HOME)
    form = PasswordForm(request.POST or None)
    target = request.POST.get("next", request.GET.get("next", ""))
    if form.is_valid() and (done := first_step(request, form, target=target, **form.cleaned_data)):
        return done
    context = {"form": form, "next": next_page.own_path(target), "oidc_name": oidc.name()}
    return render(request, "signin/password.html", context, status=form.status)


@works_read_only("Signing in writes nothing but what signing in needs")
@PAGE
@door(Action.OWN_SETTINGS)
@sensitive_post_parameters("password")
def again(request: AuthedRequest) -> HttpResponse:
    """Both factors once more, before something that needs them fresh."""
    form = AgainForm(request.POST or None)
    target = request.POST.get("next", request.GET.get("next", ""))
    email = request.user.email
    if form.is_valid() and (done := first_step(request, form, target=target, email=email, **form.cleaned_data)):
        return done
    context = {"form": form, "next": next_page.own_path(target), "oidc_name": oidc.name(request.user)}
    return render(request, "signin/again.html", context, status=form.status)


def first_step(
    request: HttpRequest, form: PasswordForm | AgainForm, *, target: str, email: str, password: str
) -> HttpResponse | None:
    """What answers a right password, or too many tries from one address; None with the words in the form."""
    try:
        user = proof.check_password(email, password)
    except limits.TooMany as refused:
        return limits.answer(request, refused)
    except proof.TooSoon as locked:
        form.add_error(None, f"Too many tries. Wait {duration(locked.wait)}, then try again.")
        return None
    except directory.Unavailable:
        form.add_error(None, "The hospital's directory does not answer. Wait a minute, then try again.")
        form.status = HTTPStatus.SERVICE_UNAVAILABLE
        return None
    if user is None:
        form.add_error(None, form.WRONG)
        return None
    signin.begin(request, user, target=target)
    return redirect(second_step(user))


def second_step(user: User) -> str:
    """The name of the page where the person goes on after the password."""
    return next((page for factor, page in SECOND_STEPS.items() if factor in factors.available(user)), "signin-setup")


@works_read_only("Signing in writes nothing but what signing in needs")
@public("Second step of signing in; the session must hold the first")
@PAGE
@sensitive_post_parameters("code")
def code(request: HttpRequest) -> HttpResponse:
    return _second_step(request, Factor.APP, CodeForm(request.POST or None), "signin/code.html")


@works_read_only("Signing in writes nothing but what signing in needs")
@public("Second step of signing in; the session must hold the first")
@PAGE
@sensitive_post_parameters("code")
def recovery(request: HttpRequest) -> HttpResponse:
    return _second_step(request, Factor.RECOVERY, RecoveryForm(request.POST or None), "signin/recovery.html")


def _second_step(request: HttpRequest, factor: Factor, form: CodeForm | RecoveryForm, template: str) -> HttpResponse:
    user = signin.awaited(request)
    if user is None:
        return start_again(request, "code")
    available = factors.available(user)
    if (factor not in available and factor is not Factor.RECOVERY) or not factors.has_factor(user):
        return redirect(second_step(user))
    if form.is_valid():
        try:
            return redirect(signin.enter(request, user, code=form.cleaned_data["code"], factor=factor) or HOME)
        except signin.Refused as refused:
            form.add_error("code", code_words(refused, factor))
    others = {"has_app": Factor.APP in available, "has_passkey": Factor.PASSKEY in available}
    return render(request, template, {"form": form, **others})


@works_read_only("Signing in writes nothing but what signing in needs")
@public("First set-up of the second factor; the session must hold the first")
@PAGE
@sensitive_post_parameters("code")
def setup(request: HttpRequest) -> HttpResponse:
    device = signin.new_app(request)
    if device is None:
        user = signin.awaited(request)
        return redirect(second_step(user)) if user and factors.has_factor(user) else start_again(request, "code")
    form = CodeForm(request.POST or None)
    if form.is_valid():
        try:
            codes = signin.enter_with_new_app(request, device, code=form.cleaned_data["code"])
            return render(request, "signin/recovery_codes.html", {"codes": codes})
        except signin.Refused as refused:
            form.add_error("code", code_words(refused, Factor.APP))
    context = {"form": form, "key_groups": factors.key_groups(device), "qr_url": reverse("signin-setup-qr")}
    return render(request, "signin/setup.html", context)


@public("Picture of the key being set up; the session must hold the first step")
@require_GET
def setup_qr(request: HttpRequest) -> HttpResponse:
    device = signin.new_app(request)
    return HttpResponse(status=404) if device is None else picture(device)


def picture(device: Authenticator) -> HttpResponse:
    """What an authenticator app scans, as an image of its own: the page policy allows no data: addresses."""
    import segno

    image = io.BytesIO()
    segno.make(device.config_url, error="m").save(image, kind="svg", scale=5, border=4, light="#fff")
    return HttpResponse(image.getvalue(), content_type="image/svg+xml")


@works_read_only("Leaving never waits")
@public("Leaving needs no permission")
@require_POST
def signout(request: HttpRequest) -> HttpResponseBase:
    signin.leave(request)
    messages.info(request, "You are signed out.")
    response = redirect("signin")
    response["Clear-Site-Data"] = '"cache", "storage"'
    return response


def start_again(request: HttpRequest, what: str) -> HttpResponse:
    """To the password page, from a second step that no password came before. `what` is shown there: "code"."""
    if request.user.is_authenticated and request.user.is_verified():
        return redirect(HOME)
    messages.info(request, f"Enter your e-mail and password first. You then have 10 minutes for the {what}.")
    return redirect(resolve_url("signin"))


def code_words(refused: signin.Refused, factor: Factor) -> str:
    """Why a code was not accepted, and what to do."""
    what = "That code did not match." if refused.tried else "Too many tries."
    newest = "enter the newest code" if factor is Factor.APP else "check the code and enter it again"
    if refused.wait > 1:
        return f"{what} Wait {duration(refused.wait)}, then {newest}."
    return f"{what} {newest.capitalize()}."


def duration(seconds: int) -> str:
    """30 s, and from a minute on the full minutes it takes: 5 min"""
    return f"{seconds} s" if seconds < 60 else f"{-(-seconds // 60)} min"
