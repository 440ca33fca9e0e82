"""Requests for changes of roles: what waits, and the word of the second person."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST, require_safe

from clinchat.lib.http import AuthedRequest
from compliance import audit
from compliance.access import Action, allows, door, people, refusals, role_changes
from compliance.access.sessions import fresh
from compliance.models import RoleRequest, User
from compliance.people_forms import NoteForm
from compliance.views.people import AGAINST_A_RULE
from compliance.views.people import REFUSALS as REFUSED_CHANGES

DECIDED_SHOWN = 30
REFUSALS: dict[type[Exception], str] = REFUSED_CHANGES | {
    role_changes.SecondPersonNeeded: "You asked for it, or it is about you, so somebody else has to decide.",
    role_changes.AlreadyDecided: "This request was already decided, or has expired. Nothing was changed.",
    role_changes.NotYours: "Only who asked can withdraw a request.",
}


@require_safe
@door(Action.REQUEST_ROLES)
def page(request: AuthedRequest) -> HttpResponse:
    return _page(request)


def _page(request: AuthedRequest, notes: Mapping[UUID, NoteForm] | None = None) -> HttpResponse:
    """What waits and what was decided; `notes` are those that were not accepted, by request."""
    mine = RoleRequest.objects.filter(user__in=people.reached_by(request.user, Action.REQUEST_ROLES))
    mine = mine.select_related("user", "requested_by", "decided_by")
    audit.record(code=audit.Code.SENSITIVE_READ, action=audit.Crude.READ, object_type="compliance.RoleRequest")
    context = {
        "waiting": [_line(request.user, one, notes or {}) for one in mine.waiting().order_by("requested_at")],
        "decided": mine.exclude(status=RoleRequest.Status.WAITING).order_by("-decided_at")[:DECIDED_SHOWN],
        "may_approve": allows(request.user, Action.APPROVE_ROLES),
    }
    return render(request, "people/requests.html", context)


@require_POST
@door(Action.APPROVE_ROLES)
@fresh
def approve(request: AuthedRequest, request_id: UUID) -> HttpResponse:
    return _decide(request, request_id, role_changes.approve, "Done. The person signs in again with the new roles.")


@require_POST
@door(Action.APPROVE_ROLES)
def refuse(request: AuthedRequest, request_id: UUID) -> HttpResponse:
    return _decide(request, request_id, role_changes.refuse, "The request is refused. Nothing was changed.")


@require_POST
@door(Action.REQUEST_ROLES)
def withdraw(request: AuthedRequest, request_id: UUID) -> HttpResponse:
    asked = _get(request.user, request_id, Action.REQUEST_ROLES)

    def act() -> None:
        role_changes.withdraw(request_id=asked.pk, by=request.user)

    return _do(request, asked, act, "The request is withdrawn.")


def _decide(request: AuthedRequest, request_id: UUID, decide: Callable[..., RoleRequest], done: str) -> HttpResponse:
    asked = _get(request.user, request_id, Action.APPROVE_ROLES)
    form = NoteForm(request.POST, auto_id=f"%s-{asked.pk}")
    if not form.is_valid():
        return _page(request, {asked.pk: form})

    def act() -> None:
        decide(request_id=asked.pk, by=request.user, note=form.cleaned_data["note"])

    return _do(request, asked, act, done)


def _get(viewer: User, request_id: UUID, action: Action) -> RoleRequest:
    """The request, if it is about somebody the viewer reaches. Raises Http404."""
    asked = get_object_or_404(RoleRequest.objects.select_related("user"), pk=request_id)
    people.get(viewer, asked.user_id, action)
    return asked


def _do(request: AuthedRequest, asked: RoleRequest, act: Callable[[], None], done: str) -> HttpResponse:
    try:
        act()
    except tuple(REFUSALS) as refused:
        if isinstance(refused, (*AGAINST_A_RULE, role_changes.NotYours)):
            refusals.against_a_rule(request.user, refused, asked)
        messages.error(request, REFUSALS[type(refused)])
    else:
        messages.success(request, done)
    return redirect("roles")


def _line(viewer: User, one: RoleRequest, notes: Mapping[UUID, NoteForm]) -> dict[str, Any]:
    """A request with what the viewer may do about it, and whether there is anybody who may decide."""
    able = role_changes.deciders(one)
    return {
        "request": one,
        "form": notes.get(one.pk) or NoteForm(auto_id=f"%s-{one.pk}"),
        "may_decide": viewer in able and allows(viewer, Action.APPROVE_ROLES),
        "own": one.requested_by_id == viewer.pk,
        "nobody": not able,
    }
