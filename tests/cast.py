"""The people of the tests. Each access test says by name who may and who may not.

alice and bob are cleared clinicians of one department, nadia is still in training, dora heads the department,
edith edits the library, mallory is signed in and cleared for nothing; the others each hold the one role
compliance/demo.py names.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from functools import cache
from typing import Any

from django.db.models import Count, Exists, OuterRef, Q
from django.test import Client
from django_otp import DEVICE_ID_SESSION_KEY
from django_otp.plugins.otp_static.models import StaticToken

from clinchat.lib import clock
from compliance import demo
from compliance.access.sessions import PROOF_SECONDS, PROVED_AT
from compliance.models import Authenticator, Clearance, User
from tests import hiring

PASSWORD = "six quiet herons wade"


SOME_TIME = datetime(2000, 1, 1, tzinfo=UTC)


@cache
def _complete(key: str) -> tuple[str, tuple[Any, ...]]:
    """The query for the person, if nothing was taken away from them. At SOME_TIME; worded once for each."""
    person = demo.CAST[key]
    of_them = {"user": OuterRef("pk")}
    complete = User.objects.filter(
        Exists(Authenticator.objects.filter(confirmed=True, **of_them)),
        Exists(StaticToken.objects.filter(device__confirmed=True, device__user=OuterRef("pk"))),
        email=person.email,
        is_demo=True,
        is_active=True,
    )
    if person.roles:
        held = Count("role_assignments", filter=Q(role_assignments__role__in=person.roles), distinct=True)
        complete = complete.alias(held=held).filter(held=len(person.roles))
    if person.cleared:
        complete = complete.filter(Exists(Clearance.objects.live(SOME_TIME).filter(**of_them)))
    text, given = complete.query.sql_with_params()
    return text, given


def _person(key: str) -> User:
    """Asked for several times in most tests: one query tells that nothing was taken away, and so nothing is to do."""
    person, now = demo.CAST[key], clock.now()
    text, given = _complete(key)
    for user in User.objects.raw(text, [now if one == SOME_TIME else one for one in given]):
        if user.check_password(PASSWORD):
            return user
    if not User.objects.filter(email=person.email).exists():
        return hiring.hire(person, password=PASSWORD)
    return demo.ensure(person, password=PASSWORD)


def alice() -> User:
    return _person("alice")


def bob() -> User:
    return _person("bob")


def nadia() -> User:
    return _person("nadia")


def dora() -> User:
    return _person("dora")


def edith() -> User:
    return _person("edith")


def pat() -> User:
    return _person("pat")


def sam() -> User:
    return _person("sam")


def carol() -> User:
    return _person("carol")


def otto() -> User:
    return _person("otto")


def audra() -> User:
    return _person("audra")


def ada() -> User:
    return _person("ada")


def mallory() -> User:
    return _person("mallory")


def device_of(user: User) -> Any:
    """The person's confirmed authenticator."""
    return Authenticator.objects.get(user=user, confirmed=True)


def code_of(user: User) -> str:
    """A code their authenticator accepts now, even if one of this half minute was used before."""
    Authenticator.objects.filter(user=user).update(last_t=-1, throttling_failure_count=0)
    return demo.current_code(user.email).digits


def verified(user: User) -> User:
    """The person as a request shows them after the second factor."""
    user.otp_device = device_of(user)
    return user


def sign_in(client: Client, user: User, *, proved: bool = True) -> Client:
    """Sign a test client in with both factors; returns it. Not `proved`: that was more than ten minutes ago."""
    client.force_login(user)
    session = client.session
    session[DEVICE_ID_SESSION_KEY] = device_of(user).persistent_id
    session[PROVED_AT] = time.time() - (0 if proved else PROOF_SECONDS + 1)
    session.save()
    return client
