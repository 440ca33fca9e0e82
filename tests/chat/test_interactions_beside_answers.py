"""Interactions beside an answer: checked first and whatever becomes of it, from the table alone, and read before it."""

from __future__ import annotations

import io
import uuid
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from chat import medicines, services
from chat.interactions import checks, current
from chat.llm import encoders
from chat.models import Collection, InteractionAlert, InteractionCheck, Turn
from chat.pipeline.run import run
from clinchat.lib import clock
from compliance import metrics
from tests import cast
from tests.chat.making import answered, make_turn

CONTRAINDICATED = "Can I give clarithromycin to a patient on simvastatin?"
MAJOR = "Can I give trimethoprim-sulfamethoxazole to a patient on warfarin?"
HELD = "data-held hidden"
NOT_AVAILABLE = "The check for interactions is not available."


def page_of(client: Client, turn: Turn) -> str:
    return client.get(turn.conversation.get_absolute_url()).content.decode()


def unsound(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> Any:
        raise current.Unavailable

    monkeypatch.setattr(current, "current", refuse)


def test_a_contraindicated_pair_is_read_before_the_answer(alice: Client, library: Collection) -> None:
    turn = answered(author=cast.alice(), text=CONTRAINDICATED)
    page = page_of(alice, turn)
    assert "Contraindicated: clarithromycin with simvastatin" in page
    assert HELD in page
    alert = InteractionAlert.objects.get()
    alice.post(reverse("interaction-respond", args=[alert.pk]), {"response": "acknowledged"})
    alert.refresh_from_db()
    assert alert.response == InteractionAlert.Response.ACKNOWLEDGED
    assert HELD not in page_of(alice, turn)


def test_a_major_one_is_open_and_holds_nothing_back(alice: Client, library: Collection) -> None:
    turn = answered(author=cast.alice(), text=MAJOR)
    page = page_of(alice, turn)
    assert "Major interaction: sulfamethoxazole" in page
    assert HELD not in page


def test_moderate_and_minor_ones_are_one_closed_line(alice: Client, library: Collection) -> None:
    turn = answered(author=cast.alice(), text="Zocor with Norvasc, is there a dose cap?")
    page = page_of(alice, turn)
    assert '<details class="others">' in page
    assert "1 other interaction<" in page
    assert InteractionAlert.objects.count() == 0


def test_words_and_sources_are_those_of_the_table(alice: Client, library: Collection) -> None:
    turn = answered(author=cast.alice(), text=CONTRAINDICATED)
    (found,) = turn.interaction_check.result["found"]
    one = current.current().interaction("clarithromycin", "simvastatin")
    assert one is not None
    for field in ("mechanism", "effect", "management"):
        assert found[field] == getattr(one, field)
    assert [source["ref"] for source in found["sources"]] == [source.ref for source in one.sources]


def test_a_conversation_reads_all_its_checks_at_once(alice: Client, library: Collection) -> None:
    first = answered(author=cast.alice(), text=MAJOR)
    for text in (CONTRAINDICATED, MAJOR):
        answered(author=cast.alice(), text=text, conversation=first.conversation)
    with CaptureQueriesContext(connection) as asked:
        page = page_of(alice, first)
    assert page.count("Major interaction: sulfamethoxazole") == 2
    assert sum("chat_interactionalert" in one["sql"] for one in asked) == 1
    assert not any('FROM "chat_interactioncheck"' in one["sql"] for one in asked), "it comes with the turns"


def test_a_question_without_medicines_shows_nothing(alice: Client, library: Collection) -> None:
    turn = answered(author=cast.alice(), text="What is the first treatment of hyperkalemia with ECG changes?")
    assert "data-interactions hidden" in page_of(alice, turn)


def test_it_is_checked_before_the_search_and_told_at_once(library: Collection) -> None:
    turn, told = make_turn(author=cast.alice(), text=CONTRAINDICATED), []
    run(turn.pk, publish=lambda event, data: told.append((event, data.get("label", ""))))
    names = [event for event, _ in told]
    assert names.index("interactions") < names.index("step", 1)
    assert told[0] == ("step", "Checking the medicines for interactions")


def test_an_answer_that_fails_leaves_the_alert(
    alice: Client, library: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> Any:
        raise encoders.Failed

    monkeypatch.setattr("chat.pipeline.retrieve.embed", broken)
    turn = answered(author=cast.alice(), text=CONTRAINDICATED)
    assert turn.status == Turn.Status.FAILED
    assert "Contraindicated: clarithromycin with simvastatin" in page_of(alice, turn)


def test_a_table_that_is_not_sound_is_said_beside_the_answer(
    alice: Client, library: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    unsound(monkeypatch)
    turn = answered(author=cast.alice(), text=MAJOR)
    assert turn.status == Turn.Status.ANSWERED
    assert turn.interaction_check.result == checks.UNAVAILABLE
    assert NOT_AVAILABLE in page_of(alice, turn)


def test_a_check_that_cannot_be_stored_is_said_as_well(
    alice: Client, library: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> Any:
        raise RuntimeError

    monkeypatch.setattr(checks, "for_turn", broken)
    turn = answered(author=cast.alice(), text=MAJOR)
    assert turn.status == Turn.Status.ANSWERED
    assert NOT_AVAILABLE in page_of(alice, turn)


def test_an_earlier_answer_without_a_check_says_nothing(alice: Client, library: Collection) -> None:
    turn = answered(author=cast.alice(), text=MAJOR)
    InteractionAlert.objects.all().delete()
    InteractionCheck.objects.all().delete()
    del turn.evidence["interactions"]
    turn.save(update_fields=["evidence"])
    assert NOT_AVAILABLE not in page_of(alice, turn)


def test_a_question_that_is_answered_again_keeps_what_was_read(
    alice: Client, library: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    turn = make_turn(author=cast.alice(), text=CONTRAINDICATED)
    made = checks.for_turn(turn)
    checks.respond(alert_id=made.alerts.get().pk, by=cast.alice(), response="acknowledged")
    assert checks.for_turn(turn).pk == made.pk
    unsound(monkeypatch)
    other = make_turn(author=cast.bob(), text=CONTRAINDICATED)
    missed = checks.for_turn(other)
    monkeypatch.undo()
    assert checks.for_turn(other).pk != missed.pk
    assert other.interaction_check.alerts.count() == 1


def test_who_opened_it_in_an_emergency_sees_the_answer_and_answers_no_alert(alice: Client, library: Collection) -> None:
    turn = answered(author=cast.alice(), text=CONTRAINDICATED)
    cast.pat()
    bob = cast.sign_in(Client(), cast.bob())
    reason = "The ward needs what Alice asked about this patient."
    bob.post(reverse("emergency"), {"what": str(turn.conversation_id), "reason": reason})
    page = page_of(bob, turn)
    assert "Contraindicated: clarithromycin with simvastatin" in page
    assert HELD not in page
    address = reverse("interaction-respond", args=[InteractionAlert.objects.get().pk])
    assert (address in page, address in page_of(alice, turn)) == (False, True)
    assert bob.post(address, {"response": "acknowledged"}).status_code == 404


def test_nobody_else_sees_what_was_found(alice: Client, bob: Client, library: Collection) -> None:
    turn = answered(author=cast.alice(), text=CONTRAINDICATED)
    address = reverse("answer-interactions", args=[turn.pk])
    assert "Contraindicated" in alice.get(address).content.decode()
    assert bob.get(address).status_code == 404


# ── The patient's medicines beside a question ────────────────────────────────────────────────────────────────────


def ask(client: Client, **fields: Any) -> Any:
    return client.post(reverse("ask"), {"submission": str(uuid.uuid4()), **fields})


def test_medicines_beside_a_question_are_checked_with_it(alice: Client, library: Collection) -> None:
    listed = "- Zocor 40 mg at night\n2. metformin 500 mg BID; aspirin 81"
    assert ask(alice, question="May she have clarithromycin?", medicines=listed).status_code == 302
    turn = Turn.objects.get()
    assert turn.medicines == ["Zocor", "metformin", "aspirin"]
    run(turn.pk, publish=lambda *_: None)
    assert ("clarithromycin", "simvastatin") in {(a.a, a.b) for a in InteractionAlert.objects.all()}


def test_a_line_about_allergies_is_left_out_and_that_is_said(alice: Client, library: Collection) -> None:
    fields = {"question": "May she have clarithromycin?", "medicines": "Allergies: penicillin\nwarfarin"}
    page = alice.post(reverse("ask"), {"submission": str(uuid.uuid4()), **fields}, follow=True).content.decode()
    assert "allergies are not checked" in page
    assert Turn.objects.get().medicines == ["warfarin"]


def test_they_stand_beside_the_next_question_too(alice: Client, library: Collection) -> None:
    ask(alice, question="May she have clarithromycin?", medicines="Zocor\nmetformin")
    turn = Turn.objects.get()
    services.stop(turn=turn)
    assert "Zocor\nmetformin</textarea>" in page_of(alice, turn)


def test_what_is_not_recognised_is_kept_masked_and_named(alice: Client, library: Collection) -> None:
    ask(alice, question="May she have clarithromycin?", medicines="blue pill of Maria Lopez, MRN 00482913\nwarfarin")
    turn = Turn.objects.get()
    assert "Lopez" not in str(turn.medicines)
    assert "00482913" not in str(turn.medicines)
    run(turn.pk, publish=lambda *_: None)
    page = page_of(alice, turn)
    assert "Not recognized, so not checked" in page
    assert "Lopez" not in page


def test_words_reported_as_missed_leave_them_as_well(alice: Client, library: Collection) -> None:
    turn = services.ask(
        author=cast.alice(),
        text="Is colchicine fine for the gout in plimsollite?",
        submission=uuid.uuid4(),
        medicines=["pill of plimsollite", "clarithromycin"],
    )
    run(turn.pk, publish=lambda *_: None)
    turn.refresh_from_db()
    if "plimsollite" not in turn.question:
        pytest.fail("the name was masked; choose one that is not")
    taken = {"response": "overridden", "reason": "other", "responded_at": clock.now()}
    InteractionAlert.objects.update(note="of plimsollite", **taken)
    services.report_missed(turn=turn, words="plimsollite")
    turn.refresh_from_db()
    assert "plimsollite" not in str(turn.medicines)
    assert "plimsollite" not in str(InteractionCheck.objects.get().result)
    assert InteractionAlert.objects.get().note == "of …"


def test_no_part_of_an_entry_is_dropped(alice: Client, library: Collection) -> None:
    ask(
        alice,
        question="May she have clarithromycin?",
        medicines="warfarin and zyxoprane\nsimvastatin + zyxol of Maria Lopez",
    )
    assert Turn.objects.get().medicines == ["warfarin", "zyxoprane", "simvastatin", "zyxol of [name]"]


def test_a_list_that_is_too_long_is_refused_before_it_is_masked(
    alice: Client, library: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    def mask(*_: object, **__: object) -> str:
        pytest.fail("it was masked")

    monkeypatch.setattr("compliance.masking.note", mask)
    listed = "\n".join(f"zyxo{n}" for n in range(200))
    assert "200 medicines are too many" in ask(alice, question="What interacts?", medicines=listed).content.decode()


def test_a_document_gives_its_medicines_and_nothing_else_is_kept(alice: Client, library: Collection) -> None:
    text = "Maria Lopez, MRN 00482913\n\nDischarge medicines\n\n- simvastatin 40 mg at night\n- metformin 500 mg\n"
    document = io.BytesIO(text.encode())
    document.name = "discharge.txt"
    assert ask(alice, question="May she have clarithromycin?", document=document).status_code == 302
    turn = Turn.objects.get()
    assert turn.medicines == ["simvastatin", "metformin"]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "The document is empty."),
        (b"\x00\x01\x02\x03 not a document", "The file is not UTF-8 text"),
        (b"The patient was seen in clinic and is well.", "No medicine was recognized in the document."),
        (b"warfarin\n" * 30_000, "The document is too long for a list of medicines."),
    ],
)
def test_a_document_that_gives_none_says_why_and_the_question_stays(
    alice: Client, library: Collection, content: bytes, words: str
) -> None:
    document = io.BytesIO(content)
    document.name = "list.txt"
    page = ask(alice, question="May she have clarithromycin?", document=document).content.decode()
    assert words in page
    assert "May she have clarithromycin?" in page
    assert not Turn.objects.exists()


def test_too_many_medicines_are_refused_with_their_number(alice: Client, library: Collection) -> None:
    drugs = [drug.id for drug in current.current().drugs.values() if drug.id.isalpha()][:70]
    page = ask(alice, question="What interacts here?", medicines="\n".join(drugs)).content.decode()
    assert "70 medicines are too many" in page
    assert f"at most {medicines.MOST}" in page


def test_the_command_has_them_in_its_answer(library: Collection, capsys: pytest.CaptureFixture[str]) -> None:
    call_command("ask", CONTRAINDICATED)
    text = capsys.readouterr().out
    assert "Contraindicated: clarithromycin with simvastatin." in text
    assert "Source: " in text


def test_checks_and_findings_are_counted_without_names(
    library: Collection, django_capture_on_commit_callbacks: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted: list[tuple[str, object]] = []
    monkeypatch.setattr(metrics, "count", lambda name, *_, **labels: counted.append((name, labels)))
    monkeypatch.setattr(metrics, "count_many", lambda name, amounts: counted.append((name, dict(amounts))))
    turn = make_turn(author=cast.alice(), text=CONTRAINDICATED)
    with django_capture_on_commit_callbacks(execute=True):
        checks.for_turn(turn)
    assert (metrics.INTERACTION_CHECKS, {}) in counted
    assert (metrics.INTERACTIONS, {"contraindicated": 1}) in counted
