"""Everyone with a role has settings of their own: how they look, how they sign in, where they are signed in."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection
from django.test import Client
from django.urls import reverse
from django_otp.plugins.otp_static.models import StaticToken
from django_otp_webauthn.models import WebAuthnCredential

from compliance.access import factors, passkeys
from compliance.models import AuditEvent, Authenticator, Code, Notice, User
from tests import cast

pytestmark = pytest.mark.django_db


def passkey_of(user: User, *, name: str = "Ward laptop") -> WebAuthnCredential:
    """One that is only looked at, renamed and removed: its key is none."""
    fields: dict[str, Any] = {"credential_id": uuid4().bytes, "public_key": b"none", "aaguid": str(uuid4())}
    return WebAuthnCredential.objects.create(user=user, name=name, **fields)


def page_of(passkey: WebAuthnCredential, name: str = "settings-passkey") -> str:
    return reverse(name, args=[passkeys.address(passkey)])


def is_in(client: Client) -> bool:
    return client.get(reverse("settings")).status_code == 200


def grow_stale(client: Client) -> None:
    """Both factors were shown eleven minutes ago."""
    session = client.session
    session["proved_at"] -= 11 * 60
    session.save()


# ── The page ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_page_shows_choices_and_factors(client: Client) -> None:
    otto = cast.otto()
    passkey = passkey_of(otto)
    passkey_of(cast.alice(), name="Not of Otto")
    page = cast.sign_in(client, otto).get(reverse("settings"))
    assert (page.context["theme"], page.context["shortcuts"], page.context["recovery_codes_left"]) == ("auto", True, 10)
    assert [app.name for app in page.context["apps"]] == ["Authenticator app"]
    assert page.context["passkeys"] == [(passkeys.address(passkey), passkey)]
    text = page.content.decode()
    assert "Ward laptop" in text
    assert "Not of Otto" not in text
    assert [device.here for device in page.context["devices"]] == [True]


def test_who_has_one_second_step_is_told_to_add_another(client: Client) -> None:
    otto = cast.otto()
    cast.sign_in(client, otto)
    hint = "You have one second step."
    assert hint in client.get(reverse("settings")).content.decode()
    passkey_of(otto)
    assert hint not in client.get(reverse("settings")).content.decode()


def test_choices_are_saved_for_this_person_only(client: Client) -> None:
    alice, bob = cast.alice(), cast.bob()
    cast.sign_in(client, alice)
    answer = client.post(reverse("settings-appearance"), {"theme": "dark", "shortcuts": "off", "next": "/library/"})
    assert answer["Location"] == "/library/"
    alice.refresh_from_db()
    bob.refresh_from_db()
    assert (alice.theme, alice.shortcuts) == ("dark", False)
    assert (bob.theme, bob.shortcuts) == ("auto", True)


def test_theme_menu_leaves_shortcuts_alone(client: Client) -> None:
    alice = cast.alice()
    alice.shortcuts = False
    alice.save(update_fields=["shortcuts"])
    cast.sign_in(client, alice)
    client.post(reverse("settings-appearance"), {"theme": "light"})
    alice.refresh_from_db()
    assert (alice.theme, alice.shortcuts) == ("light", False)


@pytest.mark.parametrize("sent", [{"theme": "neon"}, {"shortcuts": "maybe"}, {"theme": "dark", "shortcuts": "x"}])
def test_anything_else_changes_nothing(client: Client, sent: dict[str, str]) -> None:
    alice = cast.alice()
    cast.sign_in(client, alice)
    page = client.post(reverse("settings-appearance"), sent, follow=True)
    assert "Nothing was changed." in page.content.decode()
    alice.refresh_from_db()
    assert (alice.theme, alice.shortcuts) == ("auto", True)


def test_never_returns_to_another_site(client: Client) -> None:
    cast.sign_in(client, cast.alice())
    answer = client.post(reverse("settings-appearance"), {"theme": "dark", "next": "//evil.example"})
    assert answer["Location"] == reverse("settings")


def test_person_without_a_role_has_none(client: Client) -> None:
    mallory = cast.mallory()
    passkey = passkey_of(mallory)
    cast.sign_in(client, mallory)
    for name in ("settings-appearance", "settings-recovery-codes"):
        assert client.post(reverse(name)).status_code == 403
    for address in (reverse("settings"), reverse("settings-passkey-add"), page_of(passkey)):
        assert client.get(address).status_code == 403


# ── Changing how one signs in ──────────────────────────────────────────────────────────────────────────────────


def test_what_changes_how_one_signs_in_needs_both_factors_again(client: Client) -> None:
    alice = cast.alice()
    passkey = passkey_of(alice)
    codes = set(StaticToken.objects.values_list("token", flat=True))
    cast.sign_in(client, alice)
    grow_stale(client)
    add, one, remove = reverse("settings-passkey-add"), page_of(passkey), page_of(passkey, "settings-passkey-remove")
    for address in (add, one):
        assert client.get(address)["Location"] == f"/signin/again/?next={address.replace('/', '%2F')}"
    for address in (add, one, remove, reverse("settings-recovery-codes")):
        assert client.post(address, {"name": "x", "answer": "{}"})["Location"].startswith("/signin/again/?next=")
    assert set(StaticToken.objects.values_list("token", flat=True)) == codes
    assert WebAuthnCredential.objects.get().name == "Ward laptop"


def test_rename(client: Client) -> None:
    alice = cast.alice()
    passkey = passkey_of(alice)
    cast.sign_in(client, alice)
    assert client.post(page_of(passkey), {"name": " Office key "})["Location"] == reverse("settings")
    passkey.refresh_from_db()
    assert passkey.name == "Office key"
    assert "Office key" not in str(AuditEvent.objects.latest().changes)


@pytest.mark.parametrize("name", ["", "  ", "n" * 65, "a\x00b"])
def test_a_name_it_cannot_have(client: Client, name: str) -> None:
    alice = cast.alice()
    passkey = passkey_of(alice)
    page = cast.sign_in(client, alice).post(page_of(passkey), {"name": name})
    assert page.context["form"].errors["name"]
    passkey.refresh_from_db()
    assert passkey.name == "Ward laptop"


def test_remove(client: Client) -> None:
    alice = cast.alice()
    passkey = passkey_of(alice)
    other = cast.sign_in(Client(), alice)
    cast.sign_in(client, alice)
    assert client.post(page_of(passkey, "settings-passkey-remove"))["Location"] == reverse("settings")
    assert not WebAuthnCredential.objects.exists()
    assert is_in(client)
    assert not is_in(other)
    told = Notice.objects.get(user=alice)
    assert told.title == "A passkey was removed from your account"
    assert re.match(r"This was on [A-Z][a-z]{2} \d{1,2}, \d{4} at \d\d:\d\d\. Your other", told.text)
    event = AuditEvent.objects.get(code=Code.AUTHN_TOKEN_REVOKED)
    assert (event.object_type, event.actor_id) == ("django_otp_webauthn.WebAuthnCredential", alice.pk)


def test_removing_the_one_that_was_used_signs_out(client: Client) -> None:
    from django_otp import DEVICE_ID_SESSION_KEY

    alice = cast.alice()
    passkey = passkey_of(alice)
    cast.sign_in(client, alice)
    session = client.session
    session[DEVICE_ID_SESSION_KEY] = passkey.persistent_id
    session.save()
    assert "you will be signed out" in client.get(page_of(passkey)).content.decode()
    assert client.post(page_of(passkey, "settings-passkey-remove"))["Location"] == reverse("signin")
    assert not is_in(client)


def test_the_last_factor_stays(client: Client) -> None:
    from django_otp import DEVICE_ID_SESSION_KEY

    alice = cast.alice()
    passkey = passkey_of(alice)
    cast.sign_in(client, alice)
    session = client.session
    session[DEVICE_ID_SESSION_KEY] = passkey.persistent_id
    session.save()
    Authenticator.objects.filter(user=alice).delete()
    assert factors.recovery_codes_left(alice) == 10, "codes alone would be no factor"
    assert (
        reverse("settings-passkey-remove", args=[passkeys.address(passkey)])
        not in client.get(page_of(passkey)).content.decode()
    )
    page = client.post(page_of(passkey, "settings-passkey-remove"), follow=True)
    assert "only second step" in page.content.decode()
    assert WebAuthnCredential.objects.exists()


def test_passkey_of_somebody_else_is_not_found(client: Client) -> None:
    alice = cast.alice()
    passkey = passkey_of(alice)
    cast.sign_in(client, cast.bob())
    for name in ("settings-passkey", "settings-passkey-remove"):
        answer = client.post(page_of(passkey, name), {"name": "Mine now"})
        assert answer.status_code == 404, f"passkey {passkey.pk} leaked to bob"
    assert client.get(page_of(passkey)).status_code == 404
    passkey.refresh_from_db()
    assert passkey.name == "Ward laptop"
    denied = AuditEvent.objects.filter(code=Code.AUTHZ_FAIL, object_id=str(passkeys.address(passkey)))
    assert denied.count() == 3


def test_new_recovery_codes_end_other_sessions_and_are_told(client: Client) -> None:
    alice = cast.alice()
    other = cast.sign_in(Client(), alice)
    page = cast.sign_in(client, alice).post(reverse("settings-recovery-codes"))
    assert len(page.context["codes"]) == 10
    assert is_in(client)
    assert not is_in(other)
    assert Notice.objects.get(user=alice).title == "New recovery codes were made for your account"
    assert "New recovery codes" in client.get(reverse("settings")).content.decode()
    ended = AuditEvent.objects.get(code=Code.SESSION_EXPIRED)
    assert ended.detail["reason"] == "factor changed"


@pytest.mark.django_db(transaction=True)
def test_two_removals_at_once_leave_one() -> None:
    alice = cast.alice()
    own = [passkey_of(alice, name=name) for name in ("One", "Two")]
    Authenticator.objects.filter(user=alice).delete()
    barrier = Barrier(2)

    def removed(passkey: WebAuthnCredential) -> bool:
        try:
            barrier.wait(5)
            passkeys.remove(alice, passkey)
        except factors.LastFactor:
            return False
        finally:
            connection.close()
        return True

    with ThreadPoolExecutor() as pool:
        assert sorted(pool.map(removed, own)) == [False, True]
    assert factors.count(alice) == 1
