"""Stores documents and their passages as drafts. Publishing happens when every passage of a version is embedded."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from django.db import transaction
from django.db.models import Max

from chat.corpus import chunking
from chat.corpus.embedding import search_text
from chat.corpus.loaders import Source
from chat.models import Chunk, Collection, Document, DocumentVersion

BATCH = 200
DESCRIPTION = ("title", "kind", "specialty", "source", "url", "licence", "owner")


@dataclass
class Report:
    """What an ingestion changed: documents by outcome, and passages now waiting to be embedded."""

    new: int = 0
    updated: int = 0
    unchanged: int = 0
    chunks: int = 0


def ingest(
    *, sources: Sequence[Source], collection: Collection, progress: Callable[[int], None] = lambda _: None
) -> Report:
    """Store what is new or changed; equal text makes no new version. Each batch of documents is one transaction.

    `progress` is told after each batch how many documents are done.
    """
    report = Report()
    rest = iter(sources)
    while batch := list(islice(rest, BATCH)):
        with transaction.atomic():
            _store(batch, collection, report)
        progress(report.new + report.updated + report.unchanged)
    return report


def _store(batch: list[Source], collection: Collection, report: Report) -> None:
    # Two ingestions of the same collection take turns, so that version numbers stay without gaps.
    Collection.objects.select_for_update().get(pk=collection.pk)
    known = {
        d.external_id: d
        for d in Document.objects.filter(collection=collection, external_id__in=[s.external_id for s in batch])
    }
    numbers = dict(
        DocumentVersion.objects.filter(document__in=known.values()).values_list("document").annotate(n=Max("number"))
    )
    last = {
        v.document_id: v
        for v in DocumentVersion.objects.filter(document__in=known.values()).order_by("number").defer("text")
    }
    chunks: list[Chunk] = []
    for source in batch:
        document = known.get(source.external_id)
        sha256 = _sha256(source.text)
        if document is None:
            document = Document(collection=collection, external_id=source.external_id)
            report.new += 1
        elif (old := last.get(document.pk)) and _same(document, old, source, sha256):
            report.unchanged += 1
            continue
        else:
            report.updated += 1
        for name in DESCRIPTION:
            setattr(document, name, getattr(source, name))
        document.save()
        version = DocumentVersion.objects.create(
            document=document,
            number=numbers.get(document.pk, 0) + 1,
            format=source.format,
            section=source.section,
            text=source.text,
            sha256=sha256,
            reviewed=source.reviewed,
            review_by=source.review_by,
        )
        chunks += _chunks(version, document)
    Chunk.objects.bulk_create(chunks)
    report.chunks += len(chunks)


def _same(document: Document, version: DocumentVersion, source: Source, sha256: str) -> bool:
    described = all(getattr(document, name) == getattr(source, name) for name in DESCRIPTION)
    stored = (version.sha256, version.section, version.format, version.reviewed, version.review_by)
    return described and stored == (sha256, source.section, source.format, source.reviewed, source.review_by)


def _chunks(version: DocumentVersion, document: Document) -> Iterator[Chunk]:
    markdown = version.format == DocumentVersion.Format.MARKDOWN
    for ordinal, piece in enumerate(chunking.pieces(version.text, markdown=markdown, section=version.section), 1):
        text = version.text[piece.start : piece.end]
        yield Chunk(
            version=version,
            collection_id=document.collection_id,
            ordinal=ordinal,
            section=piece.section[:300],
            start=piece.start,
            end=piece.end,
            text=text,
            sha256=_sha256(text),
            search_sha256=_sha256(search_text(title=document.title, section=piece.section[:300], text=text)),
        )


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
