"""Recovery codes stand in for a lost phone, each of them once."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse
from django_otp.plugins.otp_static.models import StaticDevice, StaticToken

from compliance.access import factors
from compliance.models import AuditEvent, Code
from tests import cast

pytestmark = pytest.mark.django_db


def try_recovery(code: str) -> Client:
    client = Client()
    client.post(reverse("signin"), {"email": cast.alice().email, "password": cast.PASSWORD})
    client.post(reverse("signin-recovery"), {"code": code})
    return client


def is_in(client: Client) -> bool:
    return client.get(reverse("settings")).status_code == 200


def test_code_works_once() -> None:
    alice = cast.alice()
    codes = factors.new_recovery_codes(alice)
    assert len(set(codes)) == 10

    assert is_in(try_recovery(f" {codes[0].upper()} "))
    assert factors.recovery_codes_left(alice) == 9
    event = AuditEvent.objects.get(code=Code.AUTHN_LOGIN_SUCCESS)
    assert (event.actor_id, event.detail) == (alice.pk, {"factor": "recovery"})

    assert not is_in(try_recovery(codes[0]))
    assert AuditEvent.objects.filter(code=Code.AUTHN_LOGIN_FAIL, detail={"step": "recovery"}).count() == 1


def test_code_of_another_person_does_not_work() -> None:
    assert not is_in(try_recovery(factors.new_recovery_codes(cast.bob())[0]))


def test_new_codes_replace_the_old_ones(client: Client) -> None:
    alice = cast.alice()
    old = factors.new_recovery_codes(alice)
    cast.sign_in(client, alice)
    assert client.get(reverse("settings")).context["recovery_codes_left"] == 10

    page = client.post(reverse("settings-recovery-codes"))
    new = page.context["codes"]
    assert all(code in page.content.decode() for code in new)
    assert not is_in(try_recovery(old[0]))
    StaticDevice.objects.update(throttling_failure_count=0)
    assert is_in(try_recovery(new[0]))
    made = AuditEvent.objects.filter(code=Code.AUTHN_TOKEN_CREATED, actor_id=alice.pk)
    assert [event.object_type for event in made] == ["otp_static.StaticToken"] * 10
    assert not any(code.replace("-", "") in str(event.changes) for event in made for code in new)


def test_making_codes_needs_a_post(client: Client) -> None:
    cast.sign_in(client, cast.alice())
    before = set(StaticToken.objects.values_list("token", flat=True))
    assert client.get(reverse("settings-recovery-codes")).status_code == 405
    assert set(StaticToken.objects.values_list("token", flat=True)) == before


@pytest.mark.parametrize("code", ["", "abcd", "abcd-efg1", "abcd-efgh-ijkl", "äbcdefgh"])
def test_what_cannot_be_a_code_is_not_tried(client: Client, code: str) -> None:
    client.post(reverse("signin"), {"email": cast.alice().email, "password": cast.PASSWORD})
    page = client.post(reverse("signin-recovery"), {"code": code})
    assert page.context["form"].errors["code"]
    assert not AuditEvent.objects.filter(code=Code.AUTHN_LOGIN_FAIL).exists()
