"""The documents of a file become drafts: new documents, or next versions of those the collection has."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from django.db import transaction
from django.db.models import Max

from chat.corpus import passages
from chat.corpus.ingest import DESCRIPTION
from chat.corpus.loaders import Source
from chat.models import Collection, Document, DocumentVersion, Finding, Kind, Upload

Status = DocumentVersion.Status
MOST_DRAFTS = 1_000
"""So many one file may hold: a person reviews each of them. An operator loads more with `manage.py ingest`."""
MOST_CHARS = 5_000_000
"""Of all of them together: looking for identifiers in so much takes minutes."""
INHERITED = ("specialty", "owner", "source", "url", "licence", "evidence_grade")
"""What a new version has from the current one where its file does not say it."""
IN_THE_WAY = {
    Status.DRAFT: "has a draft already. Finish or discard it first.",
    Status.IN_REVIEW: "has a version in review. Wait for the decision, or discard it first.",
    Status.APPROVED: "has an approved version that is not published yet. Publish or discard it first.",
}
TITLE_SHOWN = 80


class NotTaken(Exception):
    """Nothing of the file became a draft; `problems` are sentences for whoever sent it."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__()
        self.problems = list(problems)


@dataclass(frozen=True)
class Examined:
    """A document as understood, and what somebody must look at in it."""

    source: Source
    findings: tuple[Finding, ...]


def examined(sources: Sequence[Source]) -> list[Examined]:
    """Look for hidden text, instructions and identifiers. Takes its time, so not in a transaction.

    Raises NotTaken for more documents than people can review, or more text than can be looked through, and
    phi.PhiUnavailable.
    """
    from chat.corpus import findings

    if len(sources) > MOST_DRAFTS:
        many = f"The file holds {len(sources):,} documents. At most {MOST_DRAFTS:,} can be uploaded at once: split it."
        raise NotTaken([many])
    if (chars := sum(len(source.text) for source in sources)) > MOST_CHARS:
        much = f"The file holds {chars:,} characters of text. At most {MOST_CHARS:,} can be uploaded at once: split it."
        raise NotTaken([much])
    return [Examined(source, tuple(findings.find(source))) for source in sources]


@transaction.atomic
def from_upload(*, upload: Upload, found: Sequence[Examined]) -> list[str]:
    """Make the drafts of a file: new documents, and next versions of those the collection has. All of them or none.

    What says nothing new is left out of a file with several documents; the sentences returned say so. Raises NotTaken.
    """
    if not found:
        raise NotTaken(["The file holds no document."])
    Collection.objects.select_for_update(no_key=True).get(pk=upload.collection_id)
    found = _addressed(upload, found)
    shelf = _Shelf(upload, [item.source.external_id for item in found])
    if problems := [why for item in found if (why := shelf.objection(item.source))]:
        raise NotTaken(problems)
    documents: list[Document] = []
    drafts: list[DocumentVersion] = []
    findings: list[Finding] = []
    for item in found:
        draft = shelf.draft(item.source)
        if shelf.says_nothing_new(draft):
            continue
        if draft.document.external_id not in shelf.known:
            documents.append(draft.document)
        drafts.append(draft)
        for finding in item.findings:
            finding.version = draft
            findings.append(finding)
    if not drafts:
        raise NotTaken(["Nothing changed: the library holds this text already."])
    Document.objects.bulk_create(documents)
    DocumentVersion.objects.bulk_create(drafts)
    Finding.objects.bulk_create(findings)
    upload.drafts.set(drafts)
    unchanged = len(found) - len(drafts)
    words = "1 document is" if unchanged == 1 else f"{unchanged:,} documents are"
    return [f"{words} unchanged and left out."] if unchanged else []


def _addressed(upload: Upload, found: Sequence[Examined]) -> Sequence[Examined]:
    """The one document of a file that was sent as the next version of another takes that one's external id."""
    if upload.document is None:
        return found
    if len(found) != 1:
        raise NotTaken([f"A new version is one document, and this file holds {len(found):,}."])
    source = replace(found[0].source, external_id=upload.document.external_id)
    return [replace(found[0], source=source)]


class _Shelf:
    """What the collection has under the external ids of a file."""

    def __init__(self, upload: Upload, external_ids: Sequence[str]) -> None:
        self.upload = upload
        by_id = Document.objects.filter(collection=upload.collection_id, external_id__in=external_ids)
        self.known = {document.external_id: document for document in by_id}
        ids = [document.pk for document in self.known.values()]
        visible = Document.objects.visible_to(upload.created_by).filter(pk__in=ids)
        self.visible = set(visible.values_list("pk", flat=True))
        versions = DocumentVersion.objects.filter(document__in=ids)
        self.numbers = dict(versions.order_by().values_list("document").annotate(last=Max("number")))
        self.open = {v.document_id: v for v in versions.open().defer("text")}
        self.current = {v.document_id: v for v in versions.filter(status=Status.PUBLISHED).defer("text")}

    def objection(self, source: Source) -> str:
        """Why the document cannot become a draft; empty when it can."""
        document = self.known.get(source.external_id)
        if document is None:
            return ""
        if document.pk not in self.visible:
            return f"The id “{source.external_id}” belongs to a document that is not open to you. Use another id."
        if version := self.open.get(document.pk):
            return f"“{shown(version)}” {IN_THE_WAY[Status(version.status)]}"
        return ""

    def draft(self, source: Source) -> DocumentVersion:
        """The next version of the document, unsaved, with what the current one says where the file is silent."""
        document = self.known.get(source.external_id)
        if document is None:
            document = Document(collection_id=self.upload.collection_id, external_id=source.external_id)
        said = {name: getattr(source, name) for name in DESCRIPTION}
        said["reviewed"] = None  # by whoever decides on this draft, not as a file claims
        if current := self.current.get(document.pk):
            said |= {name: getattr(current, name) for name in INHERITED if not said[name]}
            if said["kind"] == Kind.ARTICLE:  # what is taken for granted of a file that says nothing
                said["kind"] = current.kind
            if self.upload.document_id:
                said["title"] = current.title
        return DocumentVersion(
            document=document,
            number=self.numbers.get(document.pk, 0) + 1,
            status=Status.DRAFT,
            text=source.text,
            pages=list(source.pages),
            sha256=passages.sha256(source.text),
            file_name=self.upload.file_name,
            file_sha256=self.upload.sha256,
            created_by=self.upload.created_by,
            **said,
        )

    def says_nothing_new(self, draft: DocumentVersion) -> bool:
        """Whether the current version has the same text, and every word its file says of it."""
        current = self.current.get(draft.document_id)
        if current is None or (current.sha256, current.pages) != (draft.sha256, draft.pages):
            return False
        said = {name: getattr(draft, name) for name in DESCRIPTION}
        return all(value in (None, getattr(current, name)) for name, value in said.items())


def shown(version: DocumentVersion) -> str:
    """The title, cut for a sentence."""
    title = version.title
    return title if len(title) <= TITLE_SHOWN else f"{title[: TITLE_SHOWN - 1].rstrip()}…"
