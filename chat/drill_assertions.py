"""The chat app's part of restore drills: reference questions for a backup's manifest, and a vector search assertion.

A reference question is the title of a document. After a restore, the search must find the same passages for it. The
manifest is not encrypted, so it has the ids of document version and passages instead of their text.
"""

from __future__ import annotations

from typing import Any, Final

from django.db import connection, transaction

from chat.models import Collection, DocumentVersion, EmbeddingIndex
from chat.pipeline.search import search
from chat.pipeline.types import Question, Reader
from compliance.continuity.backup import contents
from compliance.continuity.drill.assertions import RestoredCopy, assertion

QUESTIONS: Final = 5
PASSAGES: Final = 5
"""How many of the best passages are compared: farther down, equally distant ones may change places."""
NEAREST: Final = 5
NEAR: Final = """
SELECT embedding::halfvec({dimensions}) <=> (
    SELECT embedding::halfvec({dimensions}) FROM chat_vector WHERE index_id = {index} AND chunk_id = %s)
FROM chat_vector WHERE index_id = {index} AND live ORDER BY 1 LIMIT {nearest}
"""


def known() -> list[dict[str, Any]]:
    """The reference questions and, for each, the ids of the passages found, best first.

    The search is exact, without the vector index: an approximate (HNSW) index gives other results once it is rebuilt.
    """
    published = DocumentVersion.objects.filter(status=DocumentVersion.Status.PUBLISHED)
    reader = Reader(tuple(Collection.objects.order_by("pk").values_list("pk", flat=True)), everything=True)
    titles = published.exclude(title="").order_by("document__external_id", "pk").values_list("pk", "title")[:QUESTIONS]
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_indexscan = off")  # HNSW has no other kind of scan
        found = [
            {
                "question": str(version),
                "passages": [str(one.chunk) for one in search(Question(title, reader)).passages[:PASSAGES]],
            }
            for version, title in titles
        ]
        cursor.execute("SET LOCAL enable_indexscan = on")
    return found


@assertion("vector_search")
def vector_search(copy: RestoredCopy) -> tuple[bool, str]:
    """With the widest search, the vector index finds the same nearest neighbors of a vector as an exact search."""
    index = EmbeddingIndex.objects.filter(state=EmbeddingIndex.State.ACTIVE).first()
    first = index.vectors.filter(live=True).order_by("chunk").values_list("chunk", flat=True).first() if index else None
    if index is None or first is None:
        return True, "the library is empty"
    near = NEAR.format(index=int(index.pk), dimensions=int(index.dimensions), nearest=NEAREST)
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_indexscan = off")
        cursor.execute(near, [first])
        exact = cursor.fetchall()
        cursor.execute(
            "SET LOCAL enable_indexscan = on; SET LOCAL enable_seqscan = off; SET LOCAL enable_sort = off; "
            "SET LOCAL hnsw.ef_search = 1000; SET LOCAL hnsw.iterative_scan = strict_order"
        )
        cursor.execute(f"EXPLAIN {near}", [first])  # nosemgrep: built-statement  # two whole numbers are put into it
        if "chat_vector_hnsw_" not in "".join(line for (line,) in cursor.fetchall()):
            return False, "the vector index is not used"
        cursor.execute(near, [first])
        found = cursor.fetchall()
    same = len(set(found) & set(exact))
    return found == exact, f"{same} of the {len(exact)} nearest distances are found by the index"


def register() -> None:
    contents.register_questions(known)
