"""Sign-in through the hospital's OpenID Connect provider: on the way there, and back."""

from __future__ import annotations

from http import HTTPStatus

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_safe

from compliance import audit
from compliance.access import limits, next_page, public, signin
from compliance.directory import Unavailable, oidc
from compliance.views.signin import second_step

REFUSED = "That sign-in did not work. Try again, or ask your ClinChat administrator."


@public("The provider signs people in; it needs nobody to be signed in here")
@require_safe
def start(request: HttpRequest) -> HttpResponse:
    if not oidc.name():
        raise Http404
    try:
        limits.hit(limits.Limit.SIGN_IN, audit.current().source)
        return redirect(oidc.start(request, target=next_page.kept(request.GET.get("next", ""))))
    except limits.TooMany as refused:
        return limits.answer(request, refused)
    except Unavailable:
        return _gone(request)


@public("The provider sends people back here; its answer is checked before anything is believed")
@require_safe
def back(request: HttpRequest) -> HttpResponse:
    if not oidc.name():
        raise Http404
    try:
        limits.hit(limits.Limit.SIGN_IN, audit.current().source)
        came = oidc.finish(request)
    except limits.TooMany as refused:
        return limits.answer(request, refused)
    except oidc.Refused:
        messages.error(request, REFUSED)
        return redirect("signin")
    except Unavailable:
        return _gone(request)
    signin.begin(request, came.user, target=came.target)
    return redirect(second_step(came.user))


def _gone(request: HttpRequest) -> HttpResponse:
    return render(
        request, "signin/directory_gone.html", {"oidc_name": oidc.name()}, status=HTTPStatus.SERVICE_UNAVAILABLE
    )
