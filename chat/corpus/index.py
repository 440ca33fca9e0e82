"""Which passages are searched: the postings of BM25, and what takes passages into the search and out of it.

Terms, postings, vectors and the collection's totals follow in one transaction, so a question sees the collection as it
was or as it is, never a mixture. A release is what calls this (chat/releases.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django.db import connection, transaction

from chat.corpus import vectors
from chat.models import Chunk, Collection, DocumentVersion

Status = DocumentVersion.Status

# Title and section count as text of the passage: a heading often holds the word its paragraph leaves out.
ADD = """
WITH lexemes AS MATERIALIZED (
    SELECT c.id AS chunk, c.collection_id AS collection, u.lexeme, cardinality(u.positions) AS frequency
    FROM chat_chunk c
    JOIN chat_documentversion v ON v.id = c.version_id
    CROSS JOIN LATERAL unnest(to_tsvector('english', concat_ws(' ', v.title, c.section, c.lead, c.text))) u
    WHERE c.version_id = ANY(%(versions)s) AND length(u.lexeme) <= 255
), terms AS (
    INSERT INTO chat_term (collection_id, lexeme, chunks)
    SELECT collection, lexeme, 0 FROM lexemes GROUP BY collection, lexeme ORDER BY collection, lexeme
    ON CONFLICT (collection_id, lexeme) DO UPDATE SET chunks = chat_term.chunks
    RETURNING id, collection_id, lexeme
), lengths AS (
    SELECT chunk, least(sum(frequency), 32767) AS length FROM lexemes GROUP BY chunk
)
INSERT INTO chat_posting (term_id, chunk_id, frequency, length, live)
SELECT t.id, l.chunk, l.frequency, n.length, false
FROM lexemes l
JOIN terms t ON t.collection_id = l.collection AND t.lexeme = l.lexeme
JOIN lengths n ON n.chunk = l.chunk
ON CONFLICT DO NOTHING
"""
SWITCH = """
WITH changed AS (
    UPDATE chat_posting p SET live = %(live)s FROM chat_chunk c
    WHERE p.chunk_id = c.id AND p.live <> %(live)s AND c.version_id = ANY(%(versions)s)
    RETURNING p.term_id, p.chunk_id, p.length
), counted AS (
    UPDATE chat_term t SET chunks = t.chunks + %(sign)s * r.n
    FROM (SELECT term_id, count(*) AS n FROM changed GROUP BY term_id) r WHERE t.id = r.term_id
), lengths AS (
    SELECT DISTINCT chunk_id, length FROM changed
), totals AS (
    SELECT c.collection_id, count(*) AS chunks, coalesce(sum(n.length), 0) AS length
    FROM chat_chunk c LEFT JOIN lengths n ON n.chunk_id = c.id
    WHERE c.live <> %(live)s AND c.version_id = ANY(%(versions)s) GROUP BY c.collection_id
)
UPDATE chat_collection k
SET live_chunks = k.live_chunks + %(sign)s * t.chunks, live_length = k.live_length + %(sign)s * t.length
FROM totals t WHERE k.id = t.collection_id
"""

# The words as they are written: what misspelled ones are repaired with (chat/language/spelling.py).
WORDS = """
WITH counted AS (
    SELECT c.collection_id AS collection, w.lexeme AS word, count(*) AS n
    FROM chat_chunk c JOIN chat_documentversion v ON v.id = c.version_id
    CROSS JOIN LATERAL unnest(to_tsvector('simple', concat_ws(' ', v.title, c.section, c.lead, c.text))) w
    WHERE c.live <> %(live)s AND c.version_id = ANY(%(versions)s) AND w.lexeme ~ '^[a-z]{3,30}$'
    GROUP BY c.collection_id, w.lexeme ORDER BY c.collection_id, w.lexeme
)
"""
ADD_WORDS = (
    WORDS  # noqa: S608  # constants of this module
    + """
INSERT INTO chat_word (collection_id, word, chunks) SELECT * FROM counted
ON CONFLICT (collection_id, word) DO UPDATE SET chunks = chat_word.chunks + excluded.chunks
"""
)
REMOVE_WORDS = (
    WORDS
    + """
UPDATE chat_word w SET chunks = greatest(w.chunks - c.n, 0) FROM counted c
WHERE c.collection = w.collection_id AND c.word = w.word
"""
)


def take_in(versions: Sequence[UUID]) -> None:
    """Search the versions' passages from now on. Inside the transaction of a release."""
    if versions:
        _execute(ADD, versions)
        _switch(versions, live=True)


def take_out(versions: Sequence[UUID]) -> None:
    """Search the versions' passages no longer; their postings stay, for questions as of an earlier date."""
    if versions:
        _switch(versions, live=False)


def _switch(versions: Sequence[UUID], *, live: bool) -> None:
    _execute(ADD_WORDS if live else REMOVE_WORDS, versions, live=live)
    _execute(SWITCH, versions, live=live, sign=1 if live else -1)
    vectors.set_live(versions=versions, live=live)
    Chunk.objects.filter(version__in=list(versions)).update(live=live)


@transaction.atomic
def rebuild(*, collection: Collection) -> int:
    """Write the postings of a collection anew from its passages. Returns the number of passages that are searched."""
    Collection.objects.select_for_update(no_key=True).get(pk=collection.pk)
    collection.terms.all().delete()
    collection.words.all().delete()
    Collection.objects.filter(pk=collection.pk).update(live_chunks=0, live_length=0)
    released = DocumentVersion.objects.released().filter(document__collection=collection)
    _execute(ADD, list(released.values_list("pk", flat=True)))
    current = list(released.filter(status=Status.PUBLISHED).values_list("pk", flat=True))
    Chunk.objects.filter(version__in=current).update(live=False)  # so that the switch counts them
    _execute(ADD_WORDS, current, live=True)
    _execute(SWITCH, current, live=True, sign=1)
    return Chunk.objects.filter(version__in=current).update(live=True)


def _execute(sql: str, versions: Sequence[UUID], **more: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute(sql, {"versions": list(versions), **more})
