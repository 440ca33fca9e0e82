"""Stop, retry, lost answers and ratings."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from chat import services
from chat.models import Collection, Feedback, Turn
from chat.pipeline.errors import Lost
from chat.pipeline.run import run
from clinchat.lib import clock
from compliance import vault
from compliance.models import AuditEvent
from tests import cast
from tests.chat.making import QUESTION, answered, make_turn

ACTIONS = ("answer-stop", "answer-retry", "answer-feedback")


@pytest.mark.parametrize("action", ACTIONS)
def test_a_stranger_can_do_nothing_with_a_turn(alice: Client, bob: Client, action: str) -> None:
    turn = make_turn(author=cast.alice())
    assert bob.post(reverse(action, args=[turn.pk]), {"helpful": "yes"}).status_code == 404
    turn.refresh_from_db()
    assert turn.status == Turn.Status.QUEUED


@pytest.mark.parametrize("action", ACTIONS)
def test_acts_need_a_post(alice: Client, action: str) -> None:
    turn = make_turn(author=cast.alice())
    assert alice.get(reverse(action, args=[turn.pk])).status_code == 405


def test_stop_ends_the_turn_and_the_worker_finds_nothing_to_do(alice: Client, library: Collection) -> None:
    turn = make_turn(author=cast.alice())
    assert alice.post(reverse("answer-stop", args=[turn.pk])).status_code == 302
    turn.refresh_from_db()
    assert turn.status == Turn.Status.STOPPED
    assert run(turn.pk, publish=lambda *_: None) is False


def test_stop_after_the_answer_changes_nothing(alice: Client, library: Collection) -> None:
    turn = answered(author=cast.alice())
    alice.post(reverse("answer-stop", args=[turn.pk]))
    turn.refresh_from_db()
    assert turn.status == Turn.Status.ANSWERED


def test_a_failed_turn_is_retried_and_answered(alice: Client, library: Collection) -> None:
    turn = make_turn(author=cast.alice())
    services.fail(turn_id=turn.pk, reason=Lost.__name__)
    page = alice.get(turn.conversation.get_absolute_url()).content.decode()
    assert "The answer was interrupted. Your question is saved." in page
    alice.post(reverse("answer-retry", args=[turn.pk]))
    turn.refresh_from_db()
    assert (turn.status, turn.reason, turn.finished_at) == (Turn.Status.QUEUED, "", None)
    assert run(turn.pk, publish=lambda *_: None)
    turn.refresh_from_db()
    assert turn.status == Turn.Status.ANSWERED


def test_an_answered_turn_is_not_retried(alice: Client, library: Collection) -> None:
    turn = answered(author=cast.alice())
    response = alice.post(reverse("answer-retry", args=[turn.pk]), follow=True)
    assert "already has an answer" in response.content.decode()
    turn.refresh_from_db()
    assert turn.status == Turn.Status.ANSWERED


def test_only_one_of_two_failed_turns_can_run(db: None) -> None:
    author = cast.alice()
    first = make_turn(author=author)
    services.stop(turn=first)
    second = make_turn(author=author, conversation=first.conversation)
    with pytest.raises(services.StillAnswering):
        services.retry(turn=first)
    services.stop(turn=second)
    services.retry(turn=first)


def test_a_turn_nobody_works_on_is_declared_lost_after_its_deadline(db: None) -> None:
    turn = make_turn(author=cast.alice())
    assert services.fail_lost() == 0
    Turn.objects.filter(pk=turn.pk).update(deadline_at=clock.now() - timedelta(seconds=1))
    assert services.fail_lost() == 1
    turn.refresh_from_db()
    assert (turn.status, turn.reason) == (Turn.Status.FAILED, Lost.__name__)
    assert services.fail_lost() == 0
    event = AuditEvent.objects.get(object_id=str(turn.pk), changes__status=["queued", "failed"])
    assert event.actor_id is None, "a lost worker is put down to the author"


def test_a_rating_is_kept_and_the_last_word_counts(alice: Client, library: Collection) -> None:
    turn = answered(author=cast.alice())
    address = reverse("answer-feedback", args=[turn.pk])
    alice.post(address, {"helpful": "yes"})
    alice.post(address, {"helpful": "no", "reasons": ["wrong", "old"], "comment": "Maria Lopez bled after this."})
    feedback = Feedback.objects.get()
    assert (feedback.helpful, feedback.reasons) == (False, ["wrong", "old"])
    assert "Lopez" not in feedback.comment
    assert [e.value for e in vault.known(turn.conversation_id)] == ["Maria Lopez"]


@pytest.mark.parametrize("data", [{}, {"helpful": "maybe"}, {"helpful": "no", "reasons": ["because"]}])
def test_a_mangled_rating_is_refused(alice: Client, library: Collection, data: Any) -> None:
    turn = answered(author=cast.alice())
    assert alice.post(reverse("answer-feedback", args=[turn.pk]), data).status_code == 422
    assert not Feedback.objects.exists()


def test_an_unfinished_answer_cannot_be_rated(alice: Client) -> None:
    turn = make_turn(author=cast.alice())
    assert alice.post(reverse("answer-feedback", args=[turn.pk]), {"helpful": "yes"}).status_code == 422


def test_turns_are_numbered_in_their_conversation(db: None) -> None:
    author = cast.alice()
    first = make_turn(author=author)
    services.stop(turn=first)
    second = services.ask(author=author, text=QUESTION, submission=uuid.uuid4(), conversation=first.conversation)
    assert (first.number, second.number) == (1, 2)
