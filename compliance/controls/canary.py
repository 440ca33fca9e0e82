"""People who do not exist, for checks that try what a person could do. All of it is undone with the check.

They are made in the transaction of the check, which is rolled back: no other process ever sees them. What they do is on
record all the same, in the access lane, under a name that says what they are.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from django.conf import settings
from django.db import connection

from clinchat.lib import clock
from compliance.access.roles import Role
from compliance.access.sessions import PROVED_AT
from compliance.models import Authenticator, Clearance, RoleAssignment, User

if TYPE_CHECKING:
    from django.test import Client

NAME: Final = "Canary (control check)"
DOMAIN: Final = "canary.invalid"
_HOUR: Final = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Canary:
    """Somebody to try something as. `client` sends requests through the whole application of this process."""

    user: User
    client: Client
    password: str


class NotUndone(RuntimeError):
    """Outside a transaction a canary would stay."""


def person(
    *roles: Role,
    cleared: bool = False,
    factor: bool = True,
    signed_in: bool = True,
    verified: bool = True,
    can_type: bool = True,
) -> Canary:
    """Somebody new with these roles. `verified`: both factors were shown a moment ago. Raises NotUndone.

    Not `can_type`: nobody will sign in with the password, so none is hashed, which takes longer than all the rest.
    """
    password = secrets.token_urlsafe(24)
    user = _nobody_yet()
    user.set_password(password if can_type else None)
    user.save()
    give(user, roles, cleared=cleared)
    device = Authenticator.objects.create(user=user, name=NAME) if factor else None
    found = Canary(user, client(), password)
    if signed_in:
        _sign_in(found, device if verified else None)
    return found


def account() -> User:
    """Somebody new who only acts or is acted on: no password, no role, no browser. Raises NotUndone."""
    user = _nobody_yet()
    user.save()
    return user


def used_code(user: User) -> Authenticator:
    """An authenticator of somebody, whose code of this moment was used."""
    device: Authenticator = Authenticator.objects.create(user=user, name=NAME)
    device.last_t = device.totp.t()
    device.save(update_fields=["last_t"])
    return device


def _nobody_yet() -> User:
    if not connection.in_atomic_block:
        raise NotUndone
    return User(email=f"{secrets.token_hex(8)}@{DOMAIN}", name=NAME)


def another(user: User) -> Client:
    """One more browser of somebody, with both factors shown in it a moment ago."""
    device = Authenticator.objects.filter(user=user, confirmed=True).first()
    found = Canary(user, client(), "")
    _sign_in(found, device)
    return found.client


def client(*, source: str = "", **headers: Any) -> Client:
    """A browser that is nobody yet, at an address of the documentation network unless one is given.

    It checks forgery tokens as any browser's requests are checked, and a fault of a view is a response of 500.
    """
    from django.test import Client  # runs the application in this process; nothing else of it belongs to tests

    transport: dict[str, Any] = {
        "wsgi.url_scheme": "https" if settings.TLS else "http",
        "SERVER_PORT": "443" if settings.TLS else "80",
    }
    if settings.TLS and settings.SECURE_PROXY_SSL_HEADER:  # as the proxy says it
        name, value = settings.SECURE_PROXY_SSL_HEADER
        transport[name] = value

    class Browser(Client):
        def request(self, **request: Any) -> Any:
            return super().request(**request | transport)

    at_home: dict[str, Any] = {
        "SERVER_NAME": host(),
        "REMOTE_ADDR": source or f"192.0.2.{secrets.randbelow(254) + 1}",
    }
    return Browser(enforce_csrf_checks=True, raise_request_exception=False, **at_home, **headers)


def host() -> str:
    """The name canaries know the portal by."""
    return (settings.ALLOWED_HOSTS or ["localhost"])[0].lstrip(".*") or "localhost"


def give(user: User, roles: Iterable[Role], *, cleared: bool) -> None:
    for role in roles:
        if role == Role.ADMIN:  # the seats may both be taken, and are needed for a moment only
            RoleAssignment.objects.filter(role=role).delete()
        RoleAssignment.objects.give(user=user, role=role)
    if cleared:
        now = clock.now()
        Clearance.objects.create(user=user, granted_at=now - _HOUR, expires_at=now + _HOUR, reason=NAME)


def _sign_in(canary: Canary, device: Authenticator | None) -> None:
    from django_otp import DEVICE_ID_SESSION_KEY

    canary.client.force_login(canary.user, backend="django.contrib.auth.backends.ModelBackend")
    if device is None:
        return
    session = canary.client.session
    session[DEVICE_ID_SESSION_KEY] = device.persistent_id
    session[PROVED_AT] = time.time()
    session.save()
