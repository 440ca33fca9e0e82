"""Changes of people and their rights are recorded with old and new values, secrets never."""

from __future__ import annotations

import pytest
from django.db import models

from compliance import audit
from compliance.access import Role
from compliance.models import AuditEvent, Clearance, Code, Crude, RoleAssignment, User, VaultEntry
from tests import cast
from tests.factories import make_clearance, make_user

pytestmark = pytest.mark.django_db


def events_of(instance: models.Model) -> list[AuditEvent]:
    return list(AuditEvent.objects.filter(object_id=str(instance.pk)).order_by("timestamp"))


def test_new_person_is_recorded_without_the_password() -> None:
    with audit.bind(actor=cast.ada()):
        user = make_user(password="a secret nobody may read")
    (event,) = events_of(user)
    assert (event.code, event.action, event.object_type) == (Code.USER_CREATED, Crude.CREATE, "compliance.User")
    assert event.actor_name == "Ada Admin"
    assert event.changes["email"] == [None, user.email]
    assert user.password not in str(event.changes)
    assert event.changes["password"][1].startswith("hmac:")
    assert not {"last_login", "theme", "shortcuts"} & set(event.changes)


def test_change_is_recorded_with_old_and_new_value() -> None:
    user = make_user(department="Surgery")
    user.department = "Oncology"
    user.is_active = False
    user.save(update_fields=["department", "is_active"])
    _, changed = events_of(user)
    assert changed.changes == {"department": ["Surgery", "Oncology"], "is_active": [True, False]}


def test_preferences_leave_no_event() -> None:
    user = make_user()
    user.theme = User.Theme.DARK
    user.save()
    assert len(events_of(user)) == 1


def test_new_password_is_seen_and_not_shown() -> None:
    user = make_user()
    user.set_password("something new entirely")
    user.save()
    _, changed = events_of(user)
    assert set(changed.changes) == {"password"}
    assert user.password not in str(changed.changes)


def test_role_given_and_taken_away_is_recorded() -> None:
    user = make_user()
    assignment = RoleAssignment.objects.create(user=user, role=Role.AUDITOR)
    key = str(assignment.pk)
    assignment.delete()
    given, taken = AuditEvent.objects.filter(object_id=key).order_by("timestamp")
    assert (given.code, given.action) == (Code.PRIVILEGE_PERMISSIONS_CHANGED, Crude.CREATE)
    assert (taken.code, taken.action) == (Code.PRIVILEGE_PERMISSIONS_CHANGED, Crude.DELETE)
    assert given.changes["role"] == [None, "auditor"]
    assert given.changes["user_id"] == [None, str(user.pk)], "people are named by id, not by name"


def test_clearance_granted_and_revoked_is_recorded() -> None:
    clearance = make_clearance(user=make_user())
    clearance.revoked_at = clearance.granted_at
    clearance.save(update_fields=["revoked_at"])
    granted, revoked = events_of(clearance)
    assert {granted.code, revoked.code} == {Code.PRIVILEGE_PERMISSIONS_CHANGED}
    assert set(revoked.changes) == {"revoked_at"}


def test_watched_models_are_these() -> None:
    assert {User, RoleAssignment, Clearance, VaultEntry} <= set(audit.watched())
