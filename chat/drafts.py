"""The way of a document to its readers: draft, review by a second person, approval into the next release.

What decides about a version happens under the lock of its collection, which the publishers hold too: nothing is
approved into a release that has just been published, or discarded out of one.
"""

from __future__ import annotations

import difflib
import logging
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import Max
from django.urls import reverse
from kombu.exceptions import OperationalError

from chat import days, releases, shelving, tasks
from chat.corpus import passages
from chat.corpus.ingest import DESCRIPTION
from chat.corpus.loaders import Source
from chat.models import Chunk, Collection, Document, DocumentVersion, Finding, Release, ReleaseChange
from clinchat.lib import clock
from compliance import notices
from compliance.access import Action, refusals
from compliance.access.roles import permitted_roles
from compliance.models import Clearance, Notice, User

logger = logging.getLogger(__name__)

Status = DocumentVersion.Status
EDITABLE = (
    "title",
    "kind",
    "specialty",
    "owner",
    "source",
    "url",
    "licence",
    "evidence_grade",
    "effective_from",
    "review_by",
)
"""What an editor says of a draft. The text itself never changes: another one is another upload."""
NEEDED = ("title", "kind", "owner", "source", "licence", "effective_from", "review_by")
"""Of these, what a draft must have before it goes to review."""


class NotDraft(Exception):
    """It is in review, decided or discarded."""


class NotInReview(Exception):
    """It waits for no decision, or for none any more."""


class NotOpen(Exception):
    """It is searched, or was, or is discarded: a release changes that, not an editor."""


class Stale(Exception):
    """Somebody changed the draft since it was opened; nothing was saved. `current` is the draft as it stands."""

    def __init__(self, current: DocumentVersion) -> None:
        super().__init__()
        self.current = current


class Incomplete(Exception):
    """`fields` names what is missing, or is no longer right: a date of review in the past."""

    def __init__(self, fields: Sequence[str]) -> None:
        super().__init__(*fields)
        self.fields = tuple(fields)


class Unsettled(Exception):
    """Nobody has looked at `count` of its findings."""

    def __init__(self, count: int) -> None:
        super().__init__(count)
        self.count = count


class OwnWork(Exception):
    """Whoever brought a draft in, or sent it to review, does not review it."""


class Taken(Exception):
    """Another document of the collection has this external id."""


class InTheWay(Exception):
    """The document has an open version already: `version`."""

    def __init__(self, version: DocumentVersion) -> None:
        super().__init__()
        self.version = version


# ── From the current version ────────────────────────────────────────────────────────────────────────────────────────


def again(*, document: Document, by: User) -> DocumentVersion:
    """A draft with the text of the current version, to have it reviewed again or to describe it otherwise.

    What was settled in that text stays settled. Raises InTheWay, NotOpen when that text is not searched any more, and
    phi.PhiUnavailable.
    """
    text_of = document.versions.filter(status=Status.PUBLISHED).first()
    if text_of is None:
        raise NotOpen
    said = {name: getattr(text_of, name) for name in DESCRIPTION}
    findings = _findings_of(text_of)
    with transaction.atomic():
        _lock_collection(document.collection_id)
        versions = document.versions.defer("text")
        if version := versions.filter(status__in=DocumentVersion.OPEN).first():
            raise InTheWay(version)
        if not versions.filter(pk=text_of.pk, status=Status.PUBLISHED).exists():  # a release came meanwhile
            raise NotOpen
        draft = DocumentVersion.objects.create(
            document=document,
            number=(versions.aggregate(last=Max("number"))["last"] or 0) + 1,
            text=text_of.text,
            pages=text_of.pages,
            sha256=text_of.sha256,
            file_name=text_of.file_name,
            file_sha256=text_of.file_sha256,
            created_by=by,
            **{**said, "reviewed": None, "review_by": None},
        )
        for finding in findings:
            finding.version = draft
        Finding.objects.bulk_create(findings)
    return draft


def _findings_of(version: DocumentVersion) -> list[Finding]:
    """What there is to look at in its text: settled with its review, or looked for where nobody reviewed it."""
    if version.decided_by_id is None:
        (item,) = shelving.examined([_source_of(version)])
        return list(item.findings)
    found = list(version.findings.all())
    for finding in found:
        finding.pk = None
        finding._state.adding = True  # noqa: SLF001  # documented by Django: how a row is copied
    return found


def _source_of(version: DocumentVersion) -> Source:
    said = {name: getattr(version, name) for name in DESCRIPTION}
    return Source(external_id=version.document.external_id, text=version.text, pages=tuple(version.pages), **said)


# ── Editing ──────────────────────────────────────────────────────────────────────────────────────────────────────


@transaction.atomic
def describe(*, draft: DocumentVersion, by: User, revision: int, fields: Mapping[str, object]) -> DocumentVersion:
    """Change what is said of a draft: EDITABLE fields and, of a document that has no other version, `external_id`.

    The fields are checked. `revision` is the one the editor saw. Raises Stale, NotDraft, Taken.
    """
    found = _locked(draft, revision=revision)
    said = dict(fields)
    external_id = str(said.pop("external_id", found.document.external_id))
    if unknown := said.keys() - set(EDITABLE):
        raise ValueError(f"no field of a description: {', '.join(sorted(unknown))}")
    if external_id != found.document.external_id:
        _rename(found, external_id)
    for name, value in said.items():
        setattr(found, name, value)
    found.revision += 1
    found.save(update_fields=[*said, "revision"])
    logger.info("draft %s is described by %s", found.pk, by.pk)
    return found


def _rename(draft: DocumentVersion, external_id: str) -> None:
    if draft.document.versions.exclude(pk=draft.pk).exists():
        raise Taken  # others know the document by its id
    draft.document.external_id = external_id
    try:
        with transaction.atomic():
            draft.document.save(update_fields=["external_id"])
    except IntegrityError:
        raise Taken from None


@transaction.atomic
def settle(*, finding: Finding, by: User) -> None:
    """An editor looked at it, and it does no harm. Settled twice, the first stays. Raises NotDraft."""
    _locked(finding.version)
    Finding.objects.filter(pk=finding.pk, settled_at=None).update(settled_by=by, settled_at=clock.now())


@transaction.atomic
def submit(*, draft: DocumentVersion, by: User, revision: int) -> DocumentVersion:
    """Send a draft to review and tell those who may decide. Raises Stale, NotDraft, Incomplete and Unsettled."""
    found = _locked(draft, revision=revision)
    if missing := lacking(found):
        raise Incomplete(missing)
    if count := found.findings.filter(settled_at=None).count():
        raise Unsettled(count)
    found.status, found.submitted_by, found.submitted_at = Status.IN_REVIEW, by, clock.now()
    found.decided_by, found.decided_at = None, None  # of an earlier round; its note stays until the next decision
    found.revision += 1
    found.save(update_fields=["status", "submitted_by", "submitted_at", "decided_by", "decided_at", "revision"])
    notices.tell(
        reviewers(found),
        title="A document waits for review",
        text=f"{by.name} sent “{shelving.shown(found)}” to review.",
        url=_url(found),
    )
    return found


def lacking(draft: DocumentVersion) -> list[str]:
    """Names of the NEEDED fields a draft lacks; a date of review must lie ahead."""
    missing = [name for name in NEEDED if not getattr(draft, name)]
    if draft.review_by and draft.review_by <= days.today():
        missing.append("review_by")
    return missing


def reviewers(draft: DocumentVersion) -> list[User]:
    """Who may decide on a draft now: cleared for it, a reader of the document, and not who made or sent it."""
    holders = notices.holders(*permitted_roles(Action.REVIEW_LIBRARY))
    cleared = set(Clearance.objects.live(clock.now()).filter(user__in=holders).values_list("user", flat=True))
    return [
        person
        for person in holders
        if person.pk in cleared
        and person.pk not in {draft.created_by_id, draft.submitted_by_id}
        and Document.objects.visible_to(person).filter(pk=draft.document_id).exists()
    ]


# ── Deciding ─────────────────────────────────────────────────────────────────────────────────────────────────────


def decide(
    *, draft: DocumentVersion, by: User, approve: bool, note: str = "", revision: int | None = None
) -> DocumentVersion:
    """The judgment of a second person: into the next release, or back to its editor with a note, which is masked.

    `revision` is the one the reviewer read. Raises OwnWork (on record), NotInReview and, if it was changed and sent
    again meanwhile, Stale.
    """
    if by.pk in DocumentVersion.objects.filter(pk=draft.pk).values_list("created_by", "submitted_by").get():
        refusals.second_person_needed(by, Action.REVIEW_LIBRARY, draft)
        raise OwnWork
    with transaction.atomic():
        _lock_collection(draft.document.collection_id)
        found = _locked(draft, Status.IN_REVIEW, otherwise=NotInReview, revision=revision)
        found.status = Status.APPROVED if approve else Status.DRAFT
        found.decided_by, found.decided_at, found.decision_note = by, clock.now(), note
        if approve:
            found.reviewed = days.today()
        found.revision += 1
        found.save(update_fields=["status", "decided_by", "decided_at", "decision_note", "reviewed", "revision"])
        if approve:
            _into_release(found, by)
        _tell_editors(found, by, approve=approve)
    return found


def _into_release(version: DocumentVersion, by: User) -> None:
    Chunk.objects.bulk_create(passages.of(version))
    release = releases.candidate(collection=version.document.collection, kind=Release.Kind.EDITED, by=by)
    releases.add(release=release, versions=[version])
    transaction.on_commit(_embed)


def _embed() -> None:
    try:
        tasks.embed_waiting_chunks.delay()
    except OperationalError as error:  # the schedule asks again every minute
        logger.warning("embedding not queued: %s", type(error).__name__)


def _tell_editors(version: DocumentVersion, by: User, *, approve: bool) -> None:
    if approve:
        outcome = f"{by.name} approved “{shelving.shown(version)}”. It is searched once its release is published."
    else:
        outcome = f"{by.name} sent “{shelving.shown(version)}” back to you with a note."
    notices.tell(
        _editors(version, but=by),
        title="A document was approved" if approve else "A document came back from review",
        text=outcome,
        url=_url(version),
        level=Notice.Level.INFO if approve else Notice.Level.WARNING,
    )


@transaction.atomic
def discard(*, draft: DocumentVersion, by: User) -> None:
    """Give an open version up, in whatever state; an approved one leaves its release. Raises NotOpen."""
    _lock_collection(draft.document.collection_id)
    found = _locked(draft, *DocumentVersion.OPEN, otherwise=NotOpen)
    found.status, found.revision = Status.DISCARDED, found.revision + 1
    found.save(update_fields=["status", "revision"])
    ReleaseChange.objects.filter(version=found, release__state=Release.State.CANDIDATE).delete()
    found.chunks.all().delete()
    notices.tell(
        _editors(found, but=by),
        title="A document was discarded",
        text=f"{by.name} discarded version {found.number} of “{shelving.shown(found)}” before it was published.",
        url=_url(found),
    )


def _editors(version: DocumentVersion, *, but: User) -> list[User]:
    people = [person for person in (version.created_by, version.submitted_by) if person is not None]
    return [person for person in people if person.pk != but.pk]


# ── Comparing ────────────────────────────────────────────────────────────────────────────────────────────────────

SAME, ADDED, REMOVED, LEFT_OUT = "same", "added", "removed", "left_out"
CONTEXT = 1
MOST_COMPARED = 2_000
"""Paragraphs up to which the smallest difference is looked for."""
_ENDS = re.compile(r"\n[ \t]*\n\s*|\n(?=[ \t]*(?:[-*\u2022]|\d{1,2}[.)]|#{1,6})[ \t]|[ \t]*\|)")
"""Between paragraphs, list items, rows and headings."""
_RULE = re.compile(r"[ \t]*\|[-|: \t]*")
"""The line under the head of a table, which says nothing."""


@dataclass(frozen=True)
class Line:
    """A paragraph, item or row that is the same, added or removed; or `count` equal ones that are left out."""

    kind: str
    text: str = ""
    count: int = 0


def difference(draft: DocumentVersion) -> list[Line]:
    """What a draft changes in the current version; empty for a document that has none."""
    current = draft.document.versions.filter(status=Status.PUBLISHED).exclude(pk=draft.pk).first()
    if current is None:
        return []
    old, new = _paragraphs(current.text), _paragraphs(draft.text)
    # A long text with many equal rows would take minutes otherwise.
    matcher = difflib.SequenceMatcher(None, old, new, autojunk=len(old) + len(new) > MOST_COMPARED)
    lines: list[Line] = []
    for tag, a, b, c, d in matcher.get_opcodes():
        if tag == "equal":
            lines += _abridged(old[a:b], first=a == 0, last=b == len(old))
        else:
            lines += [Line(REMOVED, text) for text in old[a:b]]
            lines += [Line(ADDED, text) for text in new[c:d]]
    return lines


def _paragraphs(text: str) -> list[str]:
    return [" ".join(part.split()) for part in _ENDS.split(text) if part.strip() and not _RULE.fullmatch(part)]


def _abridged(equal: list[str], *, first: bool, last: bool) -> Iterator[Line]:
    """Equal paragraphs next to a change, and how many there are between."""
    before, after = 0 if first else CONTEXT, 0 if last else CONTEXT
    left_out = len(equal) - before - after
    if left_out <= 1:
        yield from (Line(SAME, text) for text in equal)
        return
    yield from (Line(SAME, text) for text in equal[:before])
    yield Line(LEFT_OUT, count=left_out)
    yield from (Line(SAME, text) for text in equal[len(equal) - after :])


# ── Shared ───────────────────────────────────────────────────────────────────────────────────────────────────────


def _url(version: DocumentVersion) -> str:
    return reverse("library-draft", args=[version.pk])


def _lock_collection(collection_id: UUID) -> None:
    Collection.objects.select_for_update(no_key=True).get(pk=collection_id)


def _locked(
    draft: DocumentVersion,
    *states: Status,
    otherwise: type[Exception] = NotDraft,
    revision: int | None = None,
) -> DocumentVersion:
    """The version as it stands, in one of the states (a draft when none is named), held until the transaction ends."""
    found = DocumentVersion.objects.select_for_update(of=("self",), no_key=True).select_related("document__collection")
    locked = found.get(pk=draft.pk)
    if locked.status not in (states or (Status.DRAFT,)):
        raise otherwise
    if revision is not None and locked.revision != revision:
        raise Stale(locked)
    return locked
