"""Pages where a password is chosen: the person's own change, and one-time links."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.debug import sensitive_post_parameters

from clinchat.lib.http import AuthedRequest
from compliance import audit
from compliance.access import Action, door, limits, links, passwords, proof, public, refusals, signin, works_read_only
from compliance.access.sessions import fresh
from compliance.forms import AgainForm, ChangePasswordForm, NewPasswordForm
from compliance.models import OneTimeLink, User
from compliance.views.signin import PAGE, duration, first_step


@PAGE
@door(Action.OWN_SETTINGS)
@fresh
@sensitive_post_parameters()
def change(request: AuthedRequest) -> HttpResponse:
    if not passwords.has_one(request.user):
        return render(request, "settings/password.html", {"elsewhere": True})
    form = ChangePasswordForm(request.POST or None, user=request.user)
    if form.is_valid():
        try:
            right = _is_current(form, request.user)
        except limits.TooMany as refused:
            return limits.answer(request, refused)
        if right:
            passwords.change(request, request.user, new=form.cleaned_data["new"])
            messages.success(request, "Your password is changed. Your other sessions were ended.")
            return redirect("settings")
    return render(request, "settings/password.html", {"form": form})


def _is_current(form: ChangePasswordForm, user: User) -> bool:
    """Whether the person knows the password they have now, with words in the form if not."""
    try:
        known = proof.check_password(user.email, form.cleaned_data["current"]) is not None
    except proof.TooSoon as locked:
        form.add_error("current", f"Too many tries. Wait {duration(locked.wait)}, then try again.")
        return False
    if not known:
        form.add_error("current", AgainForm.WRONG)
    return known


@works_read_only("Who has lost a password or a factor signs in with it")
@public("The link in the address is what lets in, once")
@PAGE
@sensitive_post_parameters()
def link(request: HttpRequest, token: str) -> HttpResponse:
    found = links.find(token)
    try:
        if found is None:
            raise links.Gone
        response = (_new_factors if found.purpose == OneTimeLink.Purpose.FACTORS else _new_password)(request, found)
    except links.Gone:
        refusals.note(audit.Code.AUTHZ_FAIL, why="link")
        response = render(request, "signin/link_gone.html", status=404)
    response["X-Robots-Tag"] = "noindex"
    return response


def _new_password(request: HttpRequest, found: OneTimeLink) -> HttpResponse:
    form = NewPasswordForm(request.POST or None, user=found.user)
    if form.is_valid():
        links.choose_password(found, new=form.cleaned_data["new"])
        request.session.flush()
        messages.success(request, "Your password is set. Sign in with it.")
        return redirect("signin")
    context = {"form": form, "person": found.user, "new": found.purpose == OneTimeLink.Purpose.INVITE}
    return render(request, "signin/link_password.html", context)


def _new_factors(request: HttpRequest, found: OneTimeLink) -> HttpResponse:
    """The password first: whoever only found the link gets no further."""
    signin.bring_link(request, found)
    form = AgainForm(request.POST or None)
    email = found.user.email
    if form.is_valid() and (done := first_step(request, form, target="", email=email, **form.cleaned_data)):
        return done
    context = {"form": form, "person": found.user}
    return render(request, "signin/link_factors.html", context, status=form.status)
