"""Blocked networks: who is shut out, how soon, and that nobody shuts the hospital out of its own portal."""

from __future__ import annotations

import threading
import time
from datetime import timedelta
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import IntegrityError, OperationalError, connections, transaction
from django.test import Client
from django.urls import reverse

from clinchat.lib import clock
from compliance import audit, audit_words
from compliance.access import epoch, networks
from compliance.models import AuditEvent, Code, KnownPlace, NetworkBlock, User
from tests import cast

pytestmark = pytest.mark.django_db

EVIL, EVIL_NET, DESK = "203.0.113.7", "203.0.113.0/24", "192.0.2.10"


@pytest.fixture(autouse=True)
def _fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    """The number is read at each question, as it is after a second."""
    monkeypatch.setattr(epoch, "FRESH_SECONDS", 0.0)


def block(network: str = EVIL_NET, *, source: str | None = DESK, **extra: Any) -> NetworkBlock:
    made, _ = networks.block(network=network, reason="Scans.", by=cast.sam(), source=source, **extra)
    return made


def place(user: User, address: str, *, days_ago: int = 0) -> None:
    seen = clock.now() - timedelta(days=days_ago)
    KnownPlace.objects.create(user=user, network=f"{address}/32", address=address, last_seen=seen)


def refusals() -> list[str]:
    events = AuditEvent.objects.filter(code=Code.INPUT_VALIDATION_FAIL, object_type="compliance.NetworkBlock")
    return [event.detail["reason"] for event in events.order_by("timestamp", "id")]


# ── Who is blocked ────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("network", "inside", "outside"),
    [
        ("203.0.113.7", "203.0.113.7", "203.0.113.8"),
        ("203.0.113.0/24", "203.0.113.255", "203.0.114.0"),
        ("203.0.113.77/24", "203.0.113.1", "203.0.112.255"),
        ("203.0.113.6/31", "203.0.113.7", "203.0.113.8"),
        ("11.0.0.0/8", "11.255.0.1", "12.0.0.1"),
        ("2001:db8::/48", "2001:db8:0:ffff::1", "2001:db8:1::1"),
        ("2001:db8::7", "2001:db8::7", "2001:db8::8"),
        ("::ffff:203.0.113.0/120", "203.0.113.9", "203.0.114.9"),
        ("203.0.113.0/24", "::ffff:203.0.113.9", "::ffff:203.0.114.9"),
    ],
)
def test_which_addresses_a_block_holds(network: str, inside: str, outside: str) -> None:
    made = block(network)
    assert networks.blocked(inside) == made.pk
    assert networks.blocked(outside) is None


@pytest.mark.parametrize("source", [None, "", "rubbish", "203.0.113.0/24", "1" * 5000])
def test_what_is_no_address_is_in_no_network(source: str | None) -> None:
    block()
    assert networks.blocked(source) is None


@pytest.mark.parametrize(
    ("network", "reason"),
    [
        ("", "not a network"),
        ("everybody", "not a network"),
        ("203.0.113.0/33", "not a network"),
        ("203.0.113", "not a network"),
        ("0203.0.113.7", "not a network"),
        ("fe80::1%eth0", "not a network"),
        ("\x00", "not a network"),
        ("1" * 10_000, "not a network"),
        ("0.0.0.0/0", "too wide"),
        ("0.0.0.0/7", "too wide"),
        ("::/0", "too wide"),
        ("2000::/15", "too wide"),
        ("::ffff:0:0/96", "too wide"),
        ("::ffff:0:0/90", "too wide"),
        ("127.0.0.1", "loopback"),
        ("127.0.0.0/8", "loopback"),
        ("::1", "loopback"),
        ("::/16", "too wide"),
        ("::ffff:127.0.0.1", "loopback"),
        (DESK, "own address"),
        ("192.0.2.0/24", "own address"),
        ("::ffff:192.0.2.0/120", "own address"),
    ],
)
def test_what_cannot_be_blocked(network: str, reason: str) -> None:
    with pytest.raises(networks.Refused) as refused:
        block(network)
    assert refused.value.reason == reason


def test_one_s_own_address_as_ipv6_that_holds_ipv4() -> None:
    with pytest.raises(networks.OwnAddress):
        block("192.0.2.0/24", source=f"::ffff:{DESK}")


def test_the_same_network_twice_is_one_block() -> None:
    first, new = networks.block(network=EVIL_NET, reason="Scans.", by=cast.sam(), source=DESK)
    again, newer = networks.block(network="203.0.113.99/24", reason="Other.", by=cast.ada(), source=DESK)
    assert (again.pk, new, newer) == (first.pk, True, False)
    assert NetworkBlock.objects.get().reason == "Scans."
    with pytest.raises(IntegrityError), transaction.atomic():
        NetworkBlock.objects.create(network=EVIL_NET, reason="Past the service.", made_by=cast.sam())


def test_a_block_ends_by_itself_and_can_be_made_again() -> None:
    made = block(lasts=timedelta(hours=1))
    assert networks.blocked(EVIL) == made.pk
    hour_ago = clock.now() - timedelta(minutes=61)
    NetworkBlock.objects.update(made_at=hour_ago, ends_at=hour_ago + timedelta(hours=1))
    networks._known.epoch = -1
    assert networks.blocked(EVIL) is None
    again = block()
    assert again.pk != made.pk
    assert networks.blocked(EVIL) == again.pk


def test_a_block_in_the_list_ends_on_time(monkeypatch: pytest.MonkeyPatch) -> None:
    block(lasts=timedelta(hours=1))
    assert networks.blocked(EVIL)
    later = clock.now() + timedelta(minutes=61)
    monkeypatch.setattr("compliance.access.networks.clock.now", lambda: later)
    assert networks.blocked(EVIL) is None


def test_ending_a_block() -> None:
    made = block()
    assert networks.unblock([made], by=cast.ada()) == 1
    assert networks.blocked(EVIL) is None
    made.refresh_from_db()
    assert (made.ended_by, made.ended_at is not None) == (cast.ada(), True)
    assert networks.unblock([made], by=cast.sam()) == 0
    made.refresh_from_db()
    assert made.ended_by == cast.ada()


# ── The last way in ───────────────────────────────────────────────────────────────────────────────────────────


def test_the_last_network_administrators_come_from_stays_open() -> None:
    place(cast.sam(), "198.51.100.1")
    place(cast.ada(), "198.51.100.2")
    with pytest.raises(networks.LastWayIn):
        block("198.51.100.0/24")
    block("198.51.100.1")
    with pytest.raises(networks.LastWayIn):
        block("198.51.100.2")
    assert refusals() == ["last way in", "last way in"]
    place(cast.ada(), "192.0.2.200")
    block("198.51.100.2")


@pytest.mark.parametrize("gone", ["long ago", "closed", "suspended", "another role"])
def test_places_that_are_no_way_in(gone: str) -> None:
    person = cast.otto() if gone == "another role" else cast.ada()
    place(person, "192.0.2.200", days_ago=91 if gone == "long ago" else 1)
    place(cast.sam(), "198.51.100.1")
    if gone == "closed":
        User.objects.filter(pk=person.pk).update(is_active=False)
    if gone == "suspended":
        person.role_assignments.update(suspended_at=clock.now())
    with pytest.raises(networks.LastWayIn):
        block("198.51.100.0/24")


@pytest.mark.django_db(transaction=True)
def test_two_officers_do_not_block_each_others_network() -> None:
    """Each leaves the other's as the last way in: the second one must see what the first one did."""
    place(cast.sam(), "198.51.100.1")
    place(cast.ada(), "192.0.2.200")
    outcomes: list[str] = []

    def second() -> None:
        try:
            networks.block(network="192.0.2.200", reason="Scans.", by=cast.sam(), source=None)
            outcomes.append("blocked")
        except networks.Refused as refused:
            outcomes.append(refused.reason)
        finally:
            connections.close_all()

    thread = threading.Thread(target=second)
    with transaction.atomic():
        block("198.51.100.1")
        thread.start()
        thread.join(0.5)
        assert outcomes == [], "decided before the first one was"
    thread.join(60)
    assert outcomes == ["last way in"]


def test_where_nobody_s_place_is_known_one_s_own_counts() -> None:
    block("198.51.100.0/24")
    with pytest.raises(networks.OwnAddress):
        block("192.0.2.0/24")


# ── Pages, API, streams ───────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("address", ["/", "/signin/", "/settings/", "/ask/", "/admin/", "/nothing/here/"])
def test_a_blocked_network_gets_a_plain_page(client: Client, address: str) -> None:
    cast.sign_in(client, cast.alice())
    block()
    page = client.get(address, REMOTE_ADDR=EVIL)
    assert page.status_code == 403
    shown = page.content.decode()
    assert "ClinChat is not open to your network" in shown
    assert "<nav" not in shown
    assert "E-" in shown
    assert page["Cache-Control"] == "no-store"
    assert "default-src 'none'" in page["Content-Security-Policy"]
    assert client.get(address, REMOTE_ADDR=DESK).status_code != 403 or address == "/admin/"


def test_a_blocked_network_gets_a_problem_of_the_api(client: Client) -> None:
    block()
    answer = client.post("/api/auth/login", "{}", content_type="application/json", REMOTE_ADDR=EVIL)
    assert (answer.status_code, answer["Content-Type"]) == (403, "application/problem+json")
    assert answer.json()["detail"] == networks.SHUT_OUT


def test_a_session_that_is_blocked_is_not_even_looked_up(
    client: Client, django_assert_num_queries: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    cast.sign_in(client, cast.alice())
    block()
    client.get("/settings/", REMOTE_ADDR=EVIL)
    monkeypatch.setattr(epoch, "FRESH_SECONDS", 60.0)
    with django_assert_num_queries(0):
        assert client.get("/settings/", REMOTE_ADDR=EVIL).status_code == 403


def test_refusals_are_on_record_once_a_minute_for_each_address(client: Client) -> None:
    made = block()
    for source in (EVIL, EVIL, EVIL, "203.0.113.8"):
        client.get("/signin/", REMOTE_ADDR=source)
    events = AuditEvent.objects.filter(code=Code.NETWORK_BLOCKED, outcome=audit.Outcome.DENIED)
    assert sorted(event.remote_addr for event in events) == [EVIL, "203.0.113.8"]
    assert {event.object_id for event in events} == {str(made.pk)}
    assert all(event.correlation_id for event in events)
    assert {audit_words.what(event) for event in events} == {"Request from a blocked network refused"}


def test_refusals_without_redis(client: Client, settings: Any) -> None:
    block()
    settings.REDIS_URL = "unix:///nowhere/redis.sock"
    assert [client.get("/signin/", REMOTE_ADDR=EVIL).status_code for _ in range(3)] == [403] * 3
    assert AuditEvent.objects.filter(code=Code.NETWORK_BLOCKED, outcome=audit.Outcome.DENIED).count() == 1


def test_what_the_client_claims_about_its_address_opens_nothing(client: Client, settings: Any) -> None:
    block()
    assert client.get("/signin/", REMOTE_ADDR=EVIL, headers={"X-Forwarded-For": DESK}).status_code == 403
    settings.PROXIES = 1
    chain = f"{DESK}, {EVIL}"
    assert client.get("/signin/", REMOTE_ADDR="10.0.0.1", headers={"X-Forwarded-For": chain}).status_code == 403
    chain = f"{EVIL}, {DESK}"
    assert client.get("/signin/", REMOTE_ADDR="10.0.0.1", headers={"X-Forwarded-For": chain}).status_code == 200


@pytest.mark.parametrize("probe", ["/api/health", "/api/ready", "/status/"])
def test_whether_clinchat_works_is_no_secret(client: Client, probe: str) -> None:
    block()
    assert client.get(probe, REMOTE_ADDR=EVIL).status_code == 200


def test_while_the_database_is_lost_the_last_list_stays_in_force(monkeypatch: pytest.MonkeyPatch) -> None:
    made = block()
    assert networks.blocked(EVIL) == made.pk

    def lost() -> int:
        raise OperationalError

    monkeypatch.setattr("compliance.access.networks.epoch.current", lost)
    assert networks.blocked(EVIL) == made.pk
    networks._known.epoch = -1  # a process that never had one
    with pytest.raises(OperationalError):
        networks.blocked(EVIL)


@pytest.mark.django_db(transaction=True)
def test_a_block_works_within_two_seconds_and_so_does_its_end(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(epoch, "FRESH_SECONDS", 1.0)
    assert client.get("/signin/", REMOTE_ADDR=EVIL).status_code == 200  # the list is fresh now

    def within_two_seconds(status: int) -> None:
        began = asked = time.monotonic()
        while client.get("/signin/", REMOTE_ADDR=EVIL).status_code != status:
            assert asked - began < 2
            time.sleep(0.02)
            asked = time.monotonic()

    made = block()
    within_two_seconds(403)
    networks.unblock([made], by=None)
    within_two_seconds(200)


# ── The page, the API and the command ─────────────────────────────────────────────────────────────────────────


def test_the_page_blocks_and_lets_in_again(client: Client) -> None:
    cast.sign_in(client, cast.sam())
    page = client.post(
        reverse("blocks"), {"network": " 203.0.113.9/24 ", "reason": "Scans.", "lasts": "day"}, follow=True
    )
    shown = page.content.decode()
    assert "203.0.113.0/24 is blocked, within two seconds." in shown
    made = NetworkBlock.objects.get()
    assert made.made_by == cast.sam()
    assert made.ends_at is not None
    assert timedelta(hours=23, minutes=59) < made.ends_at - made.made_at <= timedelta(days=1)
    page = client.post(reverse("blocks-end", args=[made.pk]), follow=True)
    assert "203.0.113.0/24 is let in again" in page.content.decode()
    assert NetworkBlock.objects.get().ended_by == cast.sam()
    codes = AuditEvent.objects.filter(object_id=str(made.pk)).order_by("timestamp", "id").values_list("code", flat=True)
    assert list(codes) == [Code.NETWORK_BLOCKED, Code.NETWORK_UNBLOCKED]
    events = AuditEvent.objects.filter(object_id=str(made.pk)).order_by("timestamp", "id")
    assert [audit_words.what(event) for event in events] == ["Network blocked", "Network block ended"]
    assert events[0].changes["network"] == [None, "203.0.113.0/24"]
    assert events[0].changes["reason"][1].startswith(audit_words.PROTECTED)


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ({"network": "198.51.100.0/24", "reason": "Mine."}, networks.OwnAddress.words),
        ({"network": "127.0.0.1", "reason": "The server."}, networks.Loopback.words),
        ({"network": "10.0.0.0/4", "reason": "Wide."}, networks.TooWide.words),
        ({"network": "", "reason": "None."}, networks.NotANetwork.words),
        ({"network": EVIL}, "Say why."),
        ({"network": EVIL, "reason": "x" * 301}, "Say why in at most 300 characters."),
        ({"network": EVIL, "reason": "Why.", "lasts": "forever"}, "Choose one of these."),
    ],
)
def test_what_the_page_refuses(client: Client, typed: dict[str, str], said: str) -> None:
    cast.sign_in(client, cast.sam())
    shown = client.post(reverse("blocks"), typed, REMOTE_ADDR="198.51.100.5").content.decode()
    assert said in shown
    assert not NetworkBlock.objects.exists()


def test_blocking_one_s_own_address_is_on_record(client: Client) -> None:
    cast.sign_in(client, cast.sam())
    typed = {"network": "198.51.100.0/24", "reason": "Mine."}
    client.post(reverse("blocks"), typed, REMOTE_ADDR="198.51.100.5")
    event = AuditEvent.objects.get(code=Code.INPUT_VALIDATION_FAIL)
    assert (event.actor_id, event.outcome, event.detail) == (cast.sam().pk, "denied", {"reason": "own address"})


def test_finding_the_block_that_holds_an_address(client: Client) -> None:
    cast.sign_in(client, cast.sam())
    block()
    block("198.51.100.0/24")
    shown = client.get(reverse("blocks"), {"find": EVIL}).content.decode()
    assert "203.0.113.0/24" in shown
    assert "198.51.100.0/24" not in shown
    assert "No block holds it." in client.get(reverse("blocks"), {"find": "8.8.8.8"}).content.decode()
    assert networks.NotANetwork.words in client.get(reverse("blocks"), {"find": "?"}).content.decode()


@pytest.mark.parametrize("who", ["alice", "carol", "otto", "audra"])
def test_who_may_not_block(client: Client, who: str) -> None:
    cast.sign_in(client, getattr(cast, who)())
    made = block()
    assert client.get(reverse("blocks")).status_code == 403
    assert client.post(reverse("blocks"), {"network": "8.8.8.8", "reason": "No."}).status_code == 403
    assert client.post(reverse("blocks-end", args=[made.pk])).status_code == 403
    assert client.get(reverse("api-block-ip")).status_code == 403
    assert NetworkBlock.objects.live(clock.now()).get() == made


def api(client: Client, name: str, body: dict[str, Any], **extra: Any) -> Any:
    return client.post(reverse(name), body, content_type="application/json", **extra)


def test_the_api_answers_for_each_network(client: Client) -> None:
    cast.sign_in(client, cast.sam())
    ips = ["203.0.113.7", "rubbish", "2001:db8::/48", "203.0.113.7", DESK]
    answer = api(client, "api-block-ip", {"ips": ips, "reason": "Scans.", "hours": 2}, REMOTE_ADDR=DESK)
    assert answer.status_code == 200
    results = answer.json()["results"]
    assert [result["status"] for result in results] == ["blocked", "refused", "blocked", "blocked already", "refused"]
    assert results[2]["network"] == "2001:db8::/48"
    assert results[4]["detail"] == networks.OwnAddress.words
    listed = client.get(reverse("api-block-ip")).json()["blocks"]
    assert {one["network"] for one in listed} == {"203.0.113.7/32", "2001:db8::/48"}
    assert all(one["ends_at"] and one["made_by"] == cast.sam().name for one in listed)
    freed = api(client, "api-unblock-ip", {"ips": ["203.0.113.7", "8.8.8.8", "rubbish"]})
    assert freed.json() == {"ended": ["203.0.113.7/32"]}
    assert networks.blocked("203.0.113.7") is None
    assert networks.blocked("2001:db8::9") is not None


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"ips": [], "reason": "None."},
        {"ips": "203.0.113.7", "reason": "No list."},
        {"ips": [7], "reason": "A number."},
        {"ips": [EVIL]},
        {"ips": [EVIL], "reason": ""},
        {"ips": [EVIL], "reason": "x" * 301},
        {"ips": [EVIL], "reason": "Why.", "hours": 0},
        {"ips": [EVIL], "reason": "Why.", "hours": 10**9},
        {"ips": [EVIL] * 101, "reason": "Many."},
        {"ips": [EVIL], "reason": "Why.", "by": "somebody else"},
    ],
)
def test_what_the_api_refuses(client: Client, body: dict[str, Any]) -> None:
    cast.sign_in(client, cast.sam())
    answer = api(client, "api-block-ip", body)
    assert (answer.status_code, answer["Content-Type"]) == (400, "application/problem+json")
    assert answer.json()["errors"]
    assert not NetworkBlock.objects.exists()


def test_the_api_wants_a_csrf_token_of_a_browser() -> None:
    visitor = cast.sign_in(Client(enforce_csrf_checks=True), cast.sam())
    assert api(visitor, "api-block-ip", {"ips": [EVIL], "reason": "Forged."}).status_code == 403
    assert not NetworkBlock.objects.exists()


def test_the_command_is_a_way_back_in(capsys: pytest.CaptureFixture[str]) -> None:
    block()
    block("203.0.0.0/16")
    other = block("198.51.100.0/24")
    call_command("unblock", EVIL)
    assert sorted(capsys.readouterr().out.splitlines()) == [
        "203.0.0.0/16 is let in again",
        "203.0.113.0/24 is let in again",
    ]
    assert list(NetworkBlock.objects.live(clock.now())) == [other]
    call_command("unblock", "--all")
    assert networks.blocked("198.51.100.1") is None
    assert set(NetworkBlock.objects.values_list("ended_by", flat=True)) == {None}
    for nothing in ("--all", EVIL):
        with pytest.raises(CommandError):
            call_command("unblock", nothing)
    with pytest.raises(CommandError, match="Enter an address"):
        call_command("unblock", "everybody")
