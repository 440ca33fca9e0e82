"""From a queued turn to a recorded answer: every sentence is in its source, word for word."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest
from django.db import connection

from chat.models import Chunk, Citation, Collection, DocumentVersion, Turn
from chat.pipeline import retrieve
from chat.pipeline.answer import candidates
from chat.pipeline.errors import Stopped, Unavailable
from chat.pipeline.run import find_answer, run
from chat.pipeline.types import Draft, Ending, Outcome, Passage, Question, Reader, Sentence, Verdict
from chat.pipeline.verify import verify
from compliance.models import AuditEvent
from tests import cast
from tests.chat.making import QUESTION, answered, make_turn


def test_every_statement_stands_byte_for_byte_in_the_stored_version(library: Collection) -> None:
    turn = answered(author=cast.alice())
    assert turn.status == Turn.Status.ANSWERED
    statements = [b for b in turn.blocks if b["claim"]]
    assert 1 <= len(statements) <= 4
    citations = {c.n: c for c in turn.citations.select_related("version__document", "chunk")}
    for statement in statements:
        for n in statement["cites"]:
            citation = citations[n]
            stored = citation.version.text[citation.start : citation.end]
            assert stored == citation.quote == statement["text"]
            assert hashlib.sha256(stored.encode()).hexdigest() == citation.sha256
            assert citation.chunk.start <= citation.start < citation.end <= citation.chunk.end
    text = " ".join(s["text"] for s in statements)
    assert "INR" in text
    assert "warfarin" in text


@pytest.mark.parametrize(
    ("asked", "section"),
    [
        (QUESTION, "Interactions"),
        ("Is warfarin safe in pregnancy?", "Pregnancy and breastfeeding"),
        ("When should metformin be held for iodinated contrast?", "Iodinated contrast"),
    ],
)
def test_the_first_statement_comes_from_the_section_that_answers(library: Collection, asked: str, section: str) -> None:
    """Of a document of many sections, which the model of the order was not trained to tell apart."""
    assert answered(author=cast.alice(), text=asked).citations.get(n=1).section == section


def test_what_the_library_does_not_hold_is_not_answered(library: Collection) -> None:
    turn = answered(author=cast.alice(), text="How tall is the Eiffel tower in Paris?")
    assert (turn.status, turn.blocks) == (Turn.Status.ABSTAINED, [])
    closest = list(turn.citations.all())
    assert closest
    assert {c.n for c in closest} == {0}


def test_words_the_library_does_not_know_are_named(library: Collection) -> None:
    turn = answered(author=cast.alice(), text=f"{QUESTION} And flurbizepam?")
    assert turn.status == Turn.Status.ANSWERED
    heading, line = turn.blocks[-2:]
    assert (heading["text"], line["claim"], line["cites"]) == ("Not in your library", "", [])
    assert "“flurbizepam”" in line["text"]
    assert "warfarin" not in line["text"]
    assert turn.evidence["unknown"] == ["flurbizepam"]


def test_a_question_about_a_medicine_nobody_here_knows_is_declined(library: Collection) -> None:
    turn = answered(author=cast.alice(), text="Can I give warfarin with flurbizepam to a patient taking antibiotics?")
    assert (turn.status, turn.blocks) == (Turn.Status.ABSTAINED, [])
    assert turn.evidence["missing"] == ["flurbizepam"]


def test_an_empty_library_abstains(db: None) -> None:
    assert answered(author=cast.alice()).status == Turn.Status.ABSTAINED


def test_the_answer_is_the_same_twice(library: Collection) -> None:
    author = cast.alice()
    first, second = answered(author=author), answered(author=author)
    assert first.blocks == second.blocks


def test_the_evidence_names_what_the_answer_rests_on(library: Collection) -> None:
    turn = answered(author=cast.alice())
    evidence = turn.evidence
    assert evidence["question_sha256"] == hashlib.sha256(QUESTION.encode()).hexdigest()
    assert set(evidence["timings_ms"]) == {
        *("interactions", "understand", "embed", "retrieve", "rerank", "answer", "verify")
    }
    for passage in evidence["passages"]:
        assert Chunk.objects.get(pk=passage["chunk"]).sha256 == passage["sha256"]


def test_a_quote_that_is_no_longer_there_is_removed(library: Collection) -> None:
    chunk = Chunk.objects.filter(live=True).select_related("version__document").first()
    assert chunk is not None
    sentence = _sentence(chunk)
    question = Question(QUESTION, Reader((library.pk,)))
    assert verify(Draft((sentence,)), question).kept == (sentence,)
    # One letter changed in the store, as a faulty restore would.
    text = chunk.version.text
    at = sentence.start
    DocumentVersion.objects.filter(pk=chunk.version_id).update(text=text[:at] + "#" + text[at + 1 :])
    assert verify(Draft((sentence,)), question) == Verdict((), removed=1)


def test_a_quote_of_a_superseded_or_unreadable_version_is_removed(library: Collection) -> None:
    ours, nobodys = Question(QUESTION, Reader((library.pk,))), Question(QUESTION, Reader(()))
    chunk = Chunk.objects.filter(live=True).select_related("version__document").first()
    assert chunk is not None
    draft = Draft((_sentence(chunk),))
    assert verify(draft, nobodys).removed == 1
    DocumentVersion.objects.filter(pk=chunk.version_id).update(status=DocumentVersion.Status.SUPERSEDED)
    assert verify(draft, ours).removed == 1


def test_removed_statements_are_counted(library: Collection, monkeypatch: pytest.MonkeyPatch) -> None:
    def falsified(passages: Any, question: Any, vector: Any, **_: Any) -> Draft:
        chunk = Chunk.objects.filter(live=True).select_related("version__document").first()
        assert chunk is not None
        good = _sentence(chunk)
        return Draft((good, Sentence(good.passage, "Warfarin is harmless.", good.start, good.end, 0.5)))

    monkeypatch.setattr("chat.pipeline.answer.extract", falsified)
    turn = answered(author=cast.alice())
    assert turn.status == Turn.Status.ANSWERED
    assert turn.evidence["removed"] == 1
    assert "harmless" not in str(turn.blocks)
    assert turn.citations.count() == 1


def test_a_collection_is_searched_only_for_its_readers(library: Collection) -> None:
    Collection.objects.filter(pk=library.pk).update(readers=["auditor"])
    turn = answered(author=cast.alice())
    assert turn.status == Turn.Status.ABSTAINED
    assert not Citation.objects.exists(), "a passage leaked to alice"


def test_run_twice_answers_once(library: Collection) -> None:
    turn = answered(author=cast.alice())
    assert run(turn.pk, publish=lambda _event, _data: None) is False
    assert turn.citations.count() == len([b for b in turn.blocks if b["claim"]])


def test_a_failing_database_ends_the_turn_as_failed(library: Collection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retrieve, "SEARCH", "SELECT 1 / 0")
    turn = answered(author=cast.alice())
    assert (turn.status, turn.reason) == (Turn.Status.FAILED, Unavailable.__name__)
    assert AuditEvent.objects.filter(object_id=str(turn.pk), changes__status=["running", "failed"]).exists()


def test_any_other_fault_ends_the_turn_too_and_logs_no_text(
    library: Collection, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise ValueError(QUESTION)

    monkeypatch.setattr("chat.pipeline.answer.extract", broken)
    turn = answered(author=cast.alice())
    assert turn.status == Turn.Status.FAILED
    assert "ValueError" in caplog.text
    assert "trimethoprim" not in caplog.text


def test_stopped_between_stages_writes_nothing(library: Collection) -> None:
    outcome = Outcome()
    calls = []

    def proceed() -> None:
        calls.append(1)
        if len(calls) > 2:
            raise Stopped

    with pytest.raises(Stopped):
        find_answer(Question(QUESTION, Reader((library.pk,))), outcome, publish=lambda *_: None, proceed=proceed)
    assert outcome.ending is Ending.FAILED
    assert set(outcome.timings_ms) == {"understand", "embed"}


def test_an_answer_that_comes_after_stop_is_dropped(library: Collection) -> None:
    author = cast.alice()
    turn = make_turn(author=author)

    def stop_at_verify(event: str, data: dict[str, Any]) -> None:
        if data.get("label", "").startswith("Matching"):
            Turn.objects.filter(pk=turn.pk).update(status=Turn.Status.STOPPED)

    assert run(turn.pk, publish=stop_at_verify) is False
    turn.refresh_from_db()
    assert (turn.status, turn.blocks, turn.citations.count()) == (Turn.Status.STOPPED, [], 0)


def test_answer_and_audit_event_are_written_together(library: Collection, caplog: pytest.LogCaptureFixture) -> None:
    turn = make_turn(author=cast.alice())
    with connection.cursor() as cursor:  # the audit trail cannot be written: so the answer must not be either
        full_disk = "ADD CONSTRAINT full_disk CHECK (changes -> 'status' ->> 1 <> 'answered') NOT VALID"
        cursor.execute(f"ALTER TABLE compliance_auditevent {full_disk}")
    assert run(turn.pk, publish=lambda _event, _data: None) is False
    turn.refresh_from_db()
    assert (turn.status, turn.blocks, turn.citations.count()) == (Turn.Status.RUNNING, [], 0)
    assert "IntegrityError" in caplog.text
    assert "trimethoprim" not in caplog.text


def test_a_list_is_quoted_with_the_line_that_introduces_it() -> None:
    text = "Signs include the following:\n- Pain in the pelvis.\n- Bloating after meals.\n\nSee a doctor if they stay."
    spans = [text[s:e] for _, s, e in candidates(_passage(text))]
    assert spans[0] == "Signs include the following:\n- Pain in the pelvis.\n- Bloating after meals."
    assert spans[-1] == "See a doctor if they stay."


def test_attributions_and_questions_are_never_statements() -> None:
    source = "Source: FDA prescribing information, warfarin sodium."
    text = f"What is warfarin used for?\n\n{source}\n\nWarfarin prevents clots in veins."
    assert [text[s:e] for _, s, e in candidates(_passage(text))] == ["Warfarin prevents clots in veins."]


def _passage(text: str) -> Passage:
    from uuid import uuid4

    return Passage(1, uuid4(), 1, uuid4(), "x", "Title", "article", "", text, 0, (), "", 0.5, 1.0, 0.5, 0.1)


def _sentence(chunk: Chunk) -> Sentence:
    version, document = chunk.version, chunk.version.document
    passage = Passage(
        chunk.pk, version.pk, version.number, document.pk, document.external_id, version.title, version.kind,
        chunk.section, chunk.text, chunk.start, (), chunk.sha256, 0.5, 1.0, 0.5, 0.1,
    )  # fmt: skip
    _, start, end = candidates(passage)[0]
    return Sentence(passage, version.text[start:end], start, end, 0.9)
