"""Stores what an operator loads. It is searched once every passage is embedded, as one release of its collection."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice

from django.db import transaction
from django.db.models import Max

from chat import releases
from chat.corpus import passages
from chat.corpus.loaders import Source
from chat.models import Chunk, Collection, Document, DocumentVersion, Release

BATCH = 200
DESCRIPTION = (
    "title",
    "kind",
    "specialty",
    "owner",
    "source",
    "url",
    "licence",
    "evidence_grade",
    "effective_from",
    "reviewed",
    "review_by",
    "format",
    "section",
)
"""What a version says beside its text; the fields of Source and of DocumentVersion have the same names."""
Status = DocumentVersion.Status


@dataclass
class Report:
    """What an ingestion changed: documents by outcome, and passages now waiting to be embedded.

    `edited` counts documents left alone because somebody has a draft of them. `release` brings the changes into the
    search; None: there are none.
    """

    new: int = 0
    updated: int = 0
    unchanged: int = 0
    edited: int = 0
    chunks: int = 0
    release: Release | None = None

    @property
    def documents(self) -> int:
        return self.new + self.updated + self.unchanged + self.edited


def ingest(
    *, sources: Sequence[Source], collection: Collection, progress: Callable[[int], None] = lambda _: None
) -> Report:
    """Store what is new or changed; equal text makes no new version. Each batch of documents is one transaction.

    `progress` is told after each batch how many documents are done. A version that was loaded before and is not
    searched yet is part of the release that this returns, so an interrupted ingestion goes on where it stopped.
    """
    report = Report()
    rest = iter(sources)
    while batch := list(islice(rest, BATCH)):
        with transaction.atomic():
            _store(batch, collection, report)
        progress(report.documents)
    report.release = Release.objects.filter(
        collection=collection, kind=Release.Kind.IMPORT, state=Release.State.CANDIDATE, changes__isnull=False
    ).first()
    return report


def _store(batch: list[Source], collection: Collection, report: Report) -> None:
    # Two ingestions of the same collection take turns, so that version numbers stay without gaps.
    Collection.objects.select_for_update(no_key=True).get(pk=collection.pk)
    known = {
        d.external_id: d
        for d in Document.objects.filter(collection=collection, external_id__in=[s.external_id for s in batch])
    }
    versions = DocumentVersion.objects.filter(document__in=known.values())
    numbers = dict(versions.values_list("document").annotate(n=Max("number")))
    kept = versions.exclude(status=Status.DISCARDED)
    last = {v.document_id: v for v in kept.order_by("number").defer("text")}
    documents: list[Document] = []
    made: list[DocumentVersion] = []
    for source in batch:
        document = known.get(source.external_id)
        if document is None:
            document = Document(collection=collection, external_id=source.external_id)
            documents.append(document)
            report.new += 1
        elif (old := last.get(document.pk)) and old.created_by_id and old.status in DocumentVersion.OPEN:
            report.edited += 1
            continue
        elif old and _same(old, source):
            report.unchanged += 1
            continue
        else:
            report.updated += 1
        made.append(_version(source, document, numbers.get(document.pk, 0) + 1))
    versions.filter(document__in=[v.document_id for v in made], status__in=DocumentVersion.OPEN).update(
        status=Status.DISCARDED
    )
    Document.objects.bulk_create(documents)
    DocumentVersion.objects.bulk_create(made)
    chunks = [chunk for version in made for chunk in passages.of(version)]
    Chunk.objects.bulk_create(chunks)
    report.chunks += len(chunks)
    if made:
        release = releases.candidate(collection=collection, kind=Release.Kind.IMPORT, by=None)
        releases.add(release=release, versions=made)


def _version(source: Source, document: Document, number: int) -> DocumentVersion:
    return DocumentVersion(
        document=document,
        number=number,
        status=Status.APPROVED,  # by whoever may run commands; that no clinician reviewed it stays visible
        text=source.text,
        pages=list(source.pages),
        sha256=passages.sha256(source.text),
        **{name: getattr(source, name) for name in DESCRIPTION},
    )


def _same(version: DocumentVersion, source: Source) -> bool:
    described = all(getattr(version, name) == getattr(source, name) for name in DESCRIPTION)
    return described and version.sha256 == passages.sha256(source.text) and version.pages == list(source.pages)
