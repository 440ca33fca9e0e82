"""The demo people: one of every kind, so that every right and every refusal can be tried."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import NamedTuple

from django.db import transaction

from clinchat.lib import clock
from compliance.access import Role, factors
from compliance.models import Authenticator, Clearance, RoleAssignment, User

DOMAIN = "clinchat.example"
CLEARED_FOR = timedelta(days=365)


@dataclass(frozen=True, slots=True)
class Person:
    """`who` says in a few words what the account is for."""

    key: str
    name: str
    who: str
    title: str = ""
    department: str = ""
    roles: frozenset[Role] = field(default_factory=frozenset)
    cleared: bool = False

    @property
    def email(self) -> str:
        return f"{self.key}@{DOMAIN}"


def _person(key: str, name: str, who: str, *roles: Role, title: str = "", department: str = "") -> Person:
    cleared = key in {"alice", "bob", "dora"}
    return Person(key, name, who, title, department, frozenset(roles), cleared)


WARD = "Internal medicine"
CAST: dict[str, Person] = {
    person.key: person
    for person in (
        _person("alice", "Alice Adeyemi", "cleared clinician", Role.CLINICIAN, title="MD", department=WARD),
        _person("bob", "Bob Brandt", "cleared clinician", Role.CLINICIAN, title="RN", department=WARD),
        _person("nadia", "Nadia Novak", "clinician in training", Role.CLINICIAN, title="MD", department=WARD),
        _person("dora", "Dora Diaz", "department head", Role.DEPARTMENT_HEAD, title="MD", department=WARD),
        _person("edith", "Edith Ekholm", "knowledge editor", Role.KNOWLEDGE_EDITOR),
        _person("pat", "Pat Petrov", "privacy officer", Role.PRIVACY_OFFICER),
        _person("sam", "Sam Sato", "security officer", Role.SECURITY_OFFICER),
        _person("carol", "Carol Chen", "compliance manager", Role.COMPLIANCE_MANAGER),
        _person("otto", "Otto Okafor", "operator", Role.OPERATOR),
        _person("audra", "Audra Aziz", "auditor", Role.AUDITOR),
        _person("ada", "Ada Admin", "administrator", Role.ADMIN),
        _person("mallory", "Mallory Moss", "signed in, cleared for nothing"),
    )
}


class NotADemoAccount(Exception):
    """Somebody real has the address of a demo person, or the account is not a demo one."""


More = Callable[[Mapping[str, User]], None]
_MORE: list[More] = []


def also(more: More) -> None:
    """Register what else demo people have, made by the app that knows it; it gets them by their keys.

    Called in AppConfig.ready(). Registering the same function again changes nothing. Safe to repeat, as `ensure` is.
    """
    if more not in _MORE:
        _MORE.append(more)


def furnish(people: Mapping[str, User]) -> None:
    """Give the demo people, who are there, what the apps registered."""
    for more in _MORE:
        more(people)


@transaction.atomic
def ensure(person: Person, *, password: str, clear: bool = True) -> User:
    """The person's account, complete: roles, authenticator and recovery codes. Safe to repeat.

    With `clear` whoever is to be cleared is so at once and by hand, as tests want it; otherwise `furnish` sees to it.
    A closed account stays as it is.
    """
    user = User.objects.filter(email=person.email).first()
    new = user is None
    if user is None:
        user = User.objects.create_user(
            email=person.email,
            password=password,
            name=person.name,
            title=person.title,
            department=person.department,
            is_demo=True,
        )
    if not user.is_demo:
        raise NotADemoAccount
    if not user.is_active:
        return user  # closed by somebody who tried that out
    if not new and not user.check_password(password):
        user.set_password(password)
        user.save(update_fields=["password"])
    for role in sorted(person.roles):
        RoleAssignment.objects.give(user=user, role=role)
    now = clock.now()
    if clear and person.cleared and not user.clearances.live(now).exists():
        Clearance.objects.create(user=user, expires_at=now + CLEARED_FOR, reason="Demo account")
    if not factors.has_app(user):
        Authenticator.objects.create(user=user, name="Authenticator app")
    if not factors.recovery_codes_left(user):
        factors.new_recovery_codes(user)
    return user


def wake(person: Person) -> None:
    """A demo that lay unused for months must not begin with a dormant account and suspended roles."""
    user = User.objects.filter(email=person.email, is_demo=True).first()
    if user is None:
        return
    if user.closed_because == User.Closed.DORMANT:
        user.is_active, user.closed_because, user.closed_at, user.reopened_at = True, "", None, clock.now()
        user.save(update_fields=["is_active", "closed_because", "closed_at", "reopened_at"])
    user.role_assignments.exclude(suspended_at=None).update(suspended_at=None)


class Code(NamedTuple):
    digits: str
    seconds_left: int


def wait_for_new_code(email: str) -> float:
    """Seconds until this account has a code that was not used yet; 0 when the current one is unused."""
    device = _device(email)
    codes = device.totp
    return max(0.0, (device.last_t + 1) * codes.step - codes.time) if codes.t() <= device.last_t else 0.0


def current_code(email: str) -> Code:
    """What the authenticator app of a demo account shows now. Raises NotADemoAccount for any other."""
    codes = _device(email).totp
    return Code(f"{codes.token():0{codes.digits}d}", codes.step - int(codes.time) % codes.step)


def _device(email: str) -> Authenticator:
    devices = Authenticator.objects.filter(user__email=email.strip().lower(), user__is_demo=True, confirmed=True)
    device: Authenticator | None = devices.first()
    if device is None:
        raise NotADemoAccount
    return device
