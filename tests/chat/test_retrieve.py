"""The search: BM25 as published, fused by rank, and only over what the reader may read."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection

from chat import releases
from chat.corpus.ingest import ingest
from chat.corpus.loaders import Source
from chat.llm import splade
from chat.models import Chunk, Collection, Document
from chat.pipeline.retrieve import beside, embed, retrieve, searchable
from chat.pipeline.types import Question, Reader, Reading, Understanding
from clinchat.lib import clock
from tests import cast

TEXTS = [
    "Heparin bleeding is reversed with protamine. Protamine is given slowly.",
    "Warfarin bleeding is reversed with vitamin K and prothrombin complex.",
    "Metformin is held before iodinated contrast when the kidneys are weak.",
    "Potassium above 6 with changes on the ECG needs calcium at once.",
    "Hand hygiene is done before and after each patient.",
    "Bleeding patients need a doctor. Bleeding needs pressure. Bleeding is red.",
]


def fill(slug: str, texts: list[str]) -> Collection:
    collection = Collection.objects.create(slug=slug, name=slug)
    ingest(
        sources=[Source(external_id=f"{slug}-{n}", title=f"Note {n}", text=text) for n, text in enumerate(texts)],
        collection=collection,
    )
    releases.embed_waiting()
    return collection


@pytest.fixture
def notes(db: None) -> Collection:
    return fill("notes", TEXTS)


def lexemes(text: str) -> Counter[str]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT lexeme, cardinality(positions) FROM unnest(to_tsvector('english', %s))", [text])
        return Counter(dict(cursor.fetchall()))


@pytest.mark.parametrize("question", ["How is bleeding from heparin reversed?", "bleeding", "calcium potassium ECG"])
def test_lexical_score_is_bm25(notes: Collection, question: str) -> None:
    """Against a second computation in Python, from the formula of Robertson & Zaragoza 2009 (Lucene's idf)."""
    documents = {f"notes-{n}": lexemes(f"Note {n} {text}") for n, text in enumerate(TEXTS)}
    average = sum(map(Counter.total, documents.values())) / len(documents)
    expected = {}
    for name, document in documents.items():
        score = 0.0
        for term in lexemes(question):
            df = sum(term in other for other in documents.values())
            if term in document:
                idf = math.log(1 + (len(documents) - df + 0.5) / (df + 0.5))
                tf = document[term]
                score += idf * tf * 2.2 / (tf + 1.2 * (0.25 + 0.75 * document.total() / average))
        expected[name] = score
    found = {p.external_id: p.lexical for p in retrieve(Question(question, Reader((notes.pk,))), embed(question))}
    for name, score in found.items():
        assert score == pytest.approx(expected[name], abs=1e-5), name


def test_fusion_is_reciprocal_rank_with_k_10(notes: Collection) -> None:
    question = "How is bleeding from heparin reversed?"
    passages = retrieve(Question(question, Reader((notes.pk,))), embed(question))
    by_words = [p.chunk for p in sorted(passages, key=lambda p: (-p.lexical, p.chunk)) if p.lexical]
    by_meaning = [p.chunk for p in sorted(passages, key=lambda p: (-p.dense, p.chunk))]
    for p in passages:
        expected = 1 / (10 + by_meaning.index(p.chunk) + 1)
        expected += 1 / (10 + by_words.index(p.chunk) + 1) if p.chunk in by_words else 0
        assert p.fused == pytest.approx(expected)
    assert [p.fused for p in passages] == sorted((p.fused for p in passages), reverse=True)
    assert passages[0].external_id == "notes-0"


def test_coverage_counts_words_the_library_does_not_know(notes: Collection) -> None:
    (known,) = (p.coverage for p in retrieve(Question("protamine", Reader((notes.pk,))), None))
    (half,) = (p.coverage for p in retrieve(Question("protamine zyxomab", Reader((notes.pk,))), None))
    assert known == pytest.approx(1.0)
    assert 0 < half < 0.6


def test_tokens_of_identifiers_are_not_searched(notes: Collection) -> None:
    plain = retrieve(Question("protamine for", Reader((notes.pk,))), None)
    masked = retrieve(Question("protamine for [NAME-1] [HEALTH_PLAN-12]", Reader((notes.pk,))), None)
    assert [(p.chunk, p.lexical, p.coverage) for p in masked] == [(p.chunk, p.lexical, p.coverage) for p in plain]


def test_only_the_given_collections_are_searched(notes: Collection) -> None:
    other = fill("other", ["Heparin bleeding is secret here."])
    for question in ("heparin bleeding", "secret"):
        found = retrieve(Question(question, Reader((notes.pk,))), embed(question))
        assert not [p.external_id for p in found if p.external_id.startswith("other")], "a passage of `other` leaked"
    assert {p.external_id for p in retrieve(Question("secret", Reader((other.pk,))), None)} == {"other-0"}
    assert retrieve(Question("heparin", Reader(())), embed("heparin")) == []
    assert searchable(Question("", Reader((notes.pk,)))) == len(TEXTS)


def test_passages_that_are_not_live_are_not_found(notes: Collection) -> None:
    Chunk.objects.filter(text__startswith="Heparin").update(live=False)
    found = retrieve(Question("heparin protamine", Reader((notes.pk,))), embed("heparin"))
    assert len(found) == len(TEXTS) - 1
    assert "notes-0" not in {p.external_id for p in found}


@pytest.mark.parametrize("question", ["", "the of and", "!!! ???", "x' OR 1=1 --", "a" * 4000, "🙂", "وارفارين"])
def test_any_text_can_be_searched(notes: Collection, question: str) -> None:
    retrieve(Question(question, Reader((notes.pk,))), embed(question))
    retrieve(Question(question, Reader((notes.pk,))), None)


def test_other_readings_of_a_question_are_searched_too(notes: Collection) -> None:
    """`lexical` stays that of the question as asked; the signals count its best reading."""
    asked = "What reverses liquaemin?"
    understood = Understanding((Reading(asked), Reading("What reverses heparin?", "liquaemin", "heparin")))
    question = Question(asked, Reader((notes.pk,)))
    plain = {p.external_id: p for p in retrieve(question, None)}
    found = {p.external_id: p for p in retrieve(question, None, understood)}
    assert plain["notes-0"].signals.coverage < found["notes-0"].signals.coverage == pytest.approx(1.0)
    assert found["notes-0"].lexical == plain["notes-0"].lexical < found["notes-0"].signals.lexical
    assert next(iter(found)) == "notes-0"


def test_a_document_called_alike_brings_in_its_section_on_what_is_asked(db: None) -> None:
    collection = Collection.objects.create(slug="leaflets", name="leaflets")
    filler = [f"Leaflet {n} is about hypertension and the pressure in arteries {n}." for n in range(120)]
    sources = [Source(external_id=f"f{n}", title="Pressure", text=text) for n, text in enumerate(filler)]
    sources += [
        Source(external_id="what", title="Kuru-Foo disease", section="Overview", text="It is an illness of the brain."),
        Source(external_id="how", title="Kuru Foo Disease", section="Treatment", text="Rest, warm drinks."),
        Source(external_id="who", title="Kuru-Foo disease", section="Frequency", text="Nobody has counted."),
    ]
    ingest(sources=sources, collection=collection)
    releases.embed_waiting()
    question = Question("How is the brain illness treated?", Reader((collection.pk,)))
    found = {p.external_id: p.signals.kin for p in retrieve(question, None)}
    assert found == {"what": False, "how": True}


@pytest.mark.parametrize("question", ["How is bleeding from heparin reversed?", "heparin"])
def test_a_question_as_of_a_date_finds_what_was_searched_then(notes: Collection, question: str) -> None:
    before = clock.now()
    ingest(sources=[Source(external_id="notes-0", title="Note 0", text="Nothing of that here.")], collection=notes)
    releases.embed_waiting()
    reader = Reader((notes.pk,))
    for vector in (embed(question), None):
        now = {p.external_id: p for p in retrieve(Question(question, reader), vector)}
        then = {p.external_id: p for p in retrieve(Question(question, reader, as_of=before), vector)}
        assert "protamine" in then["notes-0"].text
        assert "protamine" not in getattr(now.get("notes-0"), "text", "")
    assert retrieve(Question(question, reader, as_of=before - timedelta(days=1)), embed(question)) == []


def test_a_restricted_document_is_found_by_those_it_names_alone(notes: Collection) -> None:
    Document.objects.filter(external_id="notes-0").update(readers=["department_head"])
    for roles, seen in ((("clinician",), False), (("department_head",), True)):
        question = Question("How is bleeding from heparin reversed?", Reader((notes.pk,), roles=roles))
        for vector in (embed(question.text), None):
            assert ("notes-0" in {p.external_id for p in retrieve(question, vector)}) is seen
        assert searchable(question) == len(TEXTS) - (not seen), "the number of restricted documents leaked"


def test_what_stands_beside_a_passage_in_its_section_can_be_quoted(db: None) -> None:
    collection = Collection.objects.create(slug="long", name="long")
    part = "\n\n".join(" ".join(f"Sentence {n} of paragraph {m} says something." for n in range(20)) for m in range(4))
    text = f"# One\n\n{part}\n\n# Two\n\nAnother section ends it."
    ingest(sources=[Source(external_id="long", title="Long", text=text, format="markdown")], collection=collection)
    releases.embed_waiting()
    chunks = list(Chunk.objects.filter(collection=collection).order_by("ordinal"))
    question = Question("What says paragraph 2?", Reader((collection.pk,)))
    found = {p.chunk: p for p in retrieve(question, None)}
    second = replace(found[chunks[1].pk], score=2.0)
    near = beside([second])
    assert [p.chunk for p in near] == [chunks[0].pk, chunks[2].pk]
    assert {p.section for p in near} == {second.section}
    version = chunks[0].version.text
    assert all(version[p.start : p.start + len(p.text)] == p.text and p.score == 2.0 for p in near)
    assert beside([second, found[chunks[0].pk], found[chunks[2].pk]], best=1) == []
    last_of_section = [c for c in chunks if c.part == chunks[0].part][-1]
    after = beside([found[last_of_section.pk]])
    assert chunks[-1].pk not in {p.chunk for p in after}, "a passage of another section came along"


# ── The learned sparse leg ───────────────────────────────────────────────────────────────────────────────────────

HEPARIN = "How is bleeding from heparin reversed?"


def test_learned_weights_are_a_third_list_where_they_are_asked_for(notes: Collection, settings: Any) -> None:
    question = Question(HEPARIN, Reader((notes.pk,)))
    assert not Chunk.objects.exclude(sparse=None).exists()
    assert retrieve(question, embed(HEPARIN))[0].fused == pytest.approx(2 / 11)  # first in both lists
    settings.CLINCHAT_SPARSE = True
    assert retrieve(question, embed(HEPARIN))[0].fused == pytest.approx(2 / 11)  # nothing is weighed yet
    releases.embed_waiting()
    assert not Chunk.objects.filter(sparse=None).exists()
    first = retrieve(question, embed(HEPARIN))[0]
    assert first.external_id == "notes-0"
    assert first.fused == pytest.approx(3 / 11)


def test_the_third_list_knows_the_reader_and_the_day(notes: Collection, settings: Any) -> None:
    settings.CLINCHAT_SPARSE = True
    releases.embed_waiting()
    before, heparin = clock.now(), Document.objects.get(external_id="notes-0")
    Document.objects.filter(pk=heparin.pk).update(departments=["Pharmacy"])
    nurse, pharmacist = Reader((notes.pk,)), Reader((notes.pk,), department="Pharmacy")
    assert "notes-0" not in {p.external_id for p in retrieve(Question(HEPARIN, nurse), embed(HEPARIN))}
    assert retrieve(Question(HEPARIN, pharmacist), embed(HEPARIN))[0].fused == pytest.approx(3 / 11)
    releases.withdraw(documents=[heparin], reason="Wrong", by=cast.dora())
    assert "notes-0" not in {p.external_id for p in retrieve(Question(HEPARIN, pharmacist), embed(HEPARIN))}
    then = retrieve(Question(HEPARIN, pharmacist, as_of=before), embed(HEPARIN))
    assert then[0].fused == pytest.approx(3 / 11)


def test_equal_text_is_weighed_once(notes: Collection, settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.CLINCHAT_SPARSE = True
    releases.embed_waiting()
    monkeypatch.setattr(splade, "embed", lambda texts: [] if not texts else pytest.fail("weighed again"))
    twins = fill("twins", TEXTS)  # titles and texts of the first collection
    assert not Chunk.objects.filter(collection=twins, sparse=None).exists()
