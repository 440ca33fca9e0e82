"""Finds passages that may hold the answer: one SQL statement, nearest by meaning and best by BM25, fused by rank.

Both lists see only live passages (published versions) of the collections the reader may read. BM25 as in Robertson
& Zaragoza 2009 with k1 1.2 and b 0.75; reciprocal rank fusion as in Cormack et al. 2009 with k = 10, which on our
labelled questions beats the usual 60 (docs/benchmarks.md).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django.db import connection, transaction
from pgvector import HalfVector

from chat.llm import minilm
from chat.models import DocumentVersion
from chat.pipeline.types import Passage, Question

POOL = 100
"""Passages taken from each of the two lists."""
LIMIT = 60
"""Passages returned."""
TERMS = 16
"""Rarest terms of a question that are looked up; the common ones cost time and change little."""

SEARCH = """
WITH asked AS (
    SELECT DISTINCT lexeme FROM unnest(to_tsvector('english', %(question)s)) AS q
), scope AS (
    SELECT id, live_chunks AS n, greatest(live_length, 1)::float8 / greatest(live_chunks, 1) AS average
    FROM chat_collection WHERE id = ANY(%(collections)s) AND live_chunks > 0
), known AS (
    SELECT t.id, a.lexeme, s.average, ln(1 + (s.n - t.chunks + 0.5) / (t.chunks + 0.5)) AS idf
    FROM asked a CROSS JOIN scope s
    JOIN chat_term t ON t.collection_id = s.id AND t.lexeme = a.lexeme AND t.chunks > 0
), wanted AS (
    SELECT * FROM known ORDER BY idf DESC, id LIMIT %(terms)s
), mass AS (
    SELECT sum(coalesce(k.idf, (SELECT ln(1 + 2 * max(n)) FROM scope))) AS total
    FROM asked a LEFT JOIN (SELECT lexeme, max(idf) AS idf FROM known GROUP BY lexeme) k USING (lexeme)
), lexical AS (
    SELECT p.chunk_id, sum(w.idf) AS covered,
           sum(w.idf * p.frequency * 2.2 / (p.frequency + 1.2 * (0.25 + 0.75 * p.length / w.average))) AS score
    FROM wanted w JOIN chat_posting p ON p.term_id = w.id
    GROUP BY p.chunk_id ORDER BY score DESC, p.chunk_id LIMIT %(pool)s
), dense AS (
    SELECT id AS chunk_id, embedding <=> %(vector)s::halfvec AS distance FROM chat_chunk
    WHERE live AND collection_id = ANY(%(collections)s) AND %(vector)s::halfvec IS NOT NULL
    ORDER BY embedding <=> %(vector)s::halfvec LIMIT %(pool)s
), fused AS (
    SELECT chunk_id, sum(1.0 / (10 + place))::float8 AS fused FROM (
        SELECT chunk_id, row_number() OVER (ORDER BY score DESC, chunk_id) AS place FROM lexical
        UNION ALL
        SELECT chunk_id, row_number() OVER (ORDER BY distance, chunk_id) FROM dense
    ) places GROUP BY chunk_id ORDER BY fused DESC, chunk_id LIMIT %(limit)s
)
SELECT c.id, v.id, v.number, d.id, d.external_id, d.title, d.kind, c.section, c.text, c.start, c.sha256,
       coalesce(1 - (c.embedding <=> %(vector)s::halfvec), 0), coalesce(l.score, 0)::float8,
       coalesce(l.covered / nullif((SELECT total FROM mass), 0), 0)::float8, f.fused
FROM fused f
JOIN chat_chunk c ON c.id = f.chunk_id AND c.live AND c.collection_id = ANY(%(collections)s)
JOIN chat_documentversion v ON v.id = c.version_id
JOIN chat_document d ON d.id = v.document_id
LEFT JOIN lexical l ON l.chunk_id = f.chunk_id
ORDER BY f.fused DESC, c.id
"""

UNKNOWN = """
SELECT word FROM unnest(%(words)s::text[]) WITH ORDINALITY AS asked(word, place)
WHERE numnode(plainto_tsquery('english', word)) > 0 AND NOT EXISTS (
    SELECT FROM unnest(to_tsvector('english', word)) l
    JOIN chat_term t ON t.lexeme = l.lexeme AND t.chunks > 0 AND t.collection_id = ANY(%(collections)s)
) ORDER BY place
"""


def embed(text: str) -> Sequence[float]:
    """The question as a vector."""
    vector: Sequence[float] = minilm.embed([text])[0]
    return vector


def retrieve(question: Question, vector: Sequence[float] | None, *, limit: int = LIMIT) -> list[Passage]:
    """Passages, best first. Each carries `dense` (cosine with the question), `lexical` (BM25), `coverage` (share of the
    question's IDF mass the passage holds, 0 to 1) and `fused`. Without a vector the search is by words alone."""
    parameters: dict[str, Any] = {
        "question": question.searched,
        "vector": None if vector is None else HalfVector(list(vector)).to_text(),
        "collections": list(question.collections),
        "terms": TERMS,
        "pool": max(POOL, limit),
        "limit": limit,
    }
    with transaction.atomic(), connection.cursor() as cursor:
        # Without iterative scans a filter leaves HNSW with fewer rows than asked for (pgvector README, "Filtering").
        cursor.execute("SET LOCAL hnsw.ef_search = 100; SET LOCAL hnsw.iterative_scan = relaxed_order")
        cursor.execute(SEARCH, parameters)
        return [Passage(*row) for row in cursor.fetchall()]


def unknown_words(question: Question) -> list[str]:
    """Words of the question that no passage it searches contains, in any form; an answer cannot be about them."""
    with connection.cursor() as cursor:
        cursor.execute(UNKNOWN, {"words": question.words, "collections": list(question.collections)})
        return [word for (word,) in cursor.fetchall()]


def searchable(collections: Sequence[UUID]) -> int:
    """How many documents a question is searched in."""
    published = DocumentVersion.objects.filter(status=DocumentVersion.Status.PUBLISHED)
    return published.filter(document__collection__in=collections).count()
