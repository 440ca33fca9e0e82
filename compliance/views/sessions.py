"""Where a person is signed in, the clock of their session, and the end of the sessions of others."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_http_methods, require_POST, require_safe

from clinchat.lib.http import AuthedRequest
from compliance.access import Action, devices, door, sessions, works_read_only
from compliance.access.sessions import fresh, leaves_session_alone
from compliance.models import User
from compliance.session_forms import EndAllForm


@require_safe
@door(Action.OWN_SETTINGS)
def own(request: AuthedRequest) -> HttpResponse:
    return render(request, "settings/sessions.html", {"devices": devices.of(request, request.user)})


@works_read_only("What is taken away is gone at once")
@require_POST
@door(Action.OWN_SETTINGS)
@fresh
def end_one(request: AuthedRequest, session_id: UUID) -> HttpResponse:
    here = any(device.here and device.id == session_id for device in devices.of(request, request.user))
    if not devices.end(request.user, session_id):
        raise Http404
    if here:
        return _signed_out(request, "You are signed out.")
    messages.success(request, "Signed out there.")
    return redirect("settings-sessions")


@works_read_only("What is taken away is gone at once")
@require_POST
@door(Action.OWN_SETTINGS)
@fresh
def end_others(request: AuthedRequest) -> HttpResponse:
    ended = sessions.end_all(request.user, reason="ended by the person", except_key=request.session.session_key or "")
    messages.success(request, "You are signed in only here now." if ended else "You were signed in only here.")
    return redirect("settings-sessions")


@works_read_only("What is taken away is gone at once")
@require_POST
@door(Action.OWN_SETTINGS)
@fresh
def end_everywhere(request: AuthedRequest) -> HttpResponse:
    sessions.end_all(request.user, reason="signed out everywhere")
    return _signed_out(request, "You are signed out everywhere.")


@require_GET
@door(Action.OWN_SETTINGS)
@leaves_session_alone
def left(request: AuthedRequest) -> HttpResponse:
    """For the page's clock, which asks before it warns: another tab may have renewed the session."""
    return _clock(request)


@works_read_only("Reading goes on, and so does its session")
@require_POST
@door(Action.OWN_SETTINGS)
def renew(request: AuthedRequest) -> HttpResponse:
    """ "Stay signed in": asking for this is doing something, and that renews the session."""
    return _clock(request)


@works_read_only("What is taken away is gone at once")
@require_POST
@door(Action.REVOKE_SESSIONS)
@fresh
def end_person(request: AuthedRequest, person_id: UUID) -> HttpResponse:
    person = get_object_or_404(User, pk=person_id)
    ended = sessions.end_all(person, reason="ended by security")
    if person == request.user:
        return _signed_out(request, "You are signed out everywhere.")
    messages.success(request, f"{person} is signed out everywhere." if ended else f"{person} was not signed in.")
    return redirect("person", person_id=person.pk)


@works_read_only("What is taken away is gone at once")
@require_http_methods(["GET", "HEAD", "POST"])
@door(Action.REVOKE_SESSIONS)
@fresh
def everyone(request: AuthedRequest) -> HttpResponse:
    form = EndAllForm(request.POST or None)
    if form.is_valid():
        sessions.end_all(None, reason="everyone signed out by security")
        return _signed_out(request, "Everyone is signed out, and so are you.")
    return render(request, "compliance/sessions.html", {"form": form, "open": sessions.count()})


def _clock(request: HttpRequest) -> HttpResponse:
    clock = sessions.clock_of(request)
    return JsonResponse({"seconds": clock.seconds if clock else 0, "final": clock is None or clock.final})


def _signed_out(request: HttpRequest, words: str) -> HttpResponse:
    """To the sign-in page: the session of this request has been ended with the others."""
    request.session.flush()
    messages.info(request, words)
    response = redirect("signin")
    response["Clear-Site-Data"] = '"cache", "storage"'
    return response
