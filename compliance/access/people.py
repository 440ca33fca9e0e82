"""Accounts: made, closed and opened again; and the one place where a role is given or taken.

Whatever takes something away does so for everything that is open, in one transaction: sessions, tokens, links,
emergency access and running work end with the account (45 CFR 164.308(a)(3)(ii)(C), ASVS 5.0 V7.4.2).
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from uuid import UUID

from django.core.exceptions import PermissionDenied
from django.db import IntegrityError, connection, transaction
from django.db.models import F, Max, Q, QuerySet
from django.db.models.functions import Greatest
from django.http import Http404

from clinchat.lib import clock
from compliance import notices
from compliance.access.decisions import require
from compliance.access.roles import CLINICAL, Action, Role, permitted_roles
from compliance.continuity import maintenance
from compliance.models import (
    BreakGlass,
    CampaignItem,
    Clearance,
    Notice,
    OneTimeLink,
    RoleAssignment,
    RoleRequest,
    ServiceToken,
    User,
)

DORMANT_AFTER = timedelta(days=45)
_LOCK = 7_041_001
_NOT_TO_ONESELF = frozenset({Action.MANAGE_PEOPLE})
_LEAVING: list[Callable[[User], None]] = []


class EmailTaken(Exception):
    """Somebody has an account with this e-mail already."""


class Oneself(Exception):
    """Nobody closes or opens their own account."""


class LastAdministrator(Exception):
    """Nobody else could administer ClinChat then."""


class AlreadyClosed(Exception):
    """The account is not open."""


class NotClosed(Exception):
    """The account is open."""


class NotForPrograms(Exception):
    """A service account is nobody who could administer ClinChat, or answer for a clinical role."""


class MixedRoles(Exception):
    """An administrator never holds a clinical role, and who holds one is no administrator."""


def on_leaving(stop: Callable[[User], None]) -> None:
    """Register what else ends, in the same transaction, when an account closes: an app's running work for the person.

    Called in AppConfig.ready(). Registering the same function again changes nothing.
    """
    if stop not in _LEAVING:
        _LEAVING.append(stop)


# ── Whose account somebody reaches ─────────────────────────────────────────────────────────────────────────────


def rule(viewer: User, action: Action, person: User) -> bool:
    """A department head reaches the people of the same department, others everybody; nobody manages their own account.

    Given that the viewer may do `action` at all.
    """
    if action in _NOT_TO_ONESELF and viewer.pk == person.pk:
        return False
    return everywhere(viewer, action) or bool(viewer.department and viewer.department == person.department)


def everywhere(viewer: User, action: Action) -> bool:
    """Whether one of the viewer's roles opens the action beyond their own department."""
    return not (permitted_roles(action) - {Role.DEPARTMENT_HEAD}).isdisjoint(viewer.roles)


def reached_by(viewer: User, action: Action) -> QuerySet[User]:
    """The accounts `rule` lets the viewer reach for an action they may do."""
    if everywhere(viewer, action):
        return User.objects.all()
    return User.objects.filter(department=viewer.department).exclude(department="")


def get(viewer: User, person_id: UUID, action: Action) -> User:
    """The person, for somebody who may do `action` to them.

    Raises Http404 for people out of the viewer's reach, as for nobody, and PermissionDenied for an act on oneself that
    takes somebody else; both are on record.
    """
    person = User.objects.filter(pk=person_id).first()
    if person is None:
        raise Http404
    try:
        require(viewer, action, person)
    except PermissionDenied:
        if person.pk == viewer.pk:
            raise
        raise Http404 from None
    return person


# ── Accounts ───────────────────────────────────────────────────────────────────────────────────────────────────


def create(*, email: str, name: str, title: str = "", department: str = "") -> User:
    """A person's account, without password and without roles. Raises EmailTaken."""
    try:
        with transaction.atomic():
            return User.objects.create_user(email=email, name=name, title=title, department=department)
    except IntegrityError:
        if User.objects.filter(email=email.strip().lower()).exists():
            raise EmailTaken from None
        raise


@transaction.atomic
def close(user: User, *, because: User.Closed, by: User | None) -> None:
    """Close the account and end everything open in its name. Its roles stay, and count for nothing meanwhile.

    `by` is None for the schedule. Raises Oneself, LastAdministrator and AlreadyClosed.
    """
    one_at_a_time()
    _shut(user, because=because, by=by)


@transaction.atomic
def end_employment(user: User, *, by: User) -> None:
    """The person leaves: account, sessions, tokens, roles, clearances, links, requests and running work end as one.

    Also for somebody whose account is closed already. Raises Oneself and LastAdministrator; AlreadyClosed if they left.
    """
    one_at_a_time()
    _shut(user, because=User.Closed.LEFT, by=by)
    now = clock.now()
    user.set_unusable_password()
    user.save(update_fields=["password"])
    user.role_assignments.all().delete()
    Clearance.objects.filter(user=user, revoked_at=None, expires_at__gt=now).update(
        revoked_at=Greatest(now, F("granted_at"))
    )
    ServiceToken.objects.filter(user=user, revoked_at=None).update(revoked_at=now)
    waiting = RoleRequest.objects.filter(status=RoleRequest.Status.WAITING)
    for requests in (waiting.filter(user=user), waiting.filter(requested_by=user)):
        requests.update(status=RoleRequest.Status.CANCELLED, decided_at=now)
    CampaignItem.objects.undecided().filter(holder=user).update(status=CampaignItem.Status.GONE)


def _shut(user: User, *, because: User.Closed, by: User | None) -> None:
    from compliance.access import sessions

    if by is not None and by.pk == user.pk:
        raise Oneself
    now = clock.now()
    # Not the stronger lock: a row that refers to the person, as their clearance, may be on its way elsewhere.
    # Not the stronger lock: a row that refers to the person, such as a clearance, may be on its way elsewhere.
    user.refresh_from_db(from_queryset=User.objects.select_for_update(no_key=True))
    left = user.closed_because == User.Closed.LEFT
    if left or (not user.is_active and because != User.Closed.LEFT):
        raise AlreadyClosed
    if is_last_administrator(user):
        raise LastAdministrator
    user.is_active, user.closed_because, user.closed_at = False, because, now
    user.save(update_fields=["is_active", "closed_because", "closed_at"])
    OneTimeLink.objects.live().filter(Q(user=user) | Q(made_by=user)).update(voided_at=now)
    if because != User.Closed.DORMANT:  # they have seen the text of the tokens they made
        ServiceToken.objects.live(now).filter(made_by=user).update(revoked_at=now)
    BreakGlass.objects.filter(user=user, ended_at=None, ends_at__gt=now).update(ended_at=now)
    with maintenance.set_aside():  # whatever has to end with the account ends now
        for stop in _LEAVING:
            stop(user)
    sessions.end_all(user, reason="account closed")


@transaction.atomic
def reopen(user: User, *, by: User) -> None:
    """Open a closed account again, with the roles it still has. Raises Oneself and NotClosed."""
    if by.pk == user.pk:
        raise Oneself
    user.refresh_from_db(from_queryset=User.objects.select_for_update())
    if user.is_active:
        raise NotClosed
    user.is_active, user.closed_because, user.closed_at = True, "", None
    user.reopened_at = clock.now()
    user.save(update_fields=["is_active", "closed_because", "closed_at", "reopened_at"])


def close_dormant() -> list[User]:
    """Close every open account nobody has used for 45 days, but never the last administrator's. Returns them.

    Each in a transaction of its own; security officers get one notice about all of them.
    """
    limit = clock.now() - DORMANT_AFTER
    closed = [user for user in list(_unused_since(limit)) if _close_if_dormant(user, limit)]
    if closed:
        notices.tell(
            notices.holders(Role.SECURITY_OFFICER),
            title=f"{len(closed)} account{'s' if len(closed) > 1 else ''} closed",
            text="Nobody had used them for 45 days. Open them again on the page of the person.",
            url="/compliance/people/?status=dormant",
            level=Notice.Level.WARNING,
        )
    return closed


def _close_if_dormant(user: User, limit: datetime) -> bool:
    """False when somebody has used it meanwhile, or when it is the last administrator's."""
    with transaction.atomic():
        one_at_a_time()
        if not _unused_since(limit).filter(pk=user.pk).exists():
            return False
        try:
            _shut(user, because=User.Closed.DORMANT, by=None)
        except LastAdministrator:
            return False
    return True


def _unused_since(limit: datetime) -> QuerySet[User]:
    """Open accounts nobody has used since, the longest unused first.

    A sign-in is a use, as is that of a token; making the account and opening it again count as well.
    """
    last_use = Greatest(
        "last_login",
        "created_at",
        "reopened_at",
        Max("token_families__seen_at"),
        Max("service_tokens__last_used_at"),
    )
    people = User.objects.filter(is_active=True).annotate(last_use=last_use)
    return people.filter(last_use__lte=limit).order_by("last_use", "pk")


# ── Roles ──────────────────────────────────────────────────────────────────────────────────────────────────────


def check_role(*, user: User, role: Role) -> None:
    """Return when the person could hold the role beside the others they hold, suspended ones included.

    Raises MixedRoles.
    """
    if user.is_service and (role == Role.ADMIN or role in CLINICAL):
        raise NotForPrograms
    held = {Role(held) for held in user.role_assignments.values_list("role", flat=True)}
    if (role in CLINICAL and Role.ADMIN in held) or (role == Role.ADMIN and held & CLINICAL):
        raise MixedRoles


def give_role(*, user: User, role: Role, granted_by: User) -> RoleAssignment:
    """In the caller's transaction, which holds `one_at_a_time`. Raises MixedRoles and NoSeat."""
    check_role(user=user, role=role)
    given = RoleAssignment.objects.give(user=user, role=role, granted_by=granted_by)
    roles_changed(user)
    return given


def take_role(*, user: User, role: Role) -> None:
    """In the caller's transaction, which holds `one_at_a_time`. Raises LastAdministrator."""
    if role == Role.ADMIN and is_last_administrator(user):
        raise LastAdministrator
    RoleAssignment.objects.filter(user=user, role=role).delete()
    CampaignItem.objects.undecided().filter(holder=user, role=role).update(status=CampaignItem.Status.GONE)
    roles_changed(user)


def roles_changed(user: User) -> None:
    """What was decided with the earlier roles ends: the person signs in again (ASVS 5.0 V7.2.4)."""
    from compliance.access import sessions

    sessions.end_all(user, reason="roles changed")


def is_last_administrator(user: User) -> bool:
    """Whether this person, and nobody else, can sign in as an administrator."""
    return last_holder(user, Role.ADMIN)


def last_holder(user: User, role: Role) -> bool:
    """Whether this open account is the only one that holds the role now."""
    return [person.pk for person in notices.holders(role)] == [user.pk]


def one_at_a_time() -> None:
    """In the caller's transaction: changes of rights wait for each other, so that two never see the same last one."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
