"""The people who have accounts: search, one person, and what is done to an account."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from clinchat.lib import clock
from clinchat.lib.http import AuthedRequest
from compliance import audit, audit_lines
from compliance.access import (
    Action,
    Role,
    allows,
    door,
    factors,
    links,
    passwords,
    people,
    refusals,
    role_changes,
    works_read_only,
)
from compliance.access.sessions import fresh
from compliance.models import NoSeat, OneTimeLink, RoleRequest, Session, TokenFamily, User
from compliance.people_forms import LeaveForm, NewPersonForm, RoleForm, SearchForm

ON_A_PAGE = 25
REQUESTS_SHOWN = 10
ON_PERSON = (
    Action.MANAGE_PEOPLE,
    Action.REQUEST_ROLES,
    Action.REVOKE_SESSIONS,
)
REFUSALS: dict[type[Exception], str] = {
    people.Oneself: "Nobody closes or opens their own account. Ask somebody else who manages people.",
    people.LastAdministrator: "Nobody else could administer ClinChat then. Make another administrator first.",
    people.AlreadyClosed: "The account is closed already. Nothing was changed.",
    people.NotClosed: "The account is open already. Nothing was changed.",
    people.NotForPrograms: "A program gets neither this role nor a clinical one. Nothing was asked for.",
    people.MixedRoles: "An administrator cannot hold a clinical role as well. Take the other role away first.",
    role_changes.UnknownRole: "There is no such role. Nothing was asked for.",
    role_changes.AccountClosed: "The account is closed, so it gets no roles. Open it first.",
    role_changes.NothingToDo: "There is nothing to change: look at the roles the person holds now.",
    role_changes.AlreadyAsked: "This change waits for its second person already.",
    NoSeat: "There are two administrators already. Take one away first.",
}
"""What a person is told when a service refuses."""
AGAINST_A_RULE = (people.Oneself, people.LastAdministrator, people.NotForPrograms, people.MixedRoles, NoSeat)
"""Of these, what is a try to do what nobody may: on record."""


@require_safe
@door(Action.READ_PEOPLE)
def search(request: AuthedRequest) -> HttpResponse:
    form = SearchForm(request.GET)
    found = form.find(people.reached_by(request.user, Action.READ_PEOPLE)).prefetch_related("role_assignments")
    page = Paginator(found.order_by("name", "pk"), ON_A_PAGE).get_page(request.GET.get("page"))
    _record_read(detail={"people": page.paginator.count})
    context = {
        "form": form,
        "page": page,
        "asked": any(form.data.get(name) for name in form.fields),
        "everywhere": people.everywhere(request.user, Action.READ_PEOPLE),
        "may_manage": allows(request.user, Action.MANAGE_PEOPLE),
    }
    return render(request, "people/search.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@door(Action.MANAGE_PEOPLE)
@fresh
def new(request: AuthedRequest) -> HttpResponse:
    form = NewPersonForm(request.POST or None)
    if form.is_valid():
        try:
            person = people.create(**form.cleaned_data)
        except people.EmailTaken:
            form.add_error("email", "Somebody has an account with this e-mail already.")
        else:
            return _link_page(request, person, OneTimeLink.Purpose.INVITE)
    return render(request, "people/new.html", {"form": form})


@require_safe
@door(Action.READ_PEOPLE)
def person(request: AuthedRequest, person_id: UUID) -> HttpResponse:
    return _page(request, people.get(request.user, person_id, Action.READ_PEOPLE))


@require_POST
@door(Action.REQUEST_ROLES)
def ask_role(request: AuthedRequest, person_id: UUID) -> HttpResponse:
    about = people.get(request.user, person_id, Action.REQUEST_ROLES)
    form = RoleForm(request.POST)
    if not form.is_valid():
        return _page(request, about, role_form=form)

    def ask() -> None:
        role_changes.ask(user=about, by=request.user, **form.cleaned_data)

    return _do(request, about, ask, "The change waits for a second person. Nothing is changed before they approve it.")


@require_POST
@door(Action.MANAGE_PEOPLE)
@fresh
def link(request: AuthedRequest, person_id: UUID) -> HttpResponse:
    """A link with which the person chooses a password or sets up two-step sign-in; shown this once."""
    about = people.get(request.user, person_id, Action.MANAGE_PEOPLE)
    purpose = request.POST.get("purpose", "")
    if purpose not in _purposes(about):
        messages.error(request, "There is no such link for this account. Nothing was made.")
        return redirect("person", about.pk)
    return _link_page(request, about, OneTimeLink.Purpose(purpose))


@works_read_only("What is taken away is gone at once")
@require_POST
@door(Action.MANAGE_PEOPLE)
def close(request: AuthedRequest, person_id: UUID) -> HttpResponse:
    about = people.get(request.user, person_id, Action.MANAGE_PEOPLE)

    def shut() -> None:
        people.close(about, because=User.Closed.SECURITY, by=request.user)

    return _do(request, about, shut, "The account is closed. Everything open in its name has ended.")


@works_read_only("What is taken away is gone at once")
@require_POST
@door(Action.MANAGE_PEOPLE)
def leave(request: AuthedRequest, person_id: UUID) -> HttpResponse:
    about = people.get(request.user, person_id, Action.MANAGE_PEOPLE)
    form = LeaveForm(request.POST)
    if not form.is_valid():
        return _page(request, about, leave_form=form)

    def end() -> None:
        people.end_employment(about, by=request.user)

    return _do(request, about, end, "The employment has ended: no access, no roles, and nothing runs any more.")


@require_POST
@door(Action.MANAGE_PEOPLE)
def reopen(request: AuthedRequest, person_id: UUID) -> HttpResponse:
    about = people.get(request.user, person_id, Action.MANAGE_PEOPLE)

    def open_again() -> None:
        people.reopen(about, by=request.user)

    return _do(request, about, open_again, "The account is open again.")


def _do(request: AuthedRequest, about: User, act: Callable[[], None], done: str) -> HttpResponse:
    try:
        act()
    except tuple(REFUSALS) as refused:
        if isinstance(refused, AGAINST_A_RULE):
            refusals.against_a_rule(request.user, refused, about)
        messages.error(request, REFUSALS[type(refused)])
    else:
        messages.success(request, done)
    return redirect("person", about.pk)


def _link_page(request: AuthedRequest, about: User, purpose: OneTimeLink.Purpose) -> HttpResponse:
    try:
        path = links.make(about, purpose, request.user)
    except links.Refused as refused:
        messages.error(request, refused.words)
        return redirect("person", about.pk)
    context = {"person": about, "purpose": purpose, "link": request.build_absolute_uri(path)}
    return render(request, "people/link.html", context)


def _purposes(about: User) -> list[str]:
    """The links that make sense for this account now."""
    purpose = OneTimeLink.Purpose
    if not about.is_active or about.is_service:
        return []
    fitting: list[str] = []
    if passwords.has_one(about):
        fitting.append(purpose.PASSWORD if about.has_usable_password() else purpose.INVITE)
    if factors.has_factor(about):
        fitting.append(purpose.FACTORS)
    return fitting


def _page(request: AuthedRequest, about: User, **context: Any) -> HttpResponse:
    """One person, with what was wrong in a form if something was."""
    viewer, now = request.user, clock.now()
    _record_read(object_id=str(about.pk))
    held = list(about.role_assignments.select_related("granted_by"))
    asked = about.role_requests.select_related("requested_by", "decided_by")[:REQUESTS_SHOWN]
    page = {
        "person": about,
        "held": held,
        "not_held": [role for role in Role if role not in {one.role for one in held}],
        "clearance": about.clearances.order_by("-granted_at").first(),
        "now": now,
        "factors": factors.available(about),
        "recovery_codes": factors.recovery_codes_left(about),
        "sessions": Session.objects.filter(user=about, verified=True, expire_date__gt=now).count(),
        "tokens": TokenFamily.objects.live(now).filter(user=about).count(),
        "requests": asked,
        "waiting_kind": RoleRequest.Status.WAITING,
        "purposes": [(value, OneTimeLink.Purpose(value).label) for value in _purposes(about)],
        "may": {action.name: allows(viewer, action) and allows(viewer, action, about) for action in ON_PERSON},
        "history_url": _history(viewer, about),
        "is_self": viewer.pk == about.pk,
    }
    return render(request, "people/person.html", page | context)


def _history(viewer: User, about: User) -> str:
    """Where the trail of what was done to the account is read."""
    if not allows(viewer, Action.READ_AUDIT):
        return ""
    return audit_lines.search_url({"object_type": "compliance.User", "object_id": str(about.pk)})


def _record_read(**what: Any) -> None:
    audit.record(code=audit.Code.SENSITIVE_READ, action=audit.Crude.READ, **{"object_type": "compliance.User"} | what)
