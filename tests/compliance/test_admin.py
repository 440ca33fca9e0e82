"""The admin: for administrators with a second factor, and nothing is deleted in it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.contrib import admin
from django.test import Client
from django.urls import reverse
from django_otp.plugins.otp_static.models import StaticDevice

from compliance import audit
from compliance.access import Role
from compliance.models import AuditEvent, Authenticator, Clearance, Code, RoleAssignment, User
from tests import cast
from tests.factories import make_clearance, make_user

pytestmark = pytest.mark.django_db


@pytest.fixture
def ada(client: Client) -> Client:
    return cast.sign_in(client, cast.ada())


PAGES = [
    "/admin/",
    "/admin/compliance/",
    "/admin/compliance/user/",
    "/admin/compliance/clearance/",
    "/admin/compliance/auditevent/",
]


@pytest.mark.parametrize("address", PAGES)
def test_pages_open_for_an_administrator(ada: Client, address: str) -> None:
    assert ada.get(address).status_code == 200


@pytest.mark.parametrize("person", [cast.alice, cast.sam, cast.audra, cast.mallory])
def test_pages_are_closed_to_everyone_else(client: Client, person: Callable[[], User]) -> None:
    cast.sign_in(client, person())
    for address in (*PAGES, "/admin/login/", "/admin/jsi18n/", "/admin/no-such-page/"):
        assert client.get(address).status_code == 403, f"{address} is open to {person.__name__}"


def test_there_is_no_second_way_in_or_to_a_password(ada: Client) -> None:
    assert ada.get("/admin/login/")["Location"] == "/admin/"
    for address in ("/admin/logout/", "/admin/password_change/"):
        assert ada.post(address).status_code in {403, 404}


def test_keys_of_second_factors_are_not_shown() -> None:
    assert Authenticator not in admin.site._registry
    assert StaticDevice not in admin.site._registry


def test_accounts_are_made_on_the_pages_about_people_alone(ada: Client) -> None:
    before = User.objects.count()
    sent = {
        "email": "new@hospital.test",
        "name": "New",
        "password1": "twelve calm otters",
        "password2": "twelve calm otters",
    }
    assert ada.post("/admin/compliance/user/add/", sent).status_code == 403
    assert User.objects.count() == before


def test_roles_are_only_looked_at_on_the_page_of_the_person(ada: Client) -> None:
    user = make_user(roles=[Role.CLINICIAN])
    clinician = user.role_assignments.get()
    address = reverse("admin:compliance_user_change", args=[user.pk])
    sent = {
        "email": user.email,
        "name": user.name,
        "role_assignments-TOTAL_FORMS": "2",
        "role_assignments-INITIAL_FORMS": "1",
        "role_assignments-0-id": str(clinician.pk),
        "role_assignments-0-user": str(user.pk),
        "role_assignments-0-DELETE": "on",
        "role_assignments-1-user": str(user.pk),
        "role_assignments-1-role": "auditor",
    }
    page = ada.get(address).content.decode()
    assert "Clinician" in page
    assert "auditor" not in page
    ada.post(address, sent)
    assert list(user.role_assignments.values_list("role", flat=True)) == ["clinician"]
    user.refresh_from_db()
    assert user.is_active, "an account is closed with all that is open in it, not by a box in a form"


def test_accounts_are_deactivated_not_deleted(ada: Client) -> None:
    user = make_user()
    address = "/admin/compliance/user/"
    ada.post(address, {"action": "deactivate", "_selected_action": [str(user.pk), str(cast.ada().pk)]})
    user.refresh_from_db()
    assert (user.is_active, user.closed_because) == (False, User.Closed.SECURITY)
    assert cast.ada().is_active
    assert AuditEvent.objects.filter(code=Code.USER_UPDATED, object_id=str(user.pk)).exists()
    assert ada.post(f"{address}{user.pk}/delete/", {"post": "yes"}).status_code == 403


def test_clearances_come_from_onboarding_alone(ada: Client) -> None:
    user = make_user(roles=[Role.CLINICIAN])
    sent = {"user": str(user.pk), "expires_at": "2099-01-31T12:00", "reason": "All modules passed"}
    assert ada.post("/admin/compliance/clearance/add/", sent).status_code == 403
    assert not Clearance.objects.exists()


def test_a_clearance_given_by_hand_is_revoked(ada: Client) -> None:
    clearance = make_clearance(user=make_user(roles=[Role.CLINICIAN]))
    ada.post("/admin/compliance/clearance/", {"action": "revoke", "_selected_action": [str(clearance.pk)]})
    clearance.refresh_from_db()
    assert clearance.revoked_at is not None


def test_clearance_is_never_rewritten(ada: Client) -> None:
    clearance = make_clearance(user=make_user())
    address = reverse("admin:compliance_clearance_change", args=[clearance.pk])
    assert ada.get(address).status_code == 200
    assert ada.post(address, {"reason": "Another story"}).status_code == 403
    assert ada.post(reverse("admin:compliance_clearance_delete", args=[clearance.pk])).status_code == 403


def test_audit_trail_is_read_only(ada: Client) -> None:
    event_id = audit.record(code=Code.SYS_STARTUP, action=audit.Crude.EXECUTE)
    address = reverse("admin:compliance_auditevent_change", args=[event_id])
    assert ada.get(address).status_code == 200
    assert ada.post(address, {"outcome": "denied"}).status_code == 403
    assert ada.post(reverse("admin:compliance_auditevent_delete", args=[event_id])).status_code == 403
    assert ada.get("/admin/compliance/auditevent/add/").status_code == 403
    assert ada.get("/admin/compliance/auditevent/", {"q": "Ada"}).status_code == 200


def test_role_assignments_have_no_page_of_their_own() -> None:
    assert RoleAssignment not in admin.site._registry
