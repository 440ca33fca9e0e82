"""Turns waiting passages into vectors and publishes the versions that are complete.

Passages without a vector are the queue: any number of workers may take from it, one that dies loses at most the
batch it held, and the next run goes on from there.
"""

from __future__ import annotations

from collections.abc import Callable

from django.db import transaction
from django.db.models import OuterRef, Subquery

from chat.corpus import index
from chat.llm import minilm
from chat.models import Chunk

BATCH = 64


def search_text(*, title: str, section: str, text: str) -> str:
    """What is embedded for a passage: where it stands, then what it says."""
    return f"{' - '.join(filter(None, (title, section)))}. {text}"


def waiting() -> int:
    """Passages that have no vector yet."""
    return Chunk.objects.filter(embedding=None).count()


def embed_waiting(*, progress: Callable[[int], None] = lambda _: None) -> int:
    """Embed all waiting passages and publish what becomes complete. Returns how many were embedded.

    `progress` is told after each batch how many passages this run has embedded.
    """
    done = reuse()
    while True:
        batch = _embed_batch()
        while ready := index.ready_versions():
            index.publish(versions=ready)
        if not batch:
            return done
        done += batch
        progress(done)


@transaction.atomic
def _embed_batch() -> int:
    chunks = list(
        Chunk.objects.select_for_update(skip_locked=True, of=("self",))
        .filter(embedding=None)
        .select_related("version__document")
        .order_by("pk")[:BATCH]
    )
    texts = [search_text(title=c.version.document.title, section=c.section, text=c.text) for c in chunks]
    if texts:
        for chunk, vector in zip(chunks, minilm.embed(texts), strict=True):
            chunk.embedding, chunk.embedded_by = vector, minilm.NAME
        Chunk.objects.bulk_update(chunks, ["embedding", "embedded_by"])
    return len(chunks)


def reuse() -> int:
    """Give waiting passages the vector of an equal text that this model has already embedded. Returns how many."""
    embedded = Chunk.objects.filter(embedded_by=minilm.NAME)
    twin = embedded.filter(search_sha256=OuterRef("search_sha256"))
    waiting = Chunk.objects.filter(embedding=None, search_sha256__in=embedded.values("search_sha256"))
    return waiting.update(embedding=Subquery(twin.values("embedding")[:1]), embedded_by=minilm.NAME)
