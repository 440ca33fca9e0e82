"""Sending files to the knowledge base, and following what becomes of them."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.core.paginator import Paginator
from django.db import transaction
from django.db.models import Count, Q
from django.http import HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from chat import access, drafts, readership, reading, uploads
from chat.corpus.formats import MAX_BYTES, MAX_PAGES
from chat.library_access import get_upload
from chat.library_forms import MEGABYTE, MOST_FILES, NEW, SHUT_OUT, AddForm
from chat.models import Document, Upload
from clinchat.lib.files import takes_files
from clinchat.lib.http import AuthedRequest
from compliance import phi
from compliance.access import Action, door
from compliance.access.sessions import leaves_session_alone

ON_A_PAGE = 50
REFRESH_SECONDS = 2
"""How often a page without scripts looks again while its file is read."""
UNSCANNED = "The malware scanner does not answer, so nothing was taken. Send it again in a minute."
NOT_CHECKED = "The name of the file could not be checked for patient identifiers, so nothing was taken. Send it again."
STEPS = ("Received", "Reading text, tables and pages", "Looking for hidden text, instructions and identifiers")


@require_http_methods(["GET", "HEAD", "POST"])
@door(Action.EDIT_LIBRARY)
@takes_files(MAX_BYTES)
def add(request: AuthedRequest) -> HttpResponse:
    """The script of the page asks for JSON, and goes where it says."""
    document = _document(request)
    collection = request.GET.get("collection", "")
    form = AddForm(
        request.POST if request.method == "POST" else None,
        request.FILES or None,
        by=request.user,
        document=document,
        initial={"collection": collection},
    )
    taken = _taken(request, form) if form.is_bound and form.is_valid() else []
    if not request.accepts("text/html"):
        return _answer(form, taken)
    if taken:
        return redirect(_following(taken))
    context = {
        "form": form,
        "document": document,
        "title": reading.title(document) if document else "",
        "new": NEW,
        "ocr": _ocr(),
        "megabytes": MAX_BYTES // MEGABYTE,
        "pages": MAX_PAGES,
        "most": MOST_FILES,
        "bytes": MAX_BYTES,
    }
    return render(request, "library/add.html", context)


def _document(request: AuthedRequest) -> Document | None:
    """The document the file is a new version of, if the address names one."""
    try:
        named = UUID(request.GET.get("document", ""))
    except ValueError:
        return None
    return access.get_document_to_change(request.user, named)


def _taken(request: AuthedRequest, form: AddForm) -> list[Upload]:
    """All files of a valid form, or none of them, with the reason on the form."""
    name = ""
    try:
        with transaction.atomic():
            collection, kept = form.destination(request.user), []
            for file in form.cleaned_data["file"]:
                name = file.name or ""
                given = {"name": name, "content": file.read(), "ocr": form.cleaned_data["ocr"] and _ocr()}
                kept.append(uploads.receive(by=request.user, collection=collection, document=form.document, **given))
            return kept
    except readership.ShutOut:
        form.add_error("readers", SHUT_OUT)
    except uploads.Malware:
        form.add_error("file", f"The malware scanner refused “{name}”. Nothing was taken.")
    except uploads.Unscanned:
        form.add_error("file", UNSCANNED)
    except phi.PhiUnavailable:
        form.add_error("file", NOT_CHECKED)
    return []


def _answer(form: AddForm, taken: list[Upload]) -> JsonResponse:
    """`collection` is where the next file of the same choice goes: a new one is made once."""
    if taken:
        return JsonResponse({"next": _following(taken), "collection": taken[0].collection.slug})
    errors = [str(said) for found in form.errors.values() for said in found]
    return JsonResponse({"errors": errors}, status=HTTPStatus.UNPROCESSABLE_ENTITY)


def _following(taken: list[Upload]) -> str:
    return taken[0].get_absolute_url() if len(taken) == 1 else f"{reverse('library-work')}?status=files"


def _ocr() -> bool:
    """Whether scanned pages can be read here."""
    from chat.corpus.formats import ocr

    return bool(ocr.available())


@require_safe
@door(Action.EDIT_LIBRARY)
def upload(request: AuthedRequest, upload_id: UUID) -> HttpResponse:
    found = get_upload(request.user, upload_id)
    unsettled = Count("findings", filter=Q(findings__settled_at=None))
    made = found.drafts.visible_to(request.user).defer("text").select_related("document")
    made = made.annotate(unsettled=unsettled).order_by("document__external_id")
    context = {
        "upload": found,
        "drafts": Paginator(made, ON_A_PAGE).get_page(request.GET.get("page")),
        "steps": _steps(found),
        "refresh": REFRESH_SECONDS if found.state in Upload.UNREAD else None,
    }
    return render(request, "library/upload.html", context)


def _steps(found: Upload) -> list[dict[str, Any]]:
    done = 1 if found.state in Upload.UNREAD else len(STEPS)
    return [
        {"words": words, "done": n < done, "now": n == done and found.state == Upload.State.READING}
        for n, words in enumerate(STEPS)
    ]


@require_safe
@door(Action.EDIT_LIBRARY)
@leaves_session_alone
def upload_state(request: AuthedRequest, upload_id: UUID) -> JsonResponse:
    """For the script of the page, which loads it anew when this changes."""
    found = get_upload(request.user, upload_id, again=True)
    return JsonResponse({"state": found.state})


@require_POST
@door(Action.EDIT_LIBRARY)
def again(request: AuthedRequest, document_id: UUID) -> HttpResponse:
    """A draft with the words of the current version, to be described otherwise or reviewed anew."""
    found = access.get_document_to_change(request.user, document_id)
    try:
        return redirect("library-draft", drafts.again(document=found, by=request.user).pk)
    except drafts.InTheWay as other:
        messages.info(request, "This document has a version on its way already. Here it is.")
        return redirect("library-draft", other.version.pk)
    except drafts.NotOpen:
        messages.info(request, "This document is withdrawn. Upload it as a new version to bring it back.")
    except phi.PhiUnavailable:
        messages.error(request, "The text could not be checked for patient identifiers. Try again in a minute.")
    return redirect(found)
