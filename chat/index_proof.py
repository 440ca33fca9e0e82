"""The nightly proof that the indexes hold what the published versions say, and find it.

Every derived thing is compared with what it was made from: vectors with passages, postings with passages, passages with
the text of their versions, what is searched with the releases. The approximate vector index is compared with an exact
scan. Reads only; numbers and names of checks are all it keeps.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from typing import Any

from django.db import connection, transaction

from chat.corpus import vectors
from chat.llm import encoders
from chat.models import Chunk, EmbeddingIndex, IndexProof
from compliance import notices
from compliance.access import Role
from compliance.models import Notice

logger = logging.getLogger(__name__)

SAMPLE = 100
"""Stored vectors that are searched for. Each costs one exact scan: 0.1 s for 50,000 passages."""
NEAREST = 10
LEAST_RECALL = 0.90
"""HNSW as we build and ask it finds .97 of the ten nearest among 50,000 passages and .93 among 200,000; less than this
means that the index has decayed and is to be built anew."""
TEXTS = 1000
AGAIN = 16
LEAST_LIKENESS = 0.98
"""Cosine of a stored vector with the same text embedded now. Half precision costs .0001; another model or damaged
weights cost far more."""

WHAT: dict[str, str] = {
    "no_vector": "Searched passages without a vector",
    "vector_flags": "Vectors that are searched although their passage is not, or the other way round",
    "no_postings": "Searched passages the word index does not know",
    "postings": "Passages whose entries in the word index are not their words",
    "posting_flags": "Word-index entries that are searched although their passage is not, or the other way round",
    "term_counts": "Words whose number of passages is wrong",
    "spellings": "Words kept for repairing spelling whose number of passages is wrong",
    "totals": "Collections whose totals are wrong",
    "listings": "Versions that are searched without a release, or not searched in spite of one",
    "texts": "Passages that are not the text of their version",
    "other_vectors": "Vectors that the embedding model would make differently today",
    "no_index": "Vector index that is missing or unfinished",
    "recall": "Nearest passages the vector index does not find",
}
"""What each check looks for, by the name it has in IndexProof.found."""

CHECKS = {
    "no_vector": """
        SELECT count(*) FROM chat_chunk c WHERE c.live
        AND NOT EXISTS (SELECT FROM chat_vector e WHERE e.chunk_id = c.id AND e.index_id = %(index)s)""",
    "vector_flags": """
        SELECT count(*) FROM chat_vector e JOIN chat_chunk c ON c.id = e.chunk_id
        WHERE e.index_id = %(index)s AND (e.live <> c.live OR e.collection_id <> c.collection_id)""",
    "no_postings": """
        SELECT count(*) FROM chat_chunk c JOIN chat_documentversion v ON v.id = c.version_id
        WHERE c.live AND NOT EXISTS (SELECT FROM chat_posting p WHERE p.chunk_id = c.id)
        AND to_tsvector('english', concat_ws(' ', v.title, c.section, c.lead, c.text)) <> ''""",
    "postings": """
        WITH sample AS MATERIALIZED (
            SELECT c.id, concat_ws(' ', v.title, c.section, c.lead, c.text) AS said FROM chat_chunk c
            JOIN chat_documentversion v ON v.id = c.version_id WHERE c.live ORDER BY random() LIMIT %(texts)s
        )
        SELECT count(*) FROM (
            SELECT s.id, count(*) AS n, sum(cardinality(u.positions)) AS frequency
            FROM sample s CROSS JOIN LATERAL unnest(to_tsvector('english', s.said)) u
            WHERE length(u.lexeme) <= 255 GROUP BY s.id
        ) made LEFT JOIN (
            SELECT chunk_id, count(*) AS n, sum(frequency) AS frequency FROM chat_posting
            WHERE chunk_id IN (SELECT id FROM sample) GROUP BY chunk_id
        ) p ON p.chunk_id = made.id
        WHERE made.n <> coalesce(p.n, 0) OR made.frequency <> coalesce(p.frequency, 0)""",
    "posting_flags": """
        SELECT count(*) FROM chat_posting p JOIN chat_chunk c ON c.id = p.chunk_id WHERE p.live <> c.live""",
    "term_counts": """
        SELECT count(*) FROM chat_term t LEFT JOIN (
            SELECT term_id, count(*) AS n FROM chat_posting WHERE live GROUP BY term_id
        ) p ON p.term_id = t.id WHERE t.chunks <> coalesce(p.n, 0)""",
    "spellings": """
        SELECT count(*) FROM (
            SELECT c.collection_id, u.lexeme, count(*) AS n FROM chat_chunk c
            JOIN chat_documentversion v ON v.id = c.version_id
            CROSS JOIN LATERAL unnest(to_tsvector('simple', concat_ws(' ', v.title, c.section, c.lead, c.text))) u
            WHERE c.live AND u.lexeme ~ '^[a-z]{3,30}$' GROUP BY c.collection_id, u.lexeme
        ) made FULL JOIN chat_word w ON w.collection_id = made.collection_id AND w.word = made.lexeme
        WHERE coalesce(w.chunks, 0) <> coalesce(made.n, 0)""",
    "totals": """
        SELECT count(*) FROM chat_collection k LEFT JOIN (
            SELECT c.collection_id, count(*) AS n, coalesce(sum(p.length), 0) AS length FROM chat_chunk c
            LEFT JOIN (SELECT chunk_id, max(length) AS length FROM chat_posting GROUP BY chunk_id) p
            ON p.chunk_id = c.id WHERE c.live GROUP BY c.collection_id
        ) s ON s.collection_id = k.id
        WHERE k.live_chunks <> coalesce(s.n, 0) OR k.live_length <> coalesce(s.length, 0)""",
    "listings": """
        SELECT count(*) FROM chat_documentversion v
        LEFT JOIN chat_listing l ON l.version_id = v.id AND l.until_id IS NULL
        WHERE (v.status = 'published') <> (l.id IS NOT NULL)
        OR EXISTS (SELECT FROM chat_chunk c WHERE c.version_id = v.id AND c.live <> (v.status = 'published'))""",
    "texts": """
        SELECT count(*) FROM (SELECT * FROM chat_chunk WHERE live ORDER BY random() LIMIT %(texts)s) c
        JOIN chat_documentversion v ON v.id = c.version_id
        WHERE substr(v.text, c.start + 1, c."end" - c.start) <> c.text
        OR encode(sha256(convert_to(c.text, 'UTF8')), 'hex') <> c.sha256
        OR encode(sha256(convert_to(v.text, 'UTF8')), 'hex') <> v.sha256""",
    "no_index": """
        SELECT count(*) FROM chat_embeddingindex i WHERE i.id = %(index)s AND NOT EXISTS (
            SELECT FROM pg_index x JOIN pg_class c ON c.oid = x.indexrelid
            WHERE c.relname = 'chat_vector_hnsw_' || i.id AND x.indisvalid)""",
}
SAMPLED = """
SELECT e.chunk_id, e.embedding::text FROM chat_vector e
WHERE e.index_id = %(index)s AND e.live ORDER BY random() LIMIT %(sample)s
"""
NEAR = """
SELECT chunk_id FROM chat_vector WHERE index_id = {index} AND live AND chunk_id <> %(chunk)s
ORDER BY embedding::halfvec({dimensions}) <=> %(vector)s::halfvec({dimensions}) LIMIT %(nearest)s
"""


def prove(*, sample: int = SAMPLE) -> IndexProof:
    """Look at everything now and store what was found. Tells the operators and editors when it has become worse."""
    began = time.monotonic()
    index = EmbeddingIndex.objects.filter(state=EmbeddingIndex.State.ACTIVE).first()
    found, recall, sampled = ({}, None, 0) if index is None else _look(index, sample)
    last = IndexProof.objects.first()
    proof = IndexProof.objects.create(
        ok=not found,
        model=index.model if index else "",
        passages=Chunk.objects.filter(live=True).count(),
        sampled=sampled,
        recall=recall,
        found=found,
        seconds=round(time.monotonic() - began, 2),
    )
    if found:
        logger.error("the search index is not what the library says: %s", ", ".join(sorted(found)))
        if last is None or last.ok:
            _tell()
    return proof


def _look(index: EmbeddingIndex, sample: int) -> tuple[dict[str, int], float | None, int]:
    # One snapshot: a release in the middle of it would look like damage.
    outermost = not connection.in_atomic_block
    with transaction.atomic(), connection.cursor() as cursor:
        if outermost:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        found = {name: _count(cursor, statement, index) for name, statement in CHECKS.items()}
        found["other_vectors"] = _other_vectors(index)
        hits, looked_for, sampled = _recall(cursor, index, sample)
    recall = round(hits / looked_for, 4) if looked_for else None
    if recall is not None and recall < LEAST_RECALL:
        found["recall"] = looked_for - hits
    return {name: number for name, number in found.items() if number}, recall, sampled


def _count(cursor: Any, statement: str, index: EmbeddingIndex) -> int:
    cursor.execute(statement, {"index": index.pk, "texts": TEXTS})
    return int(cursor.fetchone()[0])


def _recall(cursor: Any, index: EmbeddingIndex, sample: int) -> tuple[int, int, int]:
    """How many of the truly nearest the index found, of how many, for how many stored vectors."""
    near = NEAR.replace("{index}", str(int(index.pk))).replace("{dimensions}", str(int(index.dimensions)))
    cursor.execute(SAMPLED, {"index": index.pk, "sample": sample})
    rows = cursor.fetchall()
    hits = looked_for = 0
    for chunk, vector in rows:
        asked = {"chunk": chunk, "vector": vector, "nearest": NEAREST}
        exact = _near(cursor, near, asked, by_index=False)
        hits += len(exact & _near(cursor, near, asked, by_index=True))
        looked_for += len(exact)
    return hits, looked_for, len(rows)


def _near(cursor: Any, statement: str, asked: dict[str, Any], *, by_index: bool) -> set[int]:
    on, off = ("on", "off") if by_index else ("off", "on")
    cursor.execute(
        f"SET LOCAL enable_indexscan = {on}; SET LOCAL enable_bitmapscan = {on}; SET LOCAL enable_seqscan = {off}; "
        "SET LOCAL hnsw.ef_search = 100; SET LOCAL hnsw.iterative_scan = relaxed_order"
    )
    cursor.execute(statement, asked)
    return {chunk for (chunk,) in cursor.fetchall()}


def _other_vectors(index: EmbeddingIndex) -> int:
    """Of a few searched passages: those whose text gives another vector today."""
    encoder = encoders.get(index.model)
    rows = list(
        Chunk.objects.filter(live=True, vectors__index=index)
        .select_related("version")
        .defer("version__text")
        .order_by("?")[:AGAIN]
    )
    stored = dict(index.vectors.filter(chunk__in=rows).values_list("chunk", "embedding"))
    made: Any = encoder.embed_passages([_searched(chunk) for chunk in rows]) if rows else []
    likeness: Sequence[float] = [
        float(encoders.array(stored[chunk.pk]) @ vector) for chunk, vector in zip(rows, made, strict=True)
    ]
    return sum(one < LEAST_LIKENESS for one in likeness)


def _searched(chunk: Chunk) -> str:
    return vectors.search_text(title=chunk.version.title, section=chunk.section, lead=chunk.lead, text=chunk.text)


def _tell() -> None:
    notices.tell(
        notices.holders(Role.OPERATOR, Role.KNOWLEDGE_EDITOR),
        title="The nightly check of the library found a problem",
        text="What is searched is not exactly what was published. See what was found and what to do.",
        url="/library/quality/",
        level=Notice.Level.WARNING,
    )
