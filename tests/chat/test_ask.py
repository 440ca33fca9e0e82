"""Asking: what is stored, what is queued, and what is turned away."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.urls import reverse

from chat import services
from chat.models import Conversation, Turn
from chat.pipeline.errors import NotQueued
from compliance import vault
from compliance.models import AuditEvent
from tests import cast
from tests.chat.making import QUESTION, make_turn

NAMED = "Maria Lopez, MRN 00482913, takes warfarin since Oct 12. Can she have metformin?"


def post(client: Client, question: str, **extra: str) -> int:
    return client.post(reverse("ask"), {"question": question, "submission": str(uuid.uuid4()), **extra}).status_code


def test_a_question_ends_on_its_conversation_page(alice: Client) -> None:
    response = alice.post(reverse("ask"), {"question": QUESTION})
    turn = Turn.objects.get()
    assert response.status_code == 302
    assert response["Location"] == turn.conversation.get_absolute_url()
    assert (turn.question, turn.status, turn.number) == (QUESTION, Turn.Status.QUEUED, 1)


def test_no_identifier_is_stored_anywhere_in_clear(alice: Client) -> None:
    assert post(alice, NAMED) == 302
    turn = Turn.objects.get()
    assert "[NAME-1]" in turn.question
    assert "[MRN-1]" in turn.question
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names():
            if table.startswith(("chat_", "compliance_", "django_session")):
                cursor.execute(f'SELECT count(*) FROM "{table}" t WHERE t::text ~ %s', ["Lopez|00482913|Oct 12"])
                assert cursor.fetchone() == (0,), f"an identifier is readable in {table}"


def test_the_author_reads_the_values_back_and_nobody_else(alice: Client, bob: Client) -> None:
    post(alice, NAMED)
    address = Turn.objects.get().conversation.get_absolute_url()
    page = alice.get(address).content.decode()
    assert "Maria Lopez" in page
    assert "00482913" in page
    assert bob.get(address).status_code == 404


def test_the_same_person_keeps_the_same_token_in_a_follow_up(library: object) -> None:
    author = cast.alice()
    first = make_turn(author=author, text="Maria Lopez is on warfarin. Which antibiotic?")
    services.stop(turn=first)
    second = make_turn(author=author, text="And if Maria Lopez has a sulfa allergy?", conversation=first.conversation)
    assert "[NAME-1]" in first.question
    assert "[NAME-1]" in second.question
    assert len(vault.known(first.conversation_id)) == 1


def test_the_broker_gets_the_id_and_nothing_else(
    alice: Client, django_capture_on_commit_callbacks: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[tuple[object, ...]] = []
    monkeypatch.setattr("chat.tasks.answer_turn.delay", lambda *args: sent.append(args))
    with django_capture_on_commit_callbacks(execute=True):
        post(alice, NAMED)
    assert sent == [(str(Turn.objects.get().pk),)]


def test_without_redis_nothing_is_sent_and_the_text_stays(alice: Client, redis_gone: None) -> None:
    response = alice.post(reverse("ask"), {"question": QUESTION})
    assert response.status_code == 503
    assert QUESTION in response.content.decode()
    assert "Send it again in a minute." in response.content.decode()
    assert not Turn.objects.exists()


def test_when_the_queue_is_lost_the_turn_ends_as_failed_and_can_be_retried(
    alice: Client, django_capture_on_commit_callbacks: Any, redis_gone: None
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        services.ask(author=cast.alice(), text=QUESTION, submission=uuid.uuid4())
    turn = Turn.objects.get()
    assert (turn.status, turn.reason) == (Turn.Status.FAILED, NotQueued.__name__)
    page = alice.get(turn.conversation.get_absolute_url()).content.decode()
    assert reverse("answer-retry", args=[turn.pk]) in page


def test_sent_twice_it_is_one_turn(alice: Client) -> None:
    submission = str(uuid.uuid4())
    first = alice.post(reverse("ask"), {"question": QUESTION, "submission": submission})
    second = alice.post(reverse("ask"), {"question": QUESTION, "submission": submission})
    assert first["Location"] == second["Location"]
    assert Turn.objects.count() == 1


def test_another_persons_submission_number_gives_nothing_away(alice: Client, bob: Client) -> None:
    submission = str(uuid.uuid4())
    alice.post(reverse("ask"), {"question": QUESTION, "submission": submission})
    response = bob.post(reverse("ask"), {"question": QUESTION, "submission": submission})
    assert response.status_code == 200
    assert Turn.objects.filter(conversation__author=cast.bob()).count() == 0


def test_one_question_at_a_time_in_a_conversation(alice: Client) -> None:
    post(alice, QUESTION)
    conversation = Conversation.objects.get()
    response = alice.post(conversation.get_absolute_url(), {"question": "And with metformin?"})
    assert response.status_code == 200
    assert "still answering" in response.content.decode()
    assert "And with metformin?" in response.content.decode()
    assert conversation.turns.count() == 1


@pytest.mark.parametrize(
    ("question", "status"),
    [
        pytest.param("", 200, id="empty"),
        pytest.param("   \n\t ", 200, id="blank"),
        pytest.param("?!… 🙂", 200, id="no words"),
        pytest.param("x" * 20_000, 200, id="20,000 characters"),
        pytest.param("Dose of apixaban 🙂 at age 82?", 302, id="emoji"),
        pytest.param("ما هي جرعة الوارفارين؟", 302, id="right to left"),
        pytest.param("warfarin\x07\u202e dose\u200b?", 302, id="control characters"),
        pytest.param("<script>alert(1)</script> warfarin <b>dose</b>", 302, id="HTML"),
        pytest.param("'; DROP TABLE chat_turn; -- warfarin", 302, id="SQL"),
        pytest.param("¿Puedo dar warfarina con metronidazol?", 302, id="another language"),
        pytest.param("%s %(x)s {0} {{ warfarin }}", 302, id="placeholders"),
    ],
)
def test_what_people_may_type(alice: Client, question: str, status: int) -> None:
    assert post(alice, question) == status
    if status == 302:
        turn = Turn.objects.get()
        assert not any(c in turn.question for c in "\x07\u202e\u200b")
        page = alice.get(turn.conversation.get_absolute_url()).content.decode()
        assert "<script>alert" not in page
    else:
        assert not Turn.objects.exists()


def test_too_long_names_both_numbers(alice: Client) -> None:
    page = alice.post(reverse("ask"), {"question": "x" * 20_000}).content.decode()
    assert "20000 characters" in page
    assert "4000" in page


def test_people_without_clearance_are_told_what_is_missing(db: None) -> None:
    for person in (cast.nadia(), cast.mallory()):
        client = cast.sign_in(Client(), person)
        response = client.get(reverse("ask"))
        assert response.status_code == 403
        assert "Pass the module" in response.content.decode()
        assert post(client, QUESTION) == 403
    assert not Turn.objects.exists()


def test_asking_is_on_record(alice: Client) -> None:
    post(alice, NAMED)
    event = AuditEvent.objects.get(object_type="chat.Turn")
    assert (event.actor_id, event.object_id) == (cast.alice().pk, str(Turn.objects.get().pk))
    assert event.changes["question"][1].startswith("hmac:")
    sealed = AuditEvent.objects.filter(object_type="compliance.VaultEntry", action="C")
    assert sealed.count() == 3
    assert "Lopez" not in str([*event.changes.values(), *sealed.values()])
