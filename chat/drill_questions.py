"""What a restored copy is asked about the library: questions whose answers the backup knows, and the nearest vectors.

A known question is the title of a document. Whoever restores a backup asks it again, and must find the same passages.
In the manifest, which anybody who reaches the store can read, the ids of version and passages stand for their words.
"""

from __future__ import annotations

from typing import Any, Final

from django.db import connection, transaction

from chat.models import Collection, DocumentVersion, EmbeddingIndex
from chat.pipeline.search import search
from chat.pipeline.types import Question, Reader
from compliance.continuity.backup import contents
from compliance.continuity.drill.questions import Copy, question

QUESTIONS: Final = 5
PASSAGES: Final = 5
"""The best of each answer. Farther down, passages that are equally far may change places."""
NEAREST: Final = 5
NEAR: Final = """
SELECT embedding::halfvec({dimensions}) <=> (
    SELECT embedding::halfvec({dimensions}) FROM chat_vector WHERE index_id = {index} AND chunk_id = %s)
FROM chat_vector WHERE index_id = {index} AND live ORDER BY 1 LIMIT {nearest}
"""


def known() -> list[dict[str, Any]]:
    """The first questions of the library and the ids of the passages found for each, best first.

    The nearest vectors are found by looking at all of them: an approximate index that was built anew finds others.
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


@question("vector_search")
def vector_search(copy: Copy) -> tuple[bool, str]:
    """The nearest of one stored vector: by the index, looking as far as it can, and by looking at every vector."""
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
