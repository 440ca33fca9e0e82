"""Codes of an authenticator app: of now or half a minute beside it, each once; the key is sealed."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
from django.db import connection
from django.test import Client
from django.urls import reverse

from clinchat.lib import clock, sealed
from compliance.access import Role, factors, proof
from compliance.access.factors import Factor
from compliance.models import AuditEvent, Authenticator, Code, Notice, User
from compliance.models.factors import MOST_FAILURES
from tests import cast
from tests.factories import make_user


def code_at(device: Authenticator, seconds: int) -> str:
    """What a phone shows whose clock is that many seconds ahead."""
    codes = device.totp
    codes.time += seconds
    return f"{codes.token():06d}"


@pytest.fixture
def noon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Time stands still, in the middle of a step."""
    now = clock.now().replace(second=15, microsecond=0)
    monkeypatch.setattr(clock, "now", lambda: now)


@pytest.fixture
def alice(db: None) -> User:
    return cast.alice()


# ── Which codes are right ──────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("ahead", "right"), [(0, True), (30, True), (-30, True), (60, False), (-60, False)])
def test_clock_may_be_half_a_minute_off_and_no_more(noon: None, alice: User, ahead: int, right: bool) -> None:
    device = cast.device_of(alice)
    assert device.verify_token(code_at(device, ahead)) is right


def test_clock_that_goes_wrong_is_not_followed(noon: None, alice: User) -> None:
    device = cast.device_of(alice)
    assert device.verify_token(code_at(device, 30))
    device.last_t = -1
    assert not device.verify_token(code_at(device, 60)), "what was accepted moves no window"


def test_code_is_good_once_and_so_is_every_earlier_one(noon: None, alice: User) -> None:
    device = cast.device_of(alice)
    earlier, now, later = (code_at(device, ahead) for ahead in (-30, 0, 30))
    assert device.verify_token(now)
    for code in (now, earlier):
        device.throttling_failure_count = 0
        assert not device.verify_token(code)
    device.throttling_failure_count = 0
    assert device.verify_token(later)


@pytest.mark.parametrize("typed", ["", "12345", "x" * 6, "٣٣٣٣٣٣", "-00001", "1e5", "9" * 5000])
def test_what_is_no_code_is_wrong(alice: User, typed: str) -> None:
    assert not cast.device_of(alice).verify_token(typed[:20])


def test_wrong_codes_make_the_owner_wait_for_minutes_not_for_years(alice: User) -> None:
    device = cast.device_of(alice)
    device.throttling_failure_count = 40
    device.throttling_failure_timestamp = clock.now() - timedelta(days=1)
    Authenticator.objects.filter(pk=device.pk).update(throttling_failure_count=MOST_FAILURES)
    device.refresh_from_db()
    assert not device.verify_token("000000")
    device.refresh_from_db()
    _, why = device.verify_is_allowed()
    assert device.throttling_failure_count == MOST_FAILURES
    assert why["locked_until"] - clock.now() <= timedelta(minutes=18)


@pytest.mark.django_db(transaction=True)
def test_of_two_at_once_one_gets_in() -> None:
    alice = cast.alice()
    code = cast.code_of(alice)

    def sign_in(_: int) -> int:
        client = Client()
        client.post(reverse("signin"), {"email": alice.email, "password": cast.PASSWORD})
        try:
            return client.post(reverse("signin-code"), {"code": code}).status_code
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(sign_in, range(4))) == [200, 200, 200, 302]


# ── What is kept ───────────────────────────────────────────────────────────────────────────────────────────────


def stored(device: Authenticator) -> bytes:
    with connection.cursor() as cursor:
        cursor.execute("SELECT key FROM compliance_authenticator WHERE id = %s", [device.pk])
        return bytes(cursor.fetchone()[0])


def test_key_is_sealed_and_opens_in_its_own_row_only(alice: User) -> None:
    mine, other = cast.device_of(alice), cast.device_of(cast.bob())
    assert mine.key.encode() not in stored(mine)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE compliance_authenticator SET key = %s WHERE id = %s", [stored(mine), other.pk])
    with pytest.raises(sealed.Unsealable):
        _ = Authenticator.objects.get(pk=other.pk).key


def test_signing_in_does_not_seal_the_key_anew(alice: User) -> None:
    before = stored(cast.device_of(alice))
    assert proof.check_second(alice, cast.code_of(alice), Factor.APP).device
    assert stored(cast.device_of(alice)) == before


def test_address_for_the_app_says_what_it_needs(alice: User) -> None:
    device = cast.device_of(alice)
    address = urlsplit(device.config_url)
    asked = {name: values[0] for name, values in parse_qs(address.query).items()}
    assert unquote(address.path) == f"/ClinChat:{alice.email}"
    assert asked == {"secret": device.key, "algorithm": "SHA1", "digits": "6", "period": "30", "issuer": "ClinChat"}
    assert len(device.key) == 32


# ── One more, one less ─────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def signed_in(client: Client, alice: User) -> Client:
    return cast.sign_in(client, alice)


def add(client: Client, name: str = "Tablet") -> Authenticator:
    assert client.post(reverse("settings-app-add"), {"name": name})["Location"] == reverse("settings-app-confirm")
    device: Authenticator = Authenticator.objects.get(confirmed=False)
    return device


def test_second_app_is_added_told_and_ends_other_sessions(signed_in: Client, alice: User) -> None:
    elsewhere = cast.sign_in(Client(), alice)
    device = add(signed_in)
    page = signed_in.get(reverse("settings-app-confirm"))
    assert "".join(page.context["key_groups"]) == device.key
    assert signed_in.get(reverse("settings-app-qr"))["Content-Type"] == "image/svg+xml"
    assert signed_in.post(reverse("settings-app-confirm"), {"code": code_at(device, 0)}).status_code == 302
    assert {app.name for app in factors.app_devices(alice)} == {"Authenticator app", "Tablet"}
    assert signed_in.get(reverse("settings")).status_code == 200
    assert elsewhere.get(reverse("settings")).status_code == 302
    assert Notice.objects.get(user=alice).title == "An authenticator app was added to your account"
    assert proof.check_second(alice, code_at(device, 30), Factor.APP).device == device
    assert signed_in.get(reverse("settings-app-confirm")).status_code == 302, "the key is shown until it is confirmed"
    assert signed_in.get(reverse("settings-app-qr")).status_code == 404


def test_wrong_code_adds_nothing(signed_in: Client, alice: User) -> None:
    add(signed_in)
    page = signed_in.post(reverse("settings-app-confirm"), {"code": "000000"})
    assert page.context["form"].errors["code"]
    assert len(factors.app_devices(alice)) == 1
    assert AuditEvent.objects.get(code=Code.AUTHN_LOGIN_FAIL).detail == {"step": "setup"}


def test_unfinished_key_of_another_session_is_not_shown(signed_in: Client, alice: User) -> None:
    device = add(cast.sign_in(Client(), alice))
    session = signed_in.session
    assert signed_in.get(reverse("settings-app-confirm")).status_code == 302
    assert signed_in.get(reverse("settings-app-qr")).status_code == 404
    session["new_app"] = str(factors.start_app(cast.bob()).uuid)
    session.save()
    assert signed_in.get(reverse("settings-app-qr")).status_code == 404, f"a key of bob leaked to alice, not {device}"


def test_removing_needs_another_one(signed_in: Client, alice: User) -> None:
    first = cast.device_of(alice)
    remove = reverse("settings-app-remove", args=[first.uuid])
    answer = signed_in.post(remove, follow=True)
    assert "That is your only second step." in answer.content.decode()
    second = Authenticator.objects.create(user=alice, name="Tablet")
    assert signed_in.post(reverse("settings-app-remove", args=[second.uuid])).status_code == 302
    assert factors.app_devices(alice) == [first]
    assert signed_in.get(reverse("settings")).status_code == 200


def test_removing_the_app_of_this_session_ends_it(signed_in: Client, alice: User) -> None:
    first = cast.device_of(alice)
    Authenticator.objects.create(user=alice, name="Tablet")
    signed_in.post(reverse("settings-app-remove", args=[first.uuid]))
    assert signed_in.get(reverse("settings")).status_code == 302
    assert AuditEvent.objects.filter(code=Code.AUTHN_TOKEN_REVOKED, object_id=str(alice.pk)).exists()


def test_app_of_somebody_else_is_none_of_ones_own(signed_in: Client, alice: User) -> None:
    bobs = cast.device_of(cast.bob())
    assert signed_in.post(reverse("settings-app-remove", args=[bobs.uuid])).status_code == 404
    assert Authenticator.objects.filter(pk=bobs.pk).exists()


def test_old_proof_is_not_enough(client: Client, alice: User) -> None:
    cast.sign_in(client, alice, proved=False)
    for name in ("settings-app-add", "settings-app-confirm", "settings-app-qr"):
        assert client.get(reverse(name))["Location"].startswith("/signin/again/")
    gone = client.post(reverse("settings-app-remove", args=[cast.device_of(alice).uuid]))
    assert gone["Location"].startswith("/signin/again/")
    client.post(reverse("settings-app-add"), {"name": "Tablet"})
    assert not Authenticator.objects.filter(confirmed=False).exists()


@pytest.mark.parametrize("name", ["", " ", "x" * 65, "a\x00b"])
def test_name_that_cannot_be_kept_is_said_in_the_form(signed_in: Client, name: str) -> None:
    assert signed_in.post(reverse("settings-app-add"), {"name": name}).context["form"].errors["name"]


def test_an_account_has_five_apps_at_most(signed_in: Client, alice: User) -> None:
    for number in range(factors.MOST_APPS - 1):
        Authenticator.objects.create(user=alice, name=f"Phone {number}")
    page = signed_in.post(reverse("settings-app-add"), {"name": "One more"})
    assert "can have 5" in str(page.context["form"].errors)
    assert not Authenticator.objects.filter(confirmed=False).exists()


def test_newcomer_has_no_factor_until_one_is_confirmed(db: None) -> None:
    newcomer = make_user(roles=[Role.CLINICIAN])
    device = factors.start_app(newcomer)
    assert not factors.has_factor(newcomer)
    assert factors.available(newcomer) == []
    assert proof.check_new_app(device, code_at(device, 0)).device == device
    assert factors.available(newcomer) == [Factor.APP]
