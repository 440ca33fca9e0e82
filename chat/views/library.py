"""Searching and reading the approved documents."""

from __future__ import annotations

from uuid import UUID

from django.db.models import Count
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_GET

from chat import access, reading
from chat.forms import plain
from chat.models import Collection, Document, DocumentVersion
from chat.models.library import Kind
from chat.pipeline.retrieve import retrieve
from chat.pipeline.types import Question
from clinchat.lib.http import AuthedRequest
from compliance import phi
from compliance.access import Action, door

RESULTS = 20
LONGEST_QUERY = 300


@door(Action.READ_LIBRARY)
@require_GET
def index(request: AuthedRequest) -> HttpResponse:
    collections = Collection.objects.visible_to(request.user)
    counts = dict(Document.objects.visible_to(request.user).values_list("collection").annotate(Count("pk")))
    query = plain(request.GET.get("q", ""))[:LONGEST_QUERY]
    context = {
        "query": query,
        "results": _search(query, tuple(c.pk for c in collections)) if query else [],
        "collections": [{"name": c.name, "documents": counts.get(c.pk, 0), "starter": c.starter} for c in collections],
        "total": sum(counts.values()),
    }
    return render(request, "library/index.html", context)


def _search(query: str, collections: tuple[UUID, ...]) -> list[dict[str, str]]:
    # By words alone: no model is loaded into the web process for it.
    passages = retrieve(Question(phi.mask(query).text, collections), None)
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
