"""Break-glass: taking it opens one object to one person for an hour, to read, and everybody concerned learns of it."""

from __future__ import annotations

import logging
import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.messages import get_messages
from django.test import Client
from django.urls import reverse

from chat.models import Collection, Conversation, Document, DocumentVersion, Turn
from clinchat.lib import clock
from compliance import vault
from compliance.access import Role, emergency
from compliance.models import AuditEvent, BreakGlass, Code, Notice, Outcome, User
from compliance.phi import Entity, Label
from tests import cast
from tests.factories import make_user

NOWHERE = "0195f3a0-0000-7000-8000-0000000000ff"
pytestmark = pytest.mark.django_db

REASON = "The ward needs what Alice asked about this patient."
NAME = "Marisol Quintero"


@pytest.fixture
def conversation() -> Conversation:
    """Alice's, with a name behind a token, answered."""
    made = Conversation.objects.create(author=cast.alice(), title="[NAME-1] and warfarin")
    vault.store(made.pk, [Entity(token="[NAME-1]", label=Label.NAME, value=NAME)])
    Turn.objects.create(
        conversation=made,
        number=1,
        submission=uuid.uuid4(),
        question="Can [NAME-1] take warfarin?",
        status=Turn.Status.ABSTAINED,
        deadline_at=clock.now(),
        finished_at=clock.now(),
    )
    return made


@pytest.fixture
def document() -> Document:
    """Of a collection that only privacy officers read."""
    collection = Collection.objects.create(slug="closed", name="Closed", readers=[Role.PRIVACY_OFFICER])
    made = Document.objects.create(collection=collection, external_id="1")
    words = {"title": "Closed protocol", "text": "Words.", "sha256": "0" * 64}
    DocumentVersion.objects.create(document=made, number=1, status="published", published_at=clock.now(), **words)
    return made


@pytest.fixture
def bob(client: Client) -> Client:
    return cast.sign_in(client, cast.bob())


def take(client: Client, what: object, reason: str = REASON) -> Any:
    return client.post(reverse("emergency"), {"what": str(what), "reason": reason})


def opened(client: Client, obj: Conversation | Document) -> int:
    return client.get(obj.get_absolute_url()).status_code


def test_it_opens_a_conversation_with_its_identifiers(bob: Client, conversation: Conversation) -> None:
    cast.pat()
    assert opened(bob, conversation) == 404
    answer = take(bob, f"http://testserver{conversation.get_absolute_url()}")
    assert answer["Location"] == conversation.get_absolute_url()
    page = bob.get(conversation.get_absolute_url())
    assert page.status_code == 200
    assert NAME in page.content.decode()
    assert "Alice Adeyemi asked" in page.content.decode()


def test_it_opens_a_document_by_its_id(bob: Client, document: Document) -> None:
    assert opened(bob, document) == 404
    assert take(bob, document.pk)["Location"] == document.get_absolute_url()
    assert opened(bob, document) == 200


def test_it_opens_nothing_else_and_to_nobody_else(bob: Client, conversation: Conversation, document: Document) -> None:
    other = Conversation.objects.create(author=cast.alice(), title="Another")
    take(bob, conversation.pk)
    assert (opened(bob, other), opened(bob, document)) == (404, 404)
    assert opened(cast.sign_in(Client(), cast.dora()), conversation) == 404


def test_it_does_not_let_ask_stop_retry_rate_or_follow(bob: Client, conversation: Conversation) -> None:
    take(bob, conversation.pk)
    turn = conversation.turns.get()
    assert bob.post(conversation.get_absolute_url(), {"question": "And metformin?"}).status_code == 404
    for name in ("answer-stop", "answer-retry", "answer-feedback"):
        assert bob.post(reverse(name, args=[turn.pk]), {"helpful": "yes"}).status_code == 404, name
    assert bob.get(reverse("answer-events", args=[turn.pk])).status_code == 404
    page = bob.get(conversation.get_absolute_url()).content.decode()
    for form in ("ask-form", turn_url("answer-stop", turn), turn_url("answer-retry", turn), "data-events-url"):
        assert form not in page
    assert conversation.turns.count() == 1


def turn_url(name: str, turn: Turn) -> str:
    return reverse(name, args=[turn.pk])


def test_what_is_read_with_it_says_so_in_the_trail(bob: Client, conversation: Conversation) -> None:
    take(bob, conversation.pk)
    access = BreakGlass.objects.get()
    before = set(AuditEvent.objects.values_list("pk", flat=True))
    bob.get(conversation.get_absolute_url())
    events = AuditEvent.objects.exclude(pk__in=before)
    assert {e.object_type for e in events} == {"chat.Conversation", "compliance.VaultEntry"}
    for event in events:
        assert (event.purpose, event.detail["break_glass"]) == ("BTG", str(access.pk)), event.object_type
        assert event.actor_id == access.user_id
    values = events.get(object_type="compliance.VaultEntry")
    assert values.detail == {"values": 1, "break_glass": str(access.pk)}


def test_the_next_request_is_an_ordinary_one(bob: Client, conversation: Conversation) -> None:
    own = Conversation.objects.create(author=cast.bob(), title="My own")
    take(bob, conversation.pk)
    bob.get(conversation.get_absolute_url())
    assert opened(bob, own) == 200
    event = AuditEvent.objects.filter(object_id=str(own.pk), code=Code.SENSITIVE_READ).get()
    assert (event.purpose, event.detail) == ("TREAT", {})


def test_taking_it_is_on_record_without_the_reason(bob: Client, conversation: Conversation) -> None:
    take(bob, conversation.pk)
    access = BreakGlass.objects.get()
    event = AuditEvent.objects.get(object_type="compliance.BreakGlass")
    assert (event.code, event.action, event.purpose) == (Code.PRIVILEGE_PERMISSIONS_CHANGED, "C", "BTG")
    assert (event.object_id, event.actor_id) == (str(access.pk), cast.bob().pk)
    assert event.changes["object_id"][1] == str(conversation.pk)
    assert event.changes["reason"][1].startswith("hmac:")
    assert access.reason == REASON.replace("Alice", "[name]")
    assert (access.ends_at - access.started_at, access.review_due_at - access.started_at) == (
        timedelta(minutes=60),
        timedelta(hours=72),
    )


def test_privacy_officers_and_the_log_learn_at_once(
    bob: Client,
    conversation: Conversation,
    caplog: pytest.LogCaptureFixture,
    django_capture_on_commit_callbacks: Any,
) -> None:
    pat, other = cast.pat(), make_user(roles=[Role.PRIVACY_OFFICER])
    with caplog.at_level(logging.WARNING), django_capture_on_commit_callbacks(execute=True):
        take(bob, conversation.pk)
    access = BreakGlass.objects.get()
    told = Notice.objects.all()
    assert {notice.user_id for notice in told} == {pat.pk, other.pk}
    assert {(n.level, n.url) for n in told} == {("warn", reverse("emergency-review", args=[access.pk]))}
    assert all("Bob Brandt" in n.text and REASON not in n.text for n in told)
    (line,) = [record for record in caplog.records if getattr(record, "code", "") == "BREAK_GLASS"]
    assert vars(line)["fields"]["access"] == str(access.pk)


def test_grant_and_notice_are_one(bob: Client, conversation: Conversation, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that dies in between leaves neither."""

    def dies(*_: object, **__: object) -> None:
        raise RuntimeError

    monkeypatch.setattr("compliance.access.emergency.notices.tell", dies)
    bob.raise_request_exception = False
    assert take(bob, conversation.pk).status_code == 500
    assert not BreakGlass.objects.exists()
    assert opened(bob, conversation) == 404


def test_it_runs_out(bob: Client, conversation: Conversation) -> None:
    take(bob, conversation.pk)
    expire()
    assert opened(bob, conversation) == 404
    assert "Emergency access to one" not in bob.get("/library/").content.decode()
    take(bob, conversation.pk)
    assert opened(bob, conversation) == 200, "it can be taken again"
    first, second = BreakGlass.objects.order_by("started_at")
    assert first.ended_at == first.ends_at
    assert second.ended_at is None


def expire() -> None:
    past = clock.now() - timedelta(hours=2)
    BreakGlass.objects.update(
        started_at=past, ends_at=past + timedelta(minutes=60), review_due_at=past + timedelta(hours=72)
    )


def test_the_banner_is_on_every_page_and_ends_it(bob: Client, conversation: Conversation) -> None:
    take(bob, conversation.pk)
    access = BreakGlass.objects.get()
    stop = reverse("emergency-end", args=[access.pk])
    for address in ("/ask/", "/library/", "/settings/", conversation.get_absolute_url(), "/no-such-page/"):
        page = bob.get(address).content.decode()
        assert "Emergency access to one conversation until" in page, address
        assert f'action="{stop}"' in page, address
    assert bob.post(stop).status_code == 302
    assert opened(bob, conversation) == 404
    access.refresh_from_db()
    assert access.ended_at is not None
    assert "Emergency access to one" not in bob.get("/library/").content.decode()


def test_nobody_ends_that_of_somebody_else(bob: Client, conversation: Conversation) -> None:
    take(bob, conversation.pk)
    access = BreakGlass.objects.get()
    dora = cast.sign_in(Client(), cast.dora())
    dora.post(reverse("emergency-end", args=[access.pk]))
    assert opened(bob, conversation) == 200


def test_signing_out_does_not_end_it_and_closing_the_account_does(bob: Client, conversation: Conversation) -> None:
    take(bob, conversation.pk)
    bob.post(reverse("signout"))
    again = cast.sign_in(Client(), cast.bob())
    assert opened(again, conversation) == 200
    User.objects.filter(pk=cast.bob().pk).update(is_active=False)
    assert not BreakGlass.objects.live().exists()


def test_without_clearance_it_is_worth_nothing(bob: Client, conversation: Conversation) -> None:
    take(bob, conversation.pk)
    person = cast.verified(cast.bob())
    assert emergency.opens(person, conversation.pk)
    person.clearances.update(revoked_at=clock.now())
    assert not emergency.opens(person, conversation.pk)
    assert opened(bob, conversation) == 403


@pytest.mark.parametrize("person", ["nadia", "pat", "carol", "ada", "mallory"])
def test_only_cleared_clinicians_may_take_it(client: Client, conversation: Conversation, person: str) -> None:
    cast.sign_in(client, getattr(cast, person)())
    assert client.get(reverse("emergency")).status_code == 403
    assert take(client, conversation.pk).status_code == 403
    assert not BreakGlass.objects.exists()
    assert reverse("emergency") not in client.get("/no-such-page/").content.decode()


def test_every_page_that_is_not_found_shows_the_way_and_so_gives_nothing_away(
    bob: Client, conversation: Conversation
) -> None:
    pages = [bob.get(a).content.decode() for a in (conversation.get_absolute_url(), f"/ask/{uuid.uuid4()}/", "/none/")]
    for page in pages:
        assert reverse("emergency") in page
    form = bob.get(reverse("emergency"), {"for": conversation.get_absolute_url()})
    assert f'value="{conversation.get_absolute_url()}"' in form.content.decode()


@pytest.mark.parametrize(
    "what",
    [
        NOWHERE,
        f"/ask/{NOWHERE}/",
        f"/library/{NOWHERE}/",
        "/settings/",
        "nonsense",
        "http://[bad",
        "https://elsewhere.example/",
        "٣" * 36,
    ],
)
def test_what_is_not_there_is_refused_in_the_same_words_and_on_record(bob: Client, what: str) -> None:
    answer = take(bob, what)
    assert answer.status_code == 200
    assert answer.context["form"].errors["what"] == [
        "Nothing at this address or with this id can be opened. Check it and try again."
    ]
    event = AuditEvent.objects.get(code=Code.AUTHZ_FAIL)
    assert (event.outcome, event.detail) == (Outcome.DENIED, {"action": "breakglass.take", "why": "not available"})
    assert not BreakGlass.objects.exists()


@pytest.mark.parametrize(
    ("reason", "begins"),
    [
        ("", "Write down what you need it for"),
        ("too short", "Write at least 15 characters"),
        ("x" * 40, "Write it in words"),
        ("ab ab ab ab ab ab ab", "Write it in words"),
        (". . . . . . . . . . . .", "Write it in words"),
        ("a sentence that is too long " * 60, "Shorten it"),
        ("Null \x00 in the middle of it", "Null characters"),
    ],
)
def test_a_reason_must_be_one(bob: Client, conversation: Conversation, reason: str, begins: str) -> None:
    answer = take(bob, conversation.pk, reason)
    assert str(answer.context["form"].errors["reason"][0]).startswith(begins)
    assert not BreakGlass.objects.exists()


def test_taken_twice_it_is_the_same(bob: Client, conversation: Conversation) -> None:
    take(bob, conversation.pk)
    assert take(bob, conversation.pk)["Location"] == conversation.get_absolute_url()
    assert BreakGlass.objects.count() == 1


def test_five_a_day(bob: Client, conversation: Conversation) -> None:
    alice = cast.alice()
    many = [Conversation.objects.create(author=alice, title=str(number)) for number in range(5)]
    for one in many:
        assert take(bob, one.pk).status_code == 302
    answer = take(bob, conversation.pk)
    assert "which is the most" in answer.content.decode()
    assert opened(bob, conversation) == 404
    event = AuditEvent.objects.get(code=Code.AUTHZ_FAIL, detail__why="too many")
    assert event.object_id == str(conversation.pk)
    day_ago = clock.now() - timedelta(days=1, minutes=1)
    BreakGlass.objects.filter(object_id=many[0].pk).update(
        started_at=day_ago, ends_at=day_ago + timedelta(minutes=60), review_due_at=day_ago + timedelta(hours=72)
    )
    assert take(bob, conversation.pk).status_code == 302


def test_trying_ids_is_limited(bob: Client, settings: Any) -> None:
    settings.LIMITS = settings.LIMITS | {"ask": (2, 600)}
    for _ in range(2):
        take(bob, uuid.uuid4())
    assert "Too many tries" in take(bob, uuid.uuid4()).content.decode()


def test_what_one_may_read_anyway_needs_none(bob: Client) -> None:
    own = Conversation.objects.create(author=cast.bob(), title="My own")
    answer = take(bob, own.get_absolute_url())
    assert answer["Location"] == own.get_absolute_url()
    assert "without emergency access" in str(next(iter(get_messages(answer.wsgi_request))))
    assert not BreakGlass.objects.exists()
