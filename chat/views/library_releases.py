"""What is searched, since when, and how it changes: releases, the way back, withdrawal, readers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.core.paginator import Paginator
from django.db.models import OuterRef, QuerySet, Subquery
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from chat import access, readership, reading, releases
from chat.corpus import vectors
from chat.library_access import get_release
from chat.library_forms import SHUT_OUT, ReadersForm, ReasonForm, RollBackForm
from chat.models import (
    Collection,
    Conversation,
    Document,
    DocumentVersion,
    Evaluation,
    Listing,
    Release,
    ReleaseChange,
)
from clinchat.lib.http import AuthedRequest
from compliance import audit
from compliance.access import Action, allows, door

PAGE = require_http_methods(["GET", "HEAD", "POST"])
ON_A_PAGE = 50
LATEST = 5
"""Releases of each collection while all collections are shown."""
OVER = "Somebody else was faster, or nothing would change. Nothing was done."
EMBEDDING = "{waiting:,} passages are still being prepared for the search. Publish it when they are ready."


@require_safe
@door(Action.READ_QUALITY)
def index(request: AuthedRequest) -> HttpResponse:
    audit.record(code=audit.Code.SENSITIVE_READ, action=audit.Crude.READ, object_type="chat.Release")
    collections = Collection.objects.visible_to(request.user).order_by("name")
    named = request.GET.get("collection", "")
    chosen = next((one for one in collections if one.slug == named), None)
    context = {
        "collections": collections,
        "chosen": chosen,
        "shelves": [
            _shelf(request, collection, alone=bool(chosen)) for collection in ([chosen] if chosen else collections)
        ],
        "edits": allows(request.user, Action.EDIT_LIBRARY),
    }
    return render(request, "library/releases.html", context)


def _shelf(request: AuthedRequest, collection: Collection, *, alone: bool) -> dict[str, Any]:
    found = collection.releases.select_related("published_by")
    published = found.filter(state=Release.State.PUBLISHED).order_by("-number")
    history = Paginator(published, ON_A_PAGE if alone else LATEST).get_page(request.GET.get("page") if alone else 1)
    prepared = found.filter(state=Release.State.CANDIDATE, changes__isnull=False).distinct()
    return {
        "collection": collection,
        "candidates": [{"release": one, **_readiness(one)} for one in prepared],
        "history": history,
    }


def _readiness(candidate: Release) -> dict[str, Any]:
    """What stands between a candidate and being searched."""
    waits = DocumentVersion.Status.APPROVED
    comes = candidate.changes.filter(version__status=waits).values_list("version", flat=True)
    refused = candidate.evaluations.filter(passed=False).first()
    waiting = vectors.lacking(vectors.active(), versions=comes)
    questions = candidate.collection.questions.exists()
    return {"comes": len(comes), "waiting": waiting, "refused": refused, "questions": questions}


# ── One release ──────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Measure:
    """A line of the comparison; `before` is empty where there was none."""

    name: str
    before: str
    after: str
    fell: bool


@require_safe
@door(Action.READ_QUALITY)
def release(request: AuthedRequest, release_id: UUID) -> HttpResponse:
    found = get_release(request.user, release_id)
    prepared = found.state == Release.State.CANDIDATE
    changes = _changes(found).filter(document__in=Document.objects.visible_to(request.user))
    judged = found.evaluations.select_related("against").first()
    edits = allows(request.user, Action.EDIT_LIBRARY, found)
    context = {
        "release": found,
        "prepared": prepared,
        "changes": Paginator(changes, ON_A_PAGE).get_page(request.GET.get("page")),
        "not_shown": found.changes.count() - changes.count(),
        "judged": judged,
        "measures": _measures(judged) if judged else [],
        "edits": edits,
        "newest": _newest(found.collection),
        **(_readiness(found) if prepared else {}),
    }
    return render(request, "library/release.html", context)


def _changes(found: Release) -> QuerySet[ReleaseChange]:
    """With the number of the version that was searched before, if there was one."""
    listings = Listing.objects.filter(document=OuterRef("document"))
    prepared = found.state == Release.State.CANDIDATE
    before = listings.filter(until=None) if prepared else listings.filter(until=found)
    changes = found.changes.select_related("document", "version").defer("version__text")
    was = Subquery(before.values("version__number")[:1])
    title = Subquery(before.values("version__title")[:1])
    return changes.annotate(was=was, was_title=title).order_by("document__external_id")


def _newest(collection: Collection) -> Release | None:
    """The release that holds now."""
    return collection.releases.filter(state=Release.State.PUBLISHED).order_by("-number").first()


def _measures(after: Evaluation) -> list[Measure]:
    from chat import gate

    return [
        Measure(words, _figure(name, after.against), _figure(name, after), fell=name in after.fallen)
        for name, words in gate.MEASURES.items()
    ]


def _figure(name: str, of: Evaluation | None) -> str:
    if of is None:
        return ""
    if name == "ndcg":
        return f"{of.ndcg:.3f}"
    if name == "quotes":
        return f"{of.quotes - of.quotes_wrong:,} of {of.quotes:,}"
    return f"{getattr(of, name):.1%}"


@require_POST
@door(Action.EDIT_LIBRARY)
def publish(request: AuthedRequest, release_id: UUID) -> HttpResponse:
    found = get_release(request.user, release_id, to=Action.EDIT_LIBRARY)
    try:
        done = releases.publish(release=found, by=request.user)
    except releases.NotReady as early:
        messages.info(request, EMBEDDING.format(waiting=early.waiting))
    except releases.Fallen:
        messages.error(request, "Not published: the questions of this collection would be answered worse than now.")
    except releases.Over:
        messages.info(request, OVER)
    else:
        messages.success(request, f"Release {done.number} is published. {done.documents:,} documents are searched.")
    return redirect(found)


@PAGE
@door(Action.EDIT_LIBRARY)
@sensitive_post_parameters("reason")
def roll_back(request: AuthedRequest, release_id: UUID) -> HttpResponse:
    """The page that asks first, and the act."""
    found = get_release(request.user, release_id, to=Action.EDIT_LIBRARY)
    form = RollBackForm(request.POST or None)
    if form.is_valid():
        try:
            done = releases.roll_back(to=found, by=request.user, **form.cleaned_data)
        except releases.NotReady as early:
            messages.info(request, EMBEDDING.format(waiting=early.waiting))
        except releases.Over:
            messages.info(request, OVER)
        else:
            messages.success(request, f"What was searched after release {found.number} is searched again.")
            return redirect(done)
        return redirect(found)
    context = {"release": found, "form": form, "newest": _newest(found.collection), **_back(found)}
    return render(request, "library/roll_back.html", context)


def _back(found: Release) -> dict[str, int]:
    """What going back would change."""
    back = releases.way_back(found)
    return {"returns": len(back.returning), "leaves": len(back.leave), "withdrawn": len(back.withdrawn)}


# ── Withdrawing, and who may read ────────────────────────────────────────────────────────────────────────────────


@PAGE
@door(Action.WITHDRAW_LIBRARY)
@sensitive_post_parameters("reason")
def withdraw(request: AuthedRequest, document_id: UUID) -> HttpResponse:
    found = access.get_document_to_change(request.user, document_id)
    form = ReasonForm(request.POST or None)
    if form.is_valid():
        try:
            releases.withdraw(documents=[found], reason=form.cleaned_data["reason"], by=request.user)
            messages.success(request, "It is withdrawn. No answer quotes it from now on.")
        except releases.Over:
            messages.info(request, "It is withdrawn already. Nothing was changed.")
        return redirect(found)
    seen = Conversation.objects.filter(turns__citations__version__document=found, turns__citations__n__gte=1)
    context = {
        "document": found,
        "version": found.versions.filter(status=DocumentVersion.Status.PUBLISHED).defer("text").first(),
        "form": form,
        "people": seen.values("author").distinct().count(),
        "answers": seen.values("turns").distinct().count(),
    }
    return render(request, "library/withdraw.html", context)


@PAGE
@door(Action.EDIT_LIBRARY)
def readers(request: AuthedRequest, document_id: UUID) -> HttpResponse:
    found = access.get_document_to_change(request.user, document_id)
    return _readers(request, found, back=found.get_absolute_url(), crumb=reading.title(found))


@PAGE
@door(Action.EDIT_LIBRARY)
def collection(request: AuthedRequest, slug: str) -> HttpResponse:
    found = get_object_or_404(Collection.objects.visible_to(request.user), slug=slug)
    return _readers(request, found, back=f"{reverse('library-releases')}?collection={slug}", crumb=found.name)


def _readers(request: AuthedRequest, what: Collection | Document, *, back: str, crumb: str) -> HttpResponse:
    form = ReadersForm(request.POST if request.method == "POST" else None, what=what)
    if form.is_bound and form.is_valid():
        try:
            readership.open_to(what=what, by=request.user, **form.cleaned_data)
        except readership.ShutOut:
            form.add_error("readers", SHUT_OUT)
        else:
            messages.success(request, "Saved. It holds from the next search on.")
            return redirect(back)
    context = {"what": what, "form": form, "back": back, "crumb": crumb, "is_collection": isinstance(what, Collection)}
    return render(request, "library/readers.html", context)
