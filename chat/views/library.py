"""Searching and reading the approved documents."""

from __future__ import annotations

from http import HTTPStatus
from urllib.parse import urlencode
from uuid import UUID

from django.contrib import messages
from django.db.models import Count
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods

from chat import access, reading, searching
from chat.models import Collection, Document, DocumentVersion
from chat.models.library import Kind
from chat.pipeline.retrieve import retrieve
from chat.pipeline.types import Question
from clinchat.lib.http import AuthedRequest
from compliance import phi
from compliance.access import Action, door

RESULTS = 20


@require_http_methods(["GET", "HEAD", "POST"])
@door(Action.READ_LIBRARY)
def index(request: AuthedRequest) -> HttpResponse:
    """The form sends what was typed; its words come back in an address, so that results can be returned to."""
    typed = searching.typed(request)
    try:
        words = searching.words(typed, where="library-search")
    except phi.PhiUnavailable:
        return _page(request, typed, error=searching.NOT_SEARCHED, status=HTTPStatus.SERVICE_UNAVAILABLE)
    if words.changed:
        messages.info(request, searching.LEFT_OUT)
    if words.changed or request.method == "POST":
        return redirect(reverse("library") + (f"?{urlencode({'q': words.text})}" if words.text else ""))
    return _page(request, words.text)


def _page(request: AuthedRequest, query: str, *, error: str = "", status: int = HTTPStatus.OK) -> HttpResponse:
    """The shelf, and what the query finds if nothing is wrong with it."""
    collections = Collection.objects.visible_to(request.user)
    counts = dict(Document.objects.visible_to(request.user).values_list("collection").annotate(Count("pk")))
    context = {
        "query": query,
        "error": error,
        "results": _search(query, tuple(c.pk for c in collections)) if query and not error else [],
        "collections": [{"name": c.name, "documents": counts.get(c.pk, 0), "starter": c.starter} for c in collections],
        "total": sum(counts.values()),
    }
    return render(request, "library/index.html", context, status=status)


def _search(query: str, collections: tuple[UUID, ...]) -> list[dict[str, str]]:
    # By words alone: no model is loaded into the web process for it.
    passages = retrieve(Question(query, collections), None)
    access.record_search(len(passages))
    best = list({p.document: p for p in reversed(passages)}.values())[::-1]
    return [
        {
            "title": p.title,
            "kind": p.kind,
            "kind_label": Kind(p.kind).label,
            "section": p.section,
            "snippet": reading.snippet(p.text),
            "url": f"{reading.address(p.document)}?v={p.number}&start={p.start}&end={p.start + len(p.text)}#quote",
        }
        for p in best[:RESULTS]
    ]


@door(Action.READ_LIBRARY)
@require_GET
def document(request: AuthedRequest, document_id: UUID) -> HttpResponse:
    found = access.get_document(request.user, document_id)
    versions = found.versions.exclude(status=DocumentVersion.Status.DRAFT).defer("text")
    number = _number(request, "v")
    if number is None:
        version = versions.filter(status=DocumentVersion.Status.PUBLISHED).first() or versions.first()
    else:
        version = get_object_or_404(versions, number=number)
    if version is None:
        raise Http404
    start, end = _number(request, "start"), _number(request, "end")
    marked = (start, end) if start is not None and end is not None and start < end <= len(version.text) else None
    context = {
        "document": found,
        "version": version,
        "versions": versions,
        "sections": reading.sections(version, marked=marked),
        "quote": version.text[slice(*marked)] if marked else None,
        "starter": found.collection.starter,
    }
    return render(request, "library/document.html", context)


def _number(request: AuthedRequest, name: str) -> int | None:
    """A whole number of at most nine digits from the address, or None: a mangled link still opens the document."""
    value = request.GET.get(name, "")
    return int(value) if value.isascii() and value.isdigit() and len(value) <= 9 else None
