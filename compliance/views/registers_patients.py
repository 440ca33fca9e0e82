"""Disclosures and amendments: patients stand there under the pseudonym of the audit trail. Each look is on record."""

from __future__ import annotations

import hashlib
from functools import partial
from typing import Final
from uuid import UUID

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.http import urlencode
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_POST, require_safe

from clinchat.lib.http import AuthedRequest
from compliance import audit
from compliance.access import Action, door, limits, works_read_only
from compliance.audit import handed
from compliance.models import Amendment, Disclosure
from compliance.register_forms import AmendmentForm, AnswerForm, DisclosureForm, ExportForm, PatientForm
from compliance.registers import amendments, disclosures, patients
from compliance.views.registers import Refusals, ask, done, show
from compliance.views.signin import PAGE

ON_A_PAGE: Final = 50
DISCLOSURE: Final = "compliance.Disclosure"
AMENDMENT: Final = "compliance.Amendment"
NO_NUMBER: Final = "Enter the record number as it is on the chart, at most 64 characters."
REFUSED: Final[Refusals] = {
    patients.NoRecordNumber: ("record_number", NO_NUMBER),
    disclosures.NotYet: ("disclosed_on", "Record it after it happened."),
}
AMENDED: Final[Refusals] = {
    patients.NoRecordNumber: ("record_number", NO_NUMBER),
    amendments.NotYet: ("asked_on", "Record it after it was asked."),
    amendments.NoSuchRecord: ("record_id", "There is no such record. Check the kind and the id."),
}
ANSWERED: Final[Refusals] = {
    amendments.NotYet: ("answered_on", "Enter a day from the request on, and not in the future."),
    amendments.AnsweredAlready: (None, "It is answered already, and the answer stays."),
}


@require_safe
@door(Action.KEEP_DISCLOSURES)
def page(request: AuthedRequest) -> HttpResponse:
    """Every disclosure, or with a pseudonym in the address the accounting for one patient."""
    patient = request.GET.get("patient", "")
    if patient:
        return _accounting(request, patient)
    found = Paginator(Disclosure.objects.select_related("recorded_by"), ON_A_PAGE).get_page(request.GET.get("page"))
    audit.record_read(object_type=DISCLOSURE, disclosures=found.paginator.count)
    return show(request, "disclosures", {"page": found, "finding": PatientForm()})


def _accounting(request: AuthedRequest, patient: str) -> HttpResponse:
    if not patients.PSEUDONYM.fullmatch(patient):
        raise Http404
    lines, today = disclosures.accounting(patient), timezone.localdate()
    _record_read(DISCLOSURE, patient, disclosures=len(lines))
    context = {"patient": patient, "lines": lines, "since": disclosures.since(today), "until": today}
    return show(request, "accounting", context)


@works_read_only("It reads, and puts on record that it did")
@require_POST
@door(Action.KEEP_DISCLOSURES)
@sensitive_post_parameters("record_number")
def patient(request: AuthedRequest) -> HttpResponse:
    """From a record number to the accounting. The number is in no address, no log and no event."""
    form = PatientForm(request.POST)
    if not form.is_valid() or not form.cleaned_data["record_number"].isprintable():
        messages.error(request, NO_NUMBER)
        return redirect("disclosures")
    pseudonym = patients.pseudonym(form.cleaned_data["record_number"])
    return redirect(f"{reverse('disclosures')}?{urlencode({'patient': pseudonym})}")


@works_read_only("It reads, and puts on record that it did")
@require_POST
@door(Action.KEEP_DISCLOSURES)
@limits.limited(limits.Limit.EXPORT)
def export(request: AuthedRequest) -> HttpResponse:
    """The accounting for one patient as a file. The export records itself."""
    form = ExportForm(request.POST)
    if not form.is_valid():
        raise Http404
    pseudonym = form.cleaned_data["patient"]
    lines = disclosures.accounting(pseudonym)
    recorded = _record_read(DISCLOSURE, pseudonym, disclosures=len(lines), export="csv")
    content = disclosures.as_csv(lines).encode()
    handed.out(recorded, sha256=hashlib.sha256(content).hexdigest(), count=len(lines))
    name = f"disclosures-{pseudonym}-{timezone.localdate().isoformat()}.csv"
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return HttpResponse(content, content_type="text/csv; charset=utf-8", headers=headers)


@PAGE
@door(Action.KEEP_DISCLOSURES)
@sensitive_post_parameters("record_number", "recipient", "what", "why")
def new(request: AuthedRequest) -> HttpResponse:
    form = DisclosureForm(request.POST or None)
    if done(form, partial(disclosures.record, by=request.user), REFUSED):
        messages.success(request, "Recorded.")
        return redirect("disclosures")
    lead = "PHI that was given to somebody outside treatment, payment and operations, and without an authorization."
    back = reverse("disclosures")
    return ask(request, form, title="Record a disclosure", lead=lead, button="Record it", back=back)


# ── Amendments ─────────────────────────────────────────────────────────────────────────────────────────────────


@require_safe
@door(Action.KEEP_DISCLOSURES)
def asked(request: AuthedRequest) -> HttpResponse:
    found = Amendment.objects.select_related("recorded_by").order_by("-asked_on", "pk")
    waiting = found.filter(answered_on=None).order_by("asked_on")
    page = Paginator(found.exclude(answered_on=None), ON_A_PAGE).get_page(request.GET.get("page"))
    audit.record_read(object_type=AMENDMENT, amendments=page.paginator.count + len(waiting))
    context = {"waiting": [_row(one) for one in waiting], "rows": [_row(one) for one in page], "page": page}
    return show(request, "amendments", context)


def _row(one: Amendment) -> dict[str, object]:
    kind, _, identifier = one.record.partition(":")
    return {
        "one": one,
        "kind": amendments.KINDS.get(kind, kind),
        "record_id": identifier,
        "due": amendments.due(one),
        "in_time": amendments.in_time(one),
    }


@PAGE
@door(Action.KEEP_DISCLOSURES)
@sensitive_post_parameters("record_number")
def ask_amendment(request: AuthedRequest) -> HttpResponse:
    form = AmendmentForm(request.POST or None)
    if done(form, partial(amendments.record, by=request.user), AMENDED):
        messages.success(request, "Recorded. It is answered within 60 days.")
        return redirect("amendments")
    lead = "A patient asked to have a record amended. It is answered within 60 days."
    back = reverse("amendments")
    return ask(request, form, title="Record a request", lead=lead, button="Record it", back=back)


@PAGE
@door(Action.KEEP_DISCLOSURES)
@sensitive_post_parameters("statement")
def one(request: AuthedRequest, amendment_id: UUID) -> HttpResponse:
    found = get_object_or_404(Amendment.objects.select_related("recorded_by"), pk=amendment_id)
    form = AnswerForm(request.POST or None)
    if done(form, partial(amendments.answer, amendment_id=found.pk), ANSWERED):
        messages.success(request, "The answer is recorded and stays.")
        return redirect("amendment", found.pk)
    _record_read(AMENDMENT, found.patient, object_id=str(found.pk))
    return show(request, "amendment", {**_row(found), "form": form})


def _record_read(object_type: str, patient: str, *, object_id: str = "", **detail: audit.JSON) -> UUID:
    return audit.record(
        code=audit.Code.SENSITIVE_READ,
        action=audit.Crude.READ,
        object_type=object_type,
        object_id=object_id,
        patient=patient,
        detail=detail,
    )
