"""How often something may be done: exact whoever asks at once, and told in words."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from chat.models import Turn
from clinchat.lib import clock
from compliance import audit, audit_words
from compliance.access import counters, limits
from compliance.access.limits import Limit, TooMany
from compliance.models import AuditEvent, Code
from tests import cast
from tests.chat.making import QUESTION
from tests.processes import environment

pytestmark = pytest.mark.django_db

ROOT = Path(__file__).parents[2]
HERE, THERE = "203.0.113.9", "198.51.100.7"


def redis() -> Any:
    return counters.client()


@pytest.fixture
def three(settings: Any) -> None:
    settings.LIMITS = dict.fromkeys(("sign_in", "ask", "api", "export"), (3, 60))


@pytest.fixture
def nowhere(settings: Any, client: Client) -> None:
    settings.REDIS_URL = "unix:///nowhere/redis.sock"
    client.raise_request_exception = False


def excesses() -> list[dict[str, Any]]:
    return list(AuditEvent.objects.filter(code=Code.EXCESS_RATE_LIMIT_EXCEEDED).values_list("detail", flat=True))


# ── Counting ──────────────────────────────────────────────────────────────────────────────────────────────────


def rest_of_a_minute(seconds: int, *, since: float) -> bool:
    """Whether that is what is left of a minute that began at `since` or later, on a busy machine too."""
    return 59 - (time.monotonic() - since) <= seconds <= 60


def test_as_many_as_the_limit_and_not_one_more(three: None) -> None:
    began = time.monotonic()
    for _ in range(3):
        limits.hit(Limit.SIGN_IN, HERE)
    with pytest.raises(TooMany) as refused:
        limits.hit(Limit.SIGN_IN, HERE)
    assert rest_of_a_minute(refused.value.retry_after, since=began)
    limits.hit(Limit.SIGN_IN, THERE)  # another address
    limits.hit(Limit.API, HERE)  # another kind


def test_what_is_refused_is_not_counted_and_told_once(three: None) -> None:
    for _ in range(3):
        limits.hit(Limit.SIGN_IN, HERE)
    waits = []
    for _ in range(5):
        with pytest.raises(TooMany) as refused:
            limits.hit(Limit.SIGN_IN, HERE)
        waits.append(refused.value.retry_after)
    assert max(waits) <= 60, "a refused try puts the end of the wait off"
    assert excesses() == [{"limit": "sign_in", "of": "address", "number": 3, "seconds": 60}]


def pass_time(seconds: int) -> None:
    """As if that much time had gone by since everything that was counted."""
    for key in redis().keys("abuse:limit:*"):
        for place, moment in enumerate(redis().lrange(key, 0, -1)):
            redis().lset(key, place, int(moment) - seconds * 1000)


def test_the_window_slides(settings: Any) -> None:
    settings.LIMITS = {"sign_in": (2, 1000)}
    limits.hit(Limit.SIGN_IN, HERE)
    pass_time(600)
    limits.hit(Limit.SIGN_IN, HERE)
    with pytest.raises(TooMany):
        limits.hit(Limit.SIGN_IN, HERE)
    pass_time(500)
    limits.hit(Limit.SIGN_IN, HERE)  # the first is more than a thousand seconds ago
    with pytest.raises(TooMany):
        limits.hit(Limit.SIGN_IN, HERE)  # the second is not


def test_a_person_and_their_address_are_counted_together(three: None) -> None:
    for number in range(10):
        for _ in range(3):
            limits.hit(Limit.ASK, f"person {number}", HERE)
        with pytest.raises(TooMany) as own:
            limits.hit(Limit.ASK, f"person {number}", HERE)
        assert own.value.of == "person"
    with pytest.raises(TooMany) as shared:
        limits.hit(Limit.ASK, "an eleventh person", HERE)  # ten times as many from one address
    assert (shared.value.of, shared.value.rule.number) == ("address", 30)
    for _ in range(3):
        limits.hit(Limit.ASK, "an eleventh person", THERE)  # the refused one did not count for the person


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9", True),
        ("2001:db8:1:2::1", "2001:db8:1:3::1", False),
        ("203.0.113.9", "203.0.113.10", False),
        (None, "", True),
    ],
)
def test_which_addresses_are_one(three: None, one: str | None, other: str | None, same: bool) -> None:
    for _ in range(3):
        limits.hit(Limit.SIGN_IN, one)
    if same:
        with pytest.raises(TooMany):
            limits.hit(Limit.SIGN_IN, other)
    else:
        limits.hit(Limit.SIGN_IN, other)


def test_redis_holds_no_name_and_no_address() -> None:
    person = cast.alice()
    limits.hit(Limit.ASK, str(person.pk), HERE)
    held = b" ".join(redis().keys("abuse:*"))
    assert held.count(b"abuse:limit:ask:") == 2
    assert str(person.pk).encode() not in held
    assert HERE.encode() not in held


@pytest.mark.parametrize(
    ("kind", "rule", "of", "said"),
    [
        (Limit.ASK, (1, 3600), "person", "You have asked 1 question in 1 hour. Try"),
        (
            Limit.SIGN_IN,
            (20, 300),
            "address",
            "From your network, people have tried to sign in 20 times in 5 minutes. Try",
        ),
        (Limit.EXPORT, (10, 90), "person", "You have made 10 exports in 90 seconds. Try"),
        (Limit.API, (1200, 60), "address", "From your network, programs have sent 1200 requests in 1 minute. Try"),
    ],
)
def test_the_words_of_each_limit(kind: Limit, rule: tuple[int, int], of: str, said: str) -> None:
    assert TooMany(5, kind, limits.Rule(*rule), of=of).words.startswith(said)


def test_the_words_say_how_many_and_when() -> None:
    refused, now = TooMany(61, Limit.ASK, limits.Rule(30, 600), of="person"), clock.now()
    said, _, when = refused.words.rpartition(" at ")
    assert said == "You have asked 30 questions in 10 minutes. Try again"
    hour, minute = map(int, when.rstrip(".").split(":"))
    left = (hour * 60 + minute - now.hour * 60 - now.minute) % 1440
    assert left in {2, 3}, "the clock must show the time before the wait is over"


SCRIPT = """
import os, threading
from compliance.access import limits

def child(together, told):
    passed = []
    def tries():
        for _ in range(15):
            try:
                limits.hit(limits.Limit.API, "one person", "203.0.113.9")
                passed.append(1)
            except limits.TooMany:
                pass
    threads = [threading.Thread(target=tries) for _ in range(16)]
    os.read(together, 1)
    for thread in threads: thread.start()
    for thread in threads: thread.join()
    os.write(told, b"%d " % len(passed))
    os._exit(0)

(together, go), (heard, told) = os.pipe(), os.pipe()
for _ in range(4):
    if os.fork() == 0:
        child(together, told)
os.write(go, b"go!!")
codes = [os.wait()[1] for _ in range(4)]
print(codes, os.read(heard, 100).decode())
"""


@pytest.mark.django_db(transaction=True)
def test_four_processes_together_let_exactly_the_limit_through() -> None:
    """960 tries of 64 threads at once, 200 allowed: no more and no fewer."""
    done = subprocess.run(
        [sys.executable, "manage.py", "shell", "--no-imports", "-c", SCRIPT],
        cwd=ROOT, env=environment() | {"CLINCHAT_LIMIT_API": "200/300"}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    codes, _, passed = done.stdout.partition("] ")
    assert codes == "[0, 0, 0, 0", done.stdout
    assert sum(map(int, passed.split())) == 200, passed
    assert excesses() == [{"limit": "api", "of": "person", "number": 200, "seconds": 300}]


# ── Pages and the API ─────────────────────────────────────────────────────────────────────────────────────────


def asked(client: Client, **extra: Any) -> Any:
    turn = Turn.objects.order_by("-created_at").first()
    if turn:  # the last one is answered: only the limit stands in the way
        Turn.objects.filter(pk=turn.pk).update(status=Turn.Status.FAILED, finished_at=clock.now())
    return client.post(reverse("ask"), {"question": QUESTION}, **extra)


def test_a_question_too_many_keeps_its_text(client: Client, three: None) -> None:
    cast.sign_in(client, cast.alice())
    began = time.monotonic()
    assert [asked(client).status_code for _ in range(3)] == [302, 302, 302]
    page = asked(client)
    assert page.status_code == 429
    assert rest_of_a_minute(int(page["Retry-After"]), since=began)
    shown = page.content.decode()
    assert QUESTION in shown
    assert "You have asked 3 questions in 1 minute. Try again at " in shown
    assert Turn.objects.count() == 3
    assert excesses() == [{"limit": "ask", "of": "person", "number": 3, "seconds": 60}]
    event = AuditEvent.objects.get(code=Code.EXCESS_RATE_LIMIT_EXCEEDED)
    assert event.actor_id == cast.alice().pk
    assert audit_words.what(event) == "Too many requests (questions)"


def test_a_follow_up_is_a_question_and_reading_is_not(client: Client, three: None) -> None:
    cast.sign_in(client, cast.alice())
    asked(client)
    address = Turn.objects.get().conversation.get_absolute_url()
    for _ in range(5):
        assert client.get(address).status_code == 200
    for _ in range(2):
        asked(client)
    Turn.objects.update(status=Turn.Status.FAILED, finished_at=clock.now())
    page = client.post(address, {"question": QUESTION})
    assert (page.status_code, QUESTION in page.content.decode()) == (429, True)
    retried = client.post(reverse("answer-retry", args=[Turn.objects.earliest("created_at").pk]))
    assert retried.status_code == 429
    assert "You have asked 3 questions in 1 minute." in retried.content.decode()


def test_one_persons_limit_is_not_anothers(client: Client, three: None) -> None:
    cast.sign_in(client, cast.alice())
    for _ in range(4):
        asked(client)
    bob = cast.sign_in(Client(), cast.bob())
    assert asked(bob).status_code == 302


def test_what_the_client_claims_about_its_address_changes_nothing(client: Client, three: None) -> None:
    typed = {"email": "a@b.test", "password": "x" * 15}
    answers = [
        client.post(reverse("signin"), typed, headers={"X-Forwarded-For": claimed})
        for claimed in ("192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.4")
    ]
    assert [answer.status_code for answer in answers][-1] == 429
    assert "Retry-After" in answers[-1]


def test_exports(client: Client, three: None) -> None:
    cast.sign_in(client, cast.carol())
    assert [client.post(reverse("audit-export"), {"format": "csv"}).status_code for _ in range(3)] == [200] * 3
    page = client.post(reverse("audit-export"), {"format": "csv"})
    assert page.status_code == 429
    assert "You have made 3 exports in 1 minute." in page.content.decode()
    assert client.get(reverse("audit")).status_code == 200


def test_the_api_answers_with_a_problem(client: Client, three: None) -> None:
    cast.sign_in(client, cast.sam())
    began = time.monotonic()
    answers = [client.get(reverse("api-block-ip")) for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert answers[-1]["Content-Type"] == "application/problem+json"
    assert rest_of_a_minute(int(answers[-1]["Retry-After"]), since=began)
    problem = answers[-1].json()
    assert problem["status"] == 429
    assert problem["detail"].startswith("You have sent 3 requests in 1 minute. Try again at ")
    assert [client.get(f"/api/{probe}").status_code for probe in ("health", "ready")] == [200, 200]


def test_strangers_are_counted_by_address(client: Client, three: None) -> None:
    answers = [client.get(reverse("api-block-ip"), REMOTE_ADDR=HERE).status_code for _ in range(31)]
    assert answers == [401] * 30 + [429]
    assert client.get(reverse("api-block-ip"), REMOTE_ADDR=THERE).status_code == 401


def test_without_redis_nothing_is_let_through_uncounted(client: Client, nowhere: None) -> None:
    cast.sign_in(client, cast.alice())
    assert asked(client).status_code == 503
    assert Turn.objects.count() == 0
    cast.sign_in(client, cast.carol())
    assert client.post(reverse("audit-export"), {"format": "csv"}).status_code == 503
    assert not AuditEvent.objects.filter(code=Code.SENSITIVE_READ, detail__has_key="export").exists()
    cast.sign_in(client, cast.sam())
    answer = client.get(reverse("api-block-ip"))
    assert (answer.status_code, answer["Content-Type"]) == (503, "application/problem+json")


def test_an_event_that_cannot_be_written_is_no_way_around(
    client: Client, three: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    cast.sign_in(client, cast.alice())
    for _ in range(3):
        asked(client)

    def lost(*_: Any, **__: Any) -> None:
        raise audit.AuditUnavailable

    monkeypatch.setattr("compliance.audit.lane.connection", lost)
    client.raise_request_exception = False
    assert asked(client).status_code == 503
    assert Turn.objects.count() == 3
