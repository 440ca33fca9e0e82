"""Searching and reading the approved documents."""

from __future__ import annotations

from datetime import datetime
from http import HTTPStatus
from urllib.parse import urlencode
from uuid import UUID

from django.contrib import messages
from django.db.models import Count
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods

from chat import access, days, reading, searching
from chat.library_forms import DayForm
from chat.models import Collection, Document, DocumentVersion, Listing, Release
from chat.models.library import Kind
from chat.pipeline.record import also, best_of_each
from chat.pipeline.retrieve import retrieve
from chat.pipeline.types import Question, Reader
from chat.pipeline.understand import understand
from clinchat.lib.http import AuthedRequest
from compliance import phi
from compliance.access import Action, allows, door, works_read_only

RESULTS = 20
EDITORS = (Action.EDIT_LIBRARY, Action.WITHDRAW_LIBRARY, Action.READ_DRAFTS)


@works_read_only("It reads, and puts on record that it did")
@require_http_methods(["GET", "HEAD", "POST"])
@door(Action.READ_LIBRARY)
def index(request: AuthedRequest) -> HttpResponse:
    """The form sends what was typed; its words come back in an address, so that results can be returned to."""
    day = DayForm(request.POST if request.method == "POST" else request.GET)
    typed = searching.typed(request)
    if not day.is_valid():
        return _page(request, typed, day)
    try:
        words = searching.words(typed, where="library-search")
    except phi.PhiUnavailable:
        return _page(request, typed, day, error=searching.NOT_SEARCHED, status=HTTPStatus.SERVICE_UNAVAILABLE)
    if words.changed:
        messages.info(request, searching.LEFT_OUT)
    if words.changed or request.method == "POST":
        query = {name: value for name, value in (("q", words.text), ("on", day.address)) if value}
        return redirect(reverse("library") + (f"?{urlencode(query)}" if query else ""))
    return _page(request, words.text, day)


def _page(
    request: AuthedRequest, query: str, day: DayForm, *, error: str = "", status: int = HTTPStatus.OK
) -> HttpResponse:
    """The shelf, and what the query finds if nothing is wrong with it."""
    as_of = day.cleaned_data.get("on")
    collections = Collection.objects.visible_to(request.user).order_by("name")
    documents = Document.objects.visible_to(request.user).filter(**_searched(as_of))
    counts = dict(documents.values_list("collection").annotate(Count("pk", distinct=True)))
    found = query and not error and day.is_valid()
    context = {
        "query": query,
        "error": error,
        "day": day,
        "as_of": as_of,
        "today": days.today().isoformat(),
        **(_search(query, access.reader(request.user), as_of) if found else {}),
        "collections": [{"name": c.name, "documents": counts.get(c.pk, 0), "starter": c.starter} for c in collections],
        "total": sum(counts.values()),
    }
    return render(request, "library/index.html", context, status=status)


def _searched(as_of: datetime | None) -> dict[str, object]:
    listed = Listing.objects.filter(until=None) if as_of is None else Listing.objects.as_of(as_of)
    return {"listings__in": listed}


def _search(query: str, reader: Reader, as_of: datetime | None) -> dict[str, object]:
    # By words alone: no model is loaded into the web process for it.
    question = Question(query, reader, as_of=as_of)
    understood = understand(question)
    passages = retrieve(question, None, understood)
    access.record_search(len(passages))
    results = [
        {
            "title": p.title,
            "kind": p.kind,
            "kind_label": Kind(p.kind).label,
            "section": p.section,
            "snippet": reading.snippet(p.text),
            "url": f"{reading.address(p.document)}?v={p.number}&start={p.start}&end={p.start + len(p.text)}#quote",
        }
        for p in best_of_each(passages)[:RESULTS]
    ]
    return {"results": results, "also": also(understood.instead)}


@door(Action.READ_LIBRARY)
@require_GET
def document(request: AuthedRequest, document_id: UUID) -> HttpResponse:
    found = access.get_document(request.user, document_id)
    versions = found.versions.released().defer("text").select_related("decided_by")
    number = _number(request, "v")
    current = versions.filter(status=DocumentVersion.Status.PUBLISHED).first()
    version = current or versions.first() if number is None else get_object_or_404(versions, number=number)
    if version is None:
        raise Http404
    marks = _marks(request, version)
    context = {
        "document": found,
        "version": version,
        "versions": versions,
        "current": current,
        "withdrawal": None if current else _withdrawal(found),
        "page": reading.page(version, part=_number(request, "part"), marks=marks),
        "quoted": bool(marks),
        "starter": found.collection.starter,
        "today": days.today(),
        **_care(request, found),
    }
    return render(request, "library/document.html", context)


def _care(request: AuthedRequest, found: Document) -> dict[str, object]:
    """What an editor or reviewer may do from here. Readers see nothing of it, nor does an emergency open it."""
    reads = allows(request.user, Action.READ_LIBRARY, found)
    may = {action.name for action in EDITORS if reads and allows(request.user, action)}
    return {"may": may, "open_version": found.versions.open().defer("text").first() if may else None}


def _marks(request: AuthedRequest, version: DocumentVersion) -> list[reading.Mark]:
    start, end = _number(request, "start"), _number(request, "end")
    if start is None or end is None or not start < end <= len(version.text):
        return []
    return [reading.Mark(start, end, "quote")]


def _withdrawal(found: Document) -> Release | None:
    """The release that took a document out of the search."""
    last = Listing.objects.filter(document=found).select_related("until").order_by("-until_at").first()
    return last.until if last else None


def _number(request: AuthedRequest, name: str) -> int | None:
    """A whole number of at most nine digits from the address, or None: a mangled link still opens the document."""
    value = request.GET.get(name, "")
    return int(value) if value.isascii() and value.isdigit() and len(value) <= 9 else None
