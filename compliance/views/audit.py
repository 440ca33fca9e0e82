"""Reading the audit trail. Each of these pages puts on record that it was read, or is not shown."""

from __future__ import annotations

import logging
from datetime import date, timedelta
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import FileResponse, Http404, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_POST, require_safe
from kombu.exceptions import OperationalError

from clinchat.lib.http import AuthedRequest
from compliance import audit, audit_lines, audit_vocabulary, audit_words, tasks, vault
from compliance.access import Action, allows, door, limits, works_read_only
from compliance.audit import export as exporting
from compliance.audit import search as searching
from compliance.audit.search import BadFilter, EventFilter, TooBroad
from compliance.models import ActorKind, AuditEvent, Code, Outcome, User

logger = logging.getLogger(__name__)

TRAIL = "compliance.AuditEvent"
TOO_BROAD = "This search takes too long. Choose a range of dates, or add another condition."
LONGEST_RECORD_NUMBER = 64
ID_PATTERN = r"\s*[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}\s*"
COUNTED_FOR_EXPORT = 1_000_000


@require_safe
@door(Action.READ_AUDIT)
def search(request: AuthedRequest) -> HttpResponse:
    data = request.GET.dict()
    places = {name: data.pop(name) for name in ("after", "before") if name in data}
    try:
        asked = searching.parse(data)
        results = audit_lines.results(asked, data | places)
    except BadFilter as bad:
        return _search_page(request, data, errors={bad.field: bad.message})
    except TooBroad:
        return _search_page(request, data, errors={"page": TOO_BROAD})
    _record_read(detail={"filter": {**asked.given()}})
    return _search_page(request, data, results=results, filter=asked)


@works_read_only("It reads, and puts on record that it did")
@require_POST
@door(Action.READ_AUDIT)
@sensitive_post_parameters("record_number")
def patient(request: AuthedRequest) -> HttpResponse:
    """From a record number to the pseudonym. The number is in no address, no log and no event."""
    number = request.POST.get("record_number", "").strip()
    if not number or len(number) > LONGEST_RECORD_NUMBER or not number.isprintable():
        wrong = "Enter the record number as it is on the chart, at most 64 characters."
        return _search_page(request, {}, errors={"record_number": wrong})
    pseudonym = vault.pseudonym(number)
    _record_read(patient=pseudonym)
    return redirect(audit_lines.search_url({"patient": pseudonym}))


@require_safe
@door(Action.READ_AUDIT)
def event(request: AuthedRequest, event_id: UUID) -> HttpResponse:
    found = AuditEvent.objects.filter(pk=event_id).order_by("timestamp").first()
    if found is None:
        raise Http404
    proof, changes = audit_lines.proof(found), audit_lines.changes(found)
    context = {
        "event": found,
        "line": audit_lines.line(found, proof.place if proof else None),
        "code": audit_vocabulary.CODES.get(found.code, found.code),
        "purpose": audit_vocabulary.PURPOSES.get(found.purpose, found.purpose),
        "kind": audit_vocabulary.KINDS.get(found.actor_kind, found.actor_kind),
        "details": list(audit_words.details(found)),
        "changes": changes,
        "protected": any(change.protected for change in changes),
        "proof": proof,
        "related": audit_lines.related(found),
        "chain": audit_lines.chain(),
    }
    _record_read(object_id=str(event_id))
    return render(request, "audit/event.html", context)


@require_safe
@door(Action.READ_AUDIT)
def day(request: AuthedRequest, person_id: UUID, on: date) -> HttpResponse:
    person = get_object_or_404(User, pk=person_id)
    asked = EventFilter(person=person.pk, since=on, until=on)
    try:
        found = audit_lines.day(person.pk, on)
    except TooBroad:
        messages.error(request, TOO_BROAD)
        return redirect(audit_lines.search_url(asked.given()))
    tomorrow = on + timedelta(days=1)
    context = {
        "person": person,
        "on": on,
        "day": found,
        "before": audit_lines.day_url(person.pk, on - timedelta(days=1)),
        "after": audit_lines.day_url(person.pk, tomorrow) if tomorrow <= timezone.localdate() else "",
        "search_url": audit_lines.search_url({"person": str(person.pk)}),
        "most": audit_lines.DAY_SHOWN,
        "chain": audit_lines.chain(),
    }
    _record_read(detail={"filter": {**asked.given()}})
    return render(request, "audit/day.html", context)


@works_read_only("It reads, and puts on record that it did")
@require_POST
@door(Action.EXPORT_AUDIT)
@limits.limited(limits.Limit.EXPORT)
def export(request: AuthedRequest) -> HttpResponseBase:
    """The events of a search as a file. The export records itself."""
    data = {name: request.POST.get(name, "") for name in searching.NAMES}
    try:
        asked, wanted = searching.parse(data), _format(request.POST.get("format", ""))
    except BadFilter as bad:  # what was typed must not be in an address, nor in the cookie of a message
        messages.error(request, "Nothing was exported. One of the conditions is not right.")
        return _search_page(request, data, errors={bad.field: bad.message})
    try:
        with searching.patience():
            made = exporting.file_for(asked, format=wanted, limit=exporting.PAGE_LIMIT)
    except exporting.TooMany:
        messages.error(request, _too_many(asked))
    except exporting.ExportError as refused:
        messages.error(request, refused.line)
    except TooBroad:
        messages.error(request, f"Nothing was exported. {TOO_BROAD}")
    else:
        return FileResponse(made.file, as_attachment=True, filename=made.name, content_type=made.content_type)
    return redirect(audit_lines.search_url(asked.given()))


@works_read_only("The trail is verified at any time")
@require_POST
@door(Action.READ_AUDIT)
def verify(request: AuthedRequest) -> HttpResponse:
    audit.record(code=Code.SENSITIVE_READ, action=audit.Crude.EXECUTE, object_type="compliance.AuditVerification")
    try:
        tasks.verify_all.delay()
    except OperationalError as error:
        logger.warning("verification not queued: %s", type(error).__name__)
        messages.error(request, "The verification could not be started: the task queue does not answer. Try later.")
    else:
        messages.success(request, "Every event is being verified. The result is shown here when it is done.")
    return redirect("audit")


def _search_page(request: AuthedRequest, values: dict[str, str], **context: Any) -> HttpResponse:
    """The search page, with results or with what is wrong; `values` is what was typed."""
    errors = context.get("errors", {})
    fields = {*searching.NAMES, "record_number"}
    advanced = ("object_type", "object_id", "kind", "correlation")
    page = {
        "values": values,
        "form_error": next((message for name, message in errors.items() if name not in fields), ""),
        "advanced": any(values.get(name) or name in errors for name in advanced),
        "codes": audit_lines.choices(audit_vocabulary.CODES, Code.values),
        "outcomes": audit_lines.choices(audit_vocabulary.OUTCOMES, Outcome.values),
        "kinds": audit_lines.choices(audit_vocabulary.KINDS, ActorKind.values),
        "objects": audit_lines.choices(audit_vocabulary.OBJECTS, audit_vocabulary.OBJECTS),
        "id_pattern": "" if values.get("object_id", "").isdigit() else ID_PATTERN,
        "formats": exporting.Format.choices if allows(request.user, Action.EXPORT_AUDIT) else [],
        "chain": audit_lines.chain(),
    }
    return render(request, "audit/search.html", page | context)


def _format(name: str) -> exporting.Format:
    if name not in exporting.Format.values:
        raise BadFilter("format", "Choose one of the formats below the results.")
    return exporting.Format(name)


def _too_many(asked: EventFilter) -> str:
    try:
        number, more = searching.count(asked, COUNTED_FOR_EXPORT)
        words = f"More than {number:,}" if more else f"{number:,}"
    except TooBroad:
        words = f"Far more than {exporting.PAGE_LIMIT:,}"
    return (
        f"{words} events match, and this page exports {exporting.PAGE_LIMIT:,} at most. Choose a shorter range of "
        "dates, or ask your ClinChat operator to run “manage.py audit_export”, which has no limit."
    )


def _record_read(**what: Any) -> None:
    audit.record(code=Code.SENSITIVE_READ, action=audit.Crude.READ, object_type=TRAIL, **what)
