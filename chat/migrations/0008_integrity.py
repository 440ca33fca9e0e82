"""What check_data_integrity() of compliance asks of the library and of conversations: whether texts, offsets, digests and
vectors belong together."""

from __future__ import annotations

from django.db import migrations

LIBRARY = r"""
-- Each text is read once, not once for each of its passages.
CREATE FUNCTION integrity_library() RETURNS SETOF compliance_integrity LANGUAGE sql STABLE
    SET search_path = public, pg_temp AS $$
SELECT 'version_texts', 'texts of documents that are not what was stored', count(*), count(*) FILTER (WHERE wrong),
    (array_agg(id::text) FILTER (WHERE wrong))[:10]
FROM (SELECT id, encode(sha256(convert_to(text, 'UTF8')), 'hex') <> sha256 AS wrong FROM chat_documentversion) AS one
UNION ALL
SELECT 'passages', 'passages that are not the text of their document', count(*), count(*) FILTER (WHERE wrong),
    (array_agg(id::text) FILTER (WHERE wrong))[:10]
FROM (SELECT c.id, substr(whole.text, c.start + 1, c."end" - c.start) <> c.text
          OR encode(sha256(convert_to(c.text, 'UTF8')), 'hex') <> c.sha256 AS wrong
      FROM chat_documentversion v CROSS JOIN LATERAL (SELECT v.text || '' AS text OFFSET 0) AS whole
      JOIN chat_chunk c ON c.version_id = v.id) AS one
UNION ALL
SELECT 'citations', 'quotes that do not stand where they are said to', count(*), count(*) FILTER (WHERE wrong),
    (array_agg(id::text) FILTER (WHERE wrong))[:10]
FROM (SELECT q.id, substr(whole.text, q.start + 1, greatest(q."end" - q.start, 0)) <> q.quote
          OR encode(sha256(convert_to(q.quote, 'UTF8')), 'hex') <> q.sha256 OR c.version_id <> q.version_id AS wrong
      FROM chat_documentversion v CROSS JOIN LATERAL (SELECT v.text || '' AS text OFFSET 0) AS whole
      JOIN chat_citation q ON q.version_id = v.id JOIN chat_chunk c ON c.id = q.chunk_id) AS one
$$;

CREATE FUNCTION integrity_vectors() RETURNS SETOF compliance_integrity LANGUAGE sql STABLE
    SET search_path = public, pg_temp AS $$
SELECT 'embeddings', 'passages of published documents without a vector of the searched model', count(*),
    count(*) FILTER (WHERE wrong), (array_agg(id::text) FILTER (WHERE wrong))[:10]
FROM (SELECT c.id, e.chunk_id IS NULL AS wrong
      FROM chat_chunk c JOIN chat_documentversion v ON v.id = c.version_id AND v.status = 'published'
      LEFT JOIN (chat_vector e JOIN chat_embeddingindex i ON i.id = e.index_id AND i.state = 'active')
          ON e.chunk_id = c.id) AS one
UNION ALL
SELECT 'dimensions', 'vectors of another length than their model makes', count(*), count(*) FILTER (WHERE wrong),
    (array_agg(id::text) FILTER (WHERE wrong))[:10]
FROM (SELECT e.chunk_id AS id, vector_dims(e.embedding) <> i.dimensions AS wrong
      FROM chat_vector e JOIN chat_embeddingindex i ON i.id = e.index_id) AS one
UNION ALL
SELECT 'vector_indexes', 'models that are searched without their index', count(*), count(*) FILTER (WHERE wrong),
    (array_agg(model::text) FILTER (WHERE wrong))[:10]
FROM (SELECT i.model, NOT EXISTS (SELECT FROM pg_index x
          WHERE x.indexrelid = to_regclass('chat_vector_hnsw_' || i.id) AND x.indisvalid) AS wrong
      FROM chat_embeddingindex i WHERE i.state = 'active') AS one
$$;

-- The vault knows a conversation by its id alone.
CREATE FUNCTION integrity_vault() RETURNS SETOF compliance_integrity LANGUAGE sql STABLE
    SET search_path = public, pg_temp AS $$
SELECT 'vault_entries', 'masked values of a conversation that is not there', count(*), count(*) FILTER (WHERE wrong),
    (array_agg(scope::text) FILTER (WHERE wrong))[:10]
FROM (SELECT scope, NOT EXISTS (SELECT FROM chat_conversation c WHERE c.id = scope) AS wrong
      FROM compliance_vaultentry) AS one
UNION ALL
SELECT 'data_keys', 'data keys of a conversation that is not there', count(*), count(*) FILTER (WHERE wrong),
    (array_agg(scope::text) FILTER (WHERE wrong))[:10]
FROM (SELECT scope, destroyed_at IS NULL AND NOT EXISTS (SELECT FROM chat_conversation c WHERE c.id = scope) AS wrong
      FROM compliance_datakey) AS one
$$;
"""


class Migration(migrations.Migration):
    dependencies = [
        ("chat", "0007_first_drug_table"),
        ("compliance", "0011_continuity"),
    ]

    operations = [
        migrations.RunSQL(LIBRARY, "DROP FUNCTION integrity_library(), integrity_vectors(), integrity_vault()"),
    ]
