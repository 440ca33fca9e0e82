"""What a document is called moves to its versions, vectors to a table of their own, and what is searched becomes
release 1 of its collection. A draft nobody has published is discarded: the file it came from makes it again."""

from __future__ import annotations

from django.db import migrations

FORWARD = """
ALTER TABLE chat_documentversion DISABLE TRIGGER USER;  -- nosemgrep: trigger-switched-off  # on again below
ALTER TABLE chat_collection DISABLE TRIGGER USER;  -- nosemgrep: trigger-switched-off  # on again below

UPDATE chat_documentversion v
SET title = d.title, kind = d.kind, specialty = d.specialty, source = d.source, url = d.url, licence = d.licence,
    owner = d.owner,
    status = CASE v.status WHEN 'draft' THEN 'discarded' ELSE v.status END
FROM chat_document d WHERE d.id = v.document_id;

INSERT INTO chat_embeddingindex (model, dimensions, state, created_at, activated_at)
SELECT embedded_by, 384, 'active', now(), now()
FROM chat_chunk WHERE live GROUP BY embedded_by ORDER BY count(*) DESC LIMIT 1;

INSERT INTO chat_vector (index_id, chunk_id, collection_id, live, embedding)
SELECT i.id, c.id, c.collection_id, c.live, c.embedding
FROM chat_chunk c JOIN chat_embeddingindex i ON i.model = c.embedded_by WHERE c.embedding IS NOT NULL;

INSERT INTO chat_word (collection_id, word, chunks)
SELECT c.collection_id, w.lexeme, count(*)
FROM chat_chunk c JOIN chat_documentversion v ON v.id = c.version_id
CROSS JOIN LATERAL unnest(to_tsvector('simple', concat_ws(' ', v.title, c.section, c.text))) w
WHERE c.live AND w.lexeme ~ '^[a-z]{3,30}$' GROUP BY c.collection_id, w.lexeme;

UPDATE chat_posting p SET live = c.live FROM chat_chunk c WHERE c.id = p.chunk_id AND NOT c.live;

INSERT INTO chat_release
    (id, collection_id, kind, state, number, reason, created_at, published_at, documents, manifest_sha256)
SELECT gen_random_uuid(), k.id, 'import', 'published', 1, 'What was searched before releases were kept.', now(),
       coalesce(max(v.published_at), now()), count(*),
       encode(sha256(convert_to(string_agg(
           d.external_id || ' ' || v.number || ' ' || v.sha256 || E'\\n', '' ORDER BY d.external_id COLLATE "C"), 'UTF8')),
       'hex')
FROM chat_collection k JOIN chat_document d ON d.collection_id = k.id
JOIN chat_documentversion v ON v.document_id = d.id AND v.status = 'published'
GROUP BY k.id;

INSERT INTO chat_listing (document_id, version_id, since_id, since_at)
SELECT d.id, v.id, r.id, r.published_at
FROM chat_release r JOIN chat_document d ON d.collection_id = r.collection_id
JOIN chat_documentversion v ON v.document_id = d.id AND v.status = 'published';

ALTER TABLE chat_documentversion ENABLE TRIGGER USER;
ALTER TABLE chat_collection ENABLE TRIGGER USER;
"""
HNSW = """
DO $$
DECLARE i record;
BEGIN
    FOR i IN SELECT id, dimensions FROM chat_embeddingindex LOOP
        EXECUTE format(
            'CREATE INDEX IF NOT EXISTS chat_vector_hnsw_%s ON chat_vector USING hnsw '
            '((embedding::halfvec(%s)) halfvec_cosine_ops) WITH (m = 16, ef_construction = 128) '
            'WHERE index_id = %s AND live', i.id, i.dimensions, i.id);
    END LOOP;
END $$;
"""


class Migration(migrations.Migration):
    # Statements that change rows and statements that change tables do not go together in one transaction.
    atomic = False

    dependencies = [("chat", "0003_knowledge_base")]

    operations = [migrations.RunSQL(f"BEGIN; {FORWARD} COMMIT;"), migrations.RunSQL(HNSW)]
