"""The demo people: one of every kind, so that every right and every refusal can be tried."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import timedelta
from typing import NamedTuple

from django.db import transaction
from django_otp.oath import TOTP
from django_otp.plugins.otp_totp.models import TOTPDevice

from clinchat.lib import clock
from compliance.access import Role, factors
from compliance.models import Clearance, RoleAssignment, User

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


@transaction.atomic
def ensure(person: Person, *, password: str) -> User:
    """The person's account, complete: roles, clearance, authenticator and recovery codes. Safe to repeat."""
    user = User.objects.filter(email=person.email).first()
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
    if not user.check_password(password):
        user.set_password(password)
        user.save(update_fields=["password"])
    for role in sorted(person.roles):
        RoleAssignment.objects.give(user=user, role=role)
    now = clock.now()
    if person.cleared and not user.clearances.live(now).exists():
        Clearance.objects.create(user=user, expires_at=now + CLEARED_FOR, reason="Demo account")
    if not factors.has_app(user):
        TOTPDevice.objects.create(user=user, name="Authenticator app")
    if not factors.recovery_codes_left(user):
        factors.new_recovery_codes(user)
    return user


class Code(NamedTuple):
    digits: str
    seconds_left: int


def wait_for_new_code(email: str) -> float:
    """Seconds until this account has a code that was not used yet; 0 when the current one is unused."""
    device = _device(email)
    step = int((time.time() - device.t0) // device.step)
    return max(0.0, (device.last_t + 1) * device.step + device.t0 - time.time()) if step <= device.last_t else 0.0


def current_code(email: str) -> Code:
    """What the authenticator app of a demo account shows now. Raises NotADemoAccount for any other."""
    device = _device(email)
    totp = TOTP(device.bin_key, device.step, device.t0, device.digits)
    totp.time = time.time()
    return Code(f"{totp.token():0{device.digits}d}", device.step - int(totp.time - device.t0) % device.step)


def _device(email: str) -> TOTPDevice:
    devices = TOTPDevice.objects.filter(user__email=email.strip().lower(), user__is_demo=True, confirmed=True)
    device = devices.order_by("pk").first()
    if device is None:
        raise NotADemoAccount
    return device
