"""What the database insists on about people."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.core.management import call_command
from django.db import IntegrityError, transaction

from clinchat.lib import clock
from compliance.access import Role
from compliance.models import RoleAssignment, User
from tests.factories import make_clearance, make_user

pytestmark = pytest.mark.django_db


def test_address_is_one_whatever_its_case() -> None:
    user = make_user(email=" First.Last@Hospital.TEST ")
    assert user.email == "first.last@hospital.test"
    assert User.objects.get_by_natural_key("FIRST.last@hospital.test") == user
    with pytest.raises(IntegrityError), transaction.atomic():
        make_user(email="first.last@HOSPITAL.test")
    with pytest.raises(IntegrityError), transaction.atomic():
        User.objects.filter(pk=user.pk).update(email="First.Last@hospital.test")


@pytest.mark.parametrize("fields", [{"name": ""}, {"theme": "neon"}])
def test_database_refuses_nonsense(fields: dict[str, Any]) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        make_user(**fields)


def test_account_without_password_opens_to_no_password() -> None:
    user = make_user()
    assert not user.has_usable_password()
    assert not user.check_password("")


def test_first_administrator_comes_from_the_command_line() -> None:
    call_command("createsuperuser", "--no-input", email="Root@hospital.test", name="First Admin", verbosity=0)
    user = User.objects.get(email="root@hospital.test")
    assert user.roles == {Role.ADMIN}
    assert not user.has_usable_password()


def test_role_is_held_once_and_must_exist() -> None:
    user = make_user(roles=[Role.CLINICIAN])
    for role in (Role.CLINICIAN, "emperor"):
        with pytest.raises(IntegrityError), transaction.atomic():
            RoleAssignment.objects.create(user=user, role=role)


def test_clearance_ends_after_it_begins() -> None:
    now = clock.now()
    for fields in ({"expires_at": now - timedelta(days=2)}, {"revoked_at": now - timedelta(days=2)}):
        with pytest.raises(IntegrityError), transaction.atomic():
            make_clearance(user=make_user(), **fields)


def test_name_is_shown_with_title() -> None:
    assert str(make_user(name="Ann Lee", title="MD")) == "Ann Lee, MD"
    assert make_user(name="Ann Lee").get_full_name() == "Ann Lee"
