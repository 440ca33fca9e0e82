"""A draft: looked at as its readers will see it, described, sent to review, decided on."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.db import transaction
from django.http import HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_POST, require_safe

from chat import days, drafts, reading
from chat.corpus import structure
from chat.library_access import get_draft
from chat.library_forms import Conflict, DecisionForm, DescriptionForm, RevisionForm, SettleForm
from chat.models import Chunk, DocumentVersion, Finding
from clinchat.lib.http import AuthedRequest
from compliance.access import Action, allows, door
from compliance.access.sessions import fresh

Status = DocumentVersion.Status
SHOWS = ("text", "changes", "passages")
GROUPS_SHOWN = 100
HEADING = re.compile(r"^#{1,6} ")
AROUND = 60
"""Characters shown on each side of a finding."""
NOT_DRAFT = "It is no draft any more, so nothing was changed."
CHANGED = "Somebody changed the draft since you opened it. Look at it as it is now, then send it."
READ_AGAIN = "It was changed and sent again since you opened it. Read it as it is now, then decide."


# ── The page ─────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass
class Group:
    """Findings of one kind in the same words: who looked at one of them has looked at all."""

    kind: str
    label: str
    words: str
    before: str = ""
    after: str = ""
    hidden: bool = False
    findings: list[Finding] = field(default_factory=list)
    places: list[Place] = field(default_factory=list)

    @property
    def settled(self) -> bool:
        return all(finding.settled_at for finding in self.findings)


@dataclass(frozen=True)
class Place:
    """Where one of them stands; without an anchor it was left out of the text."""

    anchor: str
    part: int
    page: int | None


@require_safe
@door(Action.READ_DRAFTS)
def draft(request: AuthedRequest, draft_id: UUID) -> HttpResponse:
    return _page(request, get_draft(request.user, draft_id))


def _page(
    request: AuthedRequest,
    found: DocumentVersion,
    *,
    describing: DescriptionForm | None = None,
    deciding: DecisionForm | None = None,
    conflicts: Sequence[Conflict] | None = None,
) -> HttpResponse:
    findings = list(found.findings.select_related("settled_by"))
    show = request.GET.get("show", "")
    edits = allows(request.user, Action.EDIT_LIBRARY, found)
    context = {
        "draft": found,
        "document": found.document,
        "show": show if show in SHOWS else SHOWS[0],
        "edits": edits and found.status == Status.DRAFT,
        "discards": edits and found.status in DocumentVersion.OPEN,
        "form": describing or DescriptionForm(draft=found, renames=_renames(found)),
        "conflicts": conflicts,
        "lacking": [DescriptionForm.base_fields[name].label for name in drafts.lacking(found)],
        "deciding": deciding or DecisionForm(initial={"revision": found.revision}),
        "current": found.document.versions.filter(status=Status.PUBLISHED).defer("text").first(),
        "today": days.today(),
        **_judgment(request, found),
        **_findings(found, findings),
        **_shown(request, found, findings),
    }
    return render(request, "library/draft.html", context)


def _anew(request: AuthedRequest, current: DocumentVersion) -> QueryDict:
    """What was sent, to be sent again about the draft as it stands now."""
    sent = request.POST.copy()
    sent["revision"] = str(current.revision)
    return sent


def _renames(found: DocumentVersion) -> bool:
    """Whether the document is new: its id is nobody's yet."""
    return not found.document.versions.exclude(pk=found.pk).exists()


def _judgment(request: AuthedRequest, found: DocumentVersion) -> dict[str, Any]:
    """Whether the person decides, or why not."""
    if found.status != Status.IN_REVIEW:
        return {"decides": False}
    own = request.user.pk in {found.created_by_id, found.submitted_by_id}
    reviews = allows(request.user, Action.REVIEW_LIBRARY, found)
    return {"decides": reviews and not own, "own": own, "nobody": not drafts.reviewers(found)}


def _findings(found: DocumentVersion, findings: Sequence[Finding]) -> dict[str, Any]:
    groups = list(_grouped(found, findings).values())
    waiting = [group for group in groups if not group.settled]
    return {
        "waiting": waiting[:GROUPS_SHOWN],
        "waiting_count": sum(finding.settled_at is None for finding in findings),
        "more_waiting": len(waiting) - GROUPS_SHOWN,
        "settled": [group for group in groups if group.settled],
        "settled_count": sum(finding.settled_at is not None for finding in findings),
    }


def _grouped(found: DocumentVersion, findings: Sequence[Finding]) -> dict[tuple[str, ...], Group]:
    groups: dict[tuple[str, ...], Group] = {}
    cut = reading.parts(found)
    for finding in findings:
        words = found.text[finding.start : finding.end] if finding.start is not None else finding.excerpt
        key = (finding.kind, finding.label, words, "settled" if finding.settled_at else "")
        if key not in groups:
            groups[key] = _group(found, finding, words)
        at = finding.start
        page = finding.page or (structure.page_of(found.pages, at) if at is not None else None)
        place = Place("", 1, page) if at is None else Place(f"finding-{finding.pk}", reading.part_of(cut, at), page)
        groups[key].findings.append(finding)
        groups[key].places.append(place)
    return groups


def _group(found: DocumentVersion, finding: Finding, words: str) -> Group:
    made = Group(finding.get_kind_display(), finding.label, words, hidden=finding.start is None)
    if finding.start is not None and finding.end is not None:
        made.before = _tail(found.text[max(0, finding.start - AROUND) : finding.start])
        made.after = found.text[finding.end : finding.end + AROUND].split("\n")[0]
    return made


def _tail(text: str) -> str:
    return text.rsplit("\n", 1)[-1]


def _shown(request: AuthedRequest, found: DocumentVersion, findings: Sequence[Finding]) -> dict[str, Any]:
    if request.GET.get("show") == "changes":
        lines = drafts.difference(found)
        return {"lines": [replace(line, text=HEADING.sub("", line.text)) for line in lines]}
    marks = [
        reading.Mark(f.start, f.end, f"finding-{f.pk}")
        for f in findings
        if f.start is not None and f.end is not None and f.settled_at is None
    ]
    wanted = request.GET.get("part", "")
    part = int(wanted) if wanted.isascii() and wanted.isdigit() and len(wanted) < 6 else 1
    page = reading.page(found, part=part, marks=marks)
    shown: dict[str, Any] = {"page": page}
    if request.GET.get("show") == "passages":
        shown["passages"] = [
            {"chunk": chunk, "page": structure.page_of(found.pages, chunk.start)}
            for chunk in _chunks(found)
            if page.part.start <= chunk.start < page.part.end
        ]
    return shown


def _chunks(found: DocumentVersion) -> list[Chunk]:
    """The passages a version was cut into, or will be."""
    from chat.corpus import passages

    return list(found.chunks.order_by("ordinal")) or passages.of(found)


# ── Editing ──────────────────────────────────────────────────────────────────────────────────────────────────────


@require_POST
@door(Action.EDIT_LIBRARY)
def describe(request: AuthedRequest, draft_id: UUID) -> HttpResponse:
    found = get_draft(request.user, draft_id, to=Action.EDIT_LIBRARY)
    form = DescriptionForm(request.POST, draft=found, renames=_renames(found))
    if not form.is_valid():
        return _page(request, found, describing=form)
    fields = dict(form.cleaned_data)
    try:
        drafts.describe(draft=found, by=request.user, revision=fields.pop("revision"), fields=fields)
    except drafts.Stale as stale:
        now = DescriptionForm(_anew(request, stale.current), draft=stale.current, renames=_renames(stale.current))
        return _page(request, stale.current, describing=now, conflicts=now.conflicts())
    except drafts.Taken:
        form.add_error("external_id", "Another document of this collection has this id.")
        return _page(request, found, describing=form)
    except drafts.NotDraft:
        messages.error(request, NOT_DRAFT)
    else:
        messages.success(request, "The description is saved.")
    return redirect("library-draft", found.pk)


@require_POST
@door(Action.EDIT_LIBRARY)
def settle(request: AuthedRequest, draft_id: UUID) -> HttpResponse:
    found = get_draft(request.user, draft_id, to=Action.EDIT_LIBRARY)
    form = SettleForm(request.POST, draft=found)
    if not form.is_valid():
        messages.error(request, "That is not there any more. Here is what is left to look at.")
        return redirect("library-draft", found.pk)
    try:
        with transaction.atomic():
            for finding in form.cleaned_data["finding"]:
                drafts.settle(finding=finding, by=request.user)
    except drafts.NotDraft:
        messages.error(request, NOT_DRAFT)
    return redirect(f"{reverse('library-draft', args=[found.pk])}#findings-h")


@require_POST
@door(Action.EDIT_LIBRARY)
def submit(request: AuthedRequest, draft_id: UUID) -> HttpResponse:
    found = get_draft(request.user, draft_id, to=Action.EDIT_LIBRARY)
    form = RevisionForm(request.POST)
    revision = form.cleaned_data["revision"] if form.is_valid() else -1  # none: as if it had changed
    try:
        drafts.submit(draft=found, by=request.user, revision=revision)
    except drafts.Stale:
        messages.warning(request, CHANGED)
    except drafts.Incomplete as lacking:
        names = [str(DescriptionForm.base_fields[name].label).lower() for name in lacking.fields]
        messages.error(request, f"Before it goes to review, fill in: {', '.join(names)}.")
    except drafts.Unsettled as left:
        one = left.count == 1
        messages.error(request, f"{left.count:,} {'place has' if one else 'places have'} to be looked at first.")
    except drafts.NotDraft:
        messages.error(request, NOT_DRAFT)
    else:
        messages.success(request, "It is in review. Those who may decide were told.")
    return redirect("library-draft", found.pk)


@require_POST
@door(Action.EDIT_LIBRARY)
def discard(request: AuthedRequest, draft_id: UUID) -> HttpResponse:
    found = get_draft(request.user, draft_id, to=Action.EDIT_LIBRARY)
    try:
        drafts.discard(draft=found, by=request.user)
        messages.success(request, "It is discarded. Its text stays on record, and nobody reads it.")
    except drafts.NotOpen:
        messages.error(request, "It is published or discarded already, so nothing was changed.")
    return redirect("library-draft", found.pk)


# ── Deciding ─────────────────────────────────────────────────────────────────────────────────────────────────────


@require_POST
@door(Action.REVIEW_LIBRARY)
@fresh
@sensitive_post_parameters("note")
def decide(request: AuthedRequest, draft_id: UUID) -> HttpResponse:
    found = get_draft(request.user, draft_id, to=Action.REVIEW_LIBRARY)
    form = DecisionForm(request.POST)
    if not form.is_valid():
        return _page(request, found, deciding=form)
    data = form.cleaned_data
    approve = data["decision"] == DecisionForm.APPROVE
    try:
        drafts.decide(draft=found, by=request.user, approve=approve, note=data["note"], revision=data["revision"])
    except drafts.Stale as stale:
        again = DecisionForm(_anew(request, stale.current))
        again.add_error(None, READ_AGAIN)
        return _page(request, stale.current, deciding=again)
    except drafts.OwnWork:
        messages.error(request, "You made it or sent it to review, so somebody else has to decide.")
    except drafts.NotInReview:
        messages.info(request, "Somebody else was faster. Nothing was changed.")
    else:
        messages.success(
            request, "Approved. It waits for the next release." if approve else "It went back, with your note."
        )
    return redirect("library-draft", found.pk)
