"""The first sign-in sets up the second factor."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest
from django.test import Client
from django.urls import reverse

from compliance.access import Role
from compliance.models import AuditEvent, Authenticator, Code, User
from tests import cast
from tests.factories import make_user

pytestmark = pytest.mark.django_db


@pytest.fixture
def newcomer() -> User:
    return make_user(roles=[Role.CLINICIAN], password=cast.PASSWORD)


def begin(client: Client, user: User) -> Authenticator:
    answer = client.post(reverse("signin"), {"email": user.email, "password": cast.PASSWORD})
    assert answer["Location"] == reverse("signin-setup")
    device: Authenticator = Authenticator.objects.get(user=user, confirmed=False)
    return device


def code_for(device: Authenticator) -> str:
    return f"{device.totp.token():06d}"


def test_key_is_confirmed_and_ten_codes_are_shown_once(client: Client, newcomer: User) -> None:
    device = begin(client, newcomer)
    page = client.get(reverse("signin-setup"))
    assert {len(group) for group in page.context["key_groups"]} == {4}
    assert "".join(page.context["key_groups"]) in device.config_url

    done = client.post(reverse("signin-setup"), {"code": code_for(device)})
    assert done.status_code == 200
    assert len(done.context["codes"]) == 10
    assert client.get(reverse("settings")).status_code == 200
    device.refresh_from_db()
    assert device.confirmed
    assert client.get(reverse("signin-setup"))["Location"] == "/", "the codes are shown once"
    created = AuditEvent.objects.filter(code=Code.AUTHN_TOKEN_CREATED, actor_id=newcomer.pk)
    assert {event.object_type for event in created} == {"otp_static.StaticDevice", "otp_static.StaticToken"}
    confirmed = AuditEvent.objects.get(object_type="compliance.Authenticator", changes__confirmed=[False, True])
    assert confirmed.object_id == str(newcomer.pk)


def test_wrong_code_confirms_nothing(client: Client, newcomer: User) -> None:
    device = begin(client, newcomer)
    page = client.post(reverse("signin-setup"), {"code": f"{(int(code_for(device)) + 500_000) % 1_000_000:06d}"})
    assert page.context["form"].errors["code"] == ["That code did not match. Enter the newest code."]
    device.refresh_from_db()
    assert not device.confirmed
    assert client.get(reverse("settings")).status_code == 302
    assert AuditEvent.objects.filter(code=Code.AUTHN_LOGIN_FAIL, detail={"step": "setup"}).count() == 1


def test_picture_holds_the_key_only_during_setup(client: Client, newcomer: User) -> None:
    assert client.get(reverse("signin-setup-qr")).status_code == 404
    begin(client, newcomer)
    picture = client.get(reverse("signin-setup-qr"))
    assert (picture.status_code, picture["Content-Type"]) == (200, "image/svg+xml")
    assert picture["Cache-Control"] == "no-store"
    assert ET.fromstring(picture.content).tag.endswith("svg")
    assert b"style=" not in picture.content
    assert cast.sign_in(Client(), cast.alice()).get(reverse("signin-setup-qr")).status_code == 404


def test_key_of_an_unfinished_setup_is_never_reused(client: Client, newcomer: User) -> None:
    """Whoever began with a stolen password has seen that key."""
    first = begin(Client(), newcomer)
    second = begin(client, newcomer)
    assert first.key != second.key
    assert not Authenticator.objects.filter(pk=first.pk).exists()


def test_person_with_an_authenticator_cannot_set_up_another_with_the_password_alone(client: Client) -> None:
    alice = cast.alice()
    client.post(reverse("signin"), {"email": alice.email, "password": cast.PASSWORD})
    assert client.get(reverse("signin-setup"))["Location"] == reverse("signin-code")
    assert client.get(reverse("signin-setup-qr")).status_code == 404
    assert not Authenticator.objects.filter(user=alice, confirmed=False).exists()


def test_newcomer_cannot_skip_the_setup(client: Client, newcomer: User) -> None:
    begin(client, newcomer)
    for name in ("signin-code", "signin-recovery"):
        assert client.get(reverse(name))["Location"] == reverse("signin-setup")
