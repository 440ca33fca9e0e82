"""Training in oversight: the cohort, one person's evidence and its exports. Each of these reads is on record."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.http import FileResponse, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.views.decorators.http import require_POST, require_safe

from clinchat.lib import clock
from clinchat.lib.http import AuthedRequest
from compliance import audit
from compliance.access import Action, allows, door, limits, people, works_read_only
from compliance.audit import handed
from compliance.models import User
from training import cohort, evidence
from training.oversight_forms import CohortForm


@require_safe
@door(Action.READ_TRAINING)
def dashboard(request: AuthedRequest) -> HttpResponse:
    form = CohortForm(request.GET)
    found = cohort.dashboard(request.user, form.asked())
    audit.record_read(object_type="compliance.User", people=found.page.total, page="training")
    context = {
        "found": found,
        "form": form,
        "departments": [(one.key, one.name or "No department") for one in found.departments],
        "modules": list(found.titles.items()),
        "statuses": cohort.Status.choices,
        "everywhere": people.everywhere(request.user, Action.READ_TRAINING),
        "may_export": allows(request.user, Action.EXPORT_TRAINING),
    }
    return render(request, "training/oversight/cohort.html", context)


@require_safe
@door(Action.READ_TRAINING)
def person(request: AuthedRequest, person_id: UUID) -> HttpResponse:
    about = people.get(request.user, person_id, Action.READ_TRAINING)
    audit.record_read(object_type="compliance.User", object_id=about.pk, page="training")
    context = {
        "one": evidence.of(about),
        "as_of": clock.now(),
        "may_export": allows(request.user, Action.EXPORT_TRAINING),
        "may_manage": allows(request.user, Action.MANAGE_TRAINING),
    }
    return render(request, "training/oversight/person.html", context)


@works_read_only("It reads, and puts on record that it did")
@require_POST
@door(Action.EXPORT_TRAINING)
@limits.limited(limits.Limit.EXPORT)
def person_csv(request: AuthedRequest, person_id: UUID) -> HttpResponseBase:
    about = people.get(request.user, person_id, Action.EXPORT_TRAINING)
    content = handed.sending(evidence.lines([about]), export=_recorded("csv", about), count=1)
    return _file(content, f"training-{about.pk}.csv", "text/csv; charset=utf-8")


@works_read_only("It reads, and puts on record that it did")
@require_POST
@door(Action.EXPORT_TRAINING)
@limits.limited(limits.Limit.EXPORT)
def person_pdf(request: AuthedRequest, person_id: UUID) -> HttpResponseBase:
    about = people.get(request.user, person_id, Action.EXPORT_TRAINING)
    export = _recorded("pdf", about)
    content = handed.sending([evidence.document(evidence.of(about))], export=export, count=1)
    return _file(content, f"training-{about.pk}.pdf", "application/pdf")


@works_read_only("It reads, and puts on record that it did")
@require_POST
@door(Action.EXPORT_TRAINING)
@limits.limited(limits.Limit.EXPORT)
def everybody_csv(request: AuthedRequest) -> HttpResponseBase:
    """Also of closed accounts: evidence outlives employment. Made while it is sent."""
    whose = User.objects.filter(is_service=False).order_by("name", "pk")
    count = whose.count()
    content = handed.sending(evidence.lines(whose), export=_recorded("csv", people=count), count=count)
    return _file(content, f"training-{clock.now():%Y-%m-%d}.csv", "text/csv; charset=utf-8")


def _recorded(form: str, about: User | None = None, **detail: audit.JSON) -> UUID:
    """On record before anything is made; how much it was follows when it has gone."""
    return audit.record(
        code=audit.Code.SENSITIVE_READ,
        action=audit.Crude.READ,
        object_type="compliance.User",
        object_id=str(about.pk) if about else "",
        detail={"export": form, **detail},
    )


def _file(content: Any, name: str, content_type: str) -> FileResponse:
    return FileResponse(content, as_attachment=True, filename=name, content_type=content_type)
