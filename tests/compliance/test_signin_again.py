"""Showing both factors once more, before a person changes how they sign in (ASVS 5.0 V7.5.1, V7.2.4)."""

from __future__ import annotations

import pytest
from django.core.exceptions import PermissionDenied
from django.test import Client, RequestFactory
from django.urls import reverse

from compliance.access import factors, signin
from compliance.access.factors import Factor
from compliance.access.sessions import PROVED_AT
from compliance.models import AuditEvent, Code
from tests import cast

pytestmark = pytest.mark.django_db
AGAIN = "/signin/again/"


@pytest.fixture
def stale(client: Client) -> Client:
    return cast.sign_in(client, cast.alice(), proved=False)


def test_signing_in_is_proof_for_ten_minutes(client: Client) -> None:
    alice = cast.alice()
    client.post(reverse("signin"), {"email": alice.email, "password": cast.PASSWORD})
    client.post(reverse("signin-code"), {"code": cast.code_of(alice)})
    assert client.session[PROVED_AT] > 0
    assert client.get(reverse("settings-password")).status_code == 200


def test_both_factors_lead_back_under_a_new_key(stale: Client) -> None:
    alice = cast.alice()
    wanted = reverse("settings-password")
    sent = stale.get(wanted)
    assert sent["Location"] == f"{AGAIN}?next=%2Fsettings%2Fpassword%2F"
    keys = [stale.session.session_key]
    first = stale.post(AGAIN, {"password": cast.PASSWORD, "next": wanted})
    assert first["Location"] == reverse("signin-code")
    assert stale.get(reverse("settings")).status_code == 200, "they stay signed in meanwhile"
    assert stale.get(wanted).status_code == 302, "the password alone is no proof"
    keys.append(stale.session.session_key)
    assert stale.post(reverse("signin-code"), {"code": cast.code_of(alice)})["Location"] == wanted
    keys.append(stale.session.session_key)
    assert len(set(keys)) == 3
    assert stale.get(wanted).status_code == 200
    event = AuditEvent.objects.get(code=Code.AUTHN_LOGIN_SUCCESS)
    assert (event.actor_id, event.detail) == (alice.pk, {"factor": "app", "again": True})
    old = Client()
    for key in keys[:2]:
        old.cookies["session"] = str(key)
        assert old.get(reverse("settings")).status_code == 302, "the cookie from before opens nothing"


def test_recovery_code_is_proof_as_well(stale: Client) -> None:
    code = factors.new_recovery_codes(cast.alice())[0]
    stale.post(AGAIN, {"password": cast.PASSWORD})
    assert stale.post(reverse("signin-recovery"), {"code": code}).status_code == 302
    assert stale.get(reverse("settings-password")).status_code == 200


def test_wrong_password_is_counted_and_changes_nothing(stale: Client) -> None:
    answer = stale.post(AGAIN, {"password": "not my password"})
    assert answer.context["form"].non_field_errors() == ["That is not your password. Check it and try again."]
    assert AuditEvent.objects.get(code=Code.AUTHN_LOGIN_FAIL).object_id == str(cast.alice().pk)
    assert stale.get(reverse("settings-password")).status_code == 302
    assert stale.get(reverse("signin-code"))["Location"] == "/"


def test_password_of_somebody_else_is_none(stale: Client) -> None:
    bob = cast.bob()
    bob.set_password("bobs own long password")
    bob.save(update_fields=["password"])
    stale.post(AGAIN, {"password": "bobs own long password", "email": bob.email})
    assert "signin" not in stale.session


@pytest.mark.parametrize("target", ["//evil.example", "https://evil.example/"])
def test_never_leads_to_another_site(stale: Client, target: str) -> None:
    assert stale.get(AGAIN, {"next": target}).context["next"] == ""
    stale.post(AGAIN, {"password": cast.PASSWORD, "next": target})
    assert stale.post(reverse("signin-code"), {"code": cast.code_of(cast.alice())})["Location"] == "/"


def test_stranger_has_nothing_to_confirm(client: Client) -> None:
    assert client.post(AGAIN, {"password": cast.PASSWORD})["Location"] == reverse("signin")


def test_nobody_is_let_in_with_a_device_or_a_session_of_somebody_else(client: Client) -> None:
    """Whatever calls `let_in`, it refuses what does not belong together."""
    alice, bob = cast.alice(), cast.bob()
    client.post(reverse("signin"), {"email": alice.email, "password": cast.PASSWORD})
    request = RequestFactory().post("/")
    request.session, request.user = client.session, alice
    for user, device in ((alice, cast.device_of(bob)), (bob, cast.device_of(bob))):
        with pytest.raises(PermissionDenied):
            signin.let_in(request, user, device, Factor.APP)
    unfinished = factors.start_app(alice)
    with pytest.raises(PermissionDenied):
        signin.let_in(request, alice, unfinished, Factor.APP)
    request.session.flush()
    with pytest.raises(PermissionDenied):
        signin.let_in(request, alice, cast.device_of(alice), Factor.APP)
