"""Which passages are searched: the atomic switch from one version to the next, and the postings behind BM25.

Only passages of published versions are live. Terms, postings and the collection's totals follow in the same
transaction, so a question sees the old version or the new one, never a mixture.
"""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from django.db import connection, transaction

from chat.models import Chunk, Collection, DocumentVersion
from clinchat.lib import clock

Status = DocumentVersion.Status

# Title and section count as text of the passage: a heading often holds the word its paragraph leaves out.
ADD = """
WITH lexemes AS MATERIALIZED (
    SELECT c.id AS chunk, c.collection_id AS collection, u.lexeme, cardinality(u.positions) AS frequency
    FROM chat_chunk c
    JOIN chat_documentversion v ON v.id = c.version_id
    JOIN chat_document d ON d.id = v.document_id
    CROSS JOIN LATERAL unnest(to_tsvector('english', concat_ws(' ', d.title, c.section, c.text))) u
    WHERE c.version_id = ANY(%(versions)s) AND length(u.lexeme) <= 255
), terms AS (
    INSERT INTO chat_term (collection_id, lexeme, chunks)
    SELECT collection, lexeme, count(*) FROM lexemes GROUP BY collection, lexeme ORDER BY collection, lexeme
    ON CONFLICT (collection_id, lexeme) DO UPDATE SET chunks = chat_term.chunks + excluded.chunks
    RETURNING id, collection_id, lexeme
), lengths AS (
    SELECT chunk, least(sum(frequency), 32767) AS length FROM lexemes GROUP BY chunk
), added AS (
    INSERT INTO chat_posting (term_id, chunk_id, frequency, length)
    SELECT t.id, l.chunk, l.frequency, n.length
    FROM lexemes l
    JOIN terms t ON t.collection_id = l.collection AND t.lexeme = l.lexeme
    JOIN lengths n ON n.chunk = l.chunk
), totals AS (
    SELECT c.collection_id, count(*) AS chunks, coalesce(sum(n.length), 0) AS length
    FROM chat_chunk c LEFT JOIN lengths n ON n.chunk = c.id
    WHERE c.version_id = ANY(%(versions)s) GROUP BY c.collection_id
)
UPDATE chat_collection k SET live_chunks = k.live_chunks + t.chunks, live_length = k.live_length + t.length
FROM totals t WHERE k.id = t.collection_id
"""
REMOVE = """
WITH removed AS (
    DELETE FROM chat_posting p USING chat_chunk c
    WHERE p.chunk_id = c.id AND c.live AND c.version_id = ANY(%(versions)s)
    RETURNING p.term_id, p.chunk_id, p.length
), fewer AS (
    UPDATE chat_term t SET chunks = t.chunks - r.n
    FROM (SELECT term_id, count(*) AS n FROM removed GROUP BY term_id) r WHERE t.id = r.term_id
), lengths AS (
    SELECT DISTINCT chunk_id, length FROM removed
), totals AS (
    SELECT c.collection_id, count(*) AS chunks, coalesce(sum(n.length), 0) AS length
    FROM chat_chunk c LEFT JOIN lengths n ON n.chunk_id = c.id
    WHERE c.live AND c.version_id = ANY(%(versions)s) GROUP BY c.collection_id
)
UPDATE chat_collection k SET live_chunks = k.live_chunks - t.chunks, live_length = k.live_length - t.length
FROM totals t WHERE k.id = t.collection_id
"""


@transaction.atomic
def publish(*, versions: Sequence[UUID]) -> int:
    """Make draft versions the searched ones and supersede those before them. Returns how many were published.

    Safe to run twice: versions that are no longer drafts are left alone.
    """
    drafts = DocumentVersion.objects.filter(pk__in=versions, status=Status.DRAFT)
    collections = set(drafts.values_list("document__collection", flat=True))
    # One publisher per collection at a time: its totals and terms are shared by all its documents.
    list(Collection.objects.select_for_update().filter(pk__in=collections).order_by("pk").values_list("pk"))
    new = list(drafts.order_by("document", "number").values_list("pk", "document"))
    latest = {document: version for version, document in new}
    stale = {version for version, document in new if latest[document] != version}
    now = clock.now()

    old = DocumentVersion.objects.filter(document__in=latest, status=Status.PUBLISHED)
    old_ids = list(old.values_list("pk", flat=True))
    _execute(REMOVE, old_ids)
    Chunk.objects.filter(version__in=old_ids, live=True).update(live=False)
    DocumentVersion.objects.filter(pk__in=[*old_ids, *stale]).update(status=Status.SUPERSEDED, superseded_at=now)

    new_ids = list(latest.values())
    DocumentVersion.objects.filter(pk__in=new_ids).update(status=Status.PUBLISHED, published_at=now)
    Chunk.objects.filter(version__in=new_ids).update(live=True)
    _execute(ADD, new_ids)
    return len(new_ids)


@transaction.atomic
def rebuild(*, collection: Collection) -> int:
    """Write the postings of a collection anew from its live passages. Returns the number of passages."""
    Collection.objects.select_for_update().get(pk=collection.pk)
    collection.terms.all().delete()
    Collection.objects.filter(pk=collection.pk).update(live_chunks=0, live_length=0)
    versions = DocumentVersion.objects.filter(document__collection=collection, status=Status.PUBLISHED)
    _execute(ADD, list(versions.values_list("pk", flat=True)))
    return Chunk.objects.filter(collection=collection, live=True).count()


def _execute(sql: str, versions: list[UUID]) -> None:
    if versions:
        with connection.cursor() as cursor:
            cursor.execute(sql, {"versions": versions})


def ready_versions(limit: int = 500) -> list[UUID]:
    """Drafts whose every passage is embedded, oldest first: what may be published now."""
    waiting = Chunk.objects.filter(embedding=None).values("version")
    drafts = DocumentVersion.objects.filter(status=Status.DRAFT).exclude(pk__in=waiting).order_by("created_at")
    return list(drafts.values_list("pk", flat=True)[:limit])
