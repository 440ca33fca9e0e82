"""One-time links: a first password, a new one, or new second factors."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied
from django.test import Client
from django.urls import reverse

from clinchat.lib import clock
from compliance.access import Role, factors, links
from compliance.models import AuditEvent, Authenticator, Code, Notice, OneTimeLink, User
from tests import cast
from tests.factories import make_user

pytestmark = pytest.mark.django_db
NEW = "amber kettle drifts slowly"
Purpose = OneTimeLink.Purpose
GONE = "This link does not work any more"


def set_password(path: str, new: str = NEW, client: Client | None = None) -> int:
    return (client or Client()).post(path, {"new": new, "repeated": new}).status_code


def has(user: User, password: str) -> bool:
    return User.objects.get(pk=user.pk).check_password(password)


def is_in(client: Client) -> bool:
    return client.get(reverse("settings")).status_code == 200


def test_newcomer_chooses_a_password_and_sets_up_the_second_step(client: Client) -> None:
    newcomer = make_user(roles=[Role.CLINICIAN])
    path = links.make(newcomer, Purpose.INVITE, cast.sam())
    page = client.get(path)
    assert page.context["person"] == newcomer
    assert (page["X-Robots-Tag"], page["Referrer-Policy"]) == ("noindex", "same-origin")
    done = client.post(path, {"new": NEW, "repeated": NEW})
    assert done["Location"] == reverse("signin"), "the link itself lets nobody in"
    assert not is_in(client)
    assert client.post(reverse("signin"), {"email": newcomer.email, "password": NEW})["Location"] == reverse(
        "signin-setup"
    )
    event = AuditEvent.objects.get(code=Code.AUTHN_PASSWORD_CHANGE)
    assert (event.actor_id, event.detail) == (newcomer.pk, {"how": "invite"})


def test_link_works_once_and_looking_does_not_use_it(client: Client) -> None:
    alice = cast.alice()
    path = links.make(alice, Purpose.PASSWORD, cast.sam())
    assert [client.get(path).status_code for _ in range(3)] == [200] * 3
    assert set_password(path) == 302
    assert set_password(path, "another long password") == 404
    assert GONE in client.get(path).content.decode()
    assert has(alice, NEW)


def test_new_password_keeps_the_second_factor_and_ends_every_session(client: Client) -> None:
    alice = cast.alice()
    cast.sign_in(client, alice)
    device, codes = cast.device_of(alice), factors.recovery_codes_left(alice)
    assert set_password(links.make(alice, Purpose.PASSWORD, cast.sam())) == 302
    assert not is_in(client)
    assert (cast.device_of(alice), factors.recovery_codes_left(alice)) == (device, codes)
    client.post(reverse("signin"), {"email": alice.email, "password": NEW})
    assert not is_in(client)
    assert Notice.objects.filter(user=alice, title="Your password was set with a link").exists()


def test_link_used_in_the_persons_own_session(client: Client) -> None:
    alice = cast.alice()
    cast.sign_in(client, alice)
    assert set_password(links.make(alice, Purpose.PASSWORD, cast.sam()), client=client) == 302
    assert not is_in(client)


def test_password_that_is_not_good_enough_leaves_the_link_good() -> None:
    alice = cast.alice()
    path = links.make(alice, Purpose.PASSWORD, cast.sam())
    assert set_password(path, "alice adeyemi forever") == 200
    assert has(alice, cast.PASSWORD)
    assert set_password(path) == 302


@pytest.mark.parametrize("purpose", [Purpose.PASSWORD, Purpose.FACTORS])
@pytest.mark.parametrize("end", ["over", "replaced", "closed account", "password changed", "altered"])
def test_link_that_is_gone_looks_like_one_that_never_was(purpose: str, end: str) -> None:
    alice, sam = cast.alice(), cast.sam()
    path = links.make(alice, purpose, sam)
    if end == "over":
        past = clock.now() - links.LIVES
        OneTimeLink.objects.update(made_at=past - timedelta(seconds=2), expires_at=past)
    elif end == "replaced":
        links.make(alice, purpose, sam)
    elif end == "closed account":
        User.objects.filter(pk=alice.pk).update(is_active=False)
    elif end == "password changed":
        assert set_password(links.make(alice, Purpose.PASSWORD, cast.ada())) == 302
    else:
        path = path[:-3] + ("AB/" if path[-3:-1] != "AB" else "CD/")
    answers = [Client().get(path), Client().post(path, {"new": NEW, "repeated": NEW, "password": NEW})]
    for answer in [*answers, Client().get(reverse("signin-link", args=["never-was"]))]:
        assert answer.status_code == 404
        assert GONE in answer.content.decode()
        assert alice.email not in answer.content.decode()
    assert factors.has_app(alice)


def test_token_is_in_no_table_and_no_event() -> None:
    path = links.make(cast.alice(), Purpose.PASSWORD, cast.sam())
    token = path.rstrip("/").rpartition("/")[2]
    assert len(token) == 43
    kept = "".join(str(vars(row)) for model in (OneTimeLink, AuditEvent, Notice) for row in model.objects.all())
    assert token not in kept
    made = AuditEvent.objects.get(object_type="compliance.OneTimeLink")
    assert made.changes["purpose"] == [None, "password"]


# ── New second factors ─────────────────────────────────────────────────────────────────────────────────────────


def test_new_factors_need_the_password_first(client: Client) -> None:
    alice = cast.alice()
    elsewhere = cast.sign_in(Client(), alice)
    codes = factors.new_recovery_codes(alice)
    path = links.make(alice, Purpose.FACTORS, cast.sam())
    assert client.post(path, {"password": "not the password"}).status_code == 200
    assert factors.has_app(alice)
    assert is_in(elsewhere)
    assert client.post(path, {"password": cast.PASSWORD})["Location"] == reverse("signin-setup")
    assert not is_in(client)
    assert not is_in(elsewhere)
    assert (factors.available(alice), factors.recovery_codes_left(alice)) == ([], 0)
    assert client.get(path).status_code == 404

    device = Authenticator.objects.get(user=alice)
    done = client.post(reverse("signin-setup"), {"code": f"{device.totp.token():06d}"})
    assert len(done.context["codes"]) == 10
    assert not set(done.context["codes"]) & set(codes)
    assert is_in(client)


def test_link_for_factors_is_of_its_person_only(client: Client) -> None:
    """Brought into a session, it does nothing for whoever signs in there as somebody else."""
    alice, bob = cast.alice(), cast.bob()
    client.get(links.make(alice, Purpose.FACTORS, cast.sam()))
    answer = client.post(reverse("signin"), {"email": bob.email, "password": cast.PASSWORD})
    assert answer["Location"] == reverse("signin-code")
    assert factors.has_app(alice)
    assert factors.has_app(bob)


def test_own_session_is_no_way_around_new_set_up(client: Client) -> None:
    alice = cast.alice()
    cast.sign_in(client, alice)
    path = links.make(alice, Purpose.FACTORS, cast.sam())
    assert client.post(path, {"password": cast.PASSWORD})["Location"] == reverse("signin-setup")
    assert not is_in(client)


def test_tries_through_a_link_are_counted_like_any_other() -> None:
    path = links.make(cast.alice(), Purpose.FACTORS, cast.sam())
    for _ in range(5):
        Client().post(path, {"password": "wrong"})
    answer = Client().post(path, {"password": cast.PASSWORD})
    assert "Too many tries" in answer.context["form"].non_field_errors()[0]
    assert factors.has_app(cast.alice())


# ── Who makes which ────────────────────────────────────────────────────────────────────────────────────────────


def test_nobody_makes_one_for_themselves() -> None:
    sam = cast.sam()
    with pytest.raises(PermissionDenied):
        links.make(sam, Purpose.FACTORS, sam)
    assert not OneTimeLink.objects.exists()
    denied = AuditEvent.objects.get(code=Code.AUTHZ_FAIL)
    assert (denied.object_type, denied.detail) == ("compliance.OneTimeLink", {"purpose": "factors", "why": "Oneself"})


@pytest.mark.parametrize(
    ("first", "second"), [(Purpose.PASSWORD, Purpose.FACTORS), (Purpose.FACTORS, Purpose.PASSWORD)]
)
def test_both_kinds_take_two_people(first: str, second: str) -> None:
    """One person with both links could sign in as somebody else."""
    alice, sam = cast.alice(), cast.sam()
    links.make(alice, first, sam)
    with pytest.raises(links.SecondPersonNeeded):
        links.make(alice, second, sam)
    links.make(alice, first, sam)
    assert links.make(alice, second, cast.ada())
    OneTimeLink.objects.filter(made_by=sam).update(made_at=clock.now() - links.APART)
    assert links.make(alice, second, sam)


@pytest.mark.parametrize(
    ("fields", "purpose"),
    [
        ({"is_active": False}, Purpose.INVITE),
        ({"is_active": False}, Purpose.FACTORS),
        ({"is_service": True}, Purpose.PASSWORD),
        ({"directory": "ldap", "directory_id": "7"}, Purpose.PASSWORD),
    ],
)
def test_accounts_without_a_password_here_get_no_link_for_one(fields: dict[str, Any], purpose: str) -> None:
    with pytest.raises(links.NoLinks):
        links.make(make_user(**fields), purpose, cast.sam())


def test_person_of_the_directory_can_get_new_factors() -> None:
    assert links.make(make_user(directory="ldap", directory_id="7"), Purpose.FACTORS, cast.sam())
