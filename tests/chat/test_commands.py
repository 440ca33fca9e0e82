"""What programs read from the commands."""

from __future__ import annotations

import json
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from chat.models import Collection, Conversation, DocumentVersion
from compliance.models import AuditEvent
from tests.chat.making import QUESTION


def ask(question: str, **options: Any) -> Any:
    out = StringIO()
    call_command("ask", question, json=True, stdout=out, **options)
    return json.loads(out.getvalue())


def test_ask_json_keeps_its_contract(library: Collection) -> None:
    result = ask(f"Maria Lopez, MRN 00482913: {QUESTION}")
    assert set(result) >= {
        "answer", "sentences", "abstained", "masked_question", "phi", "interactions", "timings_ms",
    }  # fmt: skip
    assert result["abstained"] is False
    assert result["answer"] == " ".join(s["text"] for s in result["sentences"])
    for sentence in result["sentences"]:
        for citation in sentence["citations"]:
            assert set(citation) >= {"n", "document", "version", "section", "quote", "start", "end", "url"}
            version = DocumentVersion.objects.get(
                document__external_id=citation["document"], number=citation["version"]
            )
            assert version.text[citation["start"] : citation["end"]] == citation["quote"]
            assert citation["url"].startswith("/library/")
    assert [p["label"] for p in result["phi"]] == ["NAME", "MRN"]
    assert "Lopez" not in json.dumps(result)
    assert {"mask", "retrieve", "total"} <= set(result["timings_ms"])


def test_ask_stores_no_conversation_but_leaves_a_trace(library: Collection) -> None:
    ask(QUESTION)
    assert not Conversation.objects.exists()
    steps = AuditEvent.objects.filter(object_type="chat.Question").order_by("timestamp")
    assert [event.detail["step"] for event in steps] == ["retrieve", "answer"]
    assert QUESTION not in str(steps.values())


def test_ask_says_when_the_library_has_no_answer(library: Collection) -> None:
    result = ask("How tall is the Eiffel tower in Paris?")
    assert (result["abstained"], result["answer"], result["sentences"]) == (True, "", [])
    out = StringIO()
    call_command("ask", "How tall is the Eiffel tower in Paris?", stdout=out)
    assert "No supported answer" in out.getvalue()


def test_ask_for_people_shows_numbers_and_sources(library: Collection) -> None:
    out = StringIO()
    call_command("ask", QUESTION, stdout=out)
    assert "[1]" in out.getvalue()
    assert "(version 1)" in out.getvalue()


@pytest.mark.parametrize(
    ("question", "options", "says"),
    [
        ("", {}, "Write a question first"),
        ("warfarin " * 3000, {}, "Shorten the question"),
        ("warfarin", {"collection": "nowhere"}, "There is no collection “nowhere”. Collections: starter."),
    ],
)
def test_ask_refuses_with_a_sentence(library: Collection, question: str, options: Any, says: str) -> None:
    with pytest.raises(CommandError, match=says):
        ask(question, **options)


def test_ask_before_any_document_says_what_to_do(db: None) -> None:
    with pytest.raises(CommandError, match=r"manage\.py ingest PATH"):
        ask(QUESTION)


def test_evaluate_retrieval_writes_one_line_per_question(library: Collection, tmp_path: Path) -> None:
    gold, out = tmp_path / "gold.jsonl", tmp_path / "out.jsonl"
    questions = [QUESTION, "How tall is the Eiffel tower in Paris?"]
    gold.write_text("".join(json.dumps({"id": str(n), "question": q}) + "\n" for n, q in enumerate(questions)))
    call_command("evaluate", "retrieval", gold=gold, predictions=out, collection="starter")
    first, second = map(json.loads, out.read_text().splitlines())
    assert first["ranked"][0] in {"starter-warfarin", "starter-trimethoprim-sulfamethoxazole"}
    assert len(first["ranked"]) == len(set(first["ranked"])) <= 50
    assert (first["abstained"], second["abstained"]) == (False, True)


def test_evaluate_phi_gives_offsets_in_the_original_text(db: None, tmp_path: Path) -> None:
    gold, out = tmp_path / "gold.jsonl", tmp_path / "out.jsonl"
    text = "Patient Maria Lopez, MRN 00482913, on warfarin."
    gold.write_text(json.dumps({"id": "a", "text": text}) + "\n")
    call_command("evaluate", "phi", gold=gold, predictions=out)
    (line,) = map(json.loads, out.read_text().splitlines())
    assert {(text[s["start"] : s["end"]], s["label"]) for s in line["spans"]} == {
        ("Maria Lopez", "NAME"),
        ("00482913", "MRN"),
    }
    assert line["masked"] == "Patient [NAME-1], MRN [MRN-1], on warfarin."


@pytest.mark.parametrize("content", ["{bad\n", '{"id": 1, "question": "x"}\n', '["x"]\n'])
def test_evaluate_names_the_line_that_is_wrong(library: Collection, tmp_path: Path, content: str) -> None:
    gold = tmp_path / "gold.jsonl"
    gold.write_text('{"id": "a", "question": "warfarin"}\n' + content)
    with pytest.raises(CommandError, match="line 2"):
        call_command("evaluate", "retrieval", gold=gold, predictions=tmp_path / "out.jsonl")
    assert not (tmp_path / "out.jsonl").exists()
