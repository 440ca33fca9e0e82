"""The learned sparse weights of the passages: a third way to find them, where CLINCHAT_SPARSE asks for it.

They stand beside the passage and are made once for each text. What has none yet is found in the other two ways.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from django.conf import settings
from django.db import connection, transaction

from chat.corpus.vectors import BATCH, EMBEDDED, search_text
from chat.models import Chunk

if TYPE_CHECKING:
    from pgvector import SparseVector


def fill(*, progress: Callable[[int], None] = lambda _: None) -> None:
    """Weigh the words of every passage that has no weights yet. Any number of processes may do so at once.

    `progress` is told after each batch how many passages this call has weighed.
    """
    if not settings.CLINCHAT_SPARSE:
        return
    _reuse()
    done = after = 0
    while batch := _fill_batch(after):
        after = batch[-1]
        done += len(batch)
        progress(done)


REUSE = """
UPDATE chat_chunk c SET sparse = twin.sparse FROM chat_chunk twin
WHERE c.sparse IS NULL AND twin.search_sha256 = c.search_sha256 AND twin.sparse IS NOT NULL
"""


def _reuse() -> None:
    with connection.cursor() as cursor:
        cursor.execute(REUSE)


@transaction.atomic
def _fill_batch(after: int) -> list[int]:
    """Returns the passages of the batch."""
    from chat.llm import splade

    waiting = Chunk.objects.filter(pk__gt=after, sparse=None, version__status__in=EMBEDDED).order_by("pk")
    locked = waiting.select_for_update(skip_locked=True, of=("self",), no_key=True).select_related("version")
    chunks = list(locked.defer("version__text")[:BATCH])
    texts = [search_text(title=c.version.title, section=c.section, lead=c.lead, text=c.text) for c in chunks]
    for chunk, weights in zip(chunks, splade.embed(texts), strict=True):
        chunk.sparse = _vector(weights)
    Chunk.objects.bulk_update(chunks, ["sparse"])
    return [chunk.pk for chunk in chunks]


def asked(text: str) -> str | None:
    """The weights of a question as PostgreSQL reads them; None where they are not asked for."""
    from chat.llm import encoders, splade

    if not settings.CLINCHAT_SPARSE or encoders.tells(text):
        return None
    return _vector(splade.embed([text])[0]).to_text()


def _vector(weights: Mapping[int, float]) -> SparseVector:
    from pgvector import SparseVector

    from chat.llm import splade

    return SparseVector(dict(weights), splade.WORDS)
