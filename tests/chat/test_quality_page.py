"""The pages on which quality is seen: figures over time, the threshold, the search index, and the questions."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.utils.html import escape

from chat import gate, tasks
from chat.models import (
    Calibration,
    Collection,
    Document,
    DocumentVersion,
    EmbeddingIndex,
    Evaluation,
    IndexProof,
    Release,
)
from clinchat.lib import clock
from compliance.models import AuditEvent
from tests import cast

pytestmark = pytest.mark.django_db
PAGE, QUESTIONS = "/library/quality/", "/library/questions/drugs/"
FIGURES: dict[str, Any] = {
    "fitted": 300,
    "fitted_unanswerable": 40,
    "tested": 290,
    "tested_unanswerable": 39,
    "auroc": 0.934,
    "ece": 0.041,
    "coverage_5": 0.62,
    "coverage_10": 0.75,
}
CURVE = [
    {"threshold": 0.0, "answered": 1.0, "false": 1.0},
    {"threshold": 0.2, "answered": 0.94, "false": 0.31},
    {"threshold": 0.6, "answered": 0.5, "false": 0.02},
]


@pytest.fixture
def collection(db: None) -> Collection:
    made = Collection.objects.create(slug="drugs", name="Drugs & doses", live_chunks=2)
    for name in ("brevoxil", "carduline"):
        document = Document.objects.create(collection=made, external_id=name)
        DocumentVersion.objects.create(
            document=document, number=1, status="published", title=name, text=name, sha256="0" * 64
        )
    return made


@pytest.fixture
def edith(client: Client) -> Client:
    return cast.sign_in(client, cast.edith())


def text(client: Client, address: str = PAGE) -> str:
    answer = client.get(address)
    assert answer.status_code == 200
    return answer.content.decode()


def measured(collection: Collection, days_ago: int = 0, **fields: Any) -> Evaluation:
    defaults: dict[str, Any] = {
        "at": clock.now() - timedelta(days=days_ago),
        "passed": True,
        "questions_sha256": "0" * 64,
        "model": "m",
        "answerable": 40,
        "unanswerable": 10,
        "ndcg": 0.7,
        "recall": 0.8,
        "declined_wrongly": 0.05,
        "declined_rightly": 0.6,
        "quotes": 120,
        "quotes_wrong": 0,
    }
    return Evaluation.objects.create(collection=collection, **defaults | fields)


def upload(client: Client, *rows: Any, replace: bool = False, address: str = QUESTIONS) -> Any:
    lines = "".join(f"{row if isinstance(row, str) else json.dumps(row)}\n" for row in rows)
    file = SimpleUploadedFile("questions.jsonl", lines.encode())
    return client.post(address, {"file": file} | ({"replace": "on"} if replace else {}))


DOSE = {"id": "dose", "question": "What is the dose of brevoxil?", "relevant": {"brevoxil": 2}, "answerable": True}
BUS = {"id": "bus", "question": "Where does the bus go?", "answerable": False}


# ── Quality ──────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("key", ["edith", "dora", "carol", "pat", "otto", "audra", "ada"])
def test_who_answers_for_quality_sees_it(client: Client, collection: Collection, key: str) -> None:
    assert cast.sign_in(client, getattr(cast, key)()).get(PAGE).status_code == 200


@pytest.mark.parametrize("key", ["alice", "sam", "mallory"])
def test_others_do_not(client: Client, key: str) -> None:
    assert cast.sign_in(client, getattr(cast, key)()).get(PAGE).status_code == 403


def test_before_anything_was_measured_it_says_so(edith: Client, collection: Collection) -> None:
    page = text(edith)
    assert "The first nightly check has not run yet." in page
    assert "It has no questions, so nothing holds up a release that answers worse." in page
    assert "fitted by the makers of ClinChat" in page
    assert "at least 60 labeled questions, 15 of them" in page
    assert "figure class" not in page


def test_the_figures_of_a_collection_are_drawn_and_stand_in_a_table(edith: Client, collection: Collection) -> None:
    release = Release.objects.create(collection=collection, kind="edited")
    measured(collection, days_ago=2, ndcg=0.612)
    measured(collection, days_ago=1, ndcg=0.5, passed=False, fallen=["ndcg"], release=release)
    measured(collection, ndcg=0.701)
    page = text(edith)
    assert escape("Drugs & doses: order of the documents (nDCG) rose to 0.701 over 3 evaluations") in page
    assert page.count('class="line-') == 3
    assert 'circle class="marked"' in page
    assert "Show as a table" in page
    assert "Refused" in page
    assert release.get_absolute_url() in page
    assert "style=" not in page


def test_only_collections_a_person_may_read_are_shown(edith: Client, collection: Collection) -> None:
    Collection.objects.create(slug="secret", name="Board papers", readers=["admin"])
    page = text(edith)
    assert "Drugs &amp; doses" in page
    assert "Board papers" not in page


def test_a_fitted_threshold_is_explained_with_its_curve(edith: Client, collection: Collection) -> None:
    EmbeddingIndex.objects.create(model="m", dimensions=3, state="active")
    Calibration.objects.create(
        model="m", active=True, asked=0.05, weights={}, threshold=0.31, curve=CURVE, figures=FIGURES
    )
    page = text(edith)
    assert "The threshold is 0.310, chosen so that at most 5 of 100 answerable questions go unanswered." in page
    assert "94 of 100 answerable ones were answered, and 69 of 100 that have no answer here were declined" in page
    for words in ("0.934 of 1", "0.041", "62.0% of the answerable", "300 questions, 40 without an answer here"):
        assert words in page
    assert "With 94% of the answerable questions answered, 31% of those" in page
    assert "confidence" not in page.lower()


def test_what_the_nightly_check_found_is_shown_with_what_to_do(edith: Client, collection: Collection) -> None:
    IndexProof.objects.create(ok=True, passages=9, sampled=9, recall=0.978, seconds=1)
    assert "Sound" in text(edith)
    IndexProof.objects.create(ok=False, passages=9, sampled=9, recall=0.978, found={"texts": 3}, seconds=1)
    page = text(edith)
    assert "Passages that are not the text of their version" in page
    assert "manage.py reindex" in page


# ── Questions ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_an_editor_sends_questions_and_sees_them(edith: Client, collection: Collection) -> None:
    assert "There are none yet" in text(edith, QUESTIONS)
    answer = upload(edith, DOSE, BUS)
    assert (answer.status_code, answer["Location"]) == (302, QUESTIONS)
    page = text(edith, QUESTIONS)
    assert "2 new, 0 changed, 0 as before." in page
    assert "2 questions, 1 of them answerable" in page
    assert "What is the dose of brevoxil?" in page
    assert "None: the answer is not here" in page
    upload(edith, {**BUS, "question": "Where does the tram go?"}, replace=True)
    assert list(collection.questions.values_list("text", flat=True)) == ["Where does the tram go?"]


def test_an_identifier_in_a_question_is_not_stored(edith: Client, collection: Collection) -> None:
    upload(edith, {**DOSE, "question": "Can Maria Gonzalez, MRN 00482913, take brevoxil?"})
    assert "Gonzalez" not in text(edith, QUESTIONS)
    assert "Gonzalez" not in "".join(map(str, AuditEvent.objects.values_list("changes", flat=True)))


def test_what_is_wrong_with_a_file_is_named_by_line(edith: Client, collection: Collection) -> None:
    answer = upload(edith, DOSE, "{", {**BUS, "relevant": {"nowhere": 1}, "answerable": True})
    page = answer.content.decode()
    assert "Nothing was stored" in page
    assert "Line 2: this is not JSON." in page
    assert "Line 3: there is no document “nowhere” in this collection." in page
    assert not collection.questions.exists()
    page = upload(edith, *["{"] * 30).content.decode()
    assert "… and 10 more" in page


@pytest.mark.parametrize(
    ("content", "said"), [(b"", "The file is empty."), (b"\xff\xfe", "not text in UTF-8"), (None, "Choose a file.")]
)
def test_what_is_no_file_of_questions_is_refused(
    edith: Client, collection: Collection, content: bytes | None, said: str
) -> None:
    fields = {} if content is None else {"file": SimpleUploadedFile("q.jsonl", content)}
    assert said in edith.post(QUESTIONS, fields).content.decode()


def test_a_file_that_is_too_large_is_not_read(edith: Client, collection: Collection) -> None:
    answer = edith.post(QUESTIONS, {"file": SimpleUploadedFile("q.jsonl", b"x" * 4_200_000)})
    assert answer.status_code == 413


def test_a_question_whose_document_is_gone_is_named_with_what_to_do(edith: Client, collection: Collection) -> None:
    upload(edith, DOSE, BUS)
    assert "behind" not in text(edith, QUESTIONS)
    DocumentVersion.objects.filter(document__external_id="brevoxil").update(status="withdrawn")
    page = text(edith, QUESTIONS)
    assert "1 question is behind" in page
    assert '<span class="mono">dose</span>' in page
    assert "1 question names a document that is not searched any more" in text(edith)


def test_questions_are_deleted_one_by_one_or_all(edith: Client, collection: Collection) -> None:
    upload(edith, DOSE, BUS)
    one = collection.questions.get(external_id="dose")
    edith.post(f"{QUESTIONS}{one.pk}/remove/")
    assert list(collection.questions.values_list("external_id", flat=True)) == ["bus"]
    edith.post(f"{QUESTIONS}remove/")
    assert not collection.questions.exists()


def test_the_file_that_is_downloaded_can_be_sent_again(edith: Client, collection: Collection) -> None:
    upload(edith, DOSE, BUS)
    answer = edith.get(f"{QUESTIONS}file/")
    assert answer["Content-Disposition"] == 'attachment; filename="questions-drugs.jsonl"'
    lines = answer.content.decode().splitlines()
    assert gate.add_questions(collection=collection, rows=lines, by=None, replace=True) == gate.Added(0, 0, 2, 0)


def test_the_questions_are_asked_by_the_worker(
    edith: Client, collection: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[str] = []
    monkeypatch.setattr(tasks.evaluate_collection, "delay", sent.append)
    edith.post(f"{QUESTIONS}evaluate/")
    assert sent == [], "there are no questions"
    upload(edith, BUS)
    edith.post(f"{QUESTIONS}evaluate/")
    assert sent == [str(collection.pk)]


def test_without_the_queue_nobody_is_told_that_they_are(
    edith: Client, collection: Collection, redis_gone: None
) -> None:
    upload(edith, BUS)
    edith.post(f"{QUESTIONS}evaluate/")
    assert "The queue cannot be reached right now." in text(edith, QUESTIONS)


def test_only_editors_of_the_collection_come_near(client: Client, collection: Collection) -> None:
    one = collection.questions.create(external_id="dose", text="?")
    collection.readers = ["admin"]
    collection.save()
    paths = ["", "file/", "remove/", "evaluate/", f"{one.pk}/remove/"]
    for key, status in (("dora", 403), ("alice", 403), ("edith", 404)):
        cast.sign_in(client, getattr(cast, key)())
        for path in paths:
            method = client.post if path.endswith(("remove/", "evaluate/")) else client.get
            assert method(f"{QUESTIONS}{path}").status_code == status, (key, path)
    assert collection.questions.count() == 1
