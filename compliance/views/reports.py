"""Monthly reports and the auditor's bundle. Reading one and every export is on record."""

from __future__ import annotations

from uuid import UUID

from django.http import FileResponse, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from clinchat.lib import clock
from clinchat.lib.http import AuthedRequest
from compliance import audit
from compliance.access import Action, allows, door, limits, works_read_only
from compliance.controls.results import canonical
from compliance.models import MonthlyReport
from compliance.report_forms import BundleForm, MakeForm
from compliance.reports import bundle as bundles
from compliance.reports import monthly, paper, shown

OBJECT = "compliance.MonthlyReport"


@require_safe
@door(Action.READ_CONTROLS)
def index(request: AuthedRequest) -> HttpResponse:
    return _index(request, MakeForm())


@require_POST
@door(Action.RUN_CHECKS)
def make(request: AuthedRequest) -> HttpResponse:
    form = MakeForm(request.POST)
    if not form.is_valid():
        return _index(request, form)
    report = monthly.make(form.chosen, request.user, provisional=True)
    return redirect("report", report.pk)


@require_safe
@door(Action.READ_CONTROLS)
def report(request: AuthedRequest, report_id: UUID) -> HttpResponse:
    found = get_object_or_404(MonthlyReport.objects.select_related("made_by"), pk=report_id)
    audit.record_read(object_type=OBJECT, object_id=found.pk)
    later = MonthlyReport.objects.filter(month=found.month, number__gt=found.number).order_by("-number").first()
    context = {
        "one": shown.shown(found),
        "later": later,
        "may_export": allows(request.user, Action.EXPORT_CONTROLS),
        "may_audit": allows(request.user, Action.READ_AUDIT),
    }
    return render(request, "compliance/reports/report.html", context)


@works_read_only("It reads, and puts on record that it did")
@require_POST
@door(Action.EXPORT_CONTROLS)
@limits.limited(limits.Limit.EXPORT)
def pdf(request: AuthedRequest, report_id: UUID) -> HttpResponseBase:
    found = get_object_or_404(MonthlyReport.objects.select_related("made_by"), pk=report_id)
    return _file(paper.pdf(found), found, "pdf", "application/pdf")


@works_read_only("It reads, and puts on record that it did")
@require_POST
@door(Action.EXPORT_CONTROLS)
@limits.limited(limits.Limit.EXPORT)
def as_json(request: AuthedRequest, report_id: UUID) -> HttpResponseBase:
    """The bytes whose SHA-256 is on record."""
    found = get_object_or_404(MonthlyReport, pk=report_id)
    return _file(canonical(found.data), found, "json", "application/json")


@works_read_only("It reads, and puts on record that it did")
@require_http_methods(["GET", "HEAD", "POST"])
@door(Action.EXPORT_CONTROLS)
@limits.limited(limits.Limit.EXPORT)
def bundle(request: AuthedRequest) -> HttpResponseBase:
    month = monthly.last_month()
    days = {"first": month.month.isoformat(), "last": month.last.date().isoformat()}
    form = BundleForm(request.POST if request.method == "POST" else None, initial=days)
    if request.method == "POST" and form.is_valid():
        given = form.cleaned_data
        try:
            period = bundles.period(given["first"], given["last"], limit=bundles.PAGE_LIMIT)
            file = bundles.file_for(period, documents=given["documents"])
        except bundles.BundleError as refused:
            form.add_error(None, refused.line)
        else:
            name = f"clinchat-controls-{given['first']}-{given['last']}.zip"
            return FileResponse(file, as_attachment=True, filename=name, content_type="application/zip")
    return render(request, "compliance/reports/bundle.html", {"form": form})


def _index(request: AuthedRequest, form: MakeForm) -> HttpResponse:
    context = {
        "reports": MonthlyReport.objects.defer("data").select_related("made_by"),
        "provisional": set(MonthlyReport.objects.filter(data__provisional=True).values_list("pk", flat=True)),
        "gaps": monthly.gaps(),
        "form": form,
        "now": clock.now(),
        "may_make": allows(request.user, Action.RUN_CHECKS),
        "may_export": allows(request.user, Action.EXPORT_CONTROLS),
    }
    return render(request, "compliance/reports/index.html", context)


def _file(content: bytes, found: MonthlyReport, ending: str, content_type: str) -> HttpResponse:
    monthly.hand_out(found, content, form=ending)
    response = HttpResponse(content, content_type=content_type)
    name = f"clinchat-report-{found.month:%Y-%m}-{found.number}.{ending}"
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    return response
