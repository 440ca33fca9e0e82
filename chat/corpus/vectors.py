"""The vectors of the passages: one index per embedding model, one of them searched.

A second model gets an index of its own beside the searched one, is filled while questions go on, and takes over in one
step; the one before is kept to go back to. The schema holds the model's name and dimension, and PostgreSQL refuses a
vector of another length. A process that cannot produce the vectors of the searched index must not start.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from django.db import connection, transaction
from django.db.models import Exists, OuterRef, QuerySet

from chat.llm import encoders
from chat.models import Chunk, DocumentVersion, EmbeddingIndex, Vector
from clinchat.lib import clock

if TYPE_CHECKING:
    from collections.abc import Iterable
    from uuid import UUID

State = EmbeddingIndex.State
Status = DocumentVersion.Status
BATCH = 64
EMBEDDED = (Status.APPROVED, *DocumentVersion.RELEASED)
"""Versions whose passages are embedded: what a release may hold, what it may bring back, and what a question as of an
earlier date is answered from. A draft may still be refused."""


class NotBuilt(Exception):
    """The index lacks vectors of passages that are searched."""


class OtherModel(Exception):
    """This process cannot produce the vectors of the searched index; `args` say what to do."""


def active() -> EmbeddingIndex:
    """The searched index. The first call of an installation makes it, for the model its configuration names."""
    found = EmbeddingIndex.objects.filter(state=State.ACTIVE).first()
    if found:
        return found
    encoder = encoders.configured()
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("LOCK TABLE chat_embeddingindex IN SHARE ROW EXCLUSIVE MODE")  # two first processes at once
        found, made = EmbeddingIndex.objects.get_or_create(
            state=State.ACTIVE,
            defaults={"model": encoder.name, "dimensions": encoder.dimensions, "activated_at": clock.now()},
        )
        if made:
            _make_hnsw(found)
    return found


def _make_hnsw(index: EmbeddingIndex, *, anew: bool = False) -> None:
    """The approximate index of one model: pgvector's HNSW over the searched passages (migration 0005)."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT chat_make_vector_index(%s, %s)", [index.pk, anew])


def check() -> None:
    """Raises OtherModel when this process has no encoder for the searched index. Makes no index."""
    found = EmbeddingIndex.objects.filter(state=State.ACTIVE).first()
    if found is None:
        return
    encoder = encoders.find(found.model)
    if encoder is None or encoder.dimensions != found.dimensions:
        raise OtherModel(
            f"The knowledge base is indexed with the embedding model {found.model} ({found.dimensions} dimensions), "
            "which this process does not have. Configure that model again (docs/configuration.md), or, with it "
            "configured, build an index of another one first: manage.py reindex --model NAME."
        )


# ── Filling ──────────────────────────────────────────────────────────────────────────────────────────────────────


def waiting(index: EmbeddingIndex) -> QuerySet[Chunk]:
    """Passages that should have a vector in the index and have none yet: those that are queued for it."""
    has = Vector.objects.filter(index=index, chunk=OuterRef("pk"))
    return Chunk.objects.filter(~Exists(has), version__status__in=EMBEDDED)


def lacking(index: EmbeddingIndex, *, versions: Iterable[UUID]) -> int:
    """How many passages of the versions have no vector in the index yet."""
    has = Vector.objects.filter(index=index, chunk=OuterRef("pk"))
    return Chunk.objects.filter(~Exists(has), version__in=list(versions)).count()


def fill(index: EmbeddingIndex, *, progress: Callable[[int], None] = lambda _: None) -> int:
    """Embed everything that waits for the index. Returns how many passages got a vector.

    Any number of processes may fill at once; one that dies loses at most the batch it held. `progress` is told after
    each batch how many passages this call has embedded. Equal text is never embedded twice by the same model.
    """
    done = reuse(index)
    after = 0
    while True:
        last, embedded = _fill_batch(index, after)
        if last is None:
            if after == 0 or not waiting(index).exists():
                return done
            after = 0  # another process held some of them and died, or new ones came
            continue
        after = last
        done += embedded
        progress(done)


def fill_all(*, progress: Callable[[int], None] = lambda _: None) -> int:
    """Fill the searched index and the one that is being built. Returns how many passages got a vector."""
    active()
    return sum(fill(index, progress=progress) for index in EmbeddingIndex.objects.filled().order_by("pk"))


@transaction.atomic
def _fill_batch(index: EmbeddingIndex, after: int) -> tuple[int | None, int]:
    chunks = list(
        waiting(index)
        .filter(pk__gt=after)
        .select_for_update(skip_locked=True, of=("self",), no_key=True)
        .select_related("version")
        .defer("version__text")
        .order_by("pk")[:BATCH]
    )
    if not chunks:
        return None, 0
    encoder = encoders.get(index.model)
    embedded: dict[str, Any] = _known(index, {c.search_sha256 for c in chunks})
    texts = {
        c.search_sha256: search_text(title=c.version.title, section=c.section, lead=c.lead, text=c.text)
        for c in chunks
        if c.search_sha256 not in embedded
    }
    embedded |= zip(texts, encoder.embed_passages(list(texts.values())) if texts else (), strict=True)
    Vector.objects.bulk_create(
        [
            Vector(
                index=index, chunk=c, collection_id=c.collection_id, live=c.live, embedding=embedded[c.search_sha256]
            )
            for c in chunks
        ],
        ignore_conflicts=True,  # another process was as quick
    )
    return chunks[-1].pk, len(chunks)


def _known(index: EmbeddingIndex, digests: set[str]) -> dict[str, Any]:
    """The vectors the index has of texts with these digests: an earlier batch held an earlier version of them."""
    twins = Vector.objects.filter(index=index, chunk__search_sha256__in=digests).order_by("chunk__search_sha256")
    return dict(twins.distinct("chunk__search_sha256").values_list("chunk__search_sha256", "embedding"))


REUSE = """
INSERT INTO chat_vector (index_id, chunk_id, collection_id, live, embedding)
SELECT %(index)s, c.id, c.collection_id, c.live, twin.embedding
FROM chat_chunk c
JOIN chat_documentversion v ON v.id = c.version_id AND v.status = ANY(%(statuses)s)
CROSS JOIN LATERAL (
    SELECT e.embedding FROM chat_chunk t JOIN chat_vector e ON e.chunk_id = t.id AND e.index_id = %(index)s
    WHERE t.search_sha256 = c.search_sha256 LIMIT 1
) twin
WHERE NOT EXISTS (SELECT FROM chat_vector e WHERE e.chunk_id = c.id AND e.index_id = %(index)s)
ON CONFLICT DO NOTHING
"""


def reuse(index: EmbeddingIndex) -> int:
    """Give waiting passages the vector of an equal text that this model has embedded before. Returns how many."""
    with connection.cursor() as cursor:
        cursor.execute(REUSE, {"index": index.pk, "statuses": [str(s) for s in EMBEDDED]})
        return int(cursor.rowcount)


def search_text(*, title: str, section: str, lead: str, text: str) -> str:
    """What is embedded for a passage: where it stands, then what it says."""
    said = "\n".join(filter(None, (lead, text)))
    return f"{' - '.join(filter(None, (title, section)))}. {said}"


def set_live(*, versions: Sequence[UUID], live: bool) -> None:
    """Put the versions' vectors into the searched part of every index, or take them out. Part of a release's switch."""
    Vector.objects.filter(chunk__version__in=list(versions)).update(live=live)


# ── Changing the model ───────────────────────────────────────────────────────────────────────────────────────────


def build(model: str, *, anew: bool = False, progress: Callable[[int], None] = lambda _: None) -> EmbeddingIndex:
    """Fill the index of another model beside the searched one. Can be run again after an interruption.

    `anew` builds the approximate index over its vectors again, while the one there is goes on being searched. Raises
    encoders.Unknown for a model this installation does not have.
    """
    encoder = encoders.get(model)
    index = EmbeddingIndex.objects.filter(model=encoder.name).first()
    if index is None:
        index = EmbeddingIndex.objects.create(model=encoder.name, dimensions=encoder.dimensions)
    fill(index, progress=progress)
    _make_hnsw(index, anew=anew)
    return index


MATCH = """
UPDATE chat_vector e SET live = c.live, collection_id = c.collection_id FROM chat_chunk c
WHERE c.id = e.chunk_id AND (e.live <> c.live OR e.collection_id <> c.collection_id)
"""


def match() -> int:
    """Search the vectors of the searched passages alone. A release that came while a vector was made did not find it to
    switch it. Returns how many were wrong."""
    with connection.cursor() as cursor:
        cursor.execute(MATCH)
        return int(cursor.rowcount)


def lock_publishers() -> None:
    """Until the transaction ends nothing is published: releases lock these rows too."""
    list(EmbeddingIndex.objects.select_for_update(no_key=True).order_by("pk"))


@transaction.atomic
def activate(index: EmbeddingIndex) -> None:
    """Search this index from now on, in one step; the one before is kept to go back to.

    Raises NotBuilt while passages that are searched have no vector in it.
    """
    lock_publishers()
    match()
    if (
        Chunk.objects.filter(live=True)
        .exclude(Exists(Vector.objects.filter(index=index, chunk=OuterRef("pk"))))
        .exists()
    ):
        raise NotBuilt
    EmbeddingIndex.objects.filter(state=State.ACTIVE).exclude(pk=index.pk).update(state=State.KEPT)
    EmbeddingIndex.objects.filter(pk=index.pk).update(state=State.ACTIVE, activated_at=clock.now())


@transaction.atomic
def drop(index: EmbeddingIndex) -> None:
    """Remove an index that is not searched, with its vectors."""
    locked = EmbeddingIndex.objects.select_for_update().exclude(state=State.ACTIVE).get(pk=index.pk)
    Vector.objects.filter(index=locked).delete()
    with connection.cursor() as cursor:
        cursor.execute("SELECT chat_drop_vector_index(%s)", [locked.pk])
    locked.delete()
