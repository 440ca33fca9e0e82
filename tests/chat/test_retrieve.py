"""The search: BM25 as published, fused by rank, and only over what the reader may read."""

from __future__ import annotations

import math
from collections import Counter

import pytest
from django.db import connection

from chat.corpus import embedding
from chat.corpus.ingest import ingest
from chat.corpus.loaders import Source
from chat.models import Chunk, Collection
from chat.pipeline import rerank
from chat.pipeline.retrieve import embed, retrieve, searchable
from chat.pipeline.types import Passage, Question

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
    embedding.embed_waiting()
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
    found = {p.external_id: p.lexical for p in retrieve(Question(question, (notes.pk,)), embed(question))}
    for name, score in found.items():
        assert score == pytest.approx(expected[name], abs=1e-5), name


def test_fusion_is_reciprocal_rank_with_k_10(notes: Collection) -> None:
    question = "How is bleeding from heparin reversed?"
    passages = retrieve(Question(question, (notes.pk,)), embed(question))
    by_words = [p.chunk for p in sorted(passages, key=lambda p: (-p.lexical, p.chunk)) if p.lexical]
    by_meaning = [p.chunk for p in sorted(passages, key=lambda p: (-p.dense, p.chunk))]
    for p in passages:
        expected = 1 / (10 + by_meaning.index(p.chunk) + 1)
        expected += 1 / (10 + by_words.index(p.chunk) + 1) if p.chunk in by_words else 0
        assert p.fused == pytest.approx(expected)
    assert [p.fused for p in passages] == sorted((p.fused for p in passages), reverse=True)
    assert passages[0].external_id == "notes-0"


def test_coverage_counts_words_the_library_does_not_know(notes: Collection) -> None:
    (known,) = (p.coverage for p in retrieve(Question("protamine", (notes.pk,)), None))
    (half,) = (p.coverage for p in retrieve(Question("protamine zyxomab", (notes.pk,)), None))
    assert known == pytest.approx(1.0)
    assert 0 < half < 0.6


def test_tokens_of_identifiers_are_not_searched(notes: Collection) -> None:
    plain = retrieve(Question("protamine for", (notes.pk,)), None)
    masked = retrieve(Question("protamine for [NAME-1] [HEALTH_PLAN-12]", (notes.pk,)), None)
    assert [(p.chunk, p.lexical, p.coverage) for p in masked] == [(p.chunk, p.lexical, p.coverage) for p in plain]


def test_only_the_given_collections_are_searched(notes: Collection) -> None:
    other = fill("other", ["Heparin bleeding is secret here."])
    for question in ("heparin bleeding", "secret"):
        found = retrieve(Question(question, (notes.pk,)), embed(question))
        assert not [p.external_id for p in found if p.external_id.startswith("other")], "a passage of `other` leaked"
    assert {p.external_id for p in retrieve(Question("secret", (other.pk,)), None)} == {"other-0"}
    assert retrieve(Question("heparin", ()), embed("heparin")) == []
    assert searchable([notes.pk]) == len(TEXTS)


def test_passages_that_are_not_live_are_not_found(notes: Collection) -> None:
    Chunk.objects.filter(text__startswith="Heparin").update(live=False)
    found = retrieve(Question("heparin protamine", (notes.pk,)), embed("heparin"))
    assert len(found) == len(TEXTS) - 1
    assert "notes-0" not in {p.external_id for p in found}


@pytest.mark.parametrize("question", ["", "the of and", "!!! ???", "x' OR 1=1 --", "a" * 4000, "🙂", "وارفارين"])
def test_any_text_can_be_searched(notes: Collection, question: str) -> None:
    retrieve(Question(question, (notes.pk,)), embed(question))
    retrieve(Question(question, (notes.pk,)), None)


def test_confidence_rises_with_both_signals_and_decides_what_may_be_quoted() -> None:
    from uuid import uuid4

    def passage(dense: float, coverage: float) -> Passage:
        return Passage(1, uuid4(), 1, uuid4(), "x", "T", "article", "", "text", 0, "", dense, 1.0, coverage, 0.1)

    passages = [passage(d, c) for d, c in [(0.1, 0.1), (0.5, 0.1), (0.5, 0.9), (0.9, 1.0)]]
    values = [rerank.confidence(p) for p in passages]
    assert values == sorted(values)
    assert 0 < values[0] < rerank.THRESHOLD < values[-1] < 1
    assert rerank.sufficient(passages) == [p for p in passages if rerank.confidence(p) >= rerank.THRESHOLD]
    assert rerank.sufficient(passages[:1]) == rerank.sufficient([]) == []
