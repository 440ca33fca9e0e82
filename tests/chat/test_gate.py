"""The gate before a release: labeled questions, asked before and after, and what may not become worse."""

from __future__ import annotations

import json
from typing import Any

import pytest

from chat import gate, releases
from chat.corpus import vectors
from chat.corpus.ingest import ingest
from chat.corpus.loaders import Source
from chat.models import Chunk, Collection, Document, Evaluation, LabelledQuestion, Release
from chat.pipeline import retrieve, verify
from chat.pipeline.types import Vectored
from compliance import phi
from tests.chat import labelled
from tests.factories import make_user

pytestmark = pytest.mark.django_db


@pytest.fixture
def collection(db: None) -> Collection:
    made = labelled.drugs()
    labelled.ask_of(made)
    return made


@pytest.fixture
def empty(db: None) -> Collection:
    """A collection that knows its documents and has neither text nor questions."""
    made = Collection.objects.create(slug="drugs", name="Drugs")
    Document.objects.bulk_create(Document(collection=made, external_id=name) for name in labelled.DRUGS)
    return made


def candidate(collection: Collection, *sources: Any) -> Release:
    release = ingest(sources=sources, collection=collection).release
    assert release is not None
    vectors.fill_all()
    return release


# ── Questions ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_questions_are_stored_and_read_again_without_a_change(empty: Collection) -> None:
    lines = [json.dumps(row) for row in labelled.rows()]
    editor = make_user()
    assert gate.add_questions(collection=empty, rows=[*lines, ""], by=editor) == gate.Added(6, 0, 0, 0)
    dose = empty.questions.get(external_id="dose")
    assert (dose.relevant, dose.kind, dose.added_by) == ({"brevoxil": 2}, "fact", editor)
    assert gate.add_questions(collection=empty, rows=lines, by=editor) == gate.Added(0, 0, 6, 0)


def test_a_set_is_extended_or_replaced(empty: Collection) -> None:
    labelled.ask_of(empty)
    dose = {"id": "dose", "question": "How much brevoxil?", "relevant": {"brevoxil": 3}}
    other = {"id": "other", "question": "Who invented the telescope?"}
    assert gate.add_questions(collection=empty, rows=[dose, other], by=None) == gate.Added(1, 1, 0, 0)
    assert empty.questions.count() == 7
    assert gate.add_questions(collection=empty, rows=[other], by=None, replace=True) == gate.Added(0, 0, 1, 6)
    assert gate.remove_questions(collection=empty, external_ids=["nothing"]) == 0
    assert gate.remove_questions(collection=empty) == 1


def test_a_question_is_masked_before_it_is_stored(empty: Collection) -> None:
    row = {"id": "mask", "question": "Can Maria Gonzalez, MRN 00482913, take brevoxil?", "relevant": {"brevoxil": 1}}
    gate.add_questions(collection=empty, rows=[row], by=None)
    stored = empty.questions.get(external_id="mask").text
    assert "Gonzalez" not in stored
    assert "00482913" not in stored
    assert "take brevoxil?" in stored


def test_nothing_is_stored_while_masking_does_not_work(empty: Collection, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> str:
        raise phi.PhiUnavailable

    monkeypatch.setattr("compliance.masking.mask", broken)
    with pytest.raises(phi.PhiUnavailable):
        gate.add_questions(collection=empty, rows=[{"id": "new", "question": "Anything?"}], by=None)
    assert not empty.questions.exists()


GOOD = '{"id": "fine", "question": "What?", "relevant": {"brevoxil": 1}}'


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{", "not JSON"),
        ("[1]", "not an object"),
        ('{"question": "What?"}', "“id”"),
        ('{"id": "Maria Gonzalez", "question": "What?"}', "“id”"),
        ('{"id": "fine", "question": "What?"}', "line 1 as well"),
        ('{"id": "a"}', "“question”"),
        ('{"id": "a", "question": "   "}', "“question”"),
        ('{"id": "a", "question": "What\\u0000?"}', "“question”"),
        ('{"id": "a", "question": "What\\ud800?"}', "“question”"),
        (json.dumps({"id": "a", "question": "x" * 1001}), "1,000"),
        ('{"id": "a", "question": "What?", "kind": "Some prose"}', "“kind”"),
        ('{"id": "a", "question": "What?", "relevant": ["brevoxil"]}', "“relevant”"),
        ('{"id": "a", "question": "What?", "relevant": {"brevoxil": 4}}', "grade"),
        ('{"id": "a", "question": "What?", "relevant": {"brevoxil": true}}', "grade"),
        ('{"id": "a", "question": "What?", "relevant": {"nowhere": 1}}', "no document “nowhere”"),
        ('{"id": "a", "question": "What?", "answerable": true}', "answerable"),
        ('{"id": "a", "question": "What?", "answerable": false, "relevant": {"brevoxil": 1}}', "answerable"),
        ('{"id": "a", "question": "What?", "answerable": "yes"}', "“answerable”"),
        (f'{{"id": {"1" * 5000}, "question": "What?"}}', "not JSON"),
    ],
)
def test_what_is_malformed_is_named_by_line_and_nothing_is_stored(empty: Collection, line: str, said: str) -> None:
    with pytest.raises(gate.MalformedQuestions) as refused:
        gate.add_questions(collection=empty, rows=[GOOD, "", line], by=None)
    (problem,) = refused.value.problems
    assert problem.startswith("Line 3: ")
    assert said in problem
    assert not empty.questions.exists()


def test_an_empty_file_and_too_many_questions_are_refused(empty: Collection, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(gate.MalformedQuestions):
        gate.add_questions(collection=empty, rows=["", " "], by=None)
    monkeypatch.setattr(gate, "MOST_QUESTIONS", 1)
    other = {"id": "other", "question": "What?"}
    gate.add_questions(collection=empty, rows=[other], by=None)
    with pytest.raises(gate.MalformedQuestions):
        gate.add_questions(collection=empty, rows=[GOOD], by=None)
    assert gate.add_questions(collection=empty, rows=[GOOD], by=None, replace=True).new == 1


# ── Measuring ────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("relevant", "ranked", "ndcg", "recall"),
    [
        ({"a": 1}, ["a"], 1.0, 1.0),
        ({"a": 1}, ["b", "a"], 0.6309, 1.0),
        ({"a": 1}, ["b"], 0.0, 0.0),
        ({"a": 2, "b": 1}, ["b", "a"], 0.7967, 1.0),
        ({"a": 2, "b": 1}, ["a"], 0.8262, 0.5),
        ({"a": 1}, [*"bcdefghijk", "a"], 0.0, 0.0),
        ({f"d{n}": 1 for n in range(20)}, [f"d{n}" for n in range(10)], 1.0, 1.0),
        ({}, ["a"], 0.0, 0.0),
    ],
)
def test_ndcg_and_recall_are_those_of_the_literature(
    relevant: dict[str, int], ranked: list[str], ndcg: float, recall: float
) -> None:
    assert gate.score(relevant, ranked) == pytest.approx((ndcg, recall), abs=1e-4)


def test_a_collection_is_measured_as_it_stands(collection: Collection) -> None:
    found = gate.evaluate(collection=collection)
    assert (found.answerable, found.unanswerable, found.release, found.against) == (4, 2, None, None)
    assert (found.ndcg, found.recall, found.declined_wrongly, found.declined_rightly) == (1.0, 1.0, 0.0, 1.0)
    assert found.quotes >= 4
    assert (found.quotes_wrong, found.passed, found.fallen, found.worst) == (0, True, [], [])
    assert set(found.scores) == {row["id"] for row in labelled.rows()}
    assert gate.evaluate(collection=collection).against == found


def test_without_questions_there_is_nothing_to_measure_and_nothing_is_held_up(db: None) -> None:
    collection = labelled.drugs()
    with pytest.raises(gate.NoQuestions):
        gate.evaluate(collection=collection)
    releases.publish(release=candidate(collection, labelled.source("brevoxil", "Nothing of use.")), by=None)
    assert labelled.searched(collection)["brevoxil"] == 2
    assert not Evaluation.objects.exists()


# ── Releases ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_release_that_answers_no_worse_is_published_with_its_figures(collection: Collection) -> None:
    text = labelled.DRUGS["brevoxil"] + " Take brevoxil with water."
    done = releases.publish(release=candidate(collection, labelled.source("brevoxil", text)), by=None)
    found = Evaluation.objects.get(release=done)
    assert (done.state, found.passed) == (Release.State.PUBLISHED, True)
    assert found.against is not None
    assert found.against.release is None, "the state before had not been measured, so it was measured first"
    assert labelled.searched(collection)["brevoxil"] == 2


def test_a_release_that_loses_a_document_is_refused_and_nothing_has_changed(collection: Collection) -> None:
    before = labelled.searched(collection)
    chunks = set(Chunk.objects.filter(live=True).values_list("pk", flat=True))
    blank = Source(external_id="carduline", title="Blank page", text="This page was left blank on purpose.")
    release = candidate(collection, blank)
    with pytest.raises(releases.Fallen) as refused:
        releases.publish(release=release, by=None)
    found = Evaluation.objects.get(pk=refused.value.evaluation.pk)
    assert (found.passed, found.release) == (False, release)
    assert "declined_wrongly" in found.fallen
    assert found.worst[0] == "surgery"
    assert found.against is not None
    assert found.against.ndcg >= found.ndcg
    release.refresh_from_db()
    assert release.state == Release.State.CANDIDATE
    assert labelled.searched(collection) == before
    assert set(Chunk.objects.filter(live=True).values_list("pk", flat=True)) == chunks


def test_a_release_that_answers_what_is_not_known_is_refused(collection: Collection) -> None:
    loose = "A violin is tuned in fifths. To tune a violin begin with the A string and turn the peg of the violin."
    release = candidate(collection, labelled.source("violin", loose))
    with pytest.raises(releases.Fallen) as refused:
        releases.publish(release=release, by=None)
    assert refused.value.evaluation.fallen == ["declined_rightly"]
    assert "violin" not in labelled.searched(collection)


def test_once_the_questions_are_corrected_the_same_release_passes(collection: Collection) -> None:
    """What an editor does when the release is right and the question set is behind."""
    loose = "A violin is tuned in fifths. To tune a violin begin with the A string and turn the peg of the violin."
    release = candidate(collection, labelled.source("violin", loose))
    with pytest.raises(releases.Fallen):
        releases.publish(release=release, by=None)
    row = {"id": "not-here-2", "question": "How is a violin tuned?", "relevant": {"violin": 2}}
    gate.add_questions(collection=collection, rows=[row], by=None)
    assert releases.publish(release=release, by=None).number == 2


def test_what_the_reader_would_be_shown_wrongly_is_never_published(
    collection: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate.evaluate(collection=collection)
    monkeypatch.setattr(verify, "_stands", lambda sentence, stored: "denopril" not in sentence.text.lower())
    with pytest.raises(releases.Fallen) as refused:
        releases.publish(release=candidate(collection, labelled.source("brevoxil", "Brevoxil is given.")), by=None)
    assert "quotes" in refused.value.evaluation.fallen
    assert refused.value.evaluation.quotes_wrong > 0


def test_the_first_release_of_a_collection_has_nothing_to_fall_from(db: None) -> None:
    collection = Collection.objects.create(slug="first", name="First")
    release = candidate(collection, *(labelled.source(name) for name in labelled.DRUGS))
    labelled.ask_of(collection)
    loose = {"id": "near", "question": "What is the usual dose of brevoxil in children with asthma?"}
    gate.add_questions(collection=collection, rows=[loose], by=None)
    assert releases.publish(release=release, by=None).number == 1


def test_a_withdrawal_is_not_held_up_and_does_not_hold_up_what_follows(collection: Collection) -> None:
    gate.evaluate(collection=collection)
    etorazol = Document.objects.get(external_id="etorazol")
    releases.withdraw(documents=[etorazol], reason="Recalled.", by=make_user())
    release = candidate(collection, labelled.source("brevoxil", labelled.DRUGS["brevoxil"] + " Take it with water."))
    releases.publish(release=release, by=None)
    found = Evaluation.objects.get(release=release)
    assert found.against is not None
    assert found.passed
    assert (found.against.ndcg, found.ndcg) == (0.75, 0.75), "compared with what was searched after the withdrawal"


def test_what_was_measured_already_is_not_measured_again(
    collection: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = gate.evaluate(collection=collection)
    asked: list[str] = []
    embed = retrieve.embed

    def counted(text: str) -> Vectored:
        asked.append(text)
        return embed(text)

    monkeypatch.setattr(retrieve, "embed", counted)
    assert gate.before(collection=collection) == known
    assert not asked
    LabelledQuestion.objects.filter(external_id="dose").update(relevant={"brevoxil": 3})
    assert gate.before(collection=collection) != known
    assert len(asked) == 6


# ── What counts as worse ─────────────────────────────────────────────────────────────────────────────────────────


def figures(**fields: Any) -> Evaluation:
    defaults: dict[str, Any] = {
        "questions_sha256": "q",
        "answerable": 100,
        "unanswerable": 20,
        "ndcg": 0.7,
        "declined_wrongly": 0.05,
        "declined_rightly": 0.6,
        "quotes_wrong": 0,
        "scores": {"one": [1, 1, 0]},
    }
    return Evaluation(**defaults | fields)


@pytest.mark.parametrize(
    ("before", "after", "fell"),
    [
        ({}, {}, []),
        ({}, {"ndcg": 0.691}, []),
        ({}, {"ndcg": 0.689}, ["ndcg"]),
        ({"answerable": 10}, {"answerable": 10, "ndcg": 0.66}, []),
        ({"answerable": 10}, {"answerable": 10, "ndcg": 0.64}, ["ndcg"]),
        ({}, {"declined_wrongly": 0.069}, []),
        ({}, {"declined_wrongly": 0.071}, ["declined_wrongly"]),
        ({}, {"declined_rightly": 0.551}, []),
        ({}, {"declined_rightly": 0.549}, ["declined_rightly"]),
        ({}, {"quotes_wrong": 1}, ["quotes"]),
        ({"questions_sha256": "others"}, {"ndcg": 0.1}, []),
        ({"scores": {"one": [0, 0, 1]}, "declined_rightly": 1.0}, {"declined_rightly": 0.2}, []),
        ({}, {"ndcg": 0.9, "declined_wrongly": 0.0, "declined_rightly": 1.0}, []),
    ],
    ids=lambda value: json.dumps(value) if value else "as before",
)
def test_a_measure_falls_when_it_loses_more_than_chance_would_take(
    before: dict[str, Any], after: dict[str, Any], fell: list[str]
) -> None:
    assert gate.fallen(figures(**after), figures(**before)) == fell


def test_every_measure_that_can_fall_has_words() -> None:
    worst = figures(ndcg=0, declined_wrongly=1, declined_rightly=0, quotes_wrong=1)
    assert set(gate.fallen(worst, figures())) == set(gate.MEASURES)
