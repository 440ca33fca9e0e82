"""The cast of the tests is made by a short cut: it writes what demo.ensure writes, and the trail tells the same."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.db import transaction
from django.db.models import Model
from django_otp.plugins.otp_static.models import StaticDevice, StaticToken

from clinchat.lib import clock
from compliance import demo
from compliance.access import factors
from compliance.models import AuditEvent, Authenticator, Clearance, RoleAssignment, User
from tests import cast, hiring

pytestmark = pytest.mark.django_db
EACH_ITS_OWN = {"id", "uuid", "key", "password", "token", "user", "device", "created_at", "granted_at", "expires_at"}
"""What two accounts never share: drawn by chance, or of the moment."""


def written(user: User) -> list[Any]:
    """Every row about the person."""
    rows: list[Model] = [User.objects.get(pk=user.pk), *RoleAssignment.objects.filter(user=user)]
    rows += [*Clearance.objects.filter(user=user), *Authenticator.objects.filter(user=user)]
    rows += [*StaticDevice.objects.filter(user=user), *StaticToken.objects.filter(device__user=user)]
    return [
        (row._meta.label, {f.name: f.value_from_object(row) for f in row._meta.fields if f.name not in EACH_ITS_OWN})
        for row in rows
    ]


def told() -> list[Any]:
    """What the trail holds, the values of each its own left out."""
    return sorted(
        (
            (event.lane, event.code, event.action, event.outcome, event.actor_kind, event.actor_name),
            event.object_type,
            sorted(
                (name, () if name in EACH_ITS_OWN | {"user_id", "device_id"} else was) for name, was in shown(event)
            ),
        )
        for event in AuditEvent.objects.all()
    )


def shown(event: AuditEvent) -> list[tuple[str, Any]]:
    return [(name, tuple(map(str, values))) for name, values in (event.changes or {}).items()]


def made(how: Callable[..., User], key: str) -> Any:
    """What is there after a person was made so, who is gone again afterwards."""
    with transaction.atomic():
        user = how(demo.CAST[key], password=cast.PASSWORD)
        again = User.objects.get(pk=user.pk)
        same = all(getattr(user, f.attname) == getattr(again, f.attname) for f in User._meta.concrete_fields)
        clearances = [(row.expires_at - row.granted_at).days for row in Clearance.objects.filter(user=user)]
        found = (written(user), told(), clearances, same, again.check_password(cast.PASSWORD), user._state.adding)
        transaction.set_rollback(True)
    return found


@pytest.mark.parametrize("key", demo.CAST)
def test_who_is_hired_is_who_the_demo_ensures(key: str) -> None:
    person = demo.CAST[key]
    ensured, hired = made(demo.ensure, key), made(hiring.hire, key)
    assert ensured == hired
    assert len(ensured[1]) == 1 + len(person.roles) + person.cleared + 2 + factors.RECOVERY_CODES


def test_somebody_complete_is_found_and_somebody_who_lost_something_is_completed() -> None:
    for key in demo.CAST:
        first = getattr(cast, key)()
        assert getattr(cast, key)() == first
        StaticToken.objects.filter(device__user=first).delete()
        assert getattr(cast, key)() == first
        assert factors.recovery_codes_left(first) == factors.RECOVERY_CODES
    Clearance.objects.update(revoked_at=clock.now())
    cast.alice()
    assert Clearance.objects.live(clock.now()).count() == 1


def test_a_code_of_theirs_is_accepted() -> None:
    user = cast.alice()
    assert cast.device_of(user).verify_token(cast.code_of(user))
