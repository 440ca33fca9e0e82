"""Finds passages that may hold the answer: one SQL statement, nearest by meaning and best by BM25, fused by rank.

Each reading of the question (understand.py) is searched in both ways; the question as asked also by its learned sparse
weights, where the configuration asks for them. Every list sees only passages of the collections
and documents the reader may read, searched now or, for a question as of a date, searched then. BM25 as in Robertson &
Zaragoza 2009 with k1 1.2 and b 0.75; reciprocal rank fusion as in Cormack et al. 2009 with k = 10, which on our
labelled questions beats the usual 60 (docs/benchmarks.md). Documents called like a found one bring in their section
on what is asked: the heading of a disease may be in one document and its treatment in another.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from django.db import connection, transaction
from pgvector import HalfVector

from chat.corpus import sparse, vectors
from chat.language import intents
from chat.llm import encoders
from chat.models import DocumentVersion
from chat.pipeline.types import Passage, Question, Reading, Signals, Understanding, Vectored

POOL = 100
"""Passages taken from each of the two lists of the question as asked."""
OTHER_POOL = 60
"""Passages taken from each list of its other readings."""
LIMIT = 100
"""Passages returned, kin not counted."""
TERMS = 16
"""Rarest terms of a reading that are looked up; the common ones cost time and change little."""
COMMON, AT_LEAST = 0.08, 3
"""Share of the passages in which a term is too common to be looked up, unless a reading has fewer rarer ones."""
NAMESAKES, KIN = 12, 40
"""Titles whose namesakes are looked at, and the passages they may add."""

TERMS_OF = """
WITH asked AS (
    SELECT DISTINCT r.place::int - 1 AS reading, l.lexeme
    FROM unnest(%(readings)s::text[]) WITH ORDINALITY AS r(text, place)
    CROSS JOIN LATERAL unnest(to_tsvector('english', r.text)) l
), scope AS (
    SELECT id, live_chunks AS n, greatest(live_length, 1)::float8 / greatest(live_chunks, 1) AS average
    FROM chat_collection WHERE id = ANY(%(collections)s) AND live_chunks > 0
)
SELECT a.reading, a.lexeme, t.id, s.average,
       ln(1 + (s.n - coalesce(t.chunks, 0) + 0.5) / (coalesce(t.chunks, 0) + 0.5))::float8,
       coalesce(t.chunks, 0)::float8 / s.n
FROM asked a CROSS JOIN scope s
LEFT JOIN chat_term t ON t.collection_id = s.id AND t.lexeme = a.lexeme AND (t.chunks > 0 OR %(then)s)
"""

# {searched}: condition on a chunk or posting; {listed}: on a version. Of now they come out of indexes.
SEARCH = """
WITH reading AS (
    SELECT place::int - 1 AS reading, vector::halfvec({dimensions}) AS vector
    FROM unnest(%(vectors)s::text[]) WITH ORDINALITY AS r(vector, place)
), wanted AS (
    SELECT * FROM unnest(%(term_readings)s::int[], %(term_ids)s::bigint[], %(idf)s::float8[], %(average)s::float8[],
                         %(rarest)s::bool[]) AS w(reading, id, idf, average, rarest)
), period AS MATERIALIZED ({period}), barred AS MATERIALIZED (
    SELECT c.id FROM chat_document d
    JOIN chat_documentversion v ON v.document_id = d.id AND {listed}
    JOIN chat_chunk c ON c.version_id = v.id
    WHERE NOT %(everything)s AND d.collection_id = ANY(%(collections)s)
      AND (d.readers <> '{{}}' OR d.departments <> '{{}}')
      AND NOT ((d.readers = '{{}}' OR d.readers && %(roles)s::varchar[])
               AND (d.departments = '{{}}' OR %(department)s = ANY(d.departments)))
), matched AS MATERIALIZED (
    SELECT w.reading, p.chunk_id, sum(w.idf) AS covered, bool_or(w.rarest) AS rarest,
           sum(w.idf * p.frequency * 2.2 / (p.frequency + 1.2 * (0.25 + 0.75 * p.length / w.average))) AS score
    FROM wanted w JOIN chat_posting p ON p.term_id = w.id AND {posting}
    WHERE p.chunk_id NOT IN (SELECT id FROM barred)
    GROUP BY w.reading, p.chunk_id
), near AS MATERIALIZED (
    SELECT r.reading, n.chunk_id, n.distance FROM reading r CROSS JOIN LATERAL (
        SELECT chunk_id, embedding::halfvec({dimensions}) <=> r.vector AS distance FROM chat_vector
        WHERE index_id = {index} AND {vector} AND collection_id = ANY(%(collections)s)
          AND chunk_id NOT IN (SELECT id FROM barred)
        ORDER BY embedding::halfvec({dimensions}) <=> r.vector
        LIMIT CASE WHEN r.reading = 0 THEN %(pool)s ELSE %(other_pool)s END
    ) n WHERE r.vector IS NOT NULL
), places AS ({by_sparse}
    SELECT chunk_id, row_number() OVER (ORDER BY score DESC, chunk_id) AS place FROM (
        SELECT chunk_id, score FROM matched WHERE reading = 0 ORDER BY score DESC, chunk_id LIMIT %(pool)s) s
    UNION ALL
    SELECT chunk_id, row_number() OVER (ORDER BY score DESC, chunk_id) FROM (
        SELECT chunk_id, max(score) AS score FROM matched WHERE reading > 0
        GROUP BY chunk_id ORDER BY score DESC, chunk_id LIMIT %(other_pool)s) s
    UNION ALL
    SELECT chunk_id, row_number() OVER (ORDER BY distance, chunk_id) FROM near WHERE reading = 0
    UNION ALL
    SELECT chunk_id, row_number() OVER (ORDER BY distance, chunk_id) FROM (
        SELECT chunk_id, min(distance) AS distance FROM near WHERE reading > 0
        GROUP BY chunk_id ORDER BY distance, chunk_id LIMIT %(other_pool)s) s
), fused AS MATERIALIZED (
    SELECT chunk_id, sum(1.0 / (10 + place))::float8 AS fused
    FROM places GROUP BY chunk_id ORDER BY fused DESC, chunk_id LIMIT %(limit)s
), titled AS MATERIALIZED (
    SELECT f.chunk_id, f.fused, {title} AS words
    FROM fused f JOIN chat_chunk c ON c.id = f.chunk_id JOIN chat_documentversion v ON v.id = c.version_id
), called AS MATERIALIZED (
    SELECT words, max(fused) AS best FROM titled WHERE %(headings)s <> ''
    GROUP BY words ORDER BY best DESC LIMIT {namesakes}
), kin AS (
    SELECT c.id AS chunk_id, k.words FROM chat_documentversion v
    JOIN chat_document d ON d.id = v.document_id AND d.collection_id = ANY(%(collections)s)
    JOIN chat_chunk c ON c.version_id = v.id AND c.section ~* %(headings)s
    JOIN called k ON k.words = {title}
    WHERE {listed} AND {title} = ANY(ARRAY(SELECT words FROM called WHERE words <> ''))
      AND c.id NOT IN (SELECT chunk_id FROM fused) AND c.id NOT IN (SELECT id FROM barred)
    ORDER BY k.best DESC, c.id LIMIT {kin}
), found AS (
    SELECT chunk_id, fused, false AS kin, words FROM titled UNION ALL SELECT chunk_id, 0, true, words FROM kin
), summed AS (
    SELECT m.chunk_id, bool_or(m.rarest) AS rarest, array_agg(m.reading) AS readings, array_agg(m.score) AS scores,
           array_agg(m.covered) AS covered
    FROM matched m WHERE m.chunk_id IN (SELECT chunk_id FROM found) GROUP BY m.chunk_id
)
SELECT c.id, v.id, v.number, d.id, d.external_id, v.title, v.kind, c.section, c.text, c.start, v.pages, c.sha256,
       coalesce(array_position(ARRAY['very_low', 'low', 'moderate', 'high'], v.evidence_grade::text), 0),
       coalesce(coalesce(v.reviewed, v.effective_from) - DATE '1970-01-01', 0), f.fused, f.kin,
       tsvector_to_array(f.words), coalesce(m.rarest, false), m.readings, m.scores, m.covered,
       (SELECT array_agg(1 - (e.embedding::halfvec({dimensions}) <=> r.vector) ORDER BY r.reading)
        FROM reading r WHERE r.vector IS NOT NULL)
FROM found f
JOIN chat_chunk c ON c.id = f.chunk_id AND {chunk} AND c.collection_id = ANY(%(collections)s)
JOIN chat_documentversion v ON v.id = c.version_id
JOIN chat_document d ON d.id = v.document_id
LEFT JOIN chat_vector e ON e.chunk_id = c.id AND e.index_id = {index}
LEFT JOIN summed m ON m.chunk_id = f.chunk_id
ORDER BY f.fused DESC, c.id
"""
# Every passage is compared: an HNSW index over these weights misses so many that the fused list gets worse.
BY_SPARSE = """
    SELECT chunk_id, row_number() OVER (ORDER BY distance, chunk_id) AS place FROM (
        SELECT c.id AS chunk_id, c.sparse <#> %(sparse)s::sparsevec AS distance FROM chat_chunk c
        WHERE {chunk} AND c.collection_id = ANY(%(collections)s) AND c.sparse IS NOT NULL
          AND c.id NOT IN (SELECT id FROM barred)
        ORDER BY c.sparse <#> %(sparse)s::sparsevec LIMIT %(pool)s
    ) s UNION ALL"""
_TITLE = "strip(to_tsvector('english', translate(v.title, '-/''\u2019', '    ')))"
_NOW = {
    "period": "SELECT 0::bigint AS id WHERE false",
    "listed": "v.status = 'published'",
    "posting": "p.live",
    "vector": "live",
    "chunk": "c.live",
}
_THEN = {
    "period": """
        SELECT c.id FROM chat_listing l JOIN chat_chunk c ON c.version_id = l.version_id
        WHERE l.since_at <= %(as_of)s AND (l.until_at IS NULL OR l.until_at > %(as_of)s)
          AND c.collection_id = ANY(%(collections)s)""",
    "listed": "v.id IN (SELECT version_id FROM chat_listing "
    "WHERE since_at <= %(as_of)s AND (until_at IS NULL OR until_at > %(as_of)s))",
    "posting": "p.chunk_id IN (SELECT id FROM period)",
    "vector": "chunk_id IN (SELECT id FROM period)",
    "chunk": "c.id IN (SELECT id FROM period)",
}


def embed(text: str, *others: str) -> Vectored:
    """The question, and its other readings, as vectors of the model whose index is searched."""
    index = vectors.active()
    first, *rest = encoders.get(index.model).embed_queries([text, *others])
    return Vectored(index.pk, index.model, first, tuple(rest), sparse.asked(text))


@dataclass(frozen=True)
class _Terms:
    """The lexemes of each reading with their IDF, and what the statement looks up."""

    idf: tuple[Mapping[str, float], ...]
    parameters: Mapping[str, Any]


def retrieve(
    question: Question, vector: Vectored | None, understood: Understanding | None = None, *, limit: int = LIMIT
) -> list[Passage]:
    """Passages, best first; those of namesakes last. Each carries `dense` (cosine with the question), `lexical` (BM25),
    `coverage` (share of the question's IDF mass the passage holds, 0 to 1), `fused`, and its `signals`.

    Without a vector the search is by words alone; without `understood`, in the question's own words alone.
    """
    if understood is None:
        understood = Understanding((Reading(question.searched),), intents.asked(question.searched))
    reader = question.reader
    terms = _terms(question, understood)
    values = [vector.values, *vector.others][: len(understood.readings)] if vector else []
    wanted = [name for name in understood.intents if name != "overview"] or list(understood.intents)
    parameters: dict[str, Any] = {
        "vectors": [HalfVector(list(v)).to_text() for v in values] or [None],
        "collections": list(reader.collections),
        "everything": reader.everything,
        "roles": list(reader.roles),
        "department": reader.department,
        "headings": intents.headings(wanted) if wanted else "",
        "pool": max(POOL, limit),
        "other_pool": OTHER_POOL,
        "limit": limit,
        "sparse": vector.sparse if vector else None,
        "as_of": question.as_of,
        **terms.parameters,
    }
    period = _THEN if question.as_of else _NOW
    # The partial index of one model is only used for its number and dimension as constants of the statement.
    statement = SEARCH.format(
        index=int(vector.index if vector else 0),
        dimensions=len(vector.values) if vector else 1,
        title=_TITLE,
        namesakes=NAMESAKES,
        kin=KIN,
        by_sparse=BY_SPARSE.format(chunk=period["chunk"]) if vector and vector.sparse else "",
        **period,
    )
    with transaction.atomic(), connection.cursor() as cursor:
        # Without iterative scans a filter leaves HNSW with fewer rows than asked for (pgvector README, "Filtering").
        cursor.execute("SET LOCAL hnsw.ef_search = 100; SET LOCAL hnsw.iterative_scan = relaxed_order")
        cursor.execute(statement, parameters)
        return [_passage(row, terms.idf) for row in cursor.fetchall()]


def _terms(question: Question, understood: Understanding) -> _Terms:
    with connection.cursor() as cursor:
        readings = [reading.text for reading in understood.readings]
        then = question.as_of is not None  # a word may have stood in passages that are searched no longer
        cursor.execute(TERMS_OF, {"readings": readings, "collections": list(question.collections), "then": then})
        rows = cursor.fetchall()
    idf: tuple[dict[str, float], ...] = tuple({} for _ in readings)
    kept = []
    for place, weights in enumerate(idf):
        asked = sorted((row for row in rows if row[0] == place), key=lambda row: (-row[4], row[1]))
        asked = [row for n, row in enumerate(asked) if n < AT_LEAST or row[5] < COMMON]
        for _, lexeme, _, _, weight, _ in asked:
            weights[lexeme] = min(weight, weights.get(lexeme, weight))
        rarest = asked[0][1] if asked else ""
        kept += [(place, row[2], row[4], row[3], row[1] == rarest) for row in asked if row[2]][:TERMS]
    columns = list(zip(*kept, strict=True)) if kept else [()] * 5
    names = ("term_readings", "term_ids", "idf", "average", "rarest")
    return _Terms(idf, dict(zip(names, map(list, columns), strict=True)))


def _passage(row: Sequence[Any], idf: Sequence[Mapping[str, float]]) -> Passage:
    about, (grade, reviewed, fused, kin, title, rarest, readings, scores, covered, cosines) = row[:-10], row[-10:]
    dense = cosines or [0.0]
    lexical = dict(zip(readings or (), scores or (), strict=True))
    masses = [sum(weights.values()) for weights in idf]
    coverage = {reading: held / masses[reading] for reading, held in zip(readings or (), covered or (), strict=True)}
    titled = [sum(w.get(word, 0.0) for word in title) / mass for w, mass in zip(idf, masses, strict=True) if mass]
    shares = [sum(word in weights for word in title) / max(len(title), 1) for weights in idf]
    columns = [
        *about[:10],
        tuple(about[10]),
        about[11],
        dense[0],
        lexical.get(0, 0.0),
        coverage.get(0, 0.0),
        fused,
        Signals(
            dense=max(dense),
            lexical=max(lexical.values(), default=0.0),
            coverage=max(coverage.values(), default=0.0),
            title=max(titled, default=0.0),
            title_share=max(shares, default=0.0),
            rarest=rarest,
            kin=kin,
        ),
        grade,
        reviewed,
    ]
    return Passage(*columns)


BESIDE = """
SELECT c.id, n.id, n.section, n.text, n.start, n.sha256
FROM chat_chunk c JOIN chat_chunk n
  ON n.version_id = c.version_id AND n.part = c.part AND abs(n.ordinal - c.ordinal) = 1
WHERE c.id = ANY(%(chunks)s) AND n.id <> ALL(%(known)s) ORDER BY array_position(%(chunks)s, c.id), n.ordinal
"""


def beside(passages: Sequence[Passage], *, best: int = 2) -> list[Passage]:
    """The passages before and after the best ones, in the same section of the same version, that were not found."""
    by_chunk = {p.chunk: p for p in passages}
    with connection.cursor() as cursor:
        cursor.execute(BESIDE, {"chunks": [p.chunk for p in passages[:best]], "known": list(by_chunk)})
        return [
            replace(by_chunk[chunk], chunk=other, section=section, text=text, start=start, sha256=sha256, copies=0)
            for chunk, other, section, text, start, sha256 in cursor.fetchall()
        ]


def searchable(question: Question) -> int:
    """How many documents the question is searched in: those its reader may read."""
    found = DocumentVersion.objects.readable_by(question.reader)
    if question.as_of:
        return found.as_of(question.as_of).count()
    return found.filter(status=DocumentVersion.Status.PUBLISHED).count()
