"""Ways around the second factor with a browser. Each test is one, and none leads anywhere.

Requests that pretend to be others are in test_bypass_requests, the ways of the API in test_bypass_api.

A test first shows, where that is not plain, that the right way works: what always fails proves nothing.
"""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.conf import settings as portal
from django.core import mail
from django.test import Client
from django.urls import reverse
from django_otp import DEVICE_ID_SESSION_KEY

from clinchat.lib import clock
from compliance.access import Role, factors, links, sessions
from compliance.models import AuditEvent, OneTimeLink, Session, User
from tests import cast
from tests.compliance.closed import (
    METHODS,
    addresses,
    copy_of,
    give_password,
    is_refusal,
    make_conversation,
    opened,
    walk_in,
)
from tests.factories import make_user

pytestmark = pytest.mark.django_db

NEW = "amber kettle drifts slowly"
COOKIE = portal.SESSION_COOKIE_NAME


@pytest.fixture
def half(client: Client) -> Client:
    """An administrator's session after the password, before the code."""
    assert give_password(client, cast.ada())["Location"] == reverse("signin-code")
    return client


def test_the_right_way_opens_what_the_ways_around_must_not(client: Client) -> None:
    conversation = make_conversation(cast.alice())
    walk_in(client, cast.alice())
    shown = [one for one in addresses(conversation) if not is_refusal(client.get(one))]
    assert shown == addresses(conversation)
    assert client.get(conversation.get_absolute_url()).status_code == 200


# ── Without anything, and half way ─────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("method", METHODS)
def test_no_session_any_method(client: Client, method: str) -> None:
    assert not opened(client, only=addresses(make_conversation(cast.alice())), method=method)


@pytest.mark.parametrize("method", METHODS)
def test_password_only_any_method(half: Client, method: str) -> None:
    assert not opened(half, only=addresses(make_conversation(cast.ada())), method=method)


def test_session_of_django_without_a_device(client: Client) -> None:
    """What any other way of logging in would leave: django.contrib.auth alone opens nothing."""
    client.force_login(cast.ada())
    assert not opened(client)


def test_device_of_somebody_else_in_the_session(client: Client) -> None:
    client.force_login(cast.ada())
    session = client.session
    session[DEVICE_ID_SESSION_KEY] = cast.device_of(cast.alice()).persistent_id
    session.save()
    assert not opened(client)


def test_device_that_was_never_confirmed(client: Client) -> None:
    ada = cast.ada()
    unfinished = factors.start_app(ada)
    client.force_login(ada)
    session = client.session
    session[DEVICE_ID_SESSION_KEY] = unfinished.persistent_id
    session.save()
    assert not opened(client)


def test_event_stream_after_the_password(client: Client) -> None:
    conversation = make_conversation(cast.alice())
    give_password(client, cast.alice())
    stream = reverse("answer-events", args=[conversation.turns.get().pk])
    for headers in ({}, {"Accept": "text/event-stream"}, {"Last-Event-ID": "0-0"}):
        answer = client.get(stream, headers=headers)
        assert is_refusal(answer)
        assert not answer.streaming


def test_export_after_the_password(half: Client) -> None:
    answer = half.post(reverse("audit-export"), {"format": "csv"})
    assert is_refusal(answer)
    assert not AuditEvent.objects.filter(detail__has_key="export").exists()


@pytest.mark.parametrize("address", ["/static/", "/media/", "/media/export.csv", "/static/../manage.py", "/uploads/"])
def test_files_and_listings(client: Client, address: str) -> None:
    assert client.get(address).status_code == 404


@pytest.mark.parametrize(
    "address",
    ["/docs/", "/api/docs/", "/api/", "/swagger/", "/redoc/", "/__debug__/", "/.env", "/.git/config", "/metrics"],
)
def test_documentation_and_debugging(client: Client, address: str) -> None:
    assert client.get(address).status_code in {401, 404}


def test_health_says_no_more_than_that_it_answers(client: Client) -> None:
    assert client.get("/api/health").json() == {"status": "ok"}
    checks = client.get("/api/ready").json()["checks"]
    assert all(isinstance(value, bool) for value in checks.values())
    for more in ("/api/health/system", "/api/health/services", "/api/health/database"):
        assert client.get(more).status_code in {401, 404}


# ── The admin's own doors ──────────────────────────────────────────────────────────────────────────────────────


def test_admin_login_with_the_password(client: Client) -> None:
    ada = cast.ada()
    form = {"username": ada.email, "password": cast.PASSWORD, "next": "/admin/"}
    for answer in (client.get("/admin/login/"), client.post("/admin/login/", form)):
        assert is_refusal(answer)
    assert "_auth_user_id" not in client.session
    assert not opened(client)


def test_admin_form_after_the_password(half: Client) -> None:
    before = User.objects.count()
    fields = {"email": "mine@hospital.test", "name": "Mine", "password1": NEW, "password2": NEW}
    assert is_refusal(half.post(reverse("admin:compliance_user_add"), fields))
    assert User.objects.count() == before


@pytest.mark.parametrize("page", ["password_change/", "password_change/done/", "password_reset/", "logout/", "jsi18n/"])
def test_pages_of_the_admin_about_passwords(client: Client, page: str) -> None:
    """They are not there for the administrator either, who would change a password by them without a fresh proof."""
    assert is_refusal(client.get(f"/admin/{page}"))
    walk_in(client, cast.ada())
    answer = client.post(f"/admin/{page}", {"old_password": cast.PASSWORD, "new_password1": NEW, "new_password2": NEW})
    assert answer.status_code in {403, 404} or page == "jsi18n/"
    assert User.objects.get(pk=cast.ada().pk).check_password(cast.PASSWORD)


# ── Passwords and links ────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("address", ["/accounts/password_reset/", "/password_reset/", "/signin/reset/", "/reset/MQ/x/"])
def test_password_reset_by_mail(client: Client, address: str) -> None:
    cast.alice()
    assert client.post(address, {"email": "alice@clinchat.example"}).status_code == 404
    assert not mail.outbox


def test_link_for_a_password_leaves_the_second_factor(client: Client) -> None:
    alice = cast.alice()
    path = links.make(alice, OneTimeLink.Purpose.PASSWORD, cast.sam())
    assert client.post(path, {"new": NEW, "repeated": NEW}).status_code == 302
    assert not opened(client)
    answer = client.post(reverse("signin"), {"email": alice.email, "password": NEW})
    assert answer["Location"] == reverse("signin-code"), "it asks for the code, not for a new set-up"
    assert is_refusal(client.get("/settings/"))


def test_invitation_opens_only_the_set_up(client: Client) -> None:
    newcomer = make_user(roles=[Role.ADMIN])
    path = links.make(newcomer, OneTimeLink.Purpose.INVITE, cast.sam())
    client.post(path, {"new": NEW, "repeated": NEW})
    assert not opened(client)
    answer = client.post(reverse("signin"), {"email": newcomer.email, "password": NEW})
    assert answer["Location"] == reverse("signin-setup")
    assert not opened(client)


def test_link_for_new_factors_without_the_password(client: Client) -> None:
    alice = cast.alice()
    path = links.make(alice, OneTimeLink.Purpose.FACTORS, cast.sam())
    client.get(path)
    client.post(path, {"password": "not her password at all"})
    assert client.get(reverse("signin-setup"))["Location"] == reverse("signin")
    assert cast.device_of(alice).confirmed
    assert not opened(client)


def test_link_used_twice_expired_or_changed(client: Client) -> None:
    alice = cast.alice()
    used, over, right = (
        links.make(cast_, OneTimeLink.Purpose.PASSWORD, cast.sam()) for cast_ in (alice, cast.bob(), cast.dora())
    )
    client.post(used, {"new": NEW, "repeated": NEW})
    made = clock.now() - timedelta(hours=25)
    OneTimeLink.objects.filter(user=cast.bob()).update(made_at=made, expires_at=made + timedelta(hours=24))
    for path in (used, over, right[:-2] + "x/", right.upper(), "/signin/password/x/"):
        assert (
            client.post(path, {"new": "another long password", "repeated": "another long password"}).status_code == 404
        )
    assert client.get(right).status_code == 200


# ── Codes ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_code_of_somebody_else(half: Client) -> None:
    """Mallory's own authenticator does not open the account whose password she found."""
    half.post(reverse("signin-code"), {"code": cast.code_of(cast.mallory())})
    assert not opened(half)


def test_recovery_code_of_somebody_else(half: Client) -> None:
    hers = factors.new_recovery_codes(cast.mallory())
    half.post(reverse("signin-recovery"), {"code": hers[0]})
    assert not opened(half)
    assert factors.recovery_codes_left(cast.mallory()) == len(hers)


def test_recovery_page_without_the_password(client: Client) -> None:
    codes = factors.new_recovery_codes(cast.alice())
    answer = client.post(reverse("signin-recovery"), {"code": codes[0], "email": "alice@clinchat.example"})
    assert is_refusal(answer)
    assert factors.recovery_codes_left(cast.alice()) == len(codes)
    assert not opened(client)


def test_recovery_code_a_second_time(client: Client) -> None:
    alice = cast.alice()
    codes = factors.new_recovery_codes(alice)
    for expected in (True, False):
        visitor = Client()
        give_password(visitor, alice)
        visitor.post(reverse("signin-recovery"), {"code": codes[0]})
        assert (visitor.get("/settings/").status_code == 200) is expected


def test_code_seen_over_the_shoulder(client: Client) -> None:
    alice = cast.alice()
    code = cast.code_of(alice)
    give_password(client, alice)
    client.post(reverse("signin-code"), {"code": code})
    assert client.get("/settings/").status_code == 200
    thief = Client()
    give_password(thief, alice)
    thief.post(reverse("signin-code"), {"code": code})
    assert not opened(thief)


def test_trying_codes_one_after_the_other(half: Client) -> None:
    """Beginning again with the right password does not bring fresh tries."""
    right = cast.code_of(cast.ada())
    wrong = [f"{(int(right) + step) % 1_000_000:06d}" for step in range(1, 13)]
    for number, code in enumerate(wrong):
        half.post(reverse("signin-code"), {"code": code})
        if number % 3 == 2:
            half.cookies.clear()
            give_password(half, cast.ada())
    answer = half.post(reverse("signin-code"), {"code": right})
    assert is_refusal(answer) or "Too many tries" in answer.content.decode()
    assert not opened(half)


def test_setting_up_a_second_authenticator_with_the_password_alone(half: Client) -> None:
    for name in ("signin-setup", "signin-passkey-setup", "settings-app-add", "settings-passkey-add"):
        for answer in (half.get(reverse(name)), half.post(reverse(name), {"code": "123456", "name": "mine"})):
            assert answer.status_code in {302, 404}, name
            assert b"otpauth" not in answer.content
    assert factors.app_devices(cast.ada()) == [cast.device_of(cast.ada())]
    assert not opened(half)


def test_picture_of_the_key_somebody_else_sets_up(client: Client) -> None:
    one, other = make_user(roles=[Role.CLINICIAN], password=cast.PASSWORD), make_user(password=cast.PASSWORD)
    give_password(client, one)
    qr = reverse("signin-setup-qr")
    assert client.get(qr)["Content-Type"] == "image/svg+xml"
    spy = Client()
    assert spy.get(qr).status_code == 404
    give_password(spy, other)
    assert spy.get(qr).content != client.get(qr).content
    assert spy.get(qr, {"user": str(one.pk), "device": "1"}).content != client.get(qr).content


# ── Sessions ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_cookie_copied_before_signing_out(client: Client) -> None:
    walk_in(client, cast.alice())
    thief = copy_of(client)
    assert thief.get("/settings/").status_code == 200
    client.post(reverse("signout"))
    assert not opened(thief)


def test_cookie_after_everything_was_revoked(client: Client) -> None:
    alice = cast.alice()
    walk_in(client, alice)
    sessions.end_all(alice, reason="test")
    assert not opened(client)


def test_cookie_from_before_the_password_was_changed(client: Client) -> None:
    alice = cast.alice()
    thief = walk_in(Client(), alice)
    walk_in(client, alice)
    form = {"current": cast.PASSWORD, "new": NEW, "repeated": NEW}
    assert client.post(reverse("settings-password"), form).status_code == 302
    assert User.objects.get(pk=alice.pk).check_password(NEW)
    assert client.get("/settings/").status_code == 200
    assert not opened(thief)


def test_cookie_of_a_closed_account(client: Client) -> None:
    alice = cast.alice()
    walk_in(client, alice)
    alice.is_active = False
    alice.save(update_fields=["is_active"])
    assert not opened(client)
    assert give_password(Client(), alice).status_code == 200, "nor does the password begin anything"


def test_cookie_that_is_kept_for_ever(client: Client) -> None:
    """The browser is told to forget it, and the server does after its hours, however busy the session is."""
    give_password(client, cast.alice(), remember="on", remember_me="1")
    client.post(reverse("signin-code"), {"code": cast.code_of(cast.alice()), "remember": "on"})
    cookie = client.cookies[COOKIE]
    assert (cookie["max-age"], cookie["expires"], bool(cookie["httponly"]), cookie["samesite"]) == ("", "", True, "Lax")
    assert client.get("/settings/").status_code == 200
    Session.objects.update(began_at=clock.now() - timedelta(hours=12, seconds=1))
    assert not opened(client)


def test_cookie_of_an_idle_session(client: Client) -> None:
    walk_in(client, cast.alice())
    Session.objects.update(expire_date=clock.now() - timedelta(seconds=1))
    assert not opened(client)


def test_session_planted_before_signing_in(client: Client) -> None:
    client.get(reverse("signin"))
    give_password(client, cast.mallory())
    planted = copy_of(client)
    walk_in(client, cast.alice())
    assert not opened(planted)
    chosen = Client()
    chosen.cookies[COOKIE] = "a" * 32
    walk_in(chosen, cast.bob())
    assert chosen.cookies[COOKIE].value != "a" * 32


def test_copy_of_the_table_of_sessions(client: Client) -> None:
    walk_in(client, cast.ada())
    row = Session.objects.get(user=cast.ada())
    for value in (row.session_key, str(row.pk), str(row.id), row.session_data):
        thief = Client()
        thief.cookies[COOKIE] = value
        assert not opened(thief)


def test_half_a_session_of_one_and_the_code_of_another(client: Client) -> None:
    """Two sign-ins in one browser: the code counts for whoever gave the password last."""
    give_password(client, cast.mallory())
    give_password(client, cast.ada())
    client.post(reverse("signin-code"), {"code": cast.code_of(cast.mallory())})
    assert not opened(client)
