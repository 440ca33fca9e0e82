"""What is on its way into the knowledge base, and what waits for whom."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.core.paginator import Page, Paginator
from django.db.models import Count, Q, QuerySet
from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from chat import days
from chat.models import Collection, DocumentVersion, Upload
from clinchat.lib import clock
from clinchat.lib.http import AuthedRequest
from compliance import audit
from compliance.access import Action, allows, door
from compliance.models import User

Status = DocumentVersion.Status
SHOWN = 10
"""Rows of each list while all lists are shown."""
ON_A_PAGE = 50
REFUSED_FOR = timedelta(days=14)
"""So long a file that could not be read stays in the list."""


@dataclass(frozen=True)
class Waiting:
    """One of the lists. `empty` is said when nothing is in it."""

    key: str
    name: str
    rows: Page[Any]
    empty: str

    @property
    def count(self) -> int:
        return self.rows.paginator.count


@require_safe
@door(Action.READ_DRAFTS)
def work(request: AuthedRequest) -> HttpResponse:
    audit.record(code=audit.Code.SENSITIVE_READ, action=audit.Crude.READ, object_type="chat.DocumentVersion")
    collections = Collection.objects.visible_to(request.user).order_by("name")
    named = request.GET.get("collection", "")
    chosen = next((one for one in collections if one.slug == named), None)
    only, page = request.GET.get("status", ""), request.GET.get("page")
    edits = allows(request.user, Action.EDIT_LIBRARY)
    found = [
        _waiting(key, request.user, chosen, page=page if key == only else None, most=ON_A_PAGE if only else SHOWN)
        for key in LISTS
        if edits or key != "files"
    ]
    context = {
        "collections": collections,
        "chosen": chosen,
        "only": only if only in LISTS else "",
        "lists": found,
        "shown": [one for one in found if one.key == only] if only in LISTS else found,
        "edits": edits,
        "reviews": allows(request.user, Action.REVIEW_LIBRARY),
        "today": days.today(),
    }
    return render(request, "library/work.html", context)


def _waiting(key: str, user: User, chosen: Collection | None, *, page: str | None, most: int) -> Waiting:
    name, empty, find = LISTS[key]
    return Waiting(key, name, Paginator(find(user, chosen), most).get_page(page), empty)


def _versions(user: User, chosen: Collection | None) -> QuerySet[DocumentVersion]:
    found = DocumentVersion.objects.visible_to(user).defer("text").order_by("created_at", "pk")
    found = found.select_related("document__collection", "created_by", "submitted_by", "decided_by")
    return found.filter(document__collection=chosen) if chosen else found


def _in_review(user: User, chosen: Collection | None) -> QuerySet[DocumentVersion]:
    return _versions(user, chosen).filter(status=Status.IN_REVIEW).order_by("submitted_at", "pk")


def _drafts(user: User, chosen: Collection | None) -> QuerySet[DocumentVersion]:
    unsettled = Count("findings", filter=Q(findings__settled_at=None))
    return _versions(user, chosen).filter(status=Status.DRAFT).annotate(unsettled=unsettled)


def _approved(user: User, chosen: Collection | None) -> QuerySet[DocumentVersion]:
    return _versions(user, chosen).filter(status=Status.APPROVED).order_by("decided_at", "pk")


def _overdue(user: User, chosen: Collection | None) -> QuerySet[DocumentVersion]:
    overdue = _versions(user, chosen).filter(status=Status.PUBLISHED, review_by__lt=days.today())
    return overdue.order_by("review_by", "pk")


def _files(user: User, chosen: Collection | None) -> QuerySet[Upload]:
    recent = Q(state=Upload.State.REFUSED, created_at__gt=clock.now() - REFUSED_FOR)
    unread = Q(state__in=Upload.UNREAD)
    shelves = [chosen] if chosen else Collection.objects.visible_to(user)
    found = Upload.objects.filter(unread | recent, collection__in=shelves).defer("content")
    return found.select_related("collection", "created_by")


Find = Callable[[User, Collection | None], "QuerySet[DocumentVersion] | QuerySet[Upload]"]
LISTS: dict[str, tuple[str, str, Find]] = {
    "in_review": ("In review", "Nothing waits for a review.", _in_review),
    "draft": ("Drafts", "No draft is open.", _drafts),
    "files": ("Files", "No file is being read, and none was refused in the last 14 days.", _files),
    "approved": ("Waiting for a release", "Everything that was approved is published.", _approved),
    "overdue": ("Review overdue", "No document is past its review date.", _overdue),
}
"""The lists of the page by the word that stands for them in its address: name, what an empty one says, its rows."""
