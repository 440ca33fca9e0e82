"""Changes of roles: one person asks, another approves, and a third may be whom it is about (45 CFR 164.308(a)(4))."""

from __future__ import annotations

from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import QuerySet

from clinchat.lib import clock
from compliance import audit, notices
from compliance.access import people, refusals
from compliance.access.roles import Action, Role, permitted_roles
from compliance.models import Notice, RoleRequest, User

Kind, Status = RoleRequest.Kind, RoleRequest.Status
PAGE = "/compliance/roles/"


class UnknownRole(Exception):
    """There is no such role, or no such kind of change."""


class AccountClosed(Exception):
    """The person's account is closed: it gets no roles."""


class NothingToDo(Exception):
    """The person holds the role already, or does not hold it."""


class AlreadyAsked(Exception):
    """The same change waits for its second person."""


class SecondPersonNeeded(Exception):
    """Who asked, and whom it is about, do not decide."""


class AlreadyDecided(Exception):
    """The request was decided, withdrawn or cancelled before, or has expired."""


class NotYours(Exception):
    """Only who asked withdraws a request."""


def ask(*, kind: str, user: User, role: str, reason: str, by: User) -> RoleRequest:
    """Ask for a change; a second person has to approve it within 14 days.

    Raises UnknownRole, AccountClosed, NothingToDo, AlreadyAsked, people.MixedRoles and people.LastAdministrator.
    """
    if role not in Role.values or kind not in Kind.values:
        audit.record(
            code=audit.Code.INPUT_VALIDATION_FAIL,
            action=audit.Crude.EXECUTE,
            outcome=audit.Outcome.DENIED,
            object_type="compliance.User",
            object_id=str(user.pk),
            detail={"field": "role" if role not in Role.values else "kind"},
        )
        raise UnknownRole
    try:
        with transaction.atomic():
            people.one_at_a_time()
            _expire(RoleRequest.objects.overdue().filter(user=user, role=role))
            _could_be_done(Kind(kind), user, Role(role))
            request = RoleRequest.objects.create(
                kind=kind, user=user, role=role, reason=reason, requested_by=by, requested_at=clock.now()
            )
            notices.tell(
                deciders(request),
                title="A change of roles waits",
                text=f"{by.name} asks for it. It needs the decision of a second person.",
                url=PAGE,
            )
    except IntegrityError:
        if RoleRequest.objects.filter(user=user, role=role, status=Status.WAITING).exists():
            raise AlreadyAsked from None
        raise
    return request


def _could_be_done(kind: RoleRequest.Kind, user: User, role: Role) -> None:
    user.refresh_from_db(fields=["is_active"])
    held = user.role_assignments.filter(role=role).exists()
    if held == (kind == Kind.GIVE):
        raise NothingToDo
    if kind == Kind.GIVE:
        if not user.is_active:
            raise AccountClosed
        people.check_role(user=user, role=role)
    elif role == Role.ADMIN and people.is_last_administrator(user):
        raise people.LastAdministrator


def deciders(request: RoleRequest) -> list[User]:
    """The people who may decide on it: they approve changes, did not ask, and it is not about them."""
    able = notices.holders(*permitted_roles(Action.APPROVE_ROLES))
    return [person for person in able if person.pk not in {request.requested_by_id, request.user_id}]


def approve(*, request_id: UUID, by: User, note: str = "") -> RoleRequest:
    """Do what was asked for, on a second person's word. Of two who approve at once one wins.

    Raises SecondPersonNeeded, AlreadyDecided, AccountClosed, NothingToDo, people.MixedRoles, people.LastAdministrator
    and NoSeat; the request then waits as before.
    """
    request = _for_second_person(request_id, by)
    with transaction.atomic():
        people.one_at_a_time()
        _conclude(request, by, Status.APPROVED, note)
        user, role = request.user, Role(request.role)
        _could_be_done(Kind(request.kind), user, role)
        if request.kind == Kind.GIVE:
            people.give_role(user=user, role=role, granted_by=by)
        else:
            people.take_role(user=user, role=role)
        words = "You now hold" if request.kind == Kind.GIVE else "You no longer hold"
        notices.tell(
            [user],
            title="Your roles changed",
            text=f"{words} the role {role.label.lower()}. {request.requested_by.name} asked, {by.name} approved.",
            level=Notice.Level.WARNING,
        )
        _tell_who_asked(request, "approved")
    return request


def refuse(*, request_id: UUID, by: User, note: str = "") -> RoleRequest:
    """Decline it. Raises SecondPersonNeeded and AlreadyDecided."""
    request = _for_second_person(request_id, by)
    with transaction.atomic():
        _conclude(request, by, Status.REFUSED, note)
        _tell_who_asked(request, "refused")
    return request


def withdraw(*, request_id: UUID, by: User) -> RoleRequest:
    """Who asked takes it back. Raises NotYours and AlreadyDecided."""
    request = RoleRequest.objects.get(pk=request_id)
    if request.requested_by_id != by.pk:
        raise NotYours
    _conclude(request, by, Status.WITHDRAWN, "")
    return request


def expire() -> int:
    """Make void what nobody decided on within 14 days; returns how many."""
    return _expire(RoleRequest.objects.overdue())


def _expire(requests: QuerySet[RoleRequest]) -> int:
    return requests.update(status=Status.EXPIRED, decided_at=clock.now())


def _for_second_person(request_id: UUID, by: User) -> RoleRequest:
    """The request, for somebody who may decide on it. Raises SecondPersonNeeded, on record."""
    request = RoleRequest.objects.select_related("user", "requested_by").get(pk=request_id)
    if by.pk in {request.requested_by_id, request.user_id}:
        refusals.second_person_needed(by, Action.APPROVE_ROLES, request)
        raise SecondPersonNeeded
    return request


def _conclude(request: RoleRequest, by: User, status: RoleRequest.Status, note: str) -> None:
    """End it if it still waits, whoever else may be deciding at this moment."""
    request.status, request.decided_by, request.decided_at, request.note = status, by, clock.now(), note
    done = (
        RoleRequest.objects.waiting()
        .filter(pk=request.pk)
        .update(status=status, decided_by=by, decided_at=request.decided_at, note=note)
    )
    if not done:
        raise AlreadyDecided


def _tell_who_asked(request: RoleRequest, what: str) -> None:
    by = request.decided_by.name if request.decided_by else ""
    notices.tell(
        [request.requested_by],
        title=f"Your request was {what}",
        text=f"{by} {what} the change of the role {Role(request.role).label.lower()} of {request.user.name}.",
        url=PAGE,
    )
