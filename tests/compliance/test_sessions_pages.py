"""The list of a person's own sign-ins, the clock of a session, and signing others out."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from clinchat.lib import clock
from compliance import audit
from compliance.access import agents
from compliance.access.agents import browser
from compliance.models import AccessEpoch, AuditEvent, Code, Session, TokenFamily, User
from tests import cast

pytestmark = pytest.mark.django_db

LIST = "settings-sessions"
FIREFOX = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:140.0) Gecko/20100101 Firefox/140.0"
SAFARI = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
    "Version/18.5 Mobile/15E148 Safari/604.1"
)
EDGE = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/138.0.0.0 "
    "Safari/537.36 Edg/138.0.0.0"
)


def is_in(client: Client) -> bool:
    return client.get(reverse("settings")).status_code == 200


def row_of(client: Client) -> Session:
    return Session.objects.get(pk=audit.session_digest(client.cookies["session"].value))


def signed_in(user: User, agent: str = FIREFOX, source: str = "192.0.2.1") -> Client:
    client = cast.sign_in(Client(), user)
    Session.objects.filter(pk=row_of(client).pk).update(agent=browser(agent), source=source)
    return client


def make_family(user: User) -> TokenFamily:
    ends = clock.now() + timedelta(hours=12)
    made = {"begun_with": uuid.uuid4().hex, "newest": uuid.uuid4().hex, "agent": agents.program("")}
    return TokenFamily.objects.create(user=user, ends_at=ends, **made)


def endings() -> list[tuple[str, str, dict[str, Any]]]:
    found = AuditEvent.objects.filter(code=Code.SESSION_EXPIRED).order_by("timestamp")
    return [(str(event.actor_id), event.object_id, event.detail) for event in found]


# ── The list ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_person_sees_where_they_are_signed_in_and_nobody_elses(client: Client) -> None:
    alice = cast.alice()
    here = signed_in(alice)
    signed_in(alice, SAFARI, "2001:db8::5")
    signed_in(cast.bob(), EDGE, "198.51.100.3")
    make_family(alice)
    page = here.get(reverse(LIST))
    found = page.context["devices"]
    assert [device.name for device in found] == ["Firefox on Windows", "Program, through the API", "Safari on iPhone"]
    assert [device.here for device in found] == [True, False, False]
    text = page.content.decode()
    assert "2001:db8::5" in text
    assert "198.51.100.3" not in text, "bob's session leaked to alice"
    assert text.count("This one") == 1


def test_what_is_over_or_half_is_not_listed(client: Client) -> None:
    alice = cast.alice()
    here, idle = signed_in(alice), signed_in(alice)
    Session.objects.filter(pk=row_of(idle).pk).update(expire_date=clock.now() - timedelta(seconds=1))
    client.post(reverse("signin"), {"email": alice.email, "password": cast.PASSWORD})
    assert Session.objects.filter(user=alice).count() == 3
    assert len(here.get(reverse(LIST)).context["devices"]) == 1


def test_signing_out_one_of_them(client: Client) -> None:
    alice = cast.alice()
    here, there = signed_in(alice), signed_in(alice)
    family = make_family(alice)
    before = AccessEpoch.objects.first()
    answer = here.post(reverse("settings-session-end", args=[row_of(there).id]))
    assert answer["Location"] == reverse(LIST)
    assert (is_in(here), is_in(there)) == (True, False)
    here.post(reverse("settings-session-end", args=[family.pk]))
    family.refresh_from_db()
    assert family.revoked_at
    assert endings() == [(str(alice.pk), str(alice.pk), {"reason": "ended by the person"})] * 2
    assert AccessEpoch.objects.get().number > (before.number if before else 0)


def test_signing_out_this_one_is_signing_out(client: Client) -> None:
    here = signed_in(cast.alice())
    answer = here.post(reverse("settings-session-end", args=[row_of(here).id]))
    assert answer["Location"] == reverse("signin")
    assert answer["Clear-Site-Data"] == '"cache", "storage"'
    assert not is_in(here)


def test_nobody_signs_out_a_device_of_somebody_else(client: Client) -> None:
    alice, bob = signed_in(cast.alice()), signed_in(cast.bob())
    family = make_family(cast.alice())
    for device in (row_of(alice).id, family.pk, uuid.uuid4()):
        assert bob.post(reverse("settings-session-end", args=[device])).status_code == 404
    assert is_in(alice)
    family.refresh_from_db()
    assert family.revoked_at is None
    assert endings() == []


def test_signing_out_everywhere_else(client: Client) -> None:
    alice = cast.alice()
    here, there, other = signed_in(alice), signed_in(alice), signed_in(cast.bob())
    make_family(alice)
    here.post(reverse("settings-sessions-end-others"))
    assert (is_in(here), is_in(there), is_in(other)) == (True, False, True)
    detail = {"reason": "ended by the person", "sessions": 1, "tokens": 1}
    assert endings() == [(str(alice.pk), str(alice.pk), detail)]
    page = here.post(reverse("settings-sessions-end-others"), follow=True)
    assert "You were signed in only here." in page.content.decode()
    assert len(endings()) == 1, "nothing ended, nothing is on record"


def test_signing_out_everywhere(client: Client) -> None:
    alice = cast.alice()
    here, there = signed_in(alice), signed_in(alice)
    answer = here.post(reverse("settings-sessions-end-all"))
    assert answer["Location"] == reverse("signin")
    assert (is_in(here), is_in(there)) == (False, False)
    assert "You are signed out everywhere." in here.get(reverse("signin")).content.decode()


@pytest.mark.parametrize("name", ["settings-sessions-end-others", "settings-sessions-end-all", "sessions"])
def test_ending_sessions_needs_a_fresh_proof(name: str) -> None:
    """ASVS 5.0 V7.5.2."""
    sam = cast.sam()
    client, other = cast.sign_in(Client(), sam, proved=False), signed_in(sam)
    answer = client.post(reverse(name), {"confirm": "sign everyone out"})
    assert answer["Location"].startswith(reverse("signin-again"))
    assert is_in(other)
    assert endings() == []


@pytest.mark.parametrize(
    ("agent", "words"),
    [
        (FIREFOX, "Firefox on Windows"),
        (SAFARI, "Safari on iPhone"),
        (EDGE, "Edge on Windows"),
        ("Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/138.0.0.0 Safari/537.36", "Chrome on Linux"),
        ("Mozilla/5.0 (Linux; Android 15) AppleWebKit/537.36 Chrome/138 Mobile Safari/537.36", "Chrome on Android"),
        ("Mozilla/5.0 (Macintosh; Intel Mac OS X 14_5) Version/17.5 Safari/605.1.15", "Safari on Mac"),
        ("curl/8.5", "Unknown browser"),
        ("<script>alert(1)</script> Windows", "Unknown browser on Windows"),
        ("", "Unknown browser"),
    ],
)
def test_browsers_in_plain_words(agent: str, words: str) -> None:
    assert browser(agent) == words
    assert {name for _, name in agents.BROWSERS}


# ── The clock ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_every_page_says_how_long_its_session_lasts(client: Client) -> None:
    cast.sign_in(client, cast.alice())
    text = client.get(reverse("library")).content.decode()
    assert 'data-warn="120"' in text
    (seconds,) = [int(part.split('"')[1]) for part in text.split() if part.startswith("data-seconds=")]
    assert 880 <= seconds <= 900
    assert "session-ending" not in Client().get(reverse("signin")).content.decode()


def test_stay_signed_in_renews_and_asking_does_not(client: Client) -> None:
    cast.sign_in(client, cast.alice())
    Session.objects.update(
        expire_date=clock.now() + timedelta(seconds=100), seen_at=clock.now() - timedelta(seconds=800)
    )
    assert 95 <= client.get(reverse("session-left")).json()["seconds"] <= 100
    renewed = client.post(reverse("session-renew")).json()
    assert 880 <= renewed["seconds"] <= 900
    assert renewed["final"] is False
    assert client.get(reverse("session-renew")).status_code == 405


def test_near_the_twelve_hours_nothing_is_renewed(client: Client) -> None:
    cast.sign_in(client, cast.alice())
    Session.objects.update(
        began_at=clock.now() - timedelta(hours=11, minutes=58), seen_at=clock.now() - timedelta(minutes=1)
    )
    assert "data-final" in client.get(reverse("library")).content.decode()
    told = client.post(reverse("session-renew")).json()
    assert 110 <= told["seconds"] <= 120
    assert told["final"] is True


# ── Others ─────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("key", ["sam", "ada"])
def test_who_may_sign_a_person_out(key: str) -> None:
    officer, alice = getattr(cast, key)(), cast.alice()
    client, hers, bobs = signed_in(officer), signed_in(alice), signed_in(cast.bob())
    make_family(alice)
    address = reverse("person-sessions-end", args=[alice.pk])
    assert client.post(address)["Location"] == reverse("person", args=[alice.pk])
    assert (is_in(client), is_in(hers), is_in(bobs)) == (True, False, True)
    detail = {"reason": "ended by security", "sessions": 1, "tokens": 1}
    assert endings() == [(str(officer.pk), str(alice.pk), detail)]
    assert client.post(reverse("person-sessions-end", args=[uuid.uuid4()])).status_code == 404


@pytest.mark.parametrize("key", ["bob", "dora", "pat", "carol", "otto", "audra", "mallory"])
def test_who_may_not(key: str) -> None:
    client, hers = signed_in(getattr(cast, key)()), signed_in(cast.alice())
    assert client.post(reverse("person-sessions-end", args=[cast.alice().pk])).status_code == 403
    assert client.post(reverse("sessions"), {"confirm": "sign everyone out"}).status_code == 403
    assert is_in(hers)
    assert AuditEvent.objects.filter(code=Code.AUTHZ_FAIL, detail={"action": "sessions.revoke"}).count() == 2


def test_signing_oneself_out_there_is_signing_out() -> None:
    sam = cast.sam()
    client = signed_in(sam)
    assert client.post(reverse("person-sessions-end", args=[sam.pk]))["Location"] == reverse("signin")
    assert not is_in(client)


@pytest.mark.parametrize(
    "typed", ["", "yes", "sign everyone", "sign everyone out now", "x" * 500, "sign\x00everyone out"]
)
def test_everyone_is_signed_out_only_with_the_typed_words(typed: str) -> None:
    client, hers = signed_in(cast.sam()), signed_in(cast.alice())
    answer = client.post(reverse("sessions"), {"confirm": typed})
    assert answer.status_code == 200
    assert answer.context["form"].errors["confirm"]
    assert is_in(hers)
    assert is_in(client)
    assert endings() == []


def test_everyone_is_signed_out_at_once_the_officer_too(client: Client) -> None:
    sam, alice, bob = cast.sam(), cast.alice(), cast.bob()
    officer, others = signed_in(sam), [signed_in(alice), signed_in(alice), signed_in(bob)]
    families = [make_family(alice), make_family(cast.nadia())]
    client.post(reverse("signin"), {"email": bob.email, "password": cast.PASSWORD})  # half signed in
    page = officer.get(reverse("sessions"))
    assert page.context["open"] == (4, 3)
    assert "3 people are signed in, in 4 browsers." in page.content.decode()
    answer = officer.post(reverse("sessions"), {"confirm": "Sign everyone out "})
    assert answer["Location"] == reverse("signin")
    assert [is_in(one) for one in (officer, *others)] == [False] * 4
    assert client.post(reverse("signin-code"), {"code": cast.code_of(bob)})["Location"] == reverse("signin")
    assert TokenFamily.objects.filter(pk__in=[f.pk for f in families], revoked_at=None).count() == 0
    reason = "everyone signed out by security"
    found = endings()
    assert {actor for actor, _, _ in found} == {str(sam.pk)}
    assert {whom: detail for _, whom, detail in found} == {
        str(sam.pk): {"reason": reason, "sessions": 1},
        str(alice.pk): {"reason": reason, "sessions": 2},
        str(bob.pk): {"reason": reason, "sessions": 1},
        "": {"reason": reason, "sessions": 4, "tokens": 2, "people": 3},
    }
