"""Searching through the API: as for an answer, only in what the person may read, and never for who the patient is."""

from __future__ import annotations

import hashlib
import logging
from typing import Any

import pytest

from chat.models import Collection, Document, DocumentVersion
from chat.pipeline import search
from compliance import phi
from compliance.access import Action
from compliance.models import AuditEvent
from tests import cast
from tests.api.conftest import Api
from tests.api.editors import program, signed_in
from tests.api.test_library import day, moved
from tests.api.test_signin import assert_problem
from tests.chat import labelled, shelf

pytestmark = pytest.mark.django_db

QUESTION = "When is carduline stopped before an operation?"
NAMED = "When does Mrs. Quenbroth, MRN 48213907, stop carduline before her operation?"


@pytest.fixture
def drugs(db: None) -> Collection:
    return labelled.drugs()


@pytest.fixture
def alice(db: None) -> Api:
    return signed_in(cast.alice())


def ask(api: Api, question: str = QUESTION, **more: Any) -> Any:
    answer = api.post("library/search", {"question": question} | more)
    assert answer.status_code == 200, answer.content
    return answer.json()


def test_the_passage_that_answers_stands_first_with_its_place(drugs: Collection, alice: Api) -> None:
    DocumentVersion.objects.filter(document__external_id="carduline").update(pages=[0, 38])
    told = ask(alice)
    first = told["passages"][0]
    version = DocumentVersion.objects.get(document__external_id="carduline")
    assert (told["abstained"], told["identifiers_left_out"], first["external_id"]) == (False, False, "carduline")
    assert first["text"] == version.text[first["start"] : first["end"]]
    assert first["sha256"] == hashlib.sha256(first["text"].encode()).hexdigest()
    assert (first["document"], first["number"], first["page"]) == (str(version.document_id), 1, 1)
    assert first["url"] == f"/library/{version.document_id}/?v=1&start={first['start']}&end={first['end']}#quote"
    scores = [passage["score"] for passage in told["passages"]]
    assert scores == sorted(scores, reverse=True)


def test_nothing_is_good_enough_to_answer_from(drugs: Collection, alice: Api) -> None:
    told = ask(alice, labelled.NOT_HERE[0])
    assert told["abstained"] is True


def test_as_many_as_were_asked_for(drugs: Collection, alice: Api) -> None:
    assert len(ask(alice, "Dose, surgery, potassium and pregnancy?", limit=2)["passages"]) == 2


def test_only_in_the_collection_that_was_named(drugs: Collection, alice: Api) -> None:
    shelf.load(shelf.collection("other"), shelf.source("Stop carduline the evening before an operation."))
    assert {one["external_id"] for one in ask(alice, collection="other")["passages"]} == {"doc-1"}
    answer = alice.post("library/search", {"question": QUESTION, "collection": "nowhere"})
    assert list(assert_problem(answer, 400)["errors"]) == ["collection"]


def test_only_what_the_person_may_read(drugs: Collection, alice: Api) -> None:
    Document.objects.filter(external_id="carduline").update(readers=["department_head"])
    assert "carduline" not in {one["external_id"] for one in ask(alice)["passages"]}
    assert ask(signed_in(cast.dora()))["passages"][0]["external_id"] == "carduline"
    drugs.departments = ["Cardiology"]
    drugs.save()
    told = ask(alice)
    assert (told["passages"], told["abstained"], told["identifiers_left_out"]) == ([], True, False)


def test_what_was_searched_on_a_day(drugs: Collection, alice: Api) -> None:
    shelf.load(drugs, labelled.source("carduline", "Carduline is not stopped before an operation."))
    for number, days in ((1, 30), (2, 10)):
        moved(drugs.releases.get(number=number), days=days)
    assert ask(alice)["passages"][0]["number"] == 2
    before = ask(alice, as_of=day(20))["passages"][0]
    assert (before["external_id"], before["number"], before["text"]) == ("carduline", 1, labelled.DRUGS["carduline"])
    assert ask(alice, as_of=day(31))["passages"] == []


def test_what_the_reader_is_told_of_the_search(drugs: Collection, alice: Api) -> None:
    shelf.load(drugs, shelf.source("Rivaroxaban is taken with food."))
    told = ask(alice, "Is rivaroxabann taken with food by zebras?")
    assert told["searched_also"] == ["rivaroxaban"], "the spelling of the library"
    assert (told["missing"], told["passages"][0]["external_id"]) == (["zebras"], "doc-1")


# ── Who the patient is ───────────────────────────────────────────────────────────────────────────────────────────


def test_a_name_is_neither_searched_nor_logged(
    drugs: Collection, alice: Api, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    searched: list[str] = []
    real = search.search

    def seen(question: Any) -> Any:
        searched.append(question.text)
        return real(question)

    monkeypatch.setattr(search, "search", seen)
    with caplog.at_level(logging.DEBUG):
        told = ask(alice, NAMED)
    assert (told["identifiers_left_out"], told["passages"][0]["external_id"]) == (True, "carduline")
    assert len(searched) == 1
    left = [*searched, caplog.text, str(told)]
    left += [str((event.detail, event.changes, event.object_id)) for event in AuditEvent.objects.all()]
    for value in ("Quenbroth", "48213907"):
        assert not [text for text in left if value in text]


def test_a_question_of_identifiers_alone_finds_nothing(drugs: Collection, alice: Api) -> None:
    told = ask(alice, "482-13-9071")
    assert (told["passages"], told["abstained"], told["identifiers_left_out"]) == ([], True, True)


def test_without_a_masker_nothing_is_searched(drugs: Collection, alice: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise phi.PhiUnavailable

    def never(*_: object, **__: object) -> None:
        raise AssertionError

    monkeypatch.setattr(phi, "mask", broken)
    monkeypatch.setattr(search, "search", never)
    answer = alice.post("library/search", {"question": NAMED})
    assert "Quenbroth" not in answer.content.decode()
    assert "patient identifiers" in assert_problem(answer, 503)["detail"]


def test_a_search_is_on_record_without_its_words(drugs: Collection, alice: Api) -> None:
    found = len(ask(alice, limit=50)["passages"])
    event = AuditEvent.objects.filter(detail__step="retrieve").get()
    assert (event.actor_id, event.detail) == (cast.alice().pk, {"step": "retrieve", "passages": found})


# ── What is refused ──────────────────────────────────────────────────────────────────────────────────────────────


def test_searches_count_as_questions(drugs: Collection, alice: Api, settings: Any) -> None:
    settings.LIMITS = settings.LIMITS | {"ask": (1, 600)}
    ask(alice)
    answer = alice.post("library/search", {"question": QUESTION})
    assert_problem(answer, 429)
    assert 590 <= int(answer["Retry-After"]) <= 600


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "question"),
        ({"question": ""}, "question"),
        ({"question": " ?! "}, "question"),
        ({"question": 7}, "question"),
        ({"question": "\x00"}, "question"),
        ({"question": "\ufffd"}, "question"),
        ({"question": "x" * 4001}, "question"),
        ({"question": "a [b [NAME-1] c]"}, "question"),
        ({"question": "Dose?", "limit": 51}, "limit"),
        ({"question": "Dose?", "limit": 0}, "limit"),
        ({"question": "Dose?", "limit": "5"}, "limit"),
        ({"question": "Dose?", "limit": True}, "limit"),
        ({"question": "Dose?", "limit": 10**400}, "limit"),
        ({"question": "Dose?", "as_of": "tomorrow"}, "as_of"),
        ({"question": "Dose?", "as_of": "9999-12-31"}, "as_of"),
        ({"question": "Dose?", "as_of": 20260101}, "as_of"),
        ({"question": "Dose?", "q": 1}, "q"),
    ],
)
def test_what_cannot_be_searched(alice: Api, body: dict[str, Any], field: str) -> None:
    assert list(assert_problem(alice.post("library/search", body), 400)["errors"]) == [field]


def test_words_do_not_stand_in_an_address(alice: Api) -> None:
    assert_problem(alice.get("library/search?question=Quenbroth"), 405)


def test_who_may_search(drugs: Collection) -> None:
    assert ask(program())["passages"]
    for api in (program(Action.EDIT_LIBRARY), signed_in(cast.mallory())):
        assert_problem(api.post("library/search", {"question": QUESTION}), 403)
    assert_problem(Api().post("library/search", {"question": QUESTION}), 401)
