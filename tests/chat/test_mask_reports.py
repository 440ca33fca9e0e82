"""Reporting a mask: what was missed is masked at once, everywhere in its conversation and from then on."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from html import unescape
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.urls import reverse

from chat import services
from chat.models import Collection, Feedback, Turn
from chat.pipeline.run import run
from clinchat.lib import clock
from compliance import masking, phi, vault
from compliance.models import AuditEvent, MaskReport, Notice
from tests import cast
from tests.chat.making import answered, make_turn

# Words no detector takes for a name, so that they are missed.
MISSED = "plimsollite"
ASKED = "How is warfarin bleeding reversed with vitamin K"
TEXT = f"{ASKED} in {MISSED} from Maria Lopez's ward? {MISSED.upper()} is 54."


def report(client: Client, turn: Turn, **fields: str) -> Any:
    address = reverse("answer-mask-report", args=[turn.pk])
    return client.post(address, {"kind": "missed", "words": MISSED} | fields, follow=True)


def text_of(page: Any) -> str:
    return unescape(page.content.decode())


def readable(words: str) -> list[str]:
    """The tables in which the words can be read."""
    found = []
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names():
            if table.startswith(("chat_", "compliance_", "django_session")):
                cursor.execute(f'SELECT count(*) FROM "{table}" t WHERE t::text ILIKE %s', [f"%{words}%"])
                if cursor.fetchone() != (0,):
                    found.append(table)
    return found


def test_it_is_masked_at_once_and_the_privacy_team_has_its_number(alice: Client) -> None:
    pat, carol = cast.pat(), cast.carol()
    turn = make_turn(author=cast.alice(), text=TEXT)
    services.stop(turn=turn)
    assert "chat_turn" in readable(MISSED)
    page = report(alice, turn, label="NAME", note=f"{MISSED} is a name, says Maria Lopez")
    turn.refresh_from_db()
    made = MaskReport.objects.get()
    assert f"here and in later questions. The privacy team has your report {made.number}." in text_of(page)
    assert MISSED not in turn.question.casefold()
    assert (made.kind, made.label, made.words, made.token) == ("missed", "NAME", MISSED, "[NAME-2]")
    assert (made.reporter, made.scope, made.turn) == (cast.alice(), turn.conversation_id, turn.pk)
    assert made.note == "… is a name, says [name]"
    assert {(n.user, made.number in n.text) for n in Notice.objects.all()} == {(pat, True), (carol, True)}
    assert not any(MISSED in n.text for n in Notice.objects.all())


def test_nothing_of_the_words_is_left_in_a_row(alice: Client, library: Collection) -> None:
    turn = answered(author=cast.alice(), text=TEXT)
    assert "No document contains" in json.dumps(turn.blocks)
    assert turn.evidence["unknown"] == [MISSED, MISSED.upper()]
    services.rate(turn=turn, helpful=False, comment=f"Wrong for {MISSED}, right for Maria Lopez")
    assert set(readable(MISSED)) == {"chat_turn", "chat_conversation", "chat_feedback"}
    digest = turn.evidence["question_sha256"]
    report(alice, turn)
    assert readable(MISSED) == []
    turn.refresh_from_db()
    assert turn.question.startswith(turn.conversation.title.removesuffix("…"))
    assert Feedback.objects.get().comment == "Wrong for [OTHER_ID-1], right for [NAME-1]"
    assert "No document contains" not in json.dumps(turn.blocks)
    assert turn.blocks, "what was quoted stays"
    assert (turn.evidence["unknown"], turn.evidence["question_sha256"] == digest) == ([], False)
    for event in AuditEvent.objects.filter(object_type__in=["chat.Turn", "chat.Conversation", "chat.Feedback"]):
        assert MISSED.encode() not in bytes(event.canonical).lower()


@pytest.mark.parametrize(
    ("words", "stands"),
    [
        ("plimsollite, zorblattina", "plimsollite, zorblattina"),
        ("plimsollite's", "plimsollite's"),
        ("plimsollite/zorblattina", "plimsollite/zorblattina"),
        ("plimsollite", "pl\u0456msollite"),  # written with a Cyrillic letter
    ],
)
def test_an_answer_forgets_reported_words_however_they_were_written(
    alice: Client, library: Collection, words: str, stands: str
) -> None:
    turn = answered(author=cast.alice(), text=f"{ASKED} in {stands} after vexolumab?")
    assert len(turn.evidence["unknown"]) > 1
    assert "msollite" in json.dumps(turn.blocks, ensure_ascii=False)
    assert "It is masked now" in text_of(report(alice, turn, words=words))
    turn.refresh_from_db()
    assert turn.evidence["unknown"] == ["vexolumab"], "a word that still stands in the question stays"
    assert "msollite" not in json.dumps(turn.blocks, ensure_ascii=False)


def test_notes_of_earlier_reports_lose_the_words(alice: Client) -> None:
    turn = make_turn(author=cast.alice(), text=TEXT)
    report(alice, turn, kind="wrong", token="[NAME-1]", note=f"that is the nurse of {MISSED}")
    MaskReport.objects.update(
        status="settled", outcome="nothing", settled_by=cast.pat(), settled_at=clock.now(), settled_note=f"See {MISSED}"
    )
    assert readable(MISSED) != []
    report(alice, turn)
    wrong = MaskReport.objects.get(kind="wrong")
    assert (wrong.note, wrong.settled_note) == ("that is the nurse of …", "See …")
    assert "compliance_maskreport" not in readable(MISSED)


def late(monkeypatch: pytest.MonkeyPatch, act: Callable[[], object]) -> None:
    """`act` happens between the masking of the next text and the lock of its conversation, as in another tab."""
    mask = masking.mask

    def then(*args: Any, **named: Any) -> phi.Masked:
        masked = mask(*args, **named)
        monkeypatch.setattr(masking, "mask", mask)
        act()
        return masked

    monkeypatch.setattr(masking, "mask", then)


def test_a_report_while_a_question_or_comment_is_being_masked_reaches_it(
    library: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    author = cast.alice()
    turn = make_turn(author=author, text=f"Can {MISSED} and zorblattina take warfarin?")
    services.stop(turn=turn)
    late(monkeypatch, lambda: services.report_missed(turn=turn, words=MISSED, label="NAME"))
    second = make_turn(author=author, text=f"And {MISSED} with Maria Lopez?", conversation=turn.conversation)
    assert second.question == "And [NAME-1] with [NAME-2]?", "a token that was taken meanwhile is not given out again"
    services.stop(turn=second)
    late(monkeypatch, lambda: services.report_missed(turn=turn, words="zorblattina", label="NAME"))
    services.rate(turn=second, helpful=False, comment="Wrong for zorblattina, says Ines Delacroix")
    assert Feedback.objects.get().comment == "Wrong for [NAME-3], says [NAME-4]"
    assert "chat_feedback" not in readable("zorblattina")


def test_there_is_a_limit(alice: Client, settings: Any) -> None:
    settings.LIMITS = settings.LIMITS | {"mask_report": (1, 600)}
    turn = make_turn(author=cast.alice(), text=TEXT)
    assert report(alice, turn).status_code == 200
    refused = report(alice, turn, kind="wrong", token="[NAME-1]")
    assert (refused.status_code, "You have made 1 mask report in 10 minutes." in text_of(refused)) == (429, True)
    assert MaskReport.objects.count() == 1


def test_without_redis_nothing_is_masked_and_the_page_says_so(alice: Client, redis_gone: None) -> None:
    """What its stream was sent could not be dropped."""
    turn = make_turn(author=cast.alice(), text=TEXT)
    alice.raise_request_exception = False
    assert report(alice, turn).status_code == 503
    assert not MaskReport.objects.exists()
    turn.refresh_from_db()
    assert MISSED in turn.question


def test_the_author_reads_on_what_was_written_and_the_vault_has_it_sealed(alice: Client) -> None:
    turn = make_turn(author=cast.alice(), text=TEXT)
    services.stop(turn=turn)
    report(alice, turn, label="NAME")
    turn.refresh_from_db()
    known = vault.known(turn.conversation_id)
    assert phi.restore(turn.question, known, turn.spellings) == TEXT
    page = text_of(alice.get(turn.conversation.get_absolute_url()))
    assert MISSED in page
    assert MISSED.upper() in page
    assert "2 identifiers masked" in page


@pytest.mark.parametrize("words", [MISSED, "grace", "6e", "ks 4"])
def test_later_questions_and_comments_have_it_masked(library: object, words: str) -> None:
    author = cast.alice()
    turn = make_turn(author=author, text=f"Which dose of warfarin, {words} asks?")
    services.stop(turn=turn)
    services.report_missed(turn=turn, words=words)
    later = make_turn(author=author, text=f"And if {words.upper()} eats spinach?", conversation=turn.conversation)
    assert words not in later.question.casefold()
    services.stop(turn=later)
    services.rate(turn=later, helpful=True, comment=f"Told {words}.")
    assert words not in Feedback.objects.get().comment.casefold()
    assert phi.restore(later.question, vault.known(turn.conversation_id), later.spellings).count(words.upper()) == 1


def test_earlier_and_later_questions_of_the_conversation_are_masked_too(alice: Client) -> None:
    author = cast.alice()
    first = make_turn(author=author, text=f"Is {MISSED} on warfarin?")
    services.stop(turn=first)
    second = make_turn(author=author, text=f"And {MISSED}'s INR?", conversation=first.conversation)
    services.stop(turn=second)
    other = make_turn(author=author, text=f"Is {MISSED} on warfarin?")
    report(alice, second)
    questions = [t.question for t in Turn.objects.filter(conversation=first.conversation)]
    assert questions == ["Is [OTHER_ID-1] on warfarin?", "And [OTHER_ID-1]'s INR?"]
    first.conversation.refresh_from_db()
    assert MISSED not in first.conversation.title
    other.refresh_from_db()
    assert MISSED in other.question, "another conversation is not touched"


def test_an_answer_that_is_being_written_from_the_words_is_stopped_and_not_recorded(
    alice: Client, library: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    turn = make_turn(author=cast.alice(), text=TEXT)
    pages: list[str] = []

    def publish(event: str, data: dict[str, Any]) -> None:
        if data.get("label") == "Matching quotes with the stored source" and not pages:
            pages.append(text_of(report(alice, turn)))

    assert run(turn.pk, publish=publish) is False
    assert "so it was stopped. Choose Try again." in pages[0]
    turn.refresh_from_db()
    assert turn.status == Turn.Status.STOPPED
    assert readable(MISSED) == []
    services.retry(turn=turn)
    assert run(turn.pk, publish=lambda *_: None)
    assert readable(MISSED) == []


def test_an_answer_to_the_old_words_is_not_recorded_over_a_retry(library: Collection) -> None:
    """The first worker ends while the second one is at work on the masked question."""
    turn = make_turn(author=cast.alice(), text=TEXT)

    def publish(event: str, data: dict[str, Any]) -> None:
        if data.get("label") == "Matching quotes with the stored source" and not MaskReport.objects.exists():
            services.report_missed(turn=Turn.objects.get(pk=turn.pk), words=MISSED)
            services.retry(turn=Turn.objects.get(pk=turn.pk))
            Turn.objects.filter(pk=turn.pk).update(status=Turn.Status.RUNNING)

    assert run(turn.pk, publish=publish) is False
    turn.refresh_from_db()
    assert (turn.status, turn.evidence) == (Turn.Status.RUNNING, {})


def test_what_the_stream_held_is_dropped(
    alice: Client, django_capture_on_commit_callbacks: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    forgotten: list[uuid.UUID] = []
    monkeypatch.setattr("chat.streams.forget", forgotten.append)
    turn = make_turn(author=cast.alice(), text=TEXT)
    services.stop(turn=turn)
    with django_capture_on_commit_callbacks(execute=True):
        report(alice, turn)
    assert forgotten == [turn.pk]


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"words": ""}, "Enter the words that should be masked"),
        ({"words": "x"}, "Enter at least two letters or digits."),
        ({"words": "y" * 201}, "in at most 200 characters"),
        ({"words": "Zebulon"}, "These words are not in your question."),
        ({"words": "Lopez"}, "These words are masked already."),
        ({"label": "PET"}, "That is not one of the choices."),
        ({"note": "n" * 501}, "Shorten the note to 500 characters."),
        ({"kind": "wrong", "token": ""}, "Choose what should not be masked."),
        ({"kind": "wrong", "token": "[NAME-9]"}, "Choose what should not be masked."),
    ],
)
def test_what_cannot_be_done_is_said_and_nothing_typed_is_lost(
    alice: Client, fields: dict[str, str], words: str
) -> None:
    turn = make_turn(author=cast.alice(), text=TEXT)
    sent = {"note": "Seen on rounds"} | fields
    page = report(alice, turn, **sent)
    assert page.status_code == 422
    assert words in text_of(page)
    assert sent["note"] in text_of(page)
    assert sent.get("words", MISSED) in text_of(page)
    assert not MaskReport.objects.exists()
    before = turn.question
    turn.refresh_from_db()
    assert (turn.question, turn.status) == (before, Turn.Status.QUEUED)


def test_a_note_that_cannot_be_masked_keeps_everything_as_it_is(alice: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    turn = make_turn(author=cast.alice(), text=TEXT)

    def down(text: str, known: object = ()) -> phi.Masked:
        raise phi.PhiUnavailable

    monkeypatch.setattr(phi, "mask", down)
    assert "The note could not be masked" in text_of(report(alice, turn, note="Seen on rounds"))
    assert not MaskReport.objects.exists()
    assert "It is masked now" in text_of(report(alice, turn)), "without a note no masker is needed"


def test_a_wrong_mask_is_reported_and_stays(alice: Client) -> None:
    turn = make_turn(author=cast.alice(), text=TEXT)
    question = turn.question
    page = report(alice, turn, kind="wrong", token="[NAME-1]", note="Maria Lopez is a syndrome")
    made = MaskReport.objects.get()
    assert f"has your report {made.number}. It stays masked until they decide." in text_of(page)
    assert (made.kind, made.label, made.words, made.token) == ("wrong", "NAME", "Maria Lopez", "[NAME-1]")
    assert made.note == "… is a syndrome"
    turn.refresh_from_db()
    assert (turn.question, turn.status) == (question, Turn.Status.QUEUED)


def test_sent_twice_it_is_one_report(alice: Client) -> None:
    cast.pat()
    turn = make_turn(author=cast.alice(), text=TEXT)
    for _ in range(2):
        report(alice, turn, kind="wrong", token="[NAME-1]")
    assert "These words are masked already." in [text_of(report(alice, turn)), text_of(report(alice, turn))][1]
    assert sorted(MaskReport.objects.values_list("kind", flat=True)) == ["missed", "wrong"]
    assert Notice.objects.filter(user=cast.pat()).count() == 2


def test_somebody_elses_question_is_not_there(alice: Client, bob: Client) -> None:
    turn = make_turn(author=cast.alice(), text=TEXT)
    assert report(bob, turn).status_code == 404
    assert report(bob, turn, kind="wrong", token="[NAME-1]").status_code == 404
    assert cast.sign_in(Client(), cast.pat()).post(reverse("answer-mask-report", args=[turn.pk])).status_code == 403
    assert not MaskReport.objects.exists()
    turn.refresh_from_db()
    assert MISSED in turn.question


def test_a_page_that_was_not_accepted_loaded_again_is_the_conversation(alice: Client) -> None:
    turn = make_turn(author=cast.alice(), text=TEXT)
    again = alice.get(reverse("answer-mask-report", args=[turn.pk]))
    assert (again.status_code, again["Location"]) == (302, turn.conversation.get_absolute_url())


def test_it_can_be_reported_where_nothing_was_masked(alice: Client) -> None:
    turn = make_turn(author=cast.alice(), text=f"Is {MISSED} on warfarin?")
    page = text_of(alice.get(turn.conversation.get_absolute_url()))
    assert "No identifiers found" in page
    assert "Something was masked that is no identifier" not in page
    assert "1 identifier masked" in text_of(report(alice, turn))
