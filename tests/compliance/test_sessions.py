"""How long a session lasts, what its cookie is, and that what has ended stays ended."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.sessions.backends.base import UpdateError
from django.contrib.sessions.exceptions import SessionInterrupted
from django.test import Client, override_settings
from django.urls import reverse

from clinchat.lib import clock
from compliance import audit
from compliance.access import sessions
from compliance.access.session_store import TOUCH_SECONDS, SessionStore
from compliance.models import AccessEpoch, AuditEvent, Code, Session, User
from compliance.tasks import end_sessions
from tests import cast

pytestmark = pytest.mark.django_db


def is_in(client: Client) -> bool:
    return client.get(reverse("settings")).status_code == 200


def row_of(client: Client) -> Session:
    return Session.objects.get(pk=audit.session_digest(client.cookies["session"].value))


def age(client: Client, **changes: timedelta) -> None:
    """Move times of the session so far into the past."""
    row = row_of(client)
    Session.objects.filter(pk=row.pk).update(**{name: getattr(row, name) - by for name, by in changes.items()})


def endings() -> list[tuple[str, dict[str, Any]]]:
    found = AuditEvent.objects.filter(code=Code.SESSION_EXPIRED).order_by("timestamp")
    return [(event.object_id, event.detail) for event in found]


def idle_for(client: Client, minutes: int) -> None:
    age(client, expire_date=timedelta(minutes=minutes), seen_at=timedelta(minutes=minutes))


# ── Idle ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_session_lasts_fifteen_minutes_without_activity(client: Client) -> None:
    alice = cast.alice()
    cast.sign_in(client, alice)
    idle_for(client, 14)
    assert is_in(client)
    idle_for(client, 16)
    answer = client.get(reverse("library"))
    assert answer["Location"] == "/signin/?next=%2Flibrary%2F"
    assert answer["Clear-Site-Data"] == '"cache", "storage"'
    assert answer.cookies["session"].value == "", "the cookie is taken back"
    assert not Session.objects.exists()
    assert endings() == [(str(alice.pk), {"reason": "idle"})]
    words = "You were signed out after 15 minutes without activity. Sign in again."
    assert words in client.get(reverse("signin")).content.decode()


def test_what_was_sent_too_late_is_named_as_lost(client: Client) -> None:
    cast.sign_in(client, cast.alice())
    idle_for(client, 16)
    client.post(reverse("settings-appearance"), {"theme": "dark"})
    assert "What you sent last was not saved." in client.get(reverse("signin")).content.decode()
    assert User.objects.get(name__startswith="Alice").theme == "auto"


def test_a_request_puts_the_end_off_and_says_where_from(client: Client) -> None:
    cast.sign_in(client, cast.alice())
    idle_for(client, 14)
    client.get(reverse("library"), headers={"User-Agent": "Mozilla"}, REMOTE_ADDR="192.0.2.9")
    row = row_of(client)
    assert row.expire_date - clock.now() > timedelta(minutes=14, seconds=55)
    assert (clock.now() - row.seen_at).total_seconds() < 5
    assert row.source == "192.0.2.9"


def test_requests_in_quick_succession_write_nothing(client: Client) -> None:
    cast.sign_in(client, cast.alice())
    client.get(reverse("library"))
    before = row_of(client)
    client.get(reverse("library"))
    assert row_of(client).seen_at == before.seen_at
    assert before.expire_date - before.seen_at == timedelta(minutes=15), "and so the end is early by seconds, not late"
    idle_for(client, 1)
    assert TOUCH_SECONDS <= 60
    client.get(reverse("library"))
    assert row_of(client).seen_at > before.seen_at


@pytest.mark.parametrize("name", ["session-left", "status"])
def test_what_a_page_asks_by_itself_does_not_put_the_end_off(client: Client, name: str) -> None:
    cast.sign_in(client, cast.alice())
    idle_for(client, 5)
    before = row_of(client)
    assert client.get(reverse(name)).status_code == 200
    assert row_of(client).expire_date == before.expire_date


def test_the_minutes_task_ends_what_nobody_uses(client: Client) -> None:
    alice, bob = cast.alice(), cast.bob()
    cast.sign_in(client, alice)
    idle_for(client, 16)
    cast.sign_in(Client(), bob)
    half = SessionStore()
    half["signin"] = {"user": str(bob.pk)}
    half.save()
    Session.objects.filter(verified=False).update(expire_date=clock.now() - timedelta(seconds=1))
    end_sessions.apply()
    assert [row.user for row in Session.objects.all()] == [bob]
    assert endings() == [(str(alice.pk), {"reason": "idle"})], "half a sign-in is no session"
    (event,) = AuditEvent.objects.filter(code=Code.SESSION_EXPIRED)
    assert (event.actor_kind, event.actor_id) == ("service", None)
    end_sessions.apply()
    assert len(endings()) == 1


def test_sessions_of_a_closed_account_open_nothing_and_go(client: Client) -> None:
    """However it was closed: the service ends them itself, the admin's form and the database do not."""
    alice = cast.alice()
    cast.sign_in(client, alice)
    User.objects.filter(pk=alice.pk).update(is_active=False)
    assert not is_in(client)
    cast.sign_in(client, alice)
    end_sessions.apply()
    assert not Session.objects.exists()
    assert endings()[-1] == (str(alice.pk), {"reason": "account closed"})


def test_an_ended_session_is_named_so(client: Client) -> None:
    cast.sign_in(client, cast.alice())
    Session.objects.all().delete()
    client.get(reverse("library"))
    words = "Your session is over: it was ended, or nothing was done in it for 15 minutes. Sign in again."
    assert words in client.get(reverse("signin")).content.decode()


def test_without_a_cookie_nothing_is_said(client: Client) -> None:
    client.get(reverse("library"))
    assert "ession" not in client.get(reverse("signin")).context["messages"]._loaded_data


# ── Absolute ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_session_ends_twelve_hours_after_signing_in_however_active(client: Client) -> None:
    alice = cast.alice()
    cast.sign_in(client, alice)
    age(client, began_at=timedelta(hours=11, minutes=59))
    assert is_in(client)
    age(client, began_at=timedelta(minutes=1))
    assert client.get(reverse("settings")).status_code == 302
    assert endings() == [(str(alice.pk), {"reason": "too long"})]
    assert "a session lasts 12 hours at most" in client.get(reverse("signin")).content.decode()


def test_showing_both_factors_again_does_not_prolong_it(client: Client) -> None:
    alice = cast.alice()
    cast.sign_in(client, alice)
    age(client, began_at=timedelta(hours=3))
    before = row_of(client)
    client.post(reverse("signin-again"), {"password": cast.PASSWORD})
    client.post(reverse("signin-code"), {"code": cast.code_of(alice)})
    after = row_of(client)
    assert after.pk != before.pk, "a new key"
    assert (after.id, after.began_at) == (before.id, before.began_at)
    assert is_in(client)


def test_the_limits_can_be_made_shorter(client: Client, settings: Any) -> None:
    settings.SESSION_COOKIE_AGE, settings.CLINCHAT_SESSION_HOURS = 60, 1
    cast.sign_in(client, cast.alice())
    assert row_of(client).expire_date - clock.now() < timedelta(minutes=1)
    age(client, began_at=timedelta(hours=1))
    assert client.get(reverse("settings")).status_code == 302
    assert "a session lasts 1 hour at most" in client.get(reverse("signin")).content.decode()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("CLINCHAT_SESSION_IDLE_MINUTES", "16"),
        ("CLINCHAT_SESSION_IDLE_MINUTES", "0"),
        ("CLINCHAT_SESSION_HOURS", "13"),
        ("CLINCHAT_SESSION_HOURS", "none"),
    ],
)
def test_but_not_longer(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, value)
    ran = subprocess.run(
        [sys.executable, "-c", "import clinchat.settings"], capture_output=True, text=True, check=False
    )
    assert ran.returncode == 1
    assert name in ran.stderr.splitlines()[-1]


# ── The key ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_table_holds_no_key(client: Client) -> None:
    cast.sign_in(client, cast.alice())
    key = client.cookies["session"].value
    row = row_of(client)
    assert key not in {str(value) for value in vars(row).values()}
    thief = Client()
    thief.cookies["session"] = row.pk
    assert not is_in(thief), "a copy of the table opened a session"


def test_a_planted_key_does_not_become_a_session(client: Client) -> None:
    """Session fixation (ASVS 5.0 V7.2.4): the key known before signing in is worth nothing after."""
    alice = cast.alice()
    planted = SessionStore()
    planted["planted"] = True
    planted.save()
    for key in (planted.session_key, "a" * 32):
        client = Client()
        client.cookies["session"] = str(key)
        client.post(reverse("signin"), {"email": alice.email, "password": cast.PASSWORD})
        half = client.cookies["session"].value
        client.post(reverse("signin-code"), {"code": cast.code_of(alice)})
        assert is_in(client)
        assert len({key, half, client.cookies["session"].value}) == 3
        for known in (key, half):
            other = Client()
            other.cookies["session"] = str(known)
            assert not is_in(other)


def test_the_cookie_of_an_ended_session_opens_nothing(client: Client) -> None:
    cast.sign_in(client, cast.alice())
    copied = client.cookies["session"].value
    client.post(reverse("signout"))
    other = Client()
    other.cookies["session"] = copied
    assert not is_in(other)


def test_an_ended_session_is_not_written_back(client: Client) -> None:
    """A request that was under way when its session ended must not save it to life again."""
    cast.sign_in(client, cast.alice())
    under_way = [SessionStore(client.cookies["session"].value) for _ in range(3)]
    for store in under_way:
        assert store["_auth_user_id"]
    sessions.end_all(cast.alice(), reason="test")
    saving, cycling, touching = under_way
    saving["more"] = 1
    with pytest.raises(UpdateError):
        saving.save()
    with pytest.raises(SessionInterrupted):
        cycling.cycle_key()
    assert touching.row
    touching.row.seen_at -= timedelta(minutes=1)
    assert touching.touch() is None
    assert not Session.objects.exists()


def test_a_row_says_who_where_and_since_when(client: Client) -> None:
    alice = cast.alice()
    agent = "Mozilla/5.0 (Windows NT 10.0) Firefox/140.0" + "x" * 400
    where: dict[str, Any] = {"headers": {"User-Agent": agent}, "REMOTE_ADDR": "2001:db8::7"}
    client.post(reverse("signin"), {"email": alice.email, "password": cast.PASSWORD}, **where)
    assert [(row.user, row.verified) for row in Session.objects.all()] == [(alice, False)]
    client.post(reverse("signin-code"), {"code": cast.code_of(alice)}, **where)
    row = row_of(client)
    assert (row.user, row.verified, row.source) == (alice, True, "2001:db8::7")
    assert row.agent == "Firefox on Windows"
    assert Session.objects.count() == 1
    assert (clock.now() - row.began_at).total_seconds() < 10


@override_settings(
    SESSION_COOKIE_NAME="__Host-session",
    CSRF_COOKIE_NAME="__Host-csrftoken",
    SESSION_COOKIE_SECURE=True,
    CSRF_COOKIE_SECURE=True,
)
def test_cookies_under_tls_are_bound_to_the_host() -> None:
    """RFC 6265bis: `__Host-` needs Secure, Path=/ and no Domain, and browsers refuse it otherwise."""
    client, alice = Client(), cast.alice()
    page = client.get(reverse("signin"), secure=True)
    step = client.post(reverse("signin"), {"email": alice.email, "password": cast.PASSWORD}, secure=True)
    for answer, name in ((page, "__Host-csrftoken"), (step, "__Host-session")):
        said = answer.cookies[name].OutputString().split("; ")[1:]
        words = {part.split("=")[0].lower(): part.partition("=")[2] for part in said}
        assert {"secure", "httponly"} <= set(words), name
        assert (words["path"], words["samesite"]) == ("/", "Lax")
        assert "domain" not in words
    assert "max-age" not in words, "it goes when the browser is closed"
    assert "expires" not in words


def test_the_names_follow_the_switch() -> None:
    code = "import json, clinchat.settings as s; print(json.dumps([s.SESSION_COOKIE_NAME, s.SESSION_COOKIE_SECURE]))"
    environment = {**os.environ, "CLINCHAT_TLS": "true"}
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    assert json.loads(ran.stdout.splitlines()[-1]) == ["__Host-session", True]


# ── Proof ──────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("proved", "counts"), [(0, True), (599, True), (601, False), (-5, False), (None, False)])
def test_a_proof_counts_for_ten_minutes(client: Client, proved: int | None, counts: bool) -> None:
    cast.sign_in(client, cast.alice())
    session = client.session
    session.pop(sessions.PROVED_AT)
    if proved is not None:
        session[sessions.PROVED_AT] = clock.now().timestamp() - proved
    session.save()
    answer = client.post(
        reverse("settings-sessions-end-others"), headers={"Referer": "http://testserver/settings/?a=1"}
    )
    wanted = reverse("settings-sessions") if counts else "/signin/again/?next=%2Fsettings%2F%3Fa%3D1"
    assert answer["Location"] == wanted


@pytest.mark.parametrize("page", ["", "https://evil.example/settings/", "//evil.example"])
def test_coming_back_never_leads_to_another_site(client: Client, page: str) -> None:
    cast.sign_in(client, cast.alice(), proved=False)
    answer = client.post(reverse("settings-sessions-end-others"), headers={"Referer": page})
    assert answer["Location"] == "/signin/again/?next=%2Fsettings%2F"


def test_signing_in_proves_and_signing_out_moves_the_epoch(client: Client) -> None:
    alice = cast.alice()
    client.post(reverse("signin"), {"email": alice.email, "password": cast.PASSWORD})
    client.post(reverse("signin-code"), {"code": cast.code_of(alice)})
    assert client.post(reverse("settings-sessions-end-others"))["Location"] == reverse("settings-sessions")
    before = AccessEpoch.objects.get().number
    client.post(reverse("signout"))
    assert AccessEpoch.objects.get().number > before
